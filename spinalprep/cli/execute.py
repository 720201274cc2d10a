# SPDX-License-Identifier: Apache-2.0
"""Run a plan, show how it goes, and tell how it went."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import indent

from spinalprep.cli.plan import Plan
from spinalprep.cli.progress import Progress
from spinalprep.crashes import report
from spinalprep.driver import Listeners, run_targets
from spinalprep.errors import ExitCode
from spinalprep.record import COMPLETED, Record
from spinalprep.runs import Run
from spinalprep.selection import Target


def execute(plan: Plan) -> ExitCode:
    """Run everything that a plan has, and print a line per subject.

    Returns
    -------
    ExitCode
        ``OK`` if every subject completed without FAIL and every dataset could be run.
    """
    found: list[tuple[Run, Record]] = []
    total = sum(target.selected for _, targets in plan.runs for target in targets)
    with Progress(total) as progress:
        listeners = Listeners(progress.started, _say_waiting, progress.node, progress.ended)
        for run, targets in plan.runs:
            found += [(run, record) for record in run_targets(targets, run, listeners)]
    for run, targets in plan.runs:
        for target in targets:
            if not target.selected:
                print(f'{run.layout.dataset} {target.label}: skipped, {target.why_skipped}')
    for run, record in found:
        print(describe(run, record))
        if record.failure:
            print(_indented(report(record.label, record.failure)))
    for problem in plan.problems:
        print(f'spinalprep: {problem}', file=sys.stderr)
    good = not plan.problems and all(record.good for _, record in found)
    return ExitCode.OK if good else ExitCode.SUBJECT


def _say_waiting(target: Target, owner: str) -> None:
    print(f'{target.label} is being run by {owner}: it comes last', file=sys.stderr)


def _indented(text: str) -> str:
    return indent(text.rstrip(), '    ')


def describe(run: Run, record: Record) -> str:
    """A subject in one line: status, verdict, reasons, where to look."""
    verdict = f' {record.verdict}' if record.verdict else ''
    reasons = '; '.join(reason.partition('\n')[0] for reason in record.reasons)
    where: Path = run.layout.record(record.label)
    if record.status == COMPLETED and not record.reasons:
        where = run.layout.derivatives / f'sub-{record.subject}'
    verdict += ' (unchanged)' if record.reused else ''
    if record.failure:
        where = run.layout.crash_report(record.label)
    return (
        f'{record.dataset} {record.label}: {record.status}{verdict}'
        f'{f" ({reasons})" if reasons else ""}  {where}'
    )
