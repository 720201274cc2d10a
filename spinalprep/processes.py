# SPDX-License-Identifier: Apache-2.0
"""Processes that end when they should: with their parent, and when they are asked to."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_PR_SET_PDEATHSIG = 1
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def die_with_parent() -> None:
    """Be killed when the process that waits for us is, on Linux; elsewhere go on in vain."""
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def interruptible(*, once: bool = False) -> Iterator[None]:
    """Treat a cluster's way to end us as the user's: both raise KeyboardInterrupt.

    What was started can then be cleaned up. Processes that are forked within inherit this;
    they end at once and in silence, and with them the commands that they watch.

    Parameters
    ----------
    once : bool
        Ignore what comes after the first signal: cleaning up goes on.
    """
    owner = os.getpid()
    told: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        if os.getpid() != owner:
            os._exit(128 + number)
        if not (once and told):
            told.append(number)
            raise KeyboardInterrupt

    previous = [signal.signal(number, interrupt) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, previous, strict=True):
            signal.signal(number, handler)
