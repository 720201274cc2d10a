# SPDX-License-Identifier: Apache-2.0
"""``--array-script``: a job array for Slurm that runs what the same call would run."""

from __future__ import annotations

import math
import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import spinalprep
from spinalprep import atomic
from spinalprep.cli.plan import Plan
from spinalprep.errors import ExitCode
from spinalprep.machine import KEPT_FREE
from spinalprep.runs import write_selection

TASK_PROCESSORS = 4
"""Processors of a task: two commands side by side, with two threads each."""

TASK_MINUTES = 240
"""Time of a task, several times what a subject takes; one that is cut off goes on where it was
when the script is given again. Longer ones don't fit the short partitions of many clusters."""


def write_array_script(arguments: Namespace, plan: Plan) -> ExitCode:
    """Write the script and say how to submit it.

    Parameters
    ----------
    arguments : Namespace
        Of ``run`` or the BIDS App, with ``argv``, ``array_script``, ``array_scratch`` and
        ``slurm_args``.
    plan : Plan
        Its subjects and sessions are the tasks.

    Returns
    -------
    ExitCode
    """
    import jinja2

    from spinalprep.data import load

    scoped = getattr(arguments, 'scope', None) is not None
    tasks, memory = [], 0.0
    for run, targets in plan.runs:
        chosen = [target for target in targets if target.selected]
        write_selection(targets, chosen, run)  # so that status knows of those that wait
        for target in chosen:
            session = ['--session-label', target.session] if target.session else []
            dataset = ['--dataset-key', run.layout.dataset] if scoped else []
            tasks.append([*dataset, '--participant-label', target.subject, *session])
            memory = max(memory, run.memory_of(target))
    toolbox = plan.runs[0][0].toolbox
    nprocs = arguments.nprocs or TASK_PROCESSORS
    # a command that needs most of it, one that needs less, and what is kept free
    memory_gb = arguments.mem or max(1.5 * memory / (1 - KEPT_FREE), 2.0)
    found = ['--sct', str(toolbox.root)] if arguments.sct == 'auto' else []
    path = arguments.array_script.absolute()
    logs = (arguments.out / 'logs' / 'slurm').absolute()
    logs.mkdir(parents=True, exist_ok=True)  # Slurm makes no folders
    environment = jinja2.Environment(  # noqa: S701 - no HTML: quoted as shells read it
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        comment_start_string='<#',  # "{#" is bash's
        comment_end_string='#>',
    )
    environment.filters['quote'] = lambda value: shlex.quote(str(value))
    template = load('array_job.sh').read_text(encoding='utf-8')
    python = [sys.executable, '-m', 'spinalprep']
    text = environment.from_string(template).render(
        version=spinalprep.__version__,
        file=path,
        folder=Path.cwd(),
        logs=logs,
        command=[*python, *_without_tasks(arguments.argv), *found],
        report=[*python, 'report', '--pages-only', '--out', arguments.out.absolute()],
        python_path=os.environ.get('PYTHONPATH', ''),
        tasks=tasks,
        nprocs=nprocs,
        memory_mb=math.ceil(memory_gb * 1e9 / 2**20),
        minutes=TASK_MINUTES,
        slurm_args=arguments.slurm_args or '',
        scratch=arguments.array_scratch,
    )
    atomic.write_text(path, text)
    path.chmod(0o755)
    print(
        f'{path}: {len(tasks)} tasks of {nprocs} processors and {memory_gb:.0f} GB. '
        f'Submit them with\n  bash {shlex.quote(str(path))}'
    )
    for problem in plan.problems:
        print(f'spinalprep: {problem}', file=sys.stderr)
    return ExitCode.SUBJECT if plan.problems else ExitCode.OK


_ONE_VALUE = (
    '--array-script', '--array-scratch', '--slurm-args', '--scope', '--nprocs', '--mem',
    '--plugin', '--use-plugin',
)  # fmt: skip
"""Options that a task does not get, or gets from Slurm."""

_VALUES = ('--participant-label', '--participant_label', '--session-label', '--session-id')
"""Options with any number of values, that a task gets of its own."""


def _without_tasks(argv: Sequence[str]) -> list[str]:
    """The call's arguments without those that are not, or not the same, for each task.

    Examples
    --------
    >>> _without_tasks(['run', '--mem', '8', '--session-label', 'a', 'b', '--gpu', '--nprocs=2'])
    ['run', '--gpu']
    """
    kept: list[str] = []
    rest = iter(argv)
    text = next(rest, None)
    while text is not None:
        name, equals, _ = text.partition('=')
        following = next(rest, None)
        if name in _VALUES:
            while not equals and following is not None and not following.startswith('--'):
                following = next(rest, None)
        elif name in _ONE_VALUE:
            following = following if equals else next(rest, None)
        else:
            kept.append(text)
        text = following
    return kept
