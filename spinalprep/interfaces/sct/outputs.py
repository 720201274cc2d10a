# SPDX-License-Identifier: Apache-2.0
"""Judge what a command wrote: there, readable, on the right grid, not empty, possible values."""

import csv
import zlib
from collections.abc import Collection
from pathlib import Path

import nibabel as nib
import numpy as np

from spinalprep.errors import InputImageError
from spinalprep.images import read_image

AFFINE_TOLERANCE_MM = 1e-3
"""SCT's own tolerance between grids."""


class BadOutput(ValueError):
    """An output is missing or can't be right; the message names the file and says why."""


def split_name(path: str | Path) -> tuple[str, str]:
    """File name of an image in two parts, with ``.nii.gz`` as one suffix.

    Examples
    --------
    >>> split_name('/data/t2.nii.gz')
    ('t2', '.nii.gz')
    """
    name = Path(path).name
    suffix = '.nii.gz' if name.endswith('.nii.gz') else Path(name).suffix
    return name.removesuffix(suffix), suffix


def load_image(path: Path) -> tuple[nib.spatialimages.SpatialImage, np.ndarray]:
    """Read an image completely, so that one that was cut short is noticed.

    Raises
    ------
    BadOutput
        If it isn't there or can't be read.
    """
    if not path.is_file():
        raise BadOutput(f'did not write {path}')
    try:
        image = read_image(path)
        return image, np.asanyarray(image.dataobj)
    except (
        nib.filebasedimages.ImageFileError,
        OSError,
        EOFError,
        ValueError,
        zlib.error,
    ) as error:
        raise BadOutput(f'{path} can not be read: {error}') from error


def check_image(
    path: Path,
    *,
    like: str | Path | None = None,
    labels: Collection[int] | None = None,
    allow_empty: bool = False,
) -> str:
    """Judge an image.

    Parameters
    ----------
    path
        The image.
    like
        An image whose grid it must have (shape of the three spatial axes, and affine).
    labels
        The values that it may carry besides 0; ``None``: any.
    allow_empty
        Whether it may be zero everywhere.

    Returns
    -------
    str
        The path.

    Raises
    ------
    BadOutput
        If the image isn't there, can't be read, has another grid, carries NaN, is empty, or has
        values that are no labels.
    """
    image, data = load_image(path)
    if like is not None:
        _check_grid(path, image, Path(like))
    if data.dtype.kind == 'f' and np.isnan(data).any():
        raise BadOutput(f'{path} has voxels that are not a number')
    if not allow_empty and not data.any():
        raise BadOutput(f'{path} is zero everywhere')
    if labels is not None:
        impossible = sorted(set(np.unique(data[data != 0]).tolist()) - set(labels))
        if impossible:
            shown = ', '.join(f'{value:g}' for value in impossible[:8])
            raise BadOutput(f'{path} has values that are no labels there: {shown}')
    return str(path)


def check_warp(path: Path, *, like: str | Path, any_axes: bool = False) -> str:
    """Judge an ITK displacement field.

    Parameters
    ----------
    path
        The field.
    like
        An image on the grid that the field must have.
    any_axes
        Whether the axes may be ordered or turned differently, as long as the voxels are the same.

    Returns
    -------
    str
        The path.

    Raises
    ------
    BadOutput
        If it isn't there, isn't a field, has another grid, or is defined nowhere.
    """
    from spinalprep.anatomy.warps import INVALID

    image, data = load_image(path)
    if data.ndim != 5 or data.shape[3:] != (1, 3):
        raise BadOutput(f'{path} is no displacement field: its shape is {data.shape}')
    _check_grid(path, image, Path(like), any_axes=any_axes)
    if np.isnan(data).any():
        raise BadOutput(f'{path} has vectors that are not a number')
    if not (np.abs(data).max(axis=-1) < INVALID).any():
        raise BadOutput(f'{path} is defined nowhere')
    return str(path)


def check_csv(path: Path, *, columns: Collection[str] = ()) -> str:
    """Judge a table of ``sct_process_segmentation``.

    Parameters
    ----------
    path
        The table.
    columns
        Columns that must be there and filled in at least one row.

    Returns
    -------
    str
        The path.

    Raises
    ------
    BadOutput
        If it isn't there, has no rows, or lacks a column.
    """
    if not path.is_file():
        raise BadOutput(f'did not write {path}')
    with path.open(newline='') as stream:
        rows = list(csv.DictReader(stream))
    if not rows:
        raise BadOutput(f'{path} has no rows: none of the slices or levels asked for was found')
    for column in columns:
        if not any(row.get(column) for row in rows):
            raise BadOutput(f'{path} has nothing in its column {column}')
    return str(path)


def check_within(path: Path, whole: str | Path) -> str:
    """Judge a crop: its voxels must be voxels of the whole image.

    Parameters
    ----------
    path
        The crop.
    whole
        The image that it was cut from.

    Returns
    -------
    str
        The path.

    Raises
    ------
    BadOutput
        If it isn't there, can't be read, or isn't a box of voxels of the whole.
    """
    image, data = load_image(path)
    if not data.any():
        raise BadOutput(f'{path} is zero everywhere')
    full = nib.load(whole)
    # From voxels of the crop to voxels of the whole: nothing but a shift by whole voxels.
    step = np.linalg.solve(full.affine, image.affine)
    shift = np.rint(step[:3, 3])
    far = shift + np.array(image.shape[:3])
    steady = np.allclose(step[:3, :3], np.eye(3), atol=AFFINE_TOLERANCE_MM)
    if (
        not steady
        or not np.allclose(step[:3, 3], shift, atol=0.01)
        or (shift < 0).any()
        or (far > full.shape[:3]).any()
    ):
        raise BadOutput(f'{path} is not a box of voxels of {whole}')
    return str(path)


def check_same_grid(path: str | Path, like: str | Path) -> None:
    """Refuse an input whose grid is not that of another: SCT compares voxel indices blindly.

    Raises
    ------
    InputImageError
        If the grids differ.
    """
    try:
        _check_grid(Path(path), nib.load(path), Path(like))
    except BadOutput as error:
        raise InputImageError(f'{error}. Resample it to that grid first') from error


def is_empty(path: str | Path) -> bool:
    """Whether an image is zero everywhere; an image that can't be read isn't."""
    try:
        return not load_image(Path(path))[1].any()
    except BadOutput:
        return False


def _check_grid(
    path: Path, image: nib.spatialimages.SpatialImage, like: Path, *, any_axes: bool = False
) -> None:
    found, wanted = _grid(image, any_axes), _grid(nib.load(like), any_axes)
    if found[0] != wanted[0]:
        raise BadOutput(f'{path} has shape {found[0]}, {like} has {wanted[0]}')
    if not np.allclose(found[1], wanted[1], atol=AFFINE_TOLERANCE_MM):
        raise BadOutput(f'{path} lies elsewhere than {like}: their affines differ')


def _grid(image: nib.spatialimages.SpatialImage, canonical: bool) -> tuple[tuple, np.ndarray]:
    """Shape and affine of the three spatial axes, on request in canonical order."""
    shape, affine = tuple(image.shape[:3]), image.affine
    if canonical:
        turn = nib.io_orientation(affine)
        affine = affine @ nib.orientations.inv_ornt_aff(turn, shape)
        shape = tuple(shape[axis] for axis in np.argsort(turn[:, 0]))
    return shape, affine
