# SPDX-License-Identifier: Apache-2.0
"""Does the evidence see what is wrong, and is it silent when nothing is?

``python benchmarks/faults.py --seeds 1000-1099`` injects each fault into the clean products of
each seed and prints one table. Bounds were set on seeds 0-19 (``--bounds``).
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ''):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.faulty.inject import FAULTS
from benchmarks.faulty.products import judge, make_products, measure

RANK = {'PASS': 0, 'WARN': 1, 'FAIL': 2}
MAX_FALSE_ALARMS = 0.05
SEEN = 0.95
"""Share of seeds from which a strength counts as seen."""


def examine(seed: int, every: int = 1) -> dict[str, Any]:
    """Verdicts on the clean products of a seed and on each fault.

    Parameters
    ----------
    seed : int
    every : int
        Strengths below full are tried on each `every`-th seed only.

    Returns
    -------
    dict
        ``clean``: verdict and numbers; ``faults``: (name, strength) → verdict and the names
        of the numbers that are worse than on the clean products.
    """
    made: dict[tuple, Any] = {}

    def clean(params: tuple) -> tuple:
        if params not in made:
            products = make_products(seed, **dict(params))
            found = measure(products)
            made[params] = products, found, judge(found)
        return made[params]

    result = {'seed': seed, 'clean': clean(())[2], 'faults': {}}
    for fault in FAULTS:
        products, found, (_, before) = clean(fault.params)
        strengths = fault.strengths if seed % every == 0 else fault.strengths[-1:]
        for strength in strengths:
            faulty = fault.inject(products, strength, seed)
            if faulty is None:
                continue
            kept = {k: v for k, v in found.items() if k not in (*fault.touches, 'offset')}
            if not set(fault.touches) & {'disc', 'rootlet'} and 'offset' in found:
                kept['offset'] = found['offset']
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
    """Print the table; whether every bar is met."""
    alarms = [result for result in results if result['clean'][0] != 'PASS']
    good = len(alarms) <= MAX_FALSE_ALARMS * len(results)
    print(f'Clean phantoms: {len(results)}, of which {len(alarms)} are not PASS')
    for result in alarms:
        told = [item['reason'] for item in result['clean'][1] if item['reason']]
        print(f'  seed {result["seed"]}: {result["clean"][0]}: {"; ".join(told)}')
    print('\n| fault | first seen at | full strength | due | at least WARN | FAIL | seen by |')
    print('|---|---|---|---|---|---|---|')
    for fault in FAULTS:
        good &= _row(fault, results)
    return good


def _row(fault: Any, results: Sequence[dict[str, Any]]) -> bool:
    shares, seers = {}, Counter()
    for strength in fault.strengths:
        found = [r['faults'].get((fault.name, strength)) for r in results]
        found = [item for item in found if item is not None]
        if not found:
            continue
        ranks = [RANK[verdict] for verdict, _ in found]
        seen = [bool(worse) and rank > 0 for (_, worse), rank in zip(found, ranks, strict=True)]
        if fault.name.endswith('neither in view'):
            # unverified numbers are said of the clean products, too
            seen = [rank > 0 for rank in ranks]
        shares[strength] = (
            sum(seen) / len(seen),
            sum(rank == 2 for rank in ranks) / len(ranks),
        )
        if strength == fault.strengths[-1]:
            for _, worse in found:
                seers.update(set(worse))
    first = next((s for s, (seen, _) in shares.items() if seen >= SEEN), None)
    seen, failed = shares[fault.strengths[-1]]
    met = (failed if fault.due == 'FAIL' else seen) == 1
    names = ', '.join(name for name, _ in seers.most_common(3))
    started = '–' if first is None else f'{first:g} {fault.unit}'.strip()
    mark = '' if met else ' ✗'
    print(
        f'| {fault.name} | {started} | {fault.strengths[-1]:g} {fault.unit} | {fault.due} '
        f'| {seen:.0%}{mark if fault.due == "WARN" else ""} '
        f'| {failed:.0%}{mark if fault.due == "FAIL" else ""} | {names} |'
    )
    return met


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
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--seeds', default='1000-1099', help='first-last')
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--every', type=int, default=4, help='graded strengths on each n-th seed')
    parser.add_argument('--bounds', action='store_true', help='numbers of clean products, too')
    options = parser.parse_args()
    first, last = map(int, options.seeds.split('-'))
    cases = [(seed, options.every) for seed in range(first, last + 1)]
    with multiprocessing.Pool(options.jobs) as pool:
        results = pool.starmap(examine, cases, chunksize=1)
    print(f'seeds {options.seeds}\n')
    if options.bounds:
        print_bounds(results)
        print()
    return 0 if report(results) else 1


if __name__ == '__main__':
    sys.exit(main())
