# SPDX-License-Identifier: Apache-2.0
"""No job outlives its run: a process that cancels them, should we be killed."""

from __future__ import annotations

import subprocess
import sys
import warnings
from contextlib import suppress

from spinalprep.plugins import slurm_queue as queue

PATIENCE_S = 60.0
"""How long to wait until cancelled jobs are gone."""

# Lives as long as we do. When our end of its pipe closes, however we die, it cancels the jobs
# whose numbers it was told, and insists for ten minutes where the controller is away.
_GUARD = """
import subprocess, sys, time
lines = sys.stdin.read().split()
if 'done' not in lines and lines:
    for _ in range(60):
        if subprocess.run(['scancel', '--quiet', *lines]).returncode == 0:
            break
        time.sleep(10)
"""


class Guard:
    """Context manager; at its end, and at that of our process, the jobs it was told end."""

    def __init__(self) -> None:
        self._jobs: set[int] = set()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Guard:
        self._process = subprocess.Popen(
            [sys.executable, '-I', '-S', '-c', _GUARD],
            env=queue.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        return self

    def __exit__(self, *_) -> None:
        left = self._jobs
        try:
            left = queue.end_all(self._jobs, PATIENCE_S)
        finally:  # a second interruption, too
            if not left:
                self._tell('done')
            with suppress(OSError):
                self._process.stdin.close()
            if left:  # the process goes on
                listed = ', '.join(map(str, sorted(left)))
                warnings.warn(f'Slurm still has the jobs {listed}: see squeue', stacklevel=2)
            else:
                self._process.wait()
            self._jobs.clear()

    def watch(self, number: int) -> None:
        """End this job, too."""
        self._jobs.add(number)
        self._tell(number)

    def forget(self, number: int | None) -> None:
        """This job has ended by itself."""
        self._jobs.discard(number)

    def _tell(self, text: object) -> None:
        with suppress(OSError):
            self._process.stdin.write(f'{text}\n')
            self._process.stdin.flush()
