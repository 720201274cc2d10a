# SPDX-License-Identifier: Apache-2.0
"""A node on its way through Slurm's queue: what it asks for, its folder, words for its end."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nipype.interfaces.base import isdefined
from nipype.utils.filemanip import savepkl

from spinalprep.errors import JobLost
from spinalprep.plugins.slurm_queue import Ending, split_args
from spinalprep.plugins.slurm_shared import SCRIPT
from spinalprep.plugins.slurm_worker import OUTCOME, TASK

WORKER_GB = 0.5
"""For the interpreter with its libraries, beside what the node asks for: 0.13 GB measured, and
room for images."""

MARGIN_S = 300.0
"""Added to a command's time limit, so that the command ends, and tells, before its job."""

TAIL_LINES = 20
"""Of what a job printed, where it left no result."""

_WORDS = {
    'OUT_OF_MEMORY': 'its memory ran out',
    'TIMEOUT': 'it ran into its time limit',
    'DEADLINE': 'its deadline passed',
    'NODE_FAIL': 'the computer that it ran on failed',
    'BOOT_FAIL': 'the computer that it was to run on did not start',
    'PREEMPTED': 'it had to make way for another job',
    'CANCELLED': 'somebody, or the cluster, cancelled it',
    'REVOKED': 'the cluster took it back',
}
"""Ends of a job after which no word of its node is waited for."""


@dataclass
class Task:
    """A node, and what became of its job."""

    node: Any
    folder: Path
    options: list[str]
    """Of sbatch."""
    asked: str
    """Memory, processors and time in words."""
    number: int | None = None
    """Of its job; None until it is submitted."""
    submitted: float = 0.0
    """When it was, of `time.monotonic`, as all times here."""
    unanswered: float | None = None
    """Since when sbatch gave no answer: the job may be in the queue all the same."""
    tried: float = 0.0
    """When it was last to be submitted without an answer."""
    stuck: float | None = None
    """Since when the job waits for what time alone does not bring."""
    ended: float | None = None
    """When we knew of its end."""
    ending: Ending | None = None
    """How it ended, if Slurm knows."""
    error: Exception | None = None
    """What kept it from being submitted."""

    @property
    def script(self) -> Path:
        """The job script."""
        return self.folder / SCRIPT

    @property
    def result(self) -> Path:
        """What a node that ended well leaves in its working folder."""
        return Path(self.node.output_dir(), f'result_{self.node.name}.pklz')

    def outcome(self) -> dict[str, Any] | None:
        """Word that the node's job has left: ``host`` and ``traceback``."""
        try:
            return json.loads((self.folder / OUTCOME).read_text(encoding='utf-8'))
        except FileNotFoundError:
            return None

    def outcome_listed(self) -> bool:
        """Whether it is there. This makes a network file system ask its server."""
        return OUTCOME in os.listdir(self.folder)

    def write(self, template: str, updatehash: bool) -> None:
        """Write what the job needs into its folder."""
        self.folder.mkdir(parents=True)
        savepkl(str(self.folder / TASK), {'node': self.node, 'updatehash': updatehash})
        start = self.folder / 'job.py'
        start.write_text(
            'import os, sys\n'
            "os.environ.setdefault('NIPYPE_NO_ET', '1')\n"
            f"os.environ.setdefault('OMP_NUM_THREADS', '{self.node.n_procs}')\n"
            f'sys.path[:] = {[os.path.abspath(path) for path in sys.path]}\n'
            'from spinalprep.plugins.slurm_worker import main\n'
            f'sys.exit(main({str(self.folder)!r}))\n',
            encoding='utf-8',
        )
        command = shlex.join([os.path.abspath(sys.executable), str(start)])
        self.script.write_text(f'{template.rstrip()}\nexec {command}\n', encoding='utf-8')

    def refusal(self, why: object) -> JobLost:
        """The error where sbatch did not take the job."""
        return JobLost(
            f'sbatch did not take the job of this node: {why}; {self.asked}. See sinfo for what '
            'the cluster has, and change --slurm-args'
        )

    def standstill(self, reason: str) -> JobLost:
        """The error where the job waits for what will not come."""
        return JobLost(
            f'job {self.number} of this node can not start: it waits with the reason {reason}; '
            f'{self.asked}. See sinfo for what the cluster has, and change --slurm-args'
        )

    def missing(self) -> JobLost:
        """The error where the node ended well and its result is not there."""
        return JobLost(
            f'job {self.number} of this node ended well, but {self.result} did not appear: is '
            'this folder shared by all computers of the cluster?'
        )

    def loss(self) -> JobLost:
        """The error where the job ended without a word."""
        return JobLost('\n'.join([self._why(), *self._tail()]))

    def says_nothing_more(self) -> bool:
        """Whether the job was ended, so that there is no word of its node to wait for."""
        end = self.ending
        return end is not None and (
            end.state in _WORDS or end.signal != 0 or end.exit_code not in (0, 1)
        )

    def _why(self) -> str:
        end = self.ending
        if end is None:
            return (
                f'job {self.number} of this node left the queue without a trace, and without a '
                f'result; {self.asked}'
            )
        told = f'job {self.number} of this node ended as {end.state}'
        told += f' on {end.nodes}' if end.nodes else ''
        if end.state in _WORDS:
            return f'{told}: {_WORDS[end.state]}; {self.asked}'
        number = end.signal or (end.exit_code - 128 if end.exit_code > 128 else 0)
        if number:
            memory = ', probably because memory ran out' if number == 9 else ''
            return f'{told}: it was killed by signal {number}{memory}; {self.asked}'
        if end.exit_code:
            return f'{told} with exit code {end.exit_code}, without a result; {self.asked}'
        return (
            f'{told}, but no word of it appeared in {self.folder}: is this folder shared by all '
            'computers of the cluster?'
        )

    def _tail(self) -> list[str]:
        """The end of what the job printed."""
        logs = sorted(self.folder.glob('slurm-*.out'))
        lines = logs[-1].read_text(encoding='utf-8', errors='replace').split('\n') if logs else []
        if not any(lines):
            return [f'It printed nothing. Its script: {self.script}']
        return [f'It printed, in {logs[-1]}:', *lines[-TAIL_LINES - 1 : -1]]


def new_task(node: Any, folder: Path, user_args: Sequence[str], minutes: int) -> Task:
    """A task with the options of sbatch that its node needs.

    Parameters
    ----------
    node : nipype.pipeline.engine.Node
    folder : Path
        For the task, not there yet.
    user_args : sequence of str
        Options for each job; they win, and the node's own win over them.
    minutes : int
        Time for a node whose interface has no ``timeout``.
    """
    limit = getattr(node.inputs, 'timeout', None)
    if limit is not None and isdefined(limit):
        minutes = math.ceil((limit + MARGIN_S) / 60)
    own = node.plugin_args or {}
    given = split_args(own.get('sbatch_args', ''))
    if not own.get('overwrite'):
        given = [*user_args, *given]
    options = [
        f'--job-name={".".join(reversed(node.fullname.split(".")))}',
        f'--chdir={folder}',
        f'--output={folder / "slurm-%j.out"}',
        '--nodes=1',
        '--ntasks=1',
        f'--cpus-per-task={node.n_procs}',
        f'--time={minutes}',
        '--no-requeue',  # else two processes may be at work in one folder
    ]
    memory_gb = node.mem_gb + WORKER_GB
    if not any(item.startswith('--mem') for item in given):  # one kind excludes the others
        options.append(f'--mem={math.ceil(memory_gb * 1024)}M')
    asked = f'it asked for {memory_gb:.1f} GB, {node.n_procs} processors and {minutes} min'
    if given:
        asked += f', and for {shlex.join(given)}'
    return Task(node, folder, [*options, *given], asked)
