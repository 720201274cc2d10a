# SPDX-License-Identifier: Apache-2.0
"""Does the evidence see what is wrong, and is it silent when nothing is?

``python benchmarks/faults.py --seeds 1000-1099`` injects each fault into the clean products of
each seed and prints one table. Bounds were set on seeds 0-59 (``--clean --bounds``).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

if __package__ in (None, ''):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.faulty.inject import FAIL, FAULTS, TOLD, WARN, Fault, other_subject
from benchmarks.faulty.products import PATHS, Products, judge, make_products, measure
from benchmarks.faulty.real import IMAGES, real_products

RANK = {'PASS': 0, 'WARN': 1, 'FAIL': 2}
MAX_FALSE_ALARMS = 0.05


def examine(seed: int, graded: bool = True, faults: Sequence[Fault] = FAULTS) -> dict[str, Any]:
    """Verdicts on the clean products of a seed and on each fault.

    Parameters
    ----------
    seed : int
    graded : bool
        Try strengths below full, too.
    faults : sequence of Fault

    Returns
    -------
    dict
        ``clean``: verdict and numbers; ``faults``: (name, strength) → verdict and the names
        of the numbers that are worse than on the clean products.
    """
    return _examine(partial(make_products, seed), faults, seed, graded)


def examine_real(name: str, data: Path, faults: Sequence[Fault] = FAULTS) -> dict[str, Any]:
    """The same of a real image; faults that need phantoms of their own are left out."""
    faults = [fault for fault in faults if not fault.view and fault.inject is not other_subject]
    return _examine(lambda: real_products(name, data), faults, 1, graded=True)


def _examine(
    make: Callable[..., Products], faults: Sequence[Fault], seed: int, graded: bool
) -> dict[str, Any]:
    @cache
    def clean(view: tuple[tuple[str, float], ...]) -> tuple:
        products = make(**dict(view))
        found = measure(products)
        return products, found, judge(found)

    result = {'seed': seed, 'clean': clean(())[2], 'faults': {}}
    modality = clean(())[0].modality
    for fault in faults:
        if fault.modality not in (None, modality) or (fault.due == TOLD and not graded):
            continue
        products, found, (_, before) = clean(fault.view)
        for strength in fault.strengths if graded else fault.strengths[-1:]:
            faulty = fault.inject(products, strength, seed)
            if faulty is None:
                continue
            gone = {*fault.touches, *(['offset'] if {*fault.touches} & {*PATHS} else [])}
            kept = {group: value for group, value in found.items() if group not in gone}
            verdict, numbers = judge(kept | measure(faulty, fault.touches))
            result['faults'][fault.name, strength] = verdict, _worse(numbers, before)
    return result


def _worse(numbers: Sequence[dict], before: Sequence[dict]) -> list[str]:
    known = {(item['name'], item['where']): RANK.get(item['verdict'], 0) for item in before}
    return [
        item['name']
        for item in numbers
        if RANK.get(item['verdict'], 0) > known.get((item['name'], item['where']), 0)
    ]


def report(results: Sequence[dict[str, Any]]) -> bool:
    """Print the table of the phantoms; whether every bar is met."""
    alarms = [result for result in results if result['clean'][0] != 'PASS']
    good = len(alarms) <= MAX_FALSE_ALARMS * len(results)
    print(f'Clean phantoms: {len(results)}, of which {len(alarms)} are not PASS.')
    for result in alarms:
        print(f'Seed {result["seed"]}: {_told(result)}.')
    if not any(result['faults'] for result in results):
        return good
    print('\n| fault | share of seeds in which it is seen, by strength | due | FAIL | seen by |')
    print('|---|---|---|---|---|')
    for fault in FAULTS:
        if any(name == fault.name for result in results for name, _ in result['faults']):
            good &= _row(fault, results)
    return good


def _told(result: dict[str, Any]) -> str:
    reasons = [item['reason'] for item in result['clean'][1] if item['reason']]
    return ': '.join([result['clean'][0], *(['; '.join(reasons)] if reasons else [])])


def _seen(fault: Fault, verdict: str, worse: Sequence[str]) -> bool:
    # unverified numbers are said of the clean products, too
    return RANK[verdict] > 0 and (bool(worse) or fault.name.endswith('neither in view'))


def _row(fault: Fault, results: Sequence[dict[str, Any]]) -> bool:
    cells, seers, met = [], Counter(), True
    for strength in fault.strengths:
        found = [r['faults'].get((fault.name, strength)) for r in results]
        found = [item for item in found if item is not None]
        if not found:
            continue
        full = strength == fault.strengths[-1]
        seen = np.mean([_seen(fault, verdict, worse) for verdict, worse in found])
        failed = np.mean([verdict == 'FAIL' for verdict, _ in found])
        met = full and {FAIL: failed, WARN: seen, TOLD: 1}[fault.due] == 1
        cells.append(f'{strength:g}{f" {fault.unit}" if full else ""}: {_percent(seen)}')
        if full:
            for _, worse in found:
                seers.update(set(worse))
    names = ', '.join(f'`{name}`' for name, _ in seers.most_common(3))
    print(
        f'| {fault.name} | {"; ".join(cells)} | {fault.due}{"" if met else " ✗"} '
        f'| {_percent(failed)} | {names} |'
    )
    return met


def _percent(share: float) -> str:
    """Whole per cent, and 100 only for all."""
    return f'{int(100 * share + 1e-9)} %'


def report_real(results: dict[str, dict[str, Any]]) -> None:
    """Print the table of the real images: verdict at full strength, and first strength seen."""
    print(f'| fault | {" | ".join(results)} |\n|---|{"---|" * len(results)}')
    print(f'| none | {" | ".join(_told(result) for result in results.values())} |')
    for fault in FAULTS:
        cells = []
        for result in results.values():
            found = {s: result['faults'].get((fault.name, s)) for s in fault.strengths}
            found = {s: item for s, item in found.items() if item is not None}
            first = next((s for s, item in found.items() if _seen(fault, *item)), None)
            if not found:
                cells.append('–')
            elif first is None:
                cells.append('not seen')
            else:
                cells.append(f'{list(found.values())[-1][0]}, seen from {first:g} {fault.unit}')
        if set(cells) != {'–'}:
            print(f'| {fault.name} | {" | ".join(map(str.strip, cells))} |')


def print_bounds(results: Sequence[dict[str, Any]]) -> None:
    """The worst of each number on clean products, beside its bounds."""
    worst: dict[str, list] = {}
    for result in results:
        for item in result['clean'][1]:
            if item['value'] is not None:
                worst.setdefault(item['name'], []).append(abs(item['value']))
                limits = item['warn'], item['fail']
                worst[item['name'] + ' bounds'] = limits
    for name, values in worst.items():
        if not name.endswith(' bounds'):
            limits = worst[name + ' bounds']
            print(f'{name:26} {min(values):9.4g} … {max(values):9.4g}   warn, fail: {limits}')


def main() -> int:
    """Run the study; 1 if a bar is missed."""
    beside = Path(__file__).resolve().parents[2] / 'shared' / 'data'
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--seeds', default='1000-1099', help='first-last')
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--every', type=int, default=20, help='graded strengths: each n-th seed')
    parser.add_argument('--clean', action='store_true', help='clean products alone')
    parser.add_argument(
        '--only', default='', metavar='WORDS', help='faults with these in their name'
    )
    parser.add_argument('--bounds', action='store_true', help='numbers of clean products, too')
    parser.add_argument(
        '--data',
        type=Path,
        default=Path(os.environ.get('SPINALPREP_TEST_DATA', beside)),
        help='folder with t2_cervical and pam50_small (default: $SPINALPREP_TEST_DATA)',
    )
    options = parser.parse_args()
    first, last = map(int, options.seeds.split('-'))
    faults = [] if options.clean else [fault for fault in FAULTS if options.only in fault.name]
    cases = [(seed, seed % options.every == 0, faults) for seed in range(first, last + 1)]
    with multiprocessing.Pool(options.jobs) as pool:
        results = pool.starmap(examine, cases, chunksize=1)
    print(f'Seeds {options.seeds}.\n')
    if options.bounds:
        print_bounds(results)
        print()
    good = report(results)
    if options.data.is_dir() and not options.clean:
        print()
        report_real({name: examine_real(name, options.data, faults) for name in IMAGES})
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
