# SPDX-License-Identifier: Apache-2.0
"""Working folders from which files have gone: what is left must not pass for a result.

Nipype takes a node for finished by its result and its hash, and looks for the files only when the
next node wants them; that ends the graph with MultiProc and on a cluster, each time again. Scratch
file systems remove what is old, and users what is large.
"""

from __future__ import annotations

import gzip
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def forget_incomplete(folder: Path) -> list[Path]:
    """Make Nipype forget nodes whose results name files in this folder that are not there.

    Parameters
    ----------
    folder : Path
        A Nipype working folder, searched to the bottom.

    Returns
    -------
    list of Path
        Folders of the nodes that will run again.
    """
    places = tuple({f'{folder.absolute()}{os.sep}', f'{folder.resolve()}{os.sep}'})
    forgotten = []
    for result in sorted(folder.rglob('result_*.pklz')):
        hashes = list(result.parent.glob('_0x*.json'))
        if hashes and not _is_whole(result, places):
            for path in hashes:
                path.unlink()
            forgotten.append(result.parent)
    return forgotten


def _is_whole(result: Path, places: tuple[str, ...]) -> bool:
    try:
        with gzip.open(result) as stream:
            outputs = vars(pickle.load(stream)).get('outputs')  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - cut off, or of classes that are gone: no result either way
        return False
    named = _texts(vars(outputs) if outputs is not None else {})
    return all(os.path.exists(text) for text in named if text.startswith(places))


def _texts(value: Any) -> Iterator[str]:
    """All texts and paths in nested containers."""
    if isinstance(value, (str, os.PathLike)):
        yield os.fspath(value)
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _texts(item)
