# SPDX-License-Identifier: Apache-2.0
"""Images read from files; while a graph runs in one process, each once if there is room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nb
import numpy as np

from spinalprep.filestate import state_of

ROOM = 128 * 2**20
"""Bytes of voxels that are kept: fields on a subject's grid, not those of the whole template."""


@dataclass
class _Shelf:
    """Images that were read, the one used last at the end."""

    room: int
    images: OrderedDict[tuple, nb.spatialimages.SpatialImage] = field(default_factory=OrderedDict)

    def put(self, state: tuple, image: nb.spatialimages.SpatialImage) -> None:
        if image.dataobj.nbytes > self.room:
            return
        self.images[state] = image
        while sum(kept.dataobj.nbytes for kept in self.images.values()) > self.room:
            self.images.popitem(last=False)


_shelves: list[_Shelf] = []


@contextmanager
def remembered_images(room: int = ROOM) -> Iterator[None]:
    """Let `read_image` keep what it reads.

    Parameters
    ----------
    room : int
        Bytes of voxels; what was not used for longest gives way.
    """
    _shelves.append(_Shelf(room))
    try:
        yield
    finally:
        _shelves.pop()


def read_image(path: str | Path) -> nb.spatialimages.SpatialImage:
    """Read an image completely.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    SpatialImage
        Its ``dataobj`` is an array that can't be written to.

    Raises
    ------
    FileNotFoundError, ImageFileError, OSError, EOFError, ValueError, zlib.error
        As nibabel does.
    """
    shelf = _shelves[-1] if _shelves else _Shelf(0)
    state = state_of(path)
    if state in shelf.images:
        shelf.images.move_to_end(state)
        return shelf.images[state]
    found = nb.load(path)
    voxels = np.asanyarray(found.dataobj)
    voxels.flags.writeable = False
    image = type(found)(voxels, found.affine, found.header)
    shelf.put(state, image)
    return image
