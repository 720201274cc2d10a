# SPDX-License-Identifier: Apache-2.0
"""S2.2: the cord mask by itself, in its canal, and on its image."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from spinalprep.anatomy.centerline import slice_centroids, superior_axis
from spinalprep.anatomy.morphometry import slice_morphometry
from spinalprep.anatomy.voxels import filled_box, plane_centres

NEIGHBOURHOOD_MM = 10.0
"""Half of the stretch of cord that a slice's area is compared with."""

END_MM = 5.0
"""Stretch at each end of the mask that is not judged: it may hold part of a slice only."""

PIECE_MM3 = 5.0
"""Volume below which a separate piece of a mask is a speck."""


def grid_distance(
    affine: np.ndarray,
    shape: tuple[int, ...],
    own_affine: np.ndarray,
    own_shape: tuple[int, ...],
) -> float:
    """Largest distance (mm) of the corners of two grids; infinite for different shapes."""
    if tuple(shape[:3]) != tuple(own_shape[:3]):
        return float('inf')
    corners = np.array(np.meshgrid(*([0, n - 1] for n in shape[:3]), [1])).reshape(4, -1)
    return float(np.linalg.norm(((affine - own_affine) @ corners)[:3], axis=0).max())


def cord_numbers(
    cord: np.ndarray, affine: np.ndarray, area_mm2: tuple[float, float]
) -> dict[str, float | None]:
    """Gaps, pieces, jumps and areas of a cord mask.

    Parameters
    ----------
    cord : ndarray of bool, shape (i, j, k)
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    area_mm2 : (float, float)
        Physiological range.

    Returns
    -------
    dict
        ``cord_gap_slices``, ``cord_pieces``, ``centreline_jump_mm``,
        ``area_outside_fraction``, ``area_jump``.
    """
    slices, centres = slice_centroids(cord, affine)
    axis, _ = superior_axis(affine)
    step = float(np.linalg.norm(affine[:3, axis]))
    gaps = int(np.ptp(slices)) + 1 - len(slices)
    outside, jump = _areas(cord, affine, area_mm2, step)
    return {
        'cord_gap_slices': float(gaps),
        'cord_pieces': float(_pieces(cord, affine, axis)),
        'centreline_jump_mm': _centre_jump(slices * step, centres),
        'area_outside_fraction': outside,
        'area_jump': jump,
    }


def _pieces(cord: np.ndarray, affine: np.ndarray, axis: int) -> int:
    """Pieces beside the largest; pieces that follow each other along the cord are one."""
    voxel = abs(np.linalg.det(affine[:3, :3]))
    # one slice without mask is a gap, and told as such
    reach = np.array([3 if other == axis else 1 for other in range(3)])
    cord = cord[filled_box(cord, reach)]
    labels, _ = ndimage.label(ndimage.maximum_filter(cord, 2 * reach + 1))
    sizes = np.bincount(labels[cord])[1:] * voxel
    large = np.flatnonzero(sizes >= PIECE_MM3)
    # a long gap divides the cord: what lies above or below is not beside it
    extents = [np.flatnonzero((labels == n + 1).any(axis=_but(axis))) for n in large]
    main = int(np.argmax(sizes[large])) if len(large) else 0
    return sum(
        len(np.intersect1d(extents[main], extent)) > 6
        for n, extent in enumerate(extents)
        if n != main
    )


def _but(axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(3) if other != axis)


def _centre_jump(heights: np.ndarray, centres: np.ndarray) -> float | None:
    """Largest distance of a centre from the line through those around it, the ends apart."""
    found = []
    inside = (heights - heights.min() >= END_MM) & (heights.max() - heights >= END_MM)
    for n in np.flatnonzero(inside):
        near = np.abs(heights - heights[n]) <= END_MM
        near[n] = False
        if near.sum() < 2 or np.ptp(heights[near]) == 0:
            continue
        away = heights[near] - heights[n]
        design = np.stack([np.ones_like(away), away], axis=1)
        line, *_ = np.linalg.lstsq(design, centres[near], rcond=None)
        found.append(float(np.linalg.norm(line[0] - centres[n])))
    return max(found, default=None)


def _areas(
    cord: np.ndarray, affine: np.ndarray, area_mm2: tuple[float, float], step: float
) -> tuple[float | None, float | None]:
    try:
        table = slice_morphometry(cord, affine, shapes=False)
    except ValueError:
        return None, None
    ends = max(round(END_MM / step), 1)
    heights, areas = table['slice'][ends:-ends] * step, table['area'][ends:-ends]
    if len(areas) < 3:
        return None, None
    low, high = area_mm2
    outside = float(((areas < low) | (areas > high)).mean())
    jumps = [0.0]
    for height, area in zip(heights, areas, strict=True):
        away = heights - height
        jumps.append(abs(area / np.median(areas[np.abs(away) <= NEIGHBOURHOOD_MM]) - 1))
        below = areas[(away < 0) & (away >= -END_MM)]
        above = areas[(away > 0) & (away <= END_MM)]
        if len(below) and len(above):
            one, other = sorted((np.median(below), np.median(above)))
            jumps.append(other / one - 1)
    return outside, float(max(jumps))


def canal_numbers(
    cord: np.ndarray, canal: np.ndarray, affine: np.ndarray
) -> dict[str, float | None]:
    """Does the cord lie in the canal, free of its edge and about its middle?

    Parameters
    ----------
    cord, canal : ndarray of bool, shape (i, j, k)
        The canal includes the cord.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).

    Returns
    -------
    dict
        ``cord_outside_canal``, ``canal_contact``, ``canal_offset_mm``; None where no slice
        shows both.
    """
    axis, _ = superior_axis(affine)
    cord, canal = (np.moveaxis(np.asarray(mask, bool), axis, 0) for mask in (cord, canal))
    step = np.linalg.norm(affine[:3, axis])
    shared = cord.any(axis=(1, 2)) & canal.any(axis=(1, 2))
    names = ('cord_outside_canal', 'canal_contact', 'canal_offset_mm')
    if not shared.any():
        return dict.fromkeys(names)
    cord, canal = cord[shared], canal[shared]
    box = filled_box(cord | canal, (0, 1, 1))
    cord, canal = cord[box], canal[box]
    outside = (cord & ~canal).sum() / cord.sum()
    cross = np.zeros((1, 3, 3), bool)
    cross[0, 1, :] = cross[0, :, 1] = True
    rim = cord & ~ndimage.binary_erosion(cord, cross, border_value=1)
    # the canal in the map begins where the cord ends, so its own edge is what the cord must
    # not reach: a rim voxel whose neighbour outwards is not canal any more
    beyond = ndimage.binary_dilation(~canal, cross)
    touching = (rim & beyond).sum(axis=(1, 2))
    width = max(round(NEIGHBOURHOOD_MM / step), 1)
    contact = ndimage.uniform_filter1d(touching.astype(float), width, mode='nearest')
    whole = ndimage.uniform_filter1d(rim.sum(axis=(1, 2)).astype(float), width, mode='nearest')
    return {
        'cord_outside_canal': float(outside),
        'canal_contact': float((contact / np.maximum(whole, 1e-6)).max()),
        'canal_offset_mm': _offset(cord, canal, np.delete(affine[:3, :3], axis, axis=1)),
    }


def _offset(cord: np.ndarray, canal: np.ndarray, axes: np.ndarray) -> float:
    """Median distance right to left of the two centres (mm)."""
    apart = (plane_centres(cord) - plane_centres(canal)) @ axes.T
    return float(abs(np.median(apart[:, 0])))
