# SPDX-License-Identifier: Apache-2.0
"""Masks and labels from elsewhere: can they be what they are given for, and on which grid?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import nibabel as nb
import numpy as np

from spinalprep.anatomy.grids import (
    UnusableImage,
    conform,
    labels_like,
    mark_points,
    match_grid,
    voxel_sizes,
    voxels_coincide,
)
from spinalprep.anatomy.labels import LAST_DISC, disc_name, label_points, order_breaks

Kind = Literal['mask', 'labels', 'points']

LEAST_INSIDE = 0.5
"""Part of a mask, or of labels, that must lie in the field of view of its image."""

FAR_MM = 40.0
"""Distance from the cord (mm) at which nothing lies that belongs to it."""


def possible_labels(
    image: nb.spatialimages.SpatialImage, kind: Kind, names: Mapping[int, str]
) -> tuple[nb.Nifti1Image, list[str]]:
    """Labels of an image, where they can be what they are given for.

    Parameters
    ----------
    image : SpatialImage
        As loaded. A soft mask, with values from 0 to 1, is cut at 0.5; a disc drawn as a
        region becomes a point in its middle.
    kind : str
        ``mask``, ``labels``, or ``points``.
    names : dict
        Values that may stand beside 0, with their names.

    Returns
    -------
    image : Nifti1Image
        Integers, on the same grid, with one trustworthy affine.
    notes : list of str
        What was changed, in words.

    Raises
    ------
    UnusableImage
        If the image can't be read or is empty, its header can't be trusted, it holds values
        that are not in `names`, or points that stand twice or out of order.
    """
    image, notes = conform(image)
    values = np.asanyarray(image.dataobj)
    if kind == 'mask' and values.dtype.kind == 'f' and 0 <= values.min() <= values.max() <= 1:
        if not np.isin(values, (0, 1)).all():
            notes.append('a soft mask: cut at 0.5')
        values = (values > 0.5).astype(np.uint8)
    present = np.unique(values[values != 0])
    if not present.size:
        raise UnusableImage('nothing in it is above 0.5')
    alien = [f'{value:g}' for value in present if value not in names]
    if alien:
        known = [f'{value} ({name})' for value, name in names.items()]
        known = known if len(known) <= 5 else [*known[:3], '…', known[-1]]
        shown = ', '.join(alien[:5]) + (' …' if len(alien) > 5 else '')
        raise UnusableImage(f'it holds {shown}; possible are {", ".join(known)}')
    values = values.astype(np.int16)
    if kind == 'points':
        values, reduced = _single_points(values, names)
        _check_order(label_points(values, image.affine))
        if reduced:
            notes.append(f'drawn as regions, their middles were taken: {", ".join(reduced)}')
    return labels_like(values, image), notes


def _single_points(values: np.ndarray, names: Mapping[int, str]) -> tuple[np.ndarray, list[str]]:
    """One voxel per value, and the names of those that had more."""
    from scipy import ndimage

    points, reduced = np.zeros_like(values), []
    for value in np.unique(values[values != 0]):
        voxels = np.argwhere(values == value)
        if len(voxels) > 1:
            _, places = ndimage.label(values == value, np.ones((3, 3, 3)))
            if places > 1:
                raise UnusableImage(f'{value} ({names[value]}) stands at {places} places')
            reduced.append(names[value])
        middle = np.argmin(np.linalg.norm(voxels - voxels.mean(axis=0), axis=1))
        points[tuple(voxels[middle])] = value
    return points, reduced


def _check_order(points: Mapping[int, np.ndarray]) -> None:
    """Refuse discs of which a higher one lies below a lower one."""
    heights = {v: float(point[2]) for v, point in points.items() if v <= LAST_DISC}
    broken = order_breaks(heights)
    if broken:
        pairs = ', '.join(f'{lower} ({disc_name(lower)}) is not below {upper} ({disc_name(upper)})'
                          for upper, lower in broken)  # fmt: skip
        raise UnusableImage(f'its discs are out of order: {pairs}')


def onto_grid(
    labels: nb.Nifti1Image, reference: nb.spatialimages.SpatialImage, kind: Kind
) -> tuple[nb.Nifti1Image, str]:
    """Labels on the grid of the image that they belong to.

    Where the grids share their voxels, nothing is interpolated. Otherwise each voxel takes
    the value of the nearest one, and points move one by one, so that none is lost or doubled.

    Parameters
    ----------
    labels : Nifti1Image
        As :func:`possible_labels` gives them.
    reference : SpatialImage
    kind : str
        ``mask``, ``labels``, or ``points``.

    Returns
    -------
    labels : Nifti1Image
    note : str
        That they were resampled, and what was lost thereby; empty if they were not.

    Raises
    ------
    UnusableImage
        If most of it lies outside the reference's field of view, or nothing is left.
    """
    inside = _part_inside(labels, reference)
    if inside < LEAST_INSIDE:
        raise UnusableImage(
            f'only {inside:.0%} of it lies in the field of view of the image: is it of another '
            'subject or session?'
        )
    if voxels_coincide(labels, reference):
        return match_grid(labels, reference), ''
    values = np.asanyarray(labels.dataobj)
    if kind == 'points':
        empty = np.zeros(reference.shape[:3], values.dtype)
        moved = mark_points(empty, reference.affine, label_points(values, labels.affine))
        how = 'point by point'
    else:
        from scipy import ndimage

        there = np.linalg.inv(labels.affine) @ reference.affine
        moved = ndimage.affine_transform(
            values, there, output_shape=reference.shape[:3], order=0, prefilter=False
        )
        how = 'each voxel as the nearest one'
    left = np.unique(moved[moved != 0])
    if not left.size:
        raise UnusableImage('nothing of it is left on the grid of the image')
    note = (
        f'resampled, {how}: its voxels ({voxel_sizes(labels)} mm) do not coincide with those of '
        f'the image ({voxel_sizes(reference)} mm)'
    )
    lost = np.setdiff1d(values[values != 0], left)
    if lost.size:
        note += f'; lost thereby: {", ".join(map(str, lost))}'
    return labels_like(moved, reference), note


def _part_inside(labels: nb.Nifti1Image, reference: nb.spatialimages.SpatialImage) -> float:
    """Part of the labelled voxels whose centres lie in the reference's field of view."""
    voxels = np.argwhere(np.asanyarray(labels.dataobj))
    there = np.linalg.inv(reference.affine) @ labels.affine
    at = nb.affines.apply_affine(there, voxels)
    return float(((at >= -0.5) & (at <= np.array(reference.shape[:3]) - 0.5)).all(axis=1).mean())


def check_near_cord(labels: nb.spatialimages.SpatialImage, cord: nb.spatialimages.SpatialImage):
    """Refuse labels none of which lies near the cord.

    Parameters
    ----------
    labels, cord : SpatialImage
        On any grid; a cord that is empty says nothing.

    Raises
    ------
    UnusableImage
        If the nearest one is farther than :data:`FAR_MM` from the middle of the cord.
    """
    from scipy.spatial import cKDTree

    from spinalprep.anatomy.centerline import slice_centroids

    _, middle = slice_centroids(np.asanyarray(cord.dataobj) > 0.5, cord.affine)
    if not len(middle):
        return
    voxels = np.argwhere(np.asanyarray(labels.dataobj))
    distance, _ = cKDTree(middle).query(nb.affines.apply_affine(labels.affine, voxels))
    if distance.min() > FAR_MM:
        raise UnusableImage(
            f'it lies {distance.min():.0f} mm from the cord: is it of another subject or session?'
        )
