# SPDX-License-Identifier: Apache-2.0
"""Subjects and sessions of a dataset: which are due, side by side, and none of them twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from spinalprep import __version__, atomic, execution, runs
from spinalprep.locks import Held, held
from spinalprep.pages import write_dataset_page
from spinalprep.processes import frozen
from spinalprep.record import COMPLETED, Record
from spinalprep.runs import Run
from spinalprep.selection import Target
from spinalprep.sidebyside import side_by_side
from spinalprep.subject import record_of_lost, run_target, write_page


@dataclass(frozen=True)
class Listeners:
    """What a run tells while it goes on."""

    started: Callable[[Target], None] = lambda target: None
    waiting: Callable[[Target, str], None] = lambda target, owner: None
    """Told who else is at work on it."""
    node: Callable[[Target, str, str], None] = lambda target, name, status: None
    """Told of each node's name and ``start``, ``end`` or ``exception``."""
    ended: Callable[[Record], None] = lambda record: None


def run_targets(
    targets: Sequence[Target], run: Run, listeners: Listeners | None = None
) -> list[Record]:
    """Run subjects and sessions, as many side by side as the resources allow.

    Parameters
    ----------
    targets : sequence of Target
        Those without candidates are skipped, unless they were asked for.
    run : Run
    listeners : Listeners, optional

    Returns
    -------
    list of Record
        One per target that was not skipped, each already written.
    """
    listeners = listeners or Listeners()
    chosen = [target for target in targets if target.selected]
    if run.again == 'failed':
        chosen = [target for target in chosen if not _completed(target, run)]
    runs.write_description(run)
    runs.write_selection(targets, chosen, run)
    runs.write_template_links(run)
    found: dict[str, Record] = {}
    due = []
    for target in chosen:
        known = _last_result(target, run)
        if known is None:
            due.append(target)
        else:
            listeners.ended(known)
            found[target.label] = known
    busy = []
    for target, result in _run_all(due, run, listeners):
        if isinstance(result, Held):
            listeners.waiting(target, result.owner)
            busy.append(target)
        else:
            found[target.label] = result
    for target in busy:
        found[target.label] = _run_once(target, run, listeners, wait=True)
    write_page(lambda: write_dataset_page(run.layout))
    return [found[target.label] for target in chosen]


def _run_all(
    targets: Sequence[Target], run: Run, listeners: Listeners
) -> Iterator[tuple[Target, Record | Held]]:
    """Run subjects; ``Held`` is what those come to that another process runs."""
    at_once = run.at_once(targets)
    if at_once == 1:
        for target in targets:
            try:
                yield target, _run_once(target, run, listeners)
            except Held as held_by:
                yield target, held_by
        return

    def work(target: Target, nprocs: int, tell: Callable[..., None]) -> Record:
        # the parent has the terminal and what is counted there
        relayed = Listeners(
            started=lambda _: tell('started', target),
            node=lambda *told: tell('node', *told),
            ended=lambda record: tell('ended', record),
        )
        return _run_once(target, run.share(nprocs), relayed)

    if run.plugin == 'multiproc':
        execution.preload()
    begun: dict[str, datetime] = {}

    def heard(target: Target, name: str, *told: object) -> None:
        if name == 'started':
            begun[target.label] = runs.now()
        getattr(listeners, name)(*told)

    with frozen():
        for target, result in side_by_side(
            targets, work, nprocs=run.nprocs, at_once=at_once, heard=heard
        ):
            if isinstance(result, Exception) and not isinstance(result, Held):
                result = _record_lost(target, run, listeners, result, begun.get(target.label))
            yield target, result


def _record_lost(
    target: Target, run: Run, listeners: Listeners, error: Exception, start: datetime | None
) -> Record | Held:
    """Record a subject whose process could not; ``Held`` if another has begun to run it again."""
    try:
        with held(run.layout.lock(target.label)):
            record = record_of_lost(target, run, error, start)
    except Held as held_by:
        return held_by
    listeners.ended(record)
    return record


def _last_result(target: Target, run: Run) -> Record | None:
    """The record of the last run, where it still holds and nobody is at work on it."""
    if not run.layout.record(target.label).is_file():
        return None
    try:
        with held(run.layout.lock(target.label)):
            return _reusable(target, run)
    except Held:
        return None


def _reusable(target: Target, run: Run) -> Record | None:
    """The record of the last run, where it still holds; by the holder of the lock."""
    if run.again == 'all':
        return None
    known = run.last_result(target)
    if known is not None:
        known.reused = True
        work = run.layout.work / target.label
        if run.clean_work and work.is_dir():  # a kill stopped us there, or it was not asked for
            with suppress(Held), held(_lock_of(work)):
                shutil.rmtree(work, ignore_errors=True)
    return known


def _completed(target: Target, run: Run) -> bool:
    """Whether the last run of a subject completed."""
    return run.layout.last_status(target.label) == COMPLETED


def _run_once(target: Target, run: Run, listeners: Listeners, *, wait: bool = False) -> Record:
    """Run a subject while nobody else does; take its last result where that still holds.

    Raises
    ------
    Held
        If another process runs it, and we are not to wait.
    """
    layout = run.layout
    work = layout.work / target.label
    with held(layout.lock(target.label), wait=wait):
        known = _reusable(target, run)
        if known is not None:
            listeners.ended(known)
            return known
        # the working folder may be shared with a run whose results go elsewhere
        with held(_lock_of(work), wait=True):
            listeners.started(target)
            _forget_other_versions(work)
            record = run_target(target, run, partial(listeners.node, target))
            if run.clean_work and record.status == COMPLETED:
                shutil.rmtree(work, ignore_errors=True)
    listeners.ended(record)
    return record


def _lock_of(work: Path) -> Path:
    return work.with_name(f'{work.name}.lock')


def _forget_other_versions(work: Path) -> None:
    """Remove what another version of this software computed: its nodes may do other things."""
    marker = work / 'version'
    if work.is_dir() and (not marker.is_file() or marker.read_text() != __version__):
        shutil.rmtree(work)
    atomic.write_text(marker, __version__)
