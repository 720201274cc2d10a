# SPDX-License-Identifier: Apache-2.0
"""Locks that say who holds them, and that a death releases.

The kernel holds the lock, on an open file: it is free the moment its owner is gone, however it
went. What stands in the file is for people.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_NOT_SUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


class Held(Exception):
    """Another process holds the lock.

    Attributes
    ----------
    owner : str
        Which, in words.
    """

    def __init__(self, owner: str):
        super().__init__(owner)
        self.owner = owner


@contextmanager
def held(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock while the block runs.

    Parameters
    ----------
    path : Path
        Lock file; stays there afterwards, empty.
    wait : bool
        Wait for as long as another process holds it.

    Raises
    ------
    Held
        If another process holds it, and we are not to wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # close-on-exec is Python's default: a command that outlives us does not hold the lock
    with path.open('a+', encoding='utf-8') as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise Held(owner_of(path)) from None
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
            warnings.warn(
                f'{path}: this file system has no locks ({error.strerror}); do not run the same '
                'subjects twice at once',
                stacklevel=3,
            )
        stream.truncate(0)
        now = datetime.now(UTC).astimezone().isoformat(timespec='seconds')
        json.dump({'host': socket.gethostname(), 'pid': os.getpid(), 'since': now}, stream)
        stream.flush()
        try:
            yield
        finally:
            stream.truncate(0)


def is_held(path: Path) -> bool | None:
    """Whether a process holds a lock now; None where the file system does not tell."""
    if not path.is_file():
        return False
    try:
        # NFS gives a shared lock only on what is open for reading
        with path.open('rb') as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def owner_of(path: Path) -> str:
    """Who holds a lock, by what stands in it."""
    try:
        owner: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        return f'process {owner["pid"]} on {owner["host"]}, since {owner["since"]}'
    except (OSError, ValueError, KeyError):
        return 'another process'
