# SPDX-License-Identifier: Apache-2.0
"""The queue as all plugins of a user on one computer see it: asked once for all of them.

Each subject of a run has a graph, a plugin and a process of its own. What one of them was told by
the queue lies in a file for the others, and jobs are submitted in turn, so that together they ask
as often as one, and have no more jobs in the queue than one may have. Where that file can't be
kept, as on a full disk, each goes by the answers it gets itself.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

from spinalprep import atomic
from spinalprep.errors import ClusterError
from spinalprep.locks import held
from spinalprep.plugins import slurm_queue as queue

SCRIPT = 'spinalprep-job.sh'
"""Name of every job script: by it we know our jobs in the queue."""

_ERRORS = {'Away': queue.Away, 'Odd': queue.Odd}


class SharedQueue:
    """What this user's jobs do, told by the last answer of the queue that any of us got.

    Attributes
    ----------
    asked : float
        When the question was put whose answer we know, of `time.monotonic`, which all processes
        of a computer share.
    known : dict
        That answer: number to job.

    Raises
    ------
    ClusterError
        If the folder for it belongs to somebody else.
    """

    def __init__(self) -> None:
        self.asked = -math.inf
        self.known: dict[int, queue.Job] = {}
        self._unkept: dict[str, Any] | None = None
        # one answer per cluster that this user's environment points to
        cluster = hashlib.sha256(os.environ.get('SLURM_CONF', '').encode()).hexdigest()[:12]
        self._file = _own_folder() / f'queue-{cluster}.json'

    def ask(self, since: float) -> dict[int, queue.Job]:
        """All jobs of this user, also those that ended lately.

        Parameters
        ----------
        since : float
            The question must have been put later, by whom ever; else it is put now.

        Raises
        ------
        queue.Away, queue.Odd
            Also where it was another process that got no answer.
        """
        with self._last() as last:
            if not max(since, 0) < last['asked'] <= time.monotonic():
                self._question(last)
        self.asked = last['asked']
        if last['error']:
            kind, text = last['error']
            raise _ERRORS[kind](text)
        self.known = {item[0]: queue.Job(*item) for item in last['jobs']}
        return self.known

    def submit(self, script: Path, options: Sequence[str], most: int) -> int | None:
        """Submit a job script, unless so many are in the queue.

        Parameters
        ----------
        script : Path
            Named `SCRIPT`.
        options : sequence of str
            Of sbatch.
        most : int
            Jobs of this kind that the queue may hold.

        Returns
        -------
        int or None
            Number of the job; None where there was no room.

        Raises
        ------
        queue.Away, queue.Refused
        """
        with self._last() as last:
            shown = [queue.Job(*item) for item in last['jobs']]
            ours = {
                job.number for job in shown if not job.ended and Path(job.script).name == SCRIPT
            }
            ours |= set(last['new'])
            if len(ours) >= most:
                return None
            try:
                number = queue.submit(script, options)
            except queue.Full as error:
                if ours:  # some will end
                    return None
                raise queue.Refused(str(error)) from None
            last['new'].append(number)
        return number

    def living(self, folder: Path) -> set[int]:
        """Jobs that have not ended, of scripts in a folder, by the answer that is known."""
        return {
            job.number
            for job in self.known.values()
            if not job.ended and Path(job.script).is_relative_to(folder)
        }

    def end(self, numbers: Collection[int], patience_s: float) -> set[int]:
        """Cancel jobs and wait until nothing of them runs.

        Parameters
        ----------
        numbers : collection of int
        patience_s : float
            Longest time to wait for them, in seconds.

        Returns
        -------
        set of int
            Jobs that may still run.
        """
        left = set(numbers)
        deadline = time.monotonic() + patience_s
        while left:
            try:
                queue.cancel(left)
                known = self.ask(since=time.monotonic())
                left = {number for number in left if number in known and not known[number].ended}
            except queue.Away:
                pass
            if not left or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        return left

    @contextmanager
    def _last(self) -> Iterator[dict[str, Any]]:
        """The last answer, while nobody else asks or submits; kept as it is left."""
        last = {'asked': 0.0, 'error': None, 'jobs': [], 'new': []}
        lock = ExitStack()
        with suppress(OSError):
            lock.enter_context(held(self._file.with_suffix('.lock'), wait=True))
        try:
            last |= atomic.read_json(self._file)
            if self._unkept is not None and self._unkept['asked'] >= last['asked']:
                last = self._unkept
            yield last
            self._unkept = last
            with suppress(OSError):
                atomic.write_json(self._file, last)
                self._unkept = None
        finally:
            with suppress(OSError):
                lock.close()

    @staticmethod
    def _question(last: dict[str, Any]) -> None:
        """Put the question, and note what comes of it."""
        last['asked'] = time.monotonic()
        try:
            found = queue.jobs()
        except queue.Away as error:
            last['error'] = [type(error).__name__, str(error)]
        else:
            last |= {'error': None, 'jobs': [astuple(job) for job in found.values()], 'new': []}


def _own_folder() -> Path:
    """A folder on this computer that only this user can write to.

    Raises
    ------
    ClusterError
    """
    folder = Path(tempfile.gettempdir(), f'spinalprep-{os.getuid()}')
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise ClusterError(
            f'{folder}: not a folder of which this user alone is the owner; remove it, or set '
            'TMPDIR to a folder of your own'
        )
    return folder
