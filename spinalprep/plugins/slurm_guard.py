# SPDX-License-Identifier: Apache-2.0
"""No job outlives its run: a process that cancels them, should we be killed."""

from __future__ import annotations

import warnings
from contextlib import suppress

from spinalprep.plugins import slurm_queue as queue
from spinalprep.plugins.slurm_shared import SharedQueue
from spinalprep.processes import Heir

PATIENCE_S = 60.0
"""How long to wait until cancelled jobs are gone."""

# Cancels the jobs whose numbers it was told, and insists for ten minutes where the controller is
# away.
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

    def __init__(self, shared: SharedQueue) -> None:
        self._shared = shared
        self._jobs: set[int] = set()
        self._heir: Heir | None = None

    def __enter__(self) -> Guard:
        self._heir = Heir(_GUARD, environment=queue.environment())
        return self

    def __exit__(self, *_) -> None:
        left = self._jobs
        try:
            left = self._shared.end(self._jobs, PATIENCE_S)
        finally:  # a second interruption, too
            if left:
                self._heir.leave()
                listed = ', '.join(map(str, sorted(left)))
                warnings.warn(f'Slurm still has the jobs {listed}: see squeue', stacklevel=2)
            else:
                self._heir.dismiss()
            self._jobs.clear()

    def watch(self, number: int) -> None:
        """End this job, too."""
        self._jobs.add(number)
        with suppress(OSError):
            self._heir.tell(number)

    def forget(self, number: int | None) -> None:
        """This job has ended by itself."""
        self._jobs.discard(number)
