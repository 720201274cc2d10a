# SPDX-License-Identifier: Apache-2.0
"""No job outlives its run: a process that cancels them, should we be killed."""

from __future__ import annotations

import time
import warnings
from contextlib import suppress
from pathlib import Path

from spinalprep.plugins import slurm_queue as queue
from spinalprep.plugins.slurm_shared import SharedQueue
from spinalprep.processes import Heir
from spinalprep.sidebyside import GRACE_S

PATIENCE_S = 2 / 3 * GRACE_S
"""How long to wait until cancelled jobs are gone: the run must still write its record then."""

# Cancels the jobs whose numbers it was told, and insists for ten minutes where the controller is
# away.
_GUARD = """
jobs=
while read -r told; do
    [ "$told" = done ] && exit
    jobs="$jobs $told"
done
[ -n "$jobs" ] || exit
for _ in $(seq 60); do
    scancel --quiet $jobs && exit
    sleep 10
done
"""


class Guard:
    """Context manager; at its end, and at that of our process, the jobs it was told end.

    Parameters
    ----------
    shared : SharedQueue
    folder : Path
        Of the job scripts. What an sbatch put into the queue whose answer did not reach us is
        known by it, and ends, too, where we are interrupted or nodes failed.
    """

    def __init__(self, shared: SharedQueue, folder: Path) -> None:
        self._shared = shared
        self._folder = folder
        self._jobs: set[int] = set()
        self._heir: Heir | None = None

    def __enter__(self) -> Guard:
        self._heir = Heir(_GUARD, environment=queue.environment())
        return self

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        left = self._jobs
        try:
            if kind is not None:
                with suppress(queue.Away):
                    self._shared.ask(since=time.monotonic())
                    for number in self._shared.living(self._folder):
                        self.watch(number)
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
