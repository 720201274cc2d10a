# SPDX-License-Identifier: Apache-2.0
"""Processes that end when they should: with their parent, and when they are asked to."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from time import monotonic
from typing import Any

_PR_SET_PDEATHSIG = 1

ALIVE_S = 1.0
"""Seconds after which we look whether the processes, of which there is no news, still live."""

WHY = {
    signal.SIGINT: 'interrupted',
    signal.SIGTERM: 'interrupted',
    # by the cluster, where a job script asks for it
    signal.SIGUSR1: 'interrupted: the time of its job is nearly over',
}
"""Signals that ask us to end → why, in words."""

REPEATED_S = 5.0
"""Seconds in which a cluster's signal is the one before, said twice: Slurm tells every process of
a job, and the shell of the job passes on what it was told."""


def die_with_parent() -> None:
    """Be killed when the process that waits for us is, on Linux; elsewhere go on in vain."""
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != multiprocessing.parent_process().pid:  # it was, before we asked
            os.kill(os.getpid(), signal.SIGKILL)


def process_context() -> BaseContext:
    """How to start processes: a fork shares what is imported already, elsewhere from nothing."""
    methods = multiprocessing.get_all_start_methods()
    return multiprocessing.get_context('fork' if 'fork' in methods else 'spawn')


@contextmanager
def frozen() -> Iterator[None]:
    """Let the garbage collector pass over what is there already.

    It takes time to look at, and Nipype calls the collector before it submits a node; and what it
    touches, a forked process must copy.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def await_news(processes: Mapping[Connection, Any]) -> list[Connection]:
    """Return as soon as a process has something to tell, or has ended.

    Parameters
    ----------
    processes : mapping
        Our ends of their pipes, and the processes.

    Returns
    -------
    list
        Those ends. Of a process that was killed it may have nothing to read, not even its close:
        what the process has started may still hold the other end.
    """
    found: list[Connection] = []
    while processes and not found:
        found = wait(list(processes), ALIVE_S) or [
            connection for connection, process in processes.items() if not process.is_alive()
        ]
    return found


def await_end(process: subprocess.Popen, timeout: float | None) -> None:
    """Return as soon as a process has ended.

    Where the system can tell us, that is at once; ``Popen.wait`` with a time limit looks only
    twenty times a second.

    Raises
    ------
    subprocess.TimeoutExpired
        If it still runs after so many seconds.
    """
    if timeout is not None:
        with suppress(AttributeError, OSError):  # another system than Linux, or an old one
            end = os.pidfd_open(process.pid)
            try:
                timeout = None if wait([end], timeout) else 0.0
            finally:
                os.close(end)
    process.wait(timeout)


@contextmanager
def interruptible(*, once: bool = False) -> Iterator[None]:
    """Treat a cluster's ways to end us as the user's: all raise KeyboardInterrupt, saying why.

    What was started can then be cleaned up, which a signal said twice does not disturb; a second
    Ctrl-C does. Processes that are forked within inherit this; they end at once and in silence,
    and with them the commands that they watch.

    Parameters
    ----------
    once : bool
        Ignore what comes after the first signal: cleaning up goes on.
    """
    owner = os.getpid()
    told: list[float] = []

    def interrupt(number: int, frame: object) -> None:
        if os.getpid() != owner:
            os._exit(128 + number)
        now = monotonic()
        repeated = number != signal.SIGINT and told and now - told[-1] < REPEATED_S
        if not (repeated or (once and told)):
            told.append(now)
            raise KeyboardInterrupt(WHY[signal.Signals(number)])

    previous = [signal.signal(number, interrupt) for number in WHY]
    try:
        yield
    finally:
        for number, handler in zip(WHY, previous, strict=True):
            signal.signal(number, handler)


class Heir:
    """A process that cleans up after us, should we be killed.

    Lives as long as we do. When our end of its pipe closes, however we die, it reads to the end
    what it was told, a line each, and does what is due; after a line ``done`` nothing is.

    Parameters
    ----------
    script : str
        For the shell, which starts in a tenth of an interpreter's time; reads its standard input.
    *arguments : str
        Its ``$1`` and so on.
    environment : mapping, optional
        Ours if not given.
    """

    def __init__(self, script: str, *arguments: str, environment: Mapping[str, str] | None = None):
        self._process = subprocess.Popen(
            ['/bin/sh', '-c', script, 'sh', *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def tell(self, text: object) -> None:
        """Tell it a line.

        Raises
        ------
        OSError
            If it is gone.
        """
        self._process.stdin.write(f'{text}\n')
        self._process.stdin.flush()

    def leave(self) -> None:
        """Let it do what is due."""
        with suppress(OSError):
            self._process.stdin.close()

    def dismiss(self) -> None:
        """Let it end: nothing is left to do."""
        with suppress(OSError):
            self.tell('done')
        self.leave()
        self._process.wait()
