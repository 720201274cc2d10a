# SPDX-License-Identifier: Apache-2.0
"""Tasks side by side, a process each, that share a number of processors.

A process that is killed is a task that failed, and nothing else is lost; none outlives its parent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from spinalprep.errors import WorkerKilled
from spinalprep.processes import await_news, die_with_parent, interruptible, process_context

Task = TypeVar('Task')

GRACE_S = 30.0
"""Seconds in which processes may clean up when they are interrupted."""


@dataclass(frozen=True)
class _Running:
    process: Any
    task: Any
    nprocs: int


def side_by_side(
    tasks: Sequence[Task],
    work: Callable[[Task, int, Callable[..., None]], Any],
    *,
    nprocs: int,
    at_once: int,
    heard: Callable[..., None],
) -> Iterator[tuple[Task, Any]]:
    """Do tasks in processes of their own; yield each with its result, as it ends.

    Parameters
    ----------
    tasks : sequence
    work : callable
        Given the task, its share of the processors, and a function that tells `heard`
        something; what it returns, or raises, is the result. Runs in the task's process.
    nprocs : int
        Processors to share: those that are free are shared out among the tasks that wait.
    at_once : int
        Tasks that may run at once, at most `nprocs`.
    heard : callable
        Given the task and whatever was told.

    Yields
    ------
    task, result
        The result is an exception where one was raised, `WorkerKilled` where the process ended
        without a word.

    Raises
    ------
    KeyboardInterrupt
        If a task was interrupted; the others are, too.
    """
    context = process_context()
    waiting = deque(tasks)
    running: dict[Connection, _Running] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                free = nprocs - sum(item.nprocs for item in running.values())
                # as many more will start as may: each gets the same share
                share = max(free // min(len(waiting), at_once - len(running)), 1)
                task = waiting.popleft()
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(theirs, work, task, share))
                process.start()
                theirs.close()
                running[ours] = _Running(process, task, share)
            news = await_news({ours: item.process for ours, item in running.items()})
            for connection in news:
                yield from _hear(connection, running, heard)
    finally:
        _end([item.process for item in running.values()])


@contextmanager
def beside(work: Callable[[], Any]) -> Iterator[Callable[[], Any]]:
    """Do something in a process of its own while we do something else.

    Parameters
    ----------
    work : callable

    Yields
    ------
    callable
        Waits until it is done; returns its result, or raises its error, or `WorkerKilled`. What
        is not done when the block ends is ended.
    """
    context = process_context()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, lambda *_: work(), None, 1))
    process.start()
    theirs.close()

    def result() -> Any:
        try:
            _, content = ours.recv()
        except EOFError:
            process.join()
            raise WorkerKilled(
                f'a process ended without a word (exit code {process.exitcode}), probably because '
                'memory ran out. Give it more, and the same command again'
            ) from None
        process.join()
        if isinstance(content, BaseException):
            raise content
        return content

    try:
        yield result
    finally:
        if process.is_alive():
            _end([process])
        ours.close()


def _hear(
    connection: Connection, running: dict[Connection, _Running], heard: Callable[..., None]
) -> Iterator[tuple[Any, Any]]:
    """Take one message of a process."""
    item = running[connection]
    try:
        if not connection.poll():  # it has ended; what it started holds its end of the pipe
            raise EOFError
        kind, content = connection.recv()
    except (EOFError, OSError):
        item.process.join()
        kind = 'result'
        content = WorkerKilled(
            'the process of this subject ended without a word '
            f'(exit code {item.process.exitcode}), probably because memory ran out. '
            'Raise --mem, or lower --nprocs, and give the same command again'
        )
    if kind == 'told':
        heard(item.task, *content)
        return
    item.process.join()
    connection.close()
    del running[connection]
    if isinstance(content, KeyboardInterrupt):
        raise content
    yield item.task, content


def _work(theirs: Connection, work: Callable, task: Any, share: int) -> None:
    """Do a task in its own process, and send what came of it."""
    die_with_parent()
    with interruptible(once=True):
        try:
            result = work(task, share, lambda *content: theirs.send(('told', content)))
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - told to the parent
            result = error
        theirs.send(('result', result))


def _end(processes: Sequence[Any]) -> None:
    """Ask processes to clean up and end; end those that don't."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(GRACE_S)
        process.kill()
        process.join()
