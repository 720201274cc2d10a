# SPDX-License-Identifier: Apache-2.0
"""``--dry-run``: what would run and why, on what, making which files, at what cost."""

from __future__ import annotations

import math
import shutil
from argparse import Namespace
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from spinalprep import naming, products
from spinalprep.cli.plan import Choice, Source, choose, make_plan
from spinalprep.demands import ImageSize
from spinalprep.errors import ExitCode, InputImageError, ToolboxError
from spinalprep.estimates import Estimate, estimate
from spinalprep.ranking import describe
from spinalprep.record import COMPLETED
from spinalprep.runs import Run
from spinalprep.selection import Candidate, Target


def dry_run(arguments: Namespace, found: Sequence[Source], problems: Sequence[str] = ()) -> int:
    """Print what ``run`` would do, and do nothing.

    Parameters
    ----------
    arguments : Namespace
        Of ``run``.
    found, problems
        See :func:`spinalprep.cli.plan.sources`.

    Returns
    -------
    ExitCode
        ``SUBJECT`` if a part of what was asked for can't be run.

    Raises
    ------
    SpinalprepError
        What would keep ``run`` from starting; a `ToolboxError` after all that can be told
        without SCT.
    """
    choice = choose(arguments, found, problems)
    runs: dict[Path, Run] = {}
    trouble = None
    try:
        runs = {run.layout.logs: run for run, _ in make_plan(arguments, choice).runs}
    except ToolboxError as error:
        trouble = error
    for source, targets in choice.datasets:
        run = runs.get(source.layout.logs)
        for line in _dataset(source, targets, choice, run, arguments):
            print(line)
    for problem in choice.problems:
        print(f'Can not be run: {problem}')
    if trouble:
        raise trouble
    return ExitCode.SUBJECT if choice.problems else ExitCode.OK


def _dataset(
    source: Source,
    targets: Sequence[Target],
    choice: Choice,
    run: Run | None,
    arguments: Namespace,
) -> Iterable[str]:
    """Lines about a dataset."""
    root = source.bids_dir.resolve()
    yield f'Dataset {source.layout.dataset}: {root}'
    yield ''
    running: list[Target] = []
    costs: list[Estimate] = []
    for target in targets:
        would_run, why = _decision(target, source, run, arguments.again)
        yield f'{target.label}: {why}'
        yield from _files(target, source, choice)
        if would_run:
            running.append(target)
            costs.append(_cost(target, source, choice, run))
            yield f'    needs  {_in_words(costs[-1])}'
        yield ''
    if not running:
        yield 'Nothing would run.'
        return
    yield from _outputs(source, running[0].candidates[0], len(running), arguments.output_names)
    yield ''
    yield from _total(costs, source, run.at_once(running) if run else 1)
    yield ''


def _decision(target: Target, source: Source, run: Run | None, again: str) -> tuple[bool, str]:
    """Whether a subject would run, and why."""
    if not target.candidates:
        return False, f'{"rejected" if target.asked else "skipped"}, {target.why_skipped}'
    last = source.layout.last_status(target.label)
    if last is None:
        return True, 'runs, it has no record yet'
    if last != COMPLETED:
        return True, f'runs, its last run ended as {last}'
    if again == 'failed':
        return False, 'left out, it has completed (--rerun-failed)'
    if again == 'all':
        return True, 'runs again, although it has completed (--force)'
    if run is None:
        return False, 'has completed; whether it would run again can not be told without SCT'
    if run.last_result(target):
        return False, 'taken as it is, it has completed and nothing has changed'
    return True, 'runs again, image, given files, policy or version changed, or files are gone'


def _files(target: Target, source: Source, choice: Choice) -> Iterable[str]:
    """What is taken, what would come next, what is dropped, each with its reason."""
    root = source.bids_dir.resolve()
    for number, candidate in enumerate(target.candidates):
        word = 'then' if number else 'takes'
        yield f'    {word:<6} {candidate.path.relative_to(root).as_posix()}'
        yield f'           {describe(candidate, choice.policy.discover.min_z_slices)}'
        try:
            for name, item in source.given.of(target, candidate).items():
                yield f'      {item.origin} {name}: {item.path}'
        except InputImageError as error:
            yield f'      would fail: {error}'
    for item in target.dropped:
        yield f'    drops  {item.path.relative_to(root).as_posix()}: {item.reason}'


def _cost(target: Target, source: Source, choice: Choice, run: Run | None) -> Estimate:
    candidate = target.candidates[0]
    settings: dict[str, Any] = {}
    with suppress(InputImageError):
        settings['given'] = source.given.of(target, candidate)
    grid = run.template_grid() if run else None
    if grid:
        settings['template'] = math.prod(grid['shape']) / 1e6
    if run:
        settings['kind'] = run.toolbox.kind
    image = ImageSize.of(candidate.path, choice.policy.crop)
    return estimate(image, candidate.modality, choice.policy, **settings)


def _in_words(cost: Estimate) -> str:
    return (
        f'about {duration(cost.seconds)}, {size(cost.memory_gb)} of memory; on disk '
        f'{size(cost.results_gb)} for results, {size(cost.work_gb)} for working files'
    )


def _outputs(source: Source, candidate: Candidate, count: int, output_names: str) -> Iterable[str]:
    """Files that a subject gets, by the table of products."""
    entities = dict(candidate.entities)
    below = naming.subject_folder(entities)
    folder = source.layout.derivatives / below
    yield f'Writes into {folder}' + (', and alike for the others:' if count > 1 else ':')
    for item in (*products.WRITTEN, *products.FIGURES):
        place = naming.location(item, entities, candidate.modality, scheme=output_names)
        when = '' if item.when == 'always' else f'  ({products.CONDITIONS[item.when]})'
        yield f'    {place.removeprefix(f"{below}/")}{when}'
    yield f'Records and logs: {source.layout.logs}'
    yield f'Working files:    {source.layout.work}'


def _total(costs: Sequence[Estimate], source: Source, at_once: int) -> Iterable[str]:
    total = sum(costs[1:], costs[0])
    noun = 'subject or session' if len(costs) == 1 else 'subjects and sessions'
    how = f'{at_once} side by side' if at_once > 1 else 'one after the other'
    yield f'{len(costs)} {noun} would run, {how}; in all'
    yield f'    {_in_words(total)}; {size(_free_gb(source.layout.work))} are free there'
    yield '    (rough figures, without a GPU; --clean-work removes working files on the way)'


def _free_gb(folder: Path) -> float:
    """What is free where a folder lies or will lie."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free / 1e9


def duration(seconds: float) -> str:
    """Time in words.

    Examples
    --------
    >>> duration(42), duration(600), duration(9000), duration(400000)
    ('1 min', '10 min', '2.5 h', '4.6 days')
    """
    if seconds < 5400:
        return f'{max(1, round(seconds / 60))} min'
    if seconds < 172800:
        return f'{seconds / 3600:.1f} h'
    return f'{seconds / 86400:.1f} days'


def size(gigabytes: float) -> str:
    """Memory or disk in words.

    Examples
    --------
    >>> size(0.003), size(2.34), size(5000)
    ('3 MB', '2.3 GB', '5.0 TB')
    """
    if gigabytes < 1:
        return f'{gigabytes * 1e3:.0f} MB'
    return f'{gigabytes:.1f} GB' if gigabytes < 1e3 else f'{gigabytes / 1e3:.1f} TB'
