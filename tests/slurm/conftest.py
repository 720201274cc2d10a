# SPDX-License-Identifier: Apache-2.0
"""A real Slurm on this machine: four nodes, a controller, no system service touched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from spinalprep.plugins import slurm_queue
from tests.phantoms import processes_with

SCRIPT = Path(__file__).with_name('cluster.sh')
SYSTEM_PATH = f'{os.environ.get("PATH", "")}:/usr/sbin:/sbin'
MISSING = [
    name
    for name in ('munged', 'slurmctld', 'slurmd', 'sbatch', 'squeue')
    if shutil.which(name, path=SYSTEM_PATH) is None
]

PATIENCE_S = 600
"""Longer than anything takes that comes at all, also on a busy machine."""

RUNS, WAITS = 'RUNNING', 'PENDING'


class Job(NamedTuple):
    """A job as the queue shows it."""

    number: str
    task: str
    """``ARRAY_TASK`` of one in an array, else the number again."""
    state: str
    name: str
    folder: str
    node: str


@dataclass
class Cluster:
    """The cluster, its weather, and what runs on it."""

    folder: Path

    def control(self, what: str, *arguments: str) -> None:
        """Call the cluster's script."""
        subprocess.run(['bash', SCRIPT, what, self.folder, *arguments], check=True, timeout=120)

    def answer(self, *argv: str) -> str:
        """What one of Slurm's commands prints, whatever the environment is."""
        return subprocess.run(
            argv, env=slurm_queue.environment(), check=True, text=True, stdout=subprocess.PIPE,
            timeout=60,
        ).stdout  # fmt: skip

    def jobs(self, name: str = '', state: str = '', folder: str = '') -> list[Job]:
        """Jobs that have not ended, whose names begin and whose folders' paths go on in some way.

        Without a state, those in any: some last a moment, as while a job is told of its time.
        """
        told = self.answer(
            'squeue', '--noheader', '--states=all', '--array', '--format=%A|%i|%T|%j|%Z|%N'
        )
        found = [Job(*line.split('|')) for line in told.splitlines()]
        return [
            job for job in found
            if job.state not in slurm_queue.ENDED and state in ('', job.state)
            and job.name.startswith(name) and folder in job.folder
        ]  # fmt: skip

    def wait_for(self, name: str = '', state: str = RUNS, folder: str = '') -> Job:
        """The first job of some kind, as soon as there is one."""
        found: list[Job] = []
        wait_until(lambda: found.extend(self.jobs(name, state, folder)) or found)
        return found[0]

    def wait_for_the_end(self) -> None:
        """Return when no job is left."""
        wait_until(lambda: not self.jobs())

    def kill(self, number: str) -> None:
        """Kill the processes of a job, as the kernel does where memory runs out."""
        wait_until(lambda: self._processes(number))  # it may have only just begun
        self._end_processes(number)

    def delay(self, number: str, word: str) -> None:
        """Make a command of a job slow without end, as soon as it is there."""
        found: list[int] = []

        def stopped() -> bool:
            for pid in self._processes(number):
                if word.encode() in Path(f'/proc/{pid}/cmdline').read_bytes():
                    os.kill(pid, signal.SIGSTOP)
                    found.append(pid)
            return bool(found)

        wait_until(stopped)

    def cut_power(self, node: str) -> None:
        """End all that runs on a node at once; nobody is told."""
        jobs = self.answer('squeue', '--noheader', f'--nodelist={node}', '--format=%A').split()
        os.kill(int((self.folder / 'run' / f'{node}.pid').read_text()), signal.SIGKILL)
        for number in jobs:
            # first who would tell of the end of the others
            for pid in processes_with(f'SLURM_CONF={self.folder}/slurm.conf'):
                if f'[{number}.'.encode() in Path(f'/proc/{pid}/cmdline').read_bytes():
                    os.kill(pid, signal.SIGKILL)
            self._end_processes(number)

    def _end_processes(self, number: str) -> None:
        for pid in self._processes(number):
            os.kill(pid, signal.SIGKILL)

    def _processes(self, number: str) -> list[int]:
        ours = set(processes_with(f'SLURM_CONF={self.folder}/slurm.conf'))
        return [pid for pid in processes_with(f'SLURM_JOB_ID={number}') if pid in ours]


def wait_until(holds: Callable[[], object]) -> None:
    """Return as soon as something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextmanager
def meanwhile(happens: Callable[[], object]) -> Iterator[None]:
    """Let something happen while the block runs; what goes wrong there is raised here."""
    raised: list[BaseException] = []

    def work() -> None:
        try:
            happens()
        except BaseException as error:  # noqa: BLE001 - raised below
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if raised:
        raise raised[0]


@pytest.fixture(scope='session')
def _cluster(tmp_path_factory) -> Iterator[Cluster]:
    if MISSING:
        pytest.skip(f'Slurm is not installed here: {", ".join(MISSING)} not found')
    if os.geteuid() != 0:
        pytest.skip('only root can start a Slurm cluster')
    cluster = Cluster(tmp_path_factory.mktemp('cluster'))
    try:
        cluster.control('start', '4', '2', '8000')
        yield cluster
    finally:
        cluster.control('stop')


@pytest.fixture
def cluster(_cluster, monkeypatch) -> Iterator[Cluster]:
    """The cluster, without jobs, in an environment that makes trouble."""
    monkeypatch.setenv('SLURM_CONF', f'{_cluster.folder}/slurm.conf')
    monkeypatch.delenv('LOGNAME', raising=False)
    monkeypatch.setenv('SQUEUE_FORMAT', '%i')
    monkeypatch.setenv('SQUEUE_STATES', 'PENDING')
    yield _cluster
    _cluster.answer('scancel', '--quiet', f'--user={os.geteuid()}')
    _cluster.wait_for_the_end()


@pytest.fixture
def wrap(tmp_path, monkeypatch) -> Callable[[str, str], Path]:
    """Put a script in front of one of Slurm's commands; ``$REAL`` is the real one.

    Returns a function of the command's name and the script, which gives the folder for its notes.
    """
    tools = tmp_path / 'tools'
    tools.mkdir()
    notes = tmp_path / 'notes'
    notes.mkdir()
    path = os.environ['PATH']

    def make(name: str, script: str) -> Path:
        real = shutil.which(name, path=path)
        text = f'#!/bin/bash\nREAL={real}\nNOTES={notes}\n{script}\n'
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
        return notes

    monkeypatch.setenv('PATH', f'{tools}:{path}')
    return make


OUT_OF_MEMORY = """
"$REAL" "$@" > "$NOTES/answer.$$"
code=$?
number=${@: -1}
if [ "$1 $2 $3" = '--oneliner show job' ] && grep -qx "$number" "$NOTES/out-of-memory"; then
  sed -i -E 's/JobState=\\S+/JobState=OUT_OF_MEMORY/; s/ExitCode=\\S+/ExitCode=0:125/' \\
    "$NOTES/answer.$$"
fi
cat "$NOTES/answer.$$"
exit "$code"
"""
"""scontrol on a cluster that watches memory: says of jobs in a list that theirs ran out."""
