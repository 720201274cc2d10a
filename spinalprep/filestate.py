# SPDX-License-Identifier: Apache-2.0
"""Whether a file is the same as before, without reading it."""

from __future__ import annotations

import os
from pathlib import Path


def state_of(path: str | Path) -> tuple[int, ...]:
    """Numbers that no write to a file leaves all as they are.

    Raises
    ------
    OSError
        If there is no such file.
    """
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
