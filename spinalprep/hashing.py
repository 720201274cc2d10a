# SPDX-License-Identifier: Apache-2.0
"""Each file's content hashed once: Nipype hashes it twice for each node that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nipype.interfaces.base import specs

from spinalprep.filestate import state_of


@contextmanager
def remembered_hashes() -> Iterator[None]:
    """Let Nipype's nodes take a file's hash from memory as long as the file is the same.

    A field of the whole cord, of a hundred megabytes, is read by a dozen nodes. Processes that are
    forked within remember for themselves.
    """
    compute = specs.hash_infile
    known: dict[tuple, str | None] = {}

    def hash_infile(path: str, **options) -> str | None:
        try:
            state = (*state_of(path), *sorted(options.items()))
        except OSError:
            return compute(path, **options)
        if state not in known:
            known[state] = compute(path, **options)
        return known[state]

    specs.hash_infile = hash_infile
    try:
        yield
    finally:
        specs.hash_infile = compute
