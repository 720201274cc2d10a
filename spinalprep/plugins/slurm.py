# SPDX-License-Identifier: Apache-2.0
"""Nodes as jobs of a Slurm cluster, where every end of a job has a name.

Nipype's plugin asks the queue for each job by itself, takes any error of it for the job's end,
takes the result of an earlier attempt for that of this one, loses the whole graph for one job, and
leaves its jobs behind. Here each job leaves word in a folder of its own, which is all that is
believed; the queue is asked, once for all jobs, only for those that leave none.
"""

from __future__ import annotations

import secrets
import shutil
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path
from traceback import format_exception
from typing import Any

from nipype.pipeline.plugins.slurm import SLURMPlugin

from spinalprep.errors import ClusterError
from spinalprep.locks import Held, held
from spinalprep.plugins import slurm_queue as queue
from spinalprep.plugins.slurm_guard import Guard
from spinalprep.plugins.slurm_shared import SharedQueue
from spinalprep.plugins.slurm_task import Task, new_task

OLD_JOBS_S = 60.0
"""How long to wait until jobs that an earlier run left behind are gone."""


class GuardedSLURM(SLURMPlugin):
    """Run each node as a job of Slurm.

    Parameters
    ----------
    plugin_args : dict
        ``sbatch_args``
            More options of sbatch for each job, such as ``--partition=long``; they win over what
            a node asks for.
        ``template``
            Head of the job script, or a file with it, for a site that needs ``module load``.
        ``max_jobs`` (100)
            Most jobs of this user, by all plugins of this class, in the queue at once.
        ``poll_s`` (10)
            Seconds between two questions to the queue.
        ``result_timeout_s`` (60)
            How long to wait for the files of a job that has ended.
        ``controller_timeout_s`` (3600)
            How long the controller may be away.
        ``stuck_s`` (600)
            How long a job may wait for what time alone does not bring.
        ``minutes`` (35)
            Time of a node whose interface has no ``timeout``.
        ``status_callback``
            As for all of Nipype's plugins.

    Raises
    ------
    UsageError
        If ``sbatch_args`` hold what can't be given to each job.

    Notes
    -----
    Give an instance to Nipype: ``workflow.run(plugin=GuardedSLURM({'max_jobs': 50}))``. The
    working folder must be on a file system that all computers of the cluster share.

    A job gets the processors of its node (``n_procs``), its memory (``mem_gb``, and
    `slurm_task.WORKER_GB`), the time limit of its interface (``timeout``, and
    `slurm_task.MARGIN_S`), and finds the submitter's Python and modules by their full paths.
    Nodes with ``run_without_submitting``, and results that are cached, need no job. A node's own
    ``plugin_args`` may hold ``sbatch_args``, too.

    When the run ends, however it does, its jobs are cancelled.

    Examples
    --------
    >>> GuardedSLURM({'sbatch_args': '--partition=long', 'max_jobs': 50}).max_jobs
    50
    """

    def __init__(self, plugin_args: dict[str, Any] | None = None):
        args = {'max_jobs': 100, **(plugin_args or {})}
        super().__init__(plugin_args=args)
        self._user_args = queue.split_args(self._sbatch_args or '')
        self._poll_s = float(args.get('poll_s', 10))
        self._result_timeout_s = float(args.get('result_timeout_s', 60))
        self._controller_timeout_s = float(args.get('controller_timeout_s', 3600))
        self._stuck_s = float(args.get('stuck_s', 600))
        self._minutes = int(args.get('minutes', 35))
        self._folder = Path()
        self._tasks: dict[int, Task] = {}
        self._handed = 0
        self._queue = SharedQueue()
        self._away_since: float | None = None

    # -- the run ------------------------------------------------------------------------------

    def run(self, graph, config, updatehash=False):
        """Run the graph; no job of it is left in the queue when this ends, however it does.

        Raises
        ------
        ClusterError
            If Slurm is not there, or another process runs the same workflow.
        RuntimeError
            If nodes failed; each has left a crash file.
        """
        queue.require()
        first = next(iter(graph.nodes()))
        root = Path(first.base_dir or '.', (first._hierarchy or '').split('.')[0]).absolute()
        folder = root / '_slurm'
        # finding a result is a look into a folder: Nipype's 2 s would only delay each node
        poll_s = min(max(float(config['execution']['poll_sleep_duration']), 0.1), 0.5)
        execution = {**config['execution'], 'poll_sleep_duration': poll_s}
        try:
            with held(folder / 'lock'):
                self._end_old_jobs(folder)
                # never the folder of an earlier attempt, of which a job may still live
                self._folder = folder / secrets.token_hex(4)
                with Guard(self._queue, self._folder) as self._guard:
                    super().run(graph, {**config, 'execution': execution}, updatehash=updatehash)
        except Held as other:
            raise ClusterError(f'{root}: {other.owner} runs this workflow already') from None
        finally:
            self._tasks.clear()

    def _end_old_jobs(self, folder: Path) -> None:
        """End jobs that a run in this folder left behind, as when its computer lost power."""
        while True:
            try:
                self._ask(since=time.monotonic())
                break
            except queue.Odd as error:
                raise ClusterError(f'Slurm does not work here: {error}') from None
            except queue.Away:
                time.sleep(self._poll_s)
        left = self._queue.end(self._queue.living(folder), OLD_JOBS_S)
        if left:
            listed = ', '.join(map(str, sorted(left)))
            raise ClusterError(
                f'{folder}: jobs {listed} of an earlier run do not end. See squeue; cancel them '
                'with scancel, and give the same command again'
            )
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)

    # -- what Nipype's base calls -------------------------------------------------------------

    def _local_hash_check(self, jobid, graph):
        # the base class runs nodes without submitting right after this, and forgets their errors
        if super()._local_hash_check(jobid, graph):
            return True
        node = self.procs[jobid]
        if not node.run_without_submitting:
            return False
        try:
            node.run()
        except Exception:  # noqa: BLE001 - any node's error; it gets its crash file
            self._clean_queue(jobid, graph)
            self.proc_pending[jobid] = False
        else:
            self._task_finished_cb(jobid)
            self._remove_node_dirs()
        return True

    def _clean_queue(self, jobid, graph, result=None):
        if result is None:  # an exception is being handled, which the base class forgets
            result = {'result': None, 'traceback': format_exception(sys.exception())}
            self._run_errors.append(''.join(result['traceback']))
        with suppress(Exception):  # so that the crash file shows the inputs
            self.procs[jobid]._get_inputs()
        return super()._clean_queue(jobid, graph, result=result)

    def _submit_job(self, node, updatehash=False):
        self._handed += 1
        node.use_plugin = None  # holds callbacks, which can't be pickled
        folder = self._folder / f'{self._handed:04d}-{node.name}'[:100]
        task = Task(node, folder, [], '')
        try:
            task = new_task(node, folder, self._user_args, self._minutes)
            task.write(self._template, updatehash)
        except Exception as error:  # noqa: BLE001 - what can't be pickled, a full disk
            task.error = error
        else:
            self._submit(task)
        self._tasks[self._handed] = task
        return self._handed

    def _get_result(self, taskid):
        task = self._tasks[taskid]
        try:
            self._look_after()
            if task.error is not None:
                raise task.error
            outcome = self._outcome(task) if task.number is not None else None
        except Exception as error:  # noqa: BLE001 - told in a crash file
            return {'result': None, 'traceback': format_exception(error)}
        return outcome and {'result': None, 'traceback': outcome['traceback']}

    def _clear_task(self, taskid):
        task = self._tasks.pop(taskid)
        outcome = task.outcome()
        if outcome is not None:
            self._guard.forget(task.number)
            if outcome['traceback'] is None:  # else what it printed may help
                shutil.rmtree(task.folder, ignore_errors=True)
        elif task.number is not None and self._away_since is None:
            with suppress(queue.Away):  # else it is done at the end
                queue.cancel([task.number])

    # -- submitting ---------------------------------------------------------------------------

    def _submit(self, task: Task) -> None:
        """Submit a job, unless the queue is full or the controller away."""
        if self._away_since is not None:
            return
        if task.unanswered is not None and self._queue.asked <= task.tried:
            return  # the queue has not shown yet whether it got there
        try:
            number = self._adopted(task) if task.unanswered is not None else None
            number = number or self._queue.submit(task.script, task.options, self.max_jobs)
        except queue.Away as error:
            task.tried = time.monotonic()
            task.unanswered = task.unanswered or task.tried
            self._note_away(error)
            if task.tried - task.unanswered > self._controller_timeout_s:
                task.error = task.refusal(error)
        except queue.Refused as error:
            task.error = task.refusal(error)
        else:
            if number is not None:
                task.number = number
                task.submitted = time.monotonic()
                self._guard.watch(number)

    def _adopted(self, task: Task) -> int | None:
        """The job that a submission without an answer has put into the queue, if it has."""
        script = str(task.script)
        found = (job.number for job in self._queue.known.values() if job.script == script)
        return next(found, None)

    # -- following ----------------------------------------------------------------------------

    def _look_after(self) -> None:
        """Ask the queue when it is time to, and submit what could not be.

        Raises
        ------
        ClusterError
        """
        due = time.monotonic() - self._poll_s
        if self._queue.asked > due:
            return
        try:
            self._ask(since=due)
        except queue.Away:
            return
        for task in self._tasks.values():
            if task.number is None and task.error is None:
                self._submit(task)

    def _ask(self, since: float) -> None:
        """Have an answer of the queue to a question put after `since`.

        Raises
        ------
        queue.Away
        ClusterError
            If the controller has been away for too long.
        """
        try:
            self._queue.ask(since)
            self._away_since = None
        except queue.Away as error:
            self._note_away(error)
            gone_s = time.monotonic() - self._away_since
            if gone_s > self._controller_timeout_s:
                raise ClusterError(
                    f"Slurm's controller has not answered for {gone_s:.0f} s: {error}. When it "
                    'does, give the same command again: it goes on where it stopped'
                ) from error
            raise

    def _note_away(self, error: queue.Away) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            warnings.warn(f'Slurm does not answer ({error}); waiting for it', stacklevel=2)

    def _outcome(self, task: Task) -> dict[str, Any] | None:
        """Word that a node has left, once its result is there, too.

        Raises
        ------
        JobLost
            If the job ended without it.
        """
        outcome = task.outcome()
        if outcome is not None:
            if outcome['traceback'] or task.result.exists():
                return outcome
            if self._waited(task):
                raise task.missing()
            return None
        job = self._queue.known.get(task.number)
        if self._away_since is not None or self._queue.asked <= task.submitted:
            return None  # the queue could not be asked since
        if job is not None and not job.ended:
            self._judge_waiting(task, job)
        else:
            self._judge_end(task, job)
        return None

    def _judge_waiting(self, task: Task, job: queue.Job) -> None:
        """Give up a job that can not start.

        Raises
        ------
        JobLost
        """
        if not job.stuck:
            task.stuck = None
            return
        task.stuck = task.stuck or time.monotonic()
        if time.monotonic() - task.stuck > self._stuck_s:
            raise task.standstill(job.reason)

    def _judge_end(self, task: Task, job: queue.Job | None) -> None:
        """Tell the end of a job that left no word, once it is sure that it left none.

        Raises
        ------
        JobLost
        """
        if task.ended is None:
            try:
                end = queue.ending(task.number)
            except queue.Away:
                return
            if end is not None and not end.final:
                return  # it has only just begun, or is cleaned up after
            task.ending = end or (queue.Ending(job.state) if job else None)
        waited = self._waited(task)
        if (waited or task.says_nothing_more()) and not task.outcome_listed():
            raise task.loss()

    def _waited(self, task: Task) -> bool:
        """Whether the files of a job that has ended had their time to appear."""
        now = time.monotonic()
        task.ended = task.ended or now
        return now - task.ended > self._result_timeout_s
