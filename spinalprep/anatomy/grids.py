# SPDX-License-Identifier: Apache-2.0
"""Voxel grids: making a header trustworthy, comparing grids, moving between them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import nibabel as nb
import numpy as np

AFFINE_TOLERANCE = 1e-3
"""Largest difference (mm) at which two affines, or q- and sform, count as one."""


class UnusableImage(ValueError):
    """An image whose data or header can't serve; the message says why."""


def conform(image: nb.spatialimages.SpatialImage) -> tuple[nb.Nifti1Image, list[str]]:
    """3-D image with one trustworthy affine.

    A fourth axis of length one is dropped. Where qform and sform differ the sform
    counts, as in nibabel, unless it shears, which no scanner does and no qform can
    express; then the qform counts.

    Parameters
    ----------
    image : SpatialImage
        As loaded.

    Returns
    -------
    image : Nifti1Image
        3-D, same numbers on the same grid, qform equal to sform.
    notes : list of str
        What was changed, in words.

    Raises
    ------
    UnusableImage
        More than one volume, fewer than three axes, no spatial orientation in the
        header, shearing without a qform to fall back on, values that are not real
        numbers, not finite, all equal, or can't be read to the end.
    """
    notes = []
    shape = image.shape
    volumes = int(np.prod(shape[3:]))
    if len(shape) < 3 or min(shape[:3]) < 2:
        raise UnusableImage(f'not a volume: shape {shape}')
    if volumes != 1:
        raise UnusableImage(f'{volumes} volumes (shape {shape}); one is expected')
    if len(shape) > 3:
        notes.append(f'dropped the empty axes of shape {shape}')
    affine, note = _one_affine(image)
    notes += [note] if note else []
    data = _read(image).reshape(shape[:3])
    header = image.header.copy() if isinstance(image, nb.Nifti1Image) else nb.Nifti1Header()
    header.set_data_dtype(data.dtype)
    conformed = nb.Nifti1Image(data, affine, header)
    code = int(header['sform_code']) or int(header['qform_code']) or 1
    conformed.set_sform(affine, code)
    conformed.set_qform(affine, code)
    return conformed, notes


def _read(image: nb.spatialimages.SpatialImage) -> np.ndarray:
    try:
        data = np.asanyarray(image.dataobj)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UnusableImage(f'can not be read to its end ({error})') from error
    if data.dtype.kind not in 'iufb':
        raise UnusableImage(f'values of type {data.dtype}; real numbers are expected')
    if data.dtype.kind == 'f':
        data = data.astype(np.float32, copy=False)
        if not np.isfinite(data).all():
            raise UnusableImage('some values are not finite')
    elif data.dtype.itemsize > 4:
        data = data.astype(np.int32)
    if data.min() == data.max():
        raise UnusableImage(f'all values are {data.flat[0]}')
    return data


def _one_affine(image: nb.spatialimages.SpatialImage) -> tuple[np.ndarray, str]:
    if not isinstance(image, nb.Nifti1Image):
        return image.affine, ''
    sform, sform_code = image.header.get_sform(coded=True)
    qform, qform_code = image.header.get_qform(coded=True)
    sform_usable = sform is not None and sform_code > 0 and not shears(sform)
    qform_usable = qform is not None and qform_code > 0
    if sform_usable and qform_usable and not same_affine(sform, qform):
        return sform, 'qform and sform differ: the sform was taken for both'
    if sform_usable:
        return sform, ''
    if qform_usable and sform_code > 0:
        return qform, 'the sform shears: the qform was taken for both'
    if qform_usable:
        return qform, ''
    if sform_code > 0:
        raise UnusableImage('the sform shears and there is no qform')
    raise UnusableImage('the header says nothing about orientation (qform and sform code 0)')


def shears(affine: np.ndarray) -> bool:
    """Whether the axes of an affine are not at right angles, or one has no length."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or (lengths < 1e-6).any():
        return True
    directions = affine[:3, :3] / lengths
    return bool(np.abs(directions.T @ directions - np.eye(3)).max() > 1e-2)


def same_affine(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two affines agree within :data:`AFFINE_TOLERANCE`."""
    return bool(np.abs(np.asarray(first) - np.asarray(second)).max() <= AFFINE_TOLERANCE)


def match_grid(
    image: nb.spatialimages.SpatialImage, reference: nb.spatialimages.SpatialImage
) -> nb.Nifti1Image:
    """Mask or labels on a reference's grid, where the two grids share their voxels.

    Reorients, crops and pads; never interpolates.

    Parameters
    ----------
    image : SpatialImage
        3-D labels whose voxels coincide with voxels of `reference`, whatever their
        storage order and field of view.
    reference : SpatialImage

    Returns
    -------
    Nifti1Image
        On the grid of `reference`; 0 outside the field of view of `image`.

    Raises
    ------
    UnusableImage
        If the voxels don't coincide, or the fields of view don't overlap.
    """
    data = np.asanyarray(image.dataobj)
    if data.ndim > 3:
        data = data.reshape(data.shape[:3])
    moved = _reoriented(nb.Nifti1Image(data.astype(_storable(data)), image.affine), reference)
    start = _start(moved, reference)
    if start is None:
        raise UnusableImage(
            'its voxels do not coincide with those of the image it belongs to '
            f'(voxel sizes {voxel_sizes(image)} and {voxel_sizes(reference)} mm)'
        )
    low = np.maximum(start, 0)
    high = np.minimum(start + moved.shape, reference.shape[:3])
    if (high <= low).any():
        raise UnusableImage('it lies outside the image it belongs to')
    values = np.zeros(reference.shape[:3], dtype=moved.get_data_dtype())
    target = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    source = tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))
    values[target] = np.asanyarray(moved.dataobj)[source]
    return labels_like(values, reference)


def voxels_coincide(
    image: nb.spatialimages.SpatialImage, reference: nb.spatialimages.SpatialImage
) -> bool:
    """Whether two grids share their voxels, so that :func:`match_grid` can go between them."""
    return _start(_reoriented(image, reference), reference) is not None


def _reoriented(
    image: nb.spatialimages.SpatialImage, reference: nb.spatialimages.SpatialImage
) -> nb.spatialimages.SpatialImage:
    """The image with its axes in the order and direction of a reference's."""
    turn = nb.orientations.ornt_transform(
        nb.io_orientation(image.affine), nb.io_orientation(reference.affine)
    )
    return image.as_reoriented(turn)


def _start(
    moved: nb.spatialimages.SpatialImage, reference: nb.spatialimages.SpatialImage
) -> np.ndarray | None:
    """Voxel of the reference where a reoriented image begins; None if voxels don't coincide."""
    offset = np.linalg.inv(reference.affine) @ moved.affine
    start = np.rint(offset[:3, 3]).astype(int)
    linear_off = np.abs(offset[:3, :3] - np.eye(3)).max() * max(moved.shape)
    if linear_off > 0.1 or np.abs(offset[:3, 3] - start).max() > 0.1:
        return None
    return start


def empty_grid(image: nb.spatialimages.SpatialImage) -> nb.Nifti1Image:
    """The grid that :func:`conform` gives an image, without reading its data.

    Parameters
    ----------
    image : SpatialImage
        At least three axes.

    Returns
    -------
    Nifti1Image
        Zero everywhere, in no memory.

    Raises
    ------
    UnusableImage
        If the header can't be trusted.
    """
    affine, _ = _one_affine(image)
    return nb.Nifti1Image(np.broadcast_to(np.uint8(0), image.shape[:3]), affine)


def labels_like(values: np.ndarray, reference: nb.spatialimages.SpatialImage) -> nb.Nifti1Image:
    """Image of labels or of a mask with the grid of a reference.

    Parameters
    ----------
    values : ndarray, shape (i, j, k)
    reference : SpatialImage
        3-D; gives affine and form codes.

    Returns
    -------
    Nifti1Image
        ``uint8``, or what the values need.
    """
    image = nb.Nifti1Image(values.astype(_storable(values)), reference.affine)
    code = int(reference.header['sform_code']) if 'sform_code' in reference.header else 1
    image.set_sform(reference.affine, code or 1)
    image.set_qform(reference.affine, code or 1)
    image.header.set_xyzt_units('mm')
    return image


def mark_points(
    values: np.ndarray, affine: np.ndarray, points: Mapping[int, np.ndarray]
) -> np.ndarray:
    """Labels with one voxel set for each point that lies inside the grid.

    Parameters
    ----------
    values : ndarray of int, shape (i, j, k)
        Not changed.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    points : dict
        Value → world point.

    Returns
    -------
    ndarray of int, shape (i, j, k)
    """
    marked = values.copy()
    inverse = np.linalg.inv(affine)
    for value, point in points.items():
        voxel = np.rint(inverse[:3, :3] @ point + inverse[:3, 3]).astype(int)
        if (voxel >= 0).all() and (voxel < values.shape).all():
            marked[tuple(voxel)] = value
    return marked


def _storable(values: np.ndarray) -> type:
    """Smallest type that keeps the values; soft masks stay floating."""
    if values.dtype.kind == 'b':
        return np.uint8
    if values.dtype.kind == 'f' and not np.array_equal(values, np.rint(values)):
        return np.float32
    if values.size and values.min() < 0:
        return np.int16
    return np.uint8 if not values.size or values.max() < 256 else np.uint16


def voxel_sizes(image: nb.spatialimages.SpatialImage) -> str:
    """Voxel sizes (mm) in words, such as ``1×1×2``."""
    return '×'.join(f'{zoom:.3g}' for zoom in nb.affines.voxel_sizes(image.affine))
