# SPDX-License-Identifier: Apache-2.0
"""MultiProc with a process of its own for each node.

Nipype's MultiProc shares a pool of workers. When one of them is killed the pool breaks, and the
plugin waits for ever for results that never come; which node it was can't be told. Here each node
has a process: one that ends without a result is a node that failed, and nothing else is lost.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection, wait
from traceback import format_exception
from typing import Any

import networkx as nx
import numpy as np
from nipype.interfaces.base import isdefined
from nipype.pipeline.plugins.multiproc import MultiProcPlugin, process_initializer, run_node

from spinalprep.errors import WorkerKilled
from spinalprep.processes import await_news, die_with_parent, frozen, process_context

LIGHT_S = 1.0
"""Seconds that are taken for a node without a time limit."""


class GuardedMultiProc(MultiProcPlugin):
    """Run nodes side by side; a worker that is killed is a node that failed.

    Parameters
    ----------
    plugin_args : dict
        As for Nipype's MultiProc: ``n_procs``, ``memory_gb``, ``raise_insufficient``,
        ``status_callback`` and so on; and ``preload``, names of modules that nodes import.

    Notes
    -----
    Give an instance to Nipype: ``workflow.run(plugin=GuardedMultiProc({'n_procs': 4}))``.
    Results that are cached are taken at once, however many. Of the nodes that could start, that
    with the longest way to the graph's end does, by the time limits of the commands on it.
    The end of a node wakes us up; nothing is looked for in between. While we wait we import the
    modules of ``preload``, which processes forked later share.

    Examples
    --------
    >>> GuardedMultiProc({'n_procs': 2, 'memory_gb': 4}).processors
    2
    """

    def __init__(self, plugin_args: dict[str, Any] | None = None):
        super().__init__(plugin_args=plugin_args)
        self._context = process_context()
        self._workers: dict[int, tuple[Any, Connection, Any]] = {}
        self._last: tuple[int, int] | None = None
        forks = self._context.get_start_method() == 'fork'
        self._to_import = deque(self.plugin_args.get('preload', ()) if forks else ())
        self._way: np.ndarray = np.zeros(0)

    def _submit_job(self, node, updatehash=False):
        self._taskid += 1
        ours, theirs = self._context.Pipe(duplex=False)
        worker = self._context.Process(
            target=_work, args=(theirs, node, updatehash, self._taskid, self._cwd)
        )
        worker.start()
        theirs.close()
        self._workers[self._taskid] = worker, ours, node
        return self._taskid

    def _get_result(self, taskid):
        worker, ours, node = self._workers[taskid]
        ended = not worker.is_alive()  # asked first: it may end between two questions
        try:
            if ours.poll():
                result = ours.recv()
                worker.join()
                return result
        except (EOFError, OSError):
            ended = True
        if not ended:
            return None
        worker.join()
        try:  # raised, so that the crash file has a traceback like any other
            raise WorkerKilled(_why(worker.exitcode, node))
        except WorkerKilled as error:
            return {'result': None, 'traceback': format_exception(error), 'taskid': taskid}

    def _clear_task(self, taskid):
        _, ours, _ = self._workers.pop(taskid)
        ours.close()

    def _send_procs_to_workers(self, updatehash=False, graph=None):
        # each call of the base class lets as many nodes through as there are processors, cached
        # ones too, and is slow; so it is called until nothing changes, and not before it does
        while (now := self._progress()) != self._last:
            self._last = now
            super()._send_procs_to_workers(updatehash=updatehash, graph=graph)
        self._await_news()

    def _await_news(self) -> None:
        """Return as soon as a node has ended; make use of the time until then."""
        workers = {ours: worker for worker, ours, _ in self._workers.values()}
        while workers and self._to_import and not wait(list(workers), 0):
            with suppress(Exception):  # the node that needs it will tell
                import_module(self._to_import.popleft())
        await_news(workers)

    def _generate_dependency_list(self, graph):
        super()._generate_dependency_list(graph)
        way = ways_to_the_end(graph)
        self._way = np.array([way[node] for node in self.procs])

    def _sort_jobs(self, jobids, scheduler='tsort'):
        if scheduler == 'mem_thread':
            return super()._sort_jobs(jobids, scheduler)
        # the parts of a MapNode come behind all others
        return sorted(jobids, key=lambda job: -self._way[job] if job < len(self._way) else 0)

    def _progress(self) -> tuple[int, int]:
        """Changes when a node has ended, or was sent out."""
        return int(np.sum(self.proc_done)), int(np.sum(self.proc_pending))

    def run(self, graph, config, updatehash=False):
        """Run the graph; no worker is left when this ends, however it does."""
        self._last = None
        try:
            with frozen():
                super().run(graph, config, updatehash=updatehash)
        finally:
            for worker, ours, _ in self._workers.values():
                worker.kill()
                worker.join()
                ours.close()
            self._workers.clear()


def ways_to_the_end(graph: Any) -> dict[Any, float]:
    """How long it takes from each node's start to the graph's end, at most.

    Parameters
    ----------
    graph : networkx.DiGraph
        Of Nipype's nodes.

    Returns
    -------
    dict
        Node → seconds: the sum of time limits on the longest way, and `LIGHT_S` for each node
        without one. It is the order that counts.
    """
    way: dict[Any, float] = {}
    for node in reversed(list(nx.topological_sort(graph))):
        limit = getattr(node.inputs, 'timeout', None)
        own = limit if limit is not None and isdefined(limit) else LIGHT_S
        way[node] = own + max((way[after] for after in graph.successors(node)), default=0.0)
    return way


def _work(theirs: Connection, node: Any, updatehash: bool, taskid: int, folder: str) -> None:
    """Run a node in its own process, and send what came of it."""
    try:
        die_with_parent()
        process_initializer(folder)
        result = run_node(node, updatehash, taskid)
    except BaseException as error:  # noqa: BLE001 - told by the parent, which waits for it
        result = {'result': None, 'traceback': format_exception(error), 'taskid': taskid}
    try:
        theirs.send(result)
    except (OSError, ValueError):
        os._exit(1)  # nobody listens any more
    except Exception as error:  # noqa: BLE001 - a result that can't be pickled
        theirs.send({'result': None, 'traceback': format_exception(error), 'taskid': taskid})
    theirs.close()


def _why(exit_code: int | None, node: Any) -> str:
    """Words for a worker that left no result."""
    asked = f'it asked for {node.mem_gb:g} GB'
    if exit_code == -signal.SIGKILL:
        return (
            f'the process of this node was killed, probably because memory ran out; {asked}. '
            'Raise --mem, or lower --nprocs, and give the same command again'
        )
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return f'the process of this node was ended by {name}; {asked}. Give the command again'
    return f'the process of this node ended without a result (exit code {exit_code}); {asked}'
