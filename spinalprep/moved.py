# SPDX-License-Identifier: Apache-2.0
"""Working folders that were moved: results in them name their files by where they lay.

Nipype can write such names relative to a node's folder, but not those of a file that a node only
passes on, nor those in lists; and a name that leads nowhere stops the graph.
"""

from __future__ import annotations

import gzip
import os
import pickle
import pickletools
import re
from collections.abc import Mapping
from pathlib import Path

from spinalprep import atomic

MARKER = 'place'
"""In a working folder: where it lies, as it was named and without symbolic links."""

_TEXTS = {'SHORT_BINUNICODE', 'BINUNICODE', 'BINUNICODE8'}


def follow(folder: Path) -> int:
    """Let the results in a working folder name the place where it lies now.

    Parameters
    ----------
    folder : Path
        Made where missing.

    Returns
    -------
    int
        Results that were changed.
    """
    here = [str(folder.absolute()), str(folder.resolve())]
    marker = folder / MARKER
    before = marker.read_text(encoding='utf-8').splitlines() if marker.is_file() else here
    names = {
        old + os.sep: new + os.sep for old, new in zip(before, here, strict=True) if old != new
    }
    # killed between two of them we begin again: what is changed already has no old name any more,
    # for a name counts only where it begins
    changed = sum(_rename(path, names) for path in folder.rglob('result_*.pklz')) if names else 0
    atomic.write_text(marker, '\n'.join(here) + '\n')
    return changed


def _rename(path: Path, names: Mapping[str, str]) -> bool:
    """Replace texts in a compressed pickle; whether there were any."""
    with gzip.open(path) as stream:
        content = stream.read()
    renamed = replace_texts(content, names)
    if renamed == content:
        return False
    with atomic.replacing(path) as temporary, gzip.open(temporary, 'wb') as stream:
        stream.write(renamed)
    return True


def replace_texts(content: bytes, names: Mapping[str, str]) -> bytes:
    """Replace beginnings of paths in the texts of a pickle, without loading what it holds.

    Parameters
    ----------
    content : bytes
    names : mapping
        Beginning of a path, absolute → what stands there instead.

    Returns
    -------
    bytes
        The very same where no text has such a part.

    Examples
    --------
    >>> pickle.loads(replace_texts(pickle.dumps(['/a/x', '/b/x']), {'/a/': '/longer/'}))
    ['/longer/x', '/b/x']
    """
    old = '|'.join(map(re.escape, sorted(names, key=len, reverse=True)))
    begins = re.compile(rf'(?<![\w./-])(?:{old})')
    parts = list(pickletools.genops(content))
    ends = [*(start for _, _, start in parts[1:]), len(content)]
    found, new = False, bytearray()
    for (code, value, start), end in zip(parts, ends, strict=True):
        if code.name == 'FRAME':
            continue  # only says how much may be read at once
        count = 0
        if code.name in _TEXTS:
            text, count = begins.subn(lambda match: names[match.group()], value)
        if count == 0:
            new += content[start:end]
        else:
            found = True
            data = text.encode('utf-8', 'surrogatepass')
            new += pickle.BINUNICODE + len(data).to_bytes(4, 'little') + data
    return bytes(new) if found else content
