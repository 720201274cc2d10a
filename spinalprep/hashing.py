# SPDX-License-Identifier: Apache-2.0
"""Each file's content hashed once: Nipype hashes it twice for each node that reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from nipype.interfaces.base import specs


@contextmanager
def remembered_hashes() -> Iterator[None]:
    """Let Nipype's nodes take a file's hash from memory as long as the file is the same.

    A field of the whole cord, of a hundred megabytes, is read by a dozen nodes. The same is a
    file whose inode, size, and times of change of content and of inode are: no write leaves them
    all. Processes that are forked within remember for themselves.
    """
    compute = specs.hash_infile
    known: dict[tuple, str | None] = {}

    def hash_infile(path: str | os.PathLike, **options) -> str | None:
        try:
            found = os.stat(path)
        except OSError:
            return compute(path, **options)
        state = (
            found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns,
            *sorted(options.items()),
        )  # fmt: skip
        if state not in known:
            known[state] = compute(path, **options)
        return known[state]

    specs.hash_infile = hash_infile
    try:
        yield
    finally:
        specs.hash_infile = compute
