# SPDX-License-Identifier: Apache-2.0
"""Vertebrae and discs from image intensities: what ``sct_deepseg spine`` gives.

Preview quality: vertebral bodies as blocks between discs in front of the canal, without
their processes; C1 as its anterior arch. TotalSpineSeg's values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, median_filter

from spinalprep.anatomy.centerline import Centerline
from spinalprep.anatomy.finder import CordResult
from spinalprep.anatomy.labels import CANAL, CORD, DISC_POINT_OF_MAP, VERTEBRAE
from spinalprep.embedded.discs import FIRST, Discs, column_sheet, find_discs
from spinalprep.embedded.straight import cord_coordinates, frames_at, straightened

_VERTEBRA = dict(enumerate(VERTEBRAE, start=1))
"""Vertebra 1 = C1 … 20 = L1 → value in the map."""
_DISC = {point: value for value, point in DISC_POINT_OF_MAP.items()}
"""SCT's disc 3 = C2/C3 … → value in the map."""
_GAP_MM = 1.0
"""From the canal's front wall to the back of a disc: dura and ligament."""


@dataclass(frozen=True, eq=False)
class SpineLabels:
    """What was found in an image.

    Attributes
    ----------
    map : ndarray of uint8
        TotalSpineSeg's values: 1 cord, 2 canal without cord, 11–17 C1–C7, 21–32 T1–T12,
        41–45 L1–L5, discs 63–67, 71–82, 91–95, 100. Without numbers only 1 and 2.
    points : dict of int to ndarray, shape (3,)
        World coordinates (RAS+, mm) by SCT's value: posterior edge of the discs 3–25;
        1 and 2 are extrapolated, on the canal's front wall, where the brainstem shows.
        Empty without numbers.
    found : ndarray, shape (n, 3)
        Posterior edges of all discs found, superior first, numbered or not.
    numbered : bool
    why : str
        What the numbers rest on, or why there are none.
    """

    map: np.ndarray
    points: dict[int, np.ndarray]
    found: np.ndarray
    numbered: bool
    why: str


def segment_spine(
    image: np.ndarray,
    affine: np.ndarray,
    cord: CordResult,
    canal: np.ndarray,
    anchor: tuple[int, np.ndarray] | None = None,
) -> SpineLabels:
    """Find discs and vertebrae, and number them where the image allows.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        Any contrast in which discs stand out from bone; nibabel orientation LAS.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    cord : CordResult
        As :func:`spinalprep.anatomy.finder.find_cord` gives it for this image.
    canal : ndarray, shape (i, j, k)
        Mask, non-zero inside; includes the cord.
    anchor : tuple of int and array_like, optional
        SCT's value of one disc and a world point (mm) near its posterior edge.

    Returns
    -------
    SpineLabels
    """
    image = np.asarray(image, dtype=np.float32)
    canal = np.asarray(canal) > 0
    line = cord.centerline
    sheet = column_sheet(image, affine, line)
    front = front_wall(canal, affine, line, sheet.arc)
    # the finder ends the cord at the top of C1 where it sees the brainstem above
    top = line.length if cord.check.brainstem else None
    known = None if anchor is None else (anchor[0], float(line.project(anchor[1])[0][0]))
    discs = find_discs(sheet, front, top, known)
    labels = np.zeros(image.shape, np.uint8)
    points, found = {}, np.empty((0, 3))
    if discs.values:
        found = _on_wall(line, np.array(discs.arc), np.interp(discs.arc, sheet.arc, front))
    if discs.numbered:
        points = dict(zip(discs.values, found, strict=True))
        if top is not None and discs.values[0] == FIRST:
            arcs = np.array([top, (top + discs.arc[0]) / 2])
            walls = _on_wall(line, arcs, np.interp(arcs, sheet.arc, front))
            points = {1: walls[0], 2: walls[1], **points}
        else:
            top = None
        _label_column(labels, image, affine, line, discs, top, (sheet.arc, front))
    labels[canal] = CANAL
    labels[cord.mask] = CORD
    return SpineLabels(labels, points, found, discs.numbered, discs.why)


def front_wall(
    canal: np.ndarray, affine: np.ndarray, line: Centerline, arc: np.ndarray
) -> np.ndarray:
    """Distance of the canal's front wall from the cord's centre.

    Parameters
    ----------
    canal : ndarray of bool, shape (i, j, k)
    affine : ndarray, shape (4, 4)
    line : Centerline
    arc : ndarray, shape (n,)
        Positions along the cord (mm).

    Returns
    -------
    ndarray, shape (n,)
        mm; where there is no canal, that of the nearest canal, 8 mm if there is none.
    """
    anterior = np.arange(0.0, 20.0, 0.25)
    right = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    inside = straightened(canal.astype(np.float32), affine, line, arc, right, anterior)
    share = np.nan_to_num(inside).mean(axis=1)
    # the number of filled samples, not the last: holes in a mask must not shift the wall
    wall = np.minimum(share, 1.0).sum(axis=1) * 0.25
    known = (wall > 2.0) & (share[:, 0] > 0.9)
    if not known.any():
        return np.full(len(arc), 8.0)
    wall = np.interp(arc, arc[known], wall[known])
    step = arc[1] - arc[0]
    return gaussian_filter1d(median_filter(wall, round(7.0 / step) | 1), 3.0 / step)


def _on_wall(line: Centerline, arc: np.ndarray, front: np.ndarray) -> np.ndarray:
    """World points at the back of the column."""
    points, frames = frames_at(line, np.asarray(arc, float))
    return points + (front + _GAP_MM)[:, None] * frames[:, 1]


@dataclass(frozen=True, eq=False)
class _Column:
    """Coordinates of the voxels in front of the canal, as flat arrays."""

    index: np.ndarray
    arc: np.ndarray
    right: np.ndarray
    ahead: np.ndarray


def _label_column(labels, image, affine, line, discs: Discs, top, wall) -> None:
    """Write vertebral bodies and discs into the map."""
    column = _column_voxels(labels.shape, affine, line, wall)
    flat = labels.reshape(-1)
    height = disc_height(image, affine, line, discs, wall)
    cuts = _cuts(discs, top)
    sizes = {
        level: _body_size(image, affine, line, wall, level, (below, above))
        for level, (below, _, above, _) in cuts.items()
    }
    for level, (below, slope_below, above, slope_above) in cuts.items():
        depth, width = sizes[level]
        low = below + slope_below * column.ahead
        high = above + slope_above * column.ahead
        inside = (column.arc > low) & (column.arc < high) & (column.ahead < depth)
        if level == 2:
            dens = (column.arc > above) & (np.abs(column.right) < 5.5) & (column.ahead < 11.5)
            dens &= column.arc < (above if top is None else top + 1.0)
            flat[column.index[dens]] = _VERTEBRA[2]
        inside &= np.abs(column.right) < width
        flat[column.index[inside]] = _VERTEBRA[level]
    if top is not None:
        middle = top - 9.0
        arch = (np.abs(column.arc - middle) < 5.5) & (np.abs(column.right) < 14)
        arch &= (column.ahead > 12.0) & (column.ahead < 17.0)
        flat[column.index[arch]] = _VERTEBRA[1]
    for value, arc, slope in zip(discs.values, discs.arc, discs.slope, strict=True):
        depth, width = sizes.get(value, sizes.get(value - 1, (16.0, 11.0)))
        blob = np.abs(column.arc - arc - slope * column.ahead) < height / 2
        blob &= (column.ahead < depth) & (np.abs(column.right) < width)
        flat[column.index[blob]] = _DISC[value]


def _cuts(discs: Discs, top: float | None) -> dict[int, tuple[float, float, float, float]]:
    """Vertebra → (lower disc's arc, its slope, upper disc's arc, its slope)."""
    arc, slope, values = discs.arc, discs.slope, discs.values
    spacing = np.diff(arc).mean() * -1 if len(arc) > 1 else 20.0
    cuts = {}
    first = values[0] - 1
    if first == 2:
        above = arc[0] + 19.0 if top is None else (arc[0] + top) / 2
    else:
        above = arc[0] + spacing
    cuts[first] = (arc[0], slope[0], above, slope[0])
    for k in range(len(values) - 1):
        cuts[values[k]] = (arc[k + 1], slope[k + 1], arc[k], slope[k])
    cuts[values[-1]] = (arc[-1] - spacing, slope[-1], arc[-1], slope[-1])
    return {level: cut for level, cut in cuts.items() if level <= 24}


def _column_voxels(shape, affine, line, wall) -> _Column:
    """Voxels up to 34 mm in front of the canal and 20 mm to its sides."""
    near = cord_coordinates(shape, affine, line, (22.0, 5.0, 45.0))
    front = np.interp(near.arc, *wall).astype(np.float32)
    ahead = near.anterior - front
    chosen = (ahead > 0.5) & (ahead < 34.0) & (np.abs(near.right) < 20.0)
    place = np.array(np.nonzero(chosen)) + np.array([b.start for b in near.box])[:, None]
    index = np.ravel_multi_index(tuple(place), shape)
    return _Column(index, near.arc[chosen], near.right[chosen], ahead[chosen])


def _body_size(image, affine, line, wall, level, span) -> tuple[float, float]:
    """Front–back depth and half width (mm) of a vertebral body, from its outlines.

    The outline is the strongest edge near the expected size; where none stands out the
    expected size itself.
    """
    below, above = span
    arc = np.linspace(below + 0.3 * (above - below), above - 0.3 * (above - below), 7)
    front = float(np.interp(arc.mean(), *wall))
    ahead = np.arange(1.0, 36.0, 0.5)
    right = np.arange(-22.0, 22.1, 1.0)
    block = straightened(image, affine, line, arc, right, ahead + front)
    block = np.nan_to_num(np.log(np.maximum(block, 1.0)))
    expected = np.interp(level, [2, 7, 12, 20], [16.0, 18.0, 23.0, 29.0])
    depth = _outline(block[:, np.abs(right) <= 5].mean((0, 1)), ahead, expected, 3.0)
    inner = (ahead > 0.3 * depth) & (ahead < 0.7 * depth)
    across = block[:, :, inner].mean((0, 2))
    folded = (across + across[::-1])[len(right) // 2 :] / 2
    expected = np.interp(level, [2, 7, 12, 20], [11.0, 13.0, 14.5, 18.0])
    return depth, _outline(folded, right[len(right) // 2 :], expected, 2.5)


def _outline(profile: np.ndarray, position: np.ndarray, expected: float, sd: float) -> float:
    """Position of the strongest edge near the expected one."""
    step = position[1] - position[0]
    edge = np.abs(np.gradient(gaussian_filter1d(profile, 0.8 / step), step))
    score = edge / max(edge.max(), 1e-6) - 0.5 * ((position - expected) / sd) ** 2
    return float(position[np.argmax(score)])


def disc_height(image, affine, line, discs: Discs, wall) -> float:
    """Typical height (mm) of the discs: between the edges above and below them."""
    reach = np.arange(-6.0, 6.01, 0.25)
    edges = np.zeros(len(reach))
    for arc, slope in zip(discs.arc, discs.slope, strict=True):
        front = float(np.interp(arc, *wall))
        ahead = np.arange(4.0, 13.0, 1.0)
        profile = np.zeros(len(reach))
        for step in ahead:
            at = arc + reach + slope * step
            values = straightened(
                image, affine, line, at, np.array([-3.0, 0.0, 3.0]), np.array([front + step])
            )
            profile += np.nan_to_num(np.log(np.maximum(values, 1.0))).mean((1, 2))
        edges += np.abs(np.gradient(profile))
    edges = (edges + edges[::-1])[len(reach) // 2 :]
    half = reach[len(reach) // 2 :]
    edges = np.where((half > 1.0) & (half < 5.0), edges, 0)
    edges = np.clip(edges - 0.3 * edges.max(), 0, None)
    middle = float(edges @ half / edges.sum()) if edges.sum() > 0 else 2.5
    return float(np.clip(2 * middle, 3.0, 8.0))
