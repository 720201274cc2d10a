# SPDX-License-Identifier: Apache-2.0
"""How much cord an image shows, and the box to crop it to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinalprep.anatomy.centerline import Centerline, slice_centroids, superior_axis
from spinalprep.anatomy.voxels import filled_box


@dataclass(frozen=True)
class Coverage:
    """Extent of a cord mask.

    Attributes
    ----------
    slices : int
        Slices along the inferior–superior axis that hold cord.
    length_mm : float
        Length along the centreline, from the lower face of the lowest slice to the
        upper face of the highest.
    gaps : int
        Slices without cord between the lowest and the highest.
    slice_mm : float
        Distance of two slices.
    """

    slices: int
    length_mm: float
    gaps: int
    slice_mm: float


def cord_coverage(mask: np.ndarray, affine: np.ndarray) -> Coverage:
    """Extent of a cord mask along its own course.

    Parameters
    ----------
    mask : ndarray, shape (i, j, k)
        Non-zero inside the cord; any orientation.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).

    Returns
    -------
    Coverage
        All zero (but the slice distance) for an empty mask.
    """
    axis, _ = superior_axis(affine)
    slice_mm = float(np.linalg.norm(affine[:3, axis]))
    slices, centroids = slice_centroids(mask, affine)
    if not len(slices):
        return Coverage(0, 0.0, 0, slice_mm)
    if len(slices) < 5:
        steps = np.linalg.norm(np.diff(centroids, axis=0), axis=1)
        length = float(steps.sum()) + slice_mm
    else:
        length = Centerline.through(centroids).length + slice_mm
    gaps = int(np.ptp(slices)) + 1 - len(slices)
    return Coverage(len(slices), length, gaps, slice_mm)


def crop_box(
    mask: np.ndarray,
    affine: np.ndarray,
    *,
    left_right_mm: float,
    anterior_mm: float,
    posterior_mm: float,
    superior_mm: float,
    inferior_mm: float,
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Box around the cord with a margin to each side of the body.

    Parameters
    ----------
    mask : ndarray, shape (i, j, k)
        Cord, not empty; any orientation.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    left_right_mm, anterior_mm, posterior_mm, superior_mm, inferior_mm : float
        Margins.

    Returns
    -------
    tuple of (first, last) for each voxel axis
        Inclusive, clipped to the image.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    filled = filled_box(np.asarray(mask) > 0)
    if filled[0].start == filled[0].stop:
        raise ValueError('the cord mask is empty')
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    # margins towards negative and positive world axes: left/right, back/front, down/up
    negative = (left_right_mm, posterior_mm, inferior_mm)
    positive = (left_right_mm, anterior_mm, superior_mm)
    box = []
    for axis in range(3):
        world = int(np.argmax(np.abs(directions[:, axis])))
        before, after = negative[world], positive[world]
        if directions[world, axis] < 0:
            before, after = after, before
        first = filled[axis].start - int(np.ceil(before / sizes[axis]))
        last = filled[axis].stop - 1 + int(np.ceil(after / sizes[axis]))
        box.append((max(first, 0), min(last, mask.shape[axis] - 1)))
    return box[0], box[1], box[2]


ROOTLET_LEVELS = range(2, 9)
"""Vertebral levels C2 to T1, beside which the networks know rootlets."""


def rootlets_reason(
    cord_mm: float, levels: set[int] | None, *, min_cord_mm: float, min_levels: int
) -> str:
    """Why an image is not eligible for rootlets; empty if it is.

    Parameters
    ----------
    cord_mm : float
        Length of cord in view.
    levels : set of int or None
        Vertebral levels in view; None where they are not known.
    min_cord_mm : float
    min_levels : int
        Of :data:`ROOTLET_LEVELS`.

    Examples
    --------
    >>> rootlets_reason(52.0, {3, 4}, min_cord_mm=60, min_levels=3)
    '52 mm of cord in view, fewer than the 60 mm of rootlets.min_cord_mm'
    >>> rootlets_reason(120.0, {8, 9, 10}, min_cord_mm=60, min_levels=3)
    '1 of the levels C2 to T1 in view, fewer than the 3 of rootlets.min_levels'
    >>> rootlets_reason(120.0, None, min_cord_mm=60, min_levels=3)
    ''
    """
    if cord_mm < min_cord_mm:
        return (
            f'{cord_mm:.0f} mm of cord in view, fewer than the {min_cord_mm:g} mm of '
            'rootlets.min_cord_mm'
        )
    if levels is not None:
        seen = len(levels.intersection(ROOTLET_LEVELS))
        if seen < min_levels:
            return (
                f'{seen} of the levels C2 to T1 in view, fewer than the {min_levels} of '
                'rootlets.min_levels'
            )
    return ''
