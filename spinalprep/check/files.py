# SPDX-License-Identifier: Apache-2.0
"""Is the file of a product whole, on its grid, and of values it may have?"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spinalprep.naming import sidecar_of
from spinalprep.products import Product, label_names

if TYPE_CHECKING:
    import nibabel as nb

GRID_TOLERANCE_VOXELS = 0.1
"""Largest shift of a corner of a grid that writing and reading headers may cause."""

_WORDS = ('level', 'spinal_level', 'name', 'color')
"""Columns of tables that hold names; all others hold numbers or ``n/a``."""


class Grids:
    """The grids of the two spaces, as far as they are known.

    Parameters
    ----------
    record : mapping
        Its ``template_grid`` is the grid of the template; the first image of the other
        space sets that one.
    """

    def __init__(self, record: Mapping[str, Any]):
        self._known: dict[str, tuple[tuple[int, ...], Any]] = {}
        grid = record['template_grid']
        if grid:
            self._known['template'] = (tuple(grid['shape']), grid['affine'])

    def differs(self, space: str, image: nb.Nifti1Image) -> str | None:
        """What is wrong with an image's grid, in words; None when nothing is."""
        import numpy as np

        shape, affine = image.shape[:3], image.affine
        if space not in self._known:
            self._known[space] = (shape, affine)
            return None
        own_shape, own_affine = self._known[space]
        if shape != own_shape:
            return f'shape {shape}, but the {space} has {own_shape}'
        corners = np.array(np.meshgrid(*([0, n - 1] for n in shape), [1])).reshape(4, -1)
        shift = np.linalg.norm(((affine - np.array(own_affine)) @ corners)[:3], axis=0).max()
        voxel = np.linalg.norm(affine[:3, :3], axis=0).min()
        if not shift <= GRID_TOLERANCE_VOXELS * voxel:
            return f'its grid is up to {shift:.3g} mm off that of the {space}'
        return None


def judge_file(item: Product, path: Path, grids: Grids) -> Iterator[str]:
    """Everything that is wrong with the file of a product, and with its sidecar.

    Parameters
    ----------
    item : Product
    path : Path
    grids : Grids
        What is known of the two spaces; it learns from the first image of each.

    Yields
    ------
    str
    """
    if not path.is_file():
        yield f'{item.name} is missing'
        return
    yield from _judge_sidecar(path)
    try:
        content = _read(path)
        if item.columns:
            yield from _judge_table(item, content.decode('utf-8'))
            return
        image, data = _as_image(content)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        yield f'can not be read to its end ({error})'
        return
    if item.kind == 'warp':
        if image.ndim != 5 or image.shape[3:] != (1, 3):
            yield f'shape {image.shape} is not that of a displacement field (x, y, z, 1, 3)'
            return
        if image.header.get_intent()[0] != 'vector':
            yield f'intent {image.header.get_intent()[0]!r}, but a displacement field is a vector'
            return
    elif image.ndim != 3:
        yield f'{image.ndim} axes, 3 expected'
        return
    if wrong := grids.differs(item.space, image):
        yield wrong
    yield from _judge_values(item, data)


def _judge_sidecar(path: Path) -> Iterator[str]:
    sidecar = sidecar_of(path)
    try:
        content = json.loads(sidecar.read_text(encoding='utf-8'))
    except OSError:
        yield f'its sidecar {sidecar.name} is missing'
    except ValueError as error:
        yield f'its sidecar {sidecar.name} can not be read ({error})'
    else:
        if not isinstance(content, dict) or 'Sources' not in content:
            yield f'its sidecar {sidecar.name} does not say what it was made from (Sources)'


def _judge_table(item: Product, text: str) -> Iterator[str]:
    header, *rows = text.splitlines() or ['']
    if tuple(header.split('\t')) != item.columns:
        yield f'columns {header!r}, expected {" ".join(item.columns)}'
    if not rows:
        yield 'a table without rows'
    elif any(row.count('\t') != header.count('\t') for row in rows):
        yield 'rows of different length'
    else:
        yield from _judge_cells(header.split('\t'), rows)


def _judge_cells(columns: list[str], rows: list[str]) -> Iterator[str]:
    for number, row in enumerate(rows, start=1):
        for column, cell in zip(columns, row.split('\t'), strict=True):
            if column in _WORDS or cell == 'n/a':
                continue
            try:
                float(cell)
            except ValueError:
                yield f'row {number}: {column} is {cell!r}, a number or n/a expected'
                return


def _judge_values(item: Product, data: Any) -> Iterator[str]:
    import numpy as np

    allowed = label_names(item)
    if allowed is None:
        if not np.isfinite(data).all():
            yield 'some values are not finite'
        elif item.kind == 'image' and data.min() == data.max():
            yield f'all values are {data.flat[0]}'
        elif item.kind == 'probability' and (data.min() < 0 or data.max() > 1 or not data.any()):
            yield f'values from {data.min():.3g} to {data.max():.3g}, shares of 1 expected'
        return
    values, counts = np.unique(data[data != 0], return_counts=True)
    if not values.size:
        yield 'empty'
    alien = [f'{value:g}' for value in values if value not in allowed]
    if alien:
        yield f'values that {item.name} never has: {", ".join(alien)}'
    if item.kind == 'points':
        repeated = [f'{value:g}' for value in values[counts > 1]]
        if repeated:
            yield f'more than one voxel for: {", ".join(repeated)}'


def _read(path: Path) -> bytes:
    """All bytes, unpacked; the checksum at the end is what tells a truncated file."""
    if path.suffix == '.gz':
        with gzip.open(path) as stream:
            return stream.read()
    return path.read_bytes()


def _as_image(content: bytes) -> tuple[nb.Nifti1Image, Any]:
    """Image and its values.

    Raises
    ------
    ValueError
        If these are not the bytes of a whole NIfTI image.
    """
    import nibabel as nb
    import numpy as np

    try:
        image = nb.Nifti1Image.from_bytes(content)
        return image, np.asanyarray(image.dataobj)
    except (
        nb.filebasedimages.ImageFileError,
        nb.spatialimages.HeaderDataError,
        nb.wrapstruct.WrapStructError,  # too few bytes for a header
    ) as error:
        raise ValueError(str(error)) from error
