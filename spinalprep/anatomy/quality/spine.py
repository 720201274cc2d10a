# SPDX-License-Identifier: Apache-2.0
"""S2.2: vertebrae and discs, by themselves and against each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise

import numpy as np
from scipy import ndimage

from spinalprep.anatomy.centerline import Centerline, superior_axis
from spinalprep.anatomy.labels import (
    CANAL,
    CORD,
    DISC_POINT_OF_MAP,
    EXTRAPOLATED_DISCS,
    SACRUM,
    VERTEBRAE,
    order_breaks,
)
from spinalprep.anatomy.landmarks import Points

SPACING_MM = {
    3: 18.5, 4: 17.5, 5: 17.5, 6: 16.5, 7: 18.0, 8: 20.5, 9: 23.0, 10: 23.5, 11: 23.5, 12: 25.0,
    13: 25.5, 14: 27.0, 15: 26.5, 16: 27.5, 17: 28.5, 18: 31.0, 19: 32.0, 20: 33.0,
}  # fmt: skip
"""Distance (mm) of each disc point from the next lower one in PAM50."""

DOUBLE = 1 / 3
"""Size of a second piece of a vertebra, against the first, from which it is one too many."""

APART_MM = 13.5
"""Difference in height from which it is not just a part of the same vertebra."""


def vertebra_numbers(labels: np.ndarray, affine: np.ndarray) -> dict[str, float | None]:
    """Order, gaps and doubles of the vertebrae in TotalSpineSeg's map, and C2 against C3.

    Parameters
    ----------
    labels : ndarray of int, shape (i, j, k)
        TotalSpineSeg's map.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).

    Returns
    -------
    dict
        ``vertebra_order_breaks``, ``vertebrae_missing``, ``vertebrae_doubled``,
        ``axis_height``; None where there is no vertebra, the last one also where C2 or C3 is
        cut by the image's end.
    """
    order = [value for value in VERTEBRAE if value != SACRUM]
    boxes = ndimage.find_objects(labels.astype(np.int32), max_label=max(order))
    present = [value for value in order if boxes[value - 1] is not None]
    names = ('vertebra_order_breaks', 'vertebrae_missing', 'vertebrae_doubled', 'axis_height')
    if not present:
        return dict.fromkeys(names)
    places = [order.index(value) for value in present]
    # L6 is a vertebra that most people don't have
    between = [order[n] for n in range(places[0], places[-1] + 1) if order[n] != 46]
    front = _in_front(labels, affine, present)
    bodies = _bodies(front, affine)
    heights = {value: float(np.median(points[:, 2])) for value, points in bodies.items()}
    return {
        'vertebra_order_breaks': float(len(order_breaks(heights))),
        'vertebrae_missing': float(len(set(between) - set(present))),
        'vertebrae_doubled': float(
            sum(_doubled(front[boxes[value - 1]] == value, affine) for value in bodies)
        ),
        'axis_height': _axis_height(bodies) if top_in_view(labels, affine) else None,
    }


def _in_front(labels: np.ndarray, affine: np.ndarray, values: Collection[int]) -> np.ndarray:
    """Map of what lies of some vertebrae in front of the canal; all, without a canal.

    Arches and processes hang down over the vertebra below; bodies don't.
    """
    canal = np.argwhere((labels == CORD) | (labels == CANAL)) @ affine[:3, :3].T + affine[:3, 3]
    where = np.argwhere(np.isin(labels, list(values)))
    points = where @ affine[:3, :3].T + affine[:3, 3]
    found = labels[tuple(where.T)]
    front = np.ones(len(points), bool)
    if len(canal):
        step = 2.0
        bins = np.round(canal[:, 2] / step).astype(int)
        low = bins.min()
        count = np.bincount(bins - low)
        middle = np.bincount(bins - low, weights=canal[:, 1]) / np.maximum(count, 1)
        known = np.flatnonzero(count)
        edge = np.interp(points[:, 2] / step - low, known, middle[known])
        front = points[:, 1] > edge
    in_front = np.zeros_like(labels)
    in_front[tuple(where[front].T)] = found[front]
    return in_front


def _bodies(front: np.ndarray, affine: np.ndarray) -> dict[int, np.ndarray]:
    """World points of each vertebra in a map."""
    where = np.argwhere(front)
    values = front[tuple(where.T)]
    points = where @ affine[:3, :3].T + affine[:3, 3]
    return {int(value): points[values == value] for value in np.unique(values)}


def _doubled(mask: np.ndarray, affine: np.ndarray) -> bool:
    """Whether a mask has a second piece of some size at another height."""
    pieces, count = ndimage.label(mask)
    if count < 2:
        return False
    sizes = np.bincount(pieces.ravel())[1:]
    largest = int(np.argmax(sizes))
    centres = np.array(ndimage.center_of_mass(mask, pieces, np.arange(1, count + 1)))
    away = np.abs((centres - centres[largest]) @ affine[2, :3])
    return bool(((sizes > DOUBLE * sizes[largest]) & (away > APART_MM)).any())


def _axis_height(bodies: Mapping[int, np.ndarray]) -> float | None:
    """Height of C2, with the dens, over that of C3."""
    extents = []
    for value in (12, 13):
        if value not in bodies or len(bodies[value]) < 20:
            return None
        low, high = np.percentile(bodies[value][:, 2], [2, 98])
        extents.append(high - low)
    return float(extents[0] / extents[1]) if extents[1] > 0 else None


def top_in_view(labels: np.ndarray, affine: np.ndarray) -> bool:
    """Whether the map shows C2 and C3 whole, whose shapes tell their numbers.

    Parameters
    ----------
    labels : ndarray of int, shape (i, j, k)
        TotalSpineSeg's map.
    affine : ndarray, shape (4, 4)
    """
    axis, _ = superior_axis(affine)
    places = np.flatnonzero(np.isin(labels, (12, 13)).any(_but(axis)))
    both = all((labels == value).any() for value in (12, 13))
    return both and places[0] > 0 and places[-1] < labels.shape[axis] - 1


def _but(axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(3) if other != axis)


def disc_numbers(points: Points, centerline: Centerline) -> dict[str, float | None]:
    """Order, gaps and spacing of disc points.

    Parameters
    ----------
    points : dict
        SCT's disc value → world point. Those that TotalSpineSeg extrapolates are left out.
    centerline : Centerline
        Of the cord.

    Returns
    -------
    dict
        ``disc_order_breaks``, ``discs_missing``, ``disc_spacing``; None where there are too
        few discs for one.
    """
    values = sorted(v for v in points if 3 <= v <= 25 and v not in EXTRAPOLATED_DISCS)
    if len(values) < 2:
        return dict.fromkeys(('disc_order_breaks', 'discs_missing', 'disc_spacing'))
    arcs, _ = centerline.project(np.array([points[value] for value in values]))
    heights = dict(zip(values, arcs.tolist(), strict=True))
    return {
        'disc_order_breaks': float(len(order_breaks(heights))),
        'discs_missing': float(values[-1] - values[0] + 1 - len(values)),
        'disc_spacing': spacing_ratio(heights, _reference(values)),
    }


def _reference(values: Collection[int]) -> dict[int, float]:
    """PAM50's heights (mm) of discs, from an arbitrary zero."""
    heights, height = {}, 0.0
    for value in range(min(values), max(values) + 1):
        heights[value] = height
        height -= SPACING_MM.get(value, SPACING_MM[20])
    return heights


def spacing_ratio(heights: Mapping[int, float], reference: Mapping[int, float]) -> float | None:
    """Largest ratio, either way, of a spacing to what it should be.

    Parameters
    ----------
    heights, reference : dict
        Value → position along the cord (mm), of the subject and of a reference.

    Returns
    -------
    float or None
        At least 1. The reference is scaled to the subject by the median ratio, so that
        tall people are not odd. None with fewer than three common values; infinite where
        a spacing is not positive.
    """
    values = sorted(set(heights) & set(reference))
    if len(values) < 3:
        return None
    ratios = []
    for upper, lower in pairwise(values):
        spacing = heights[upper] - heights[lower]
        if spacing <= 0:
            return float('inf')
        ratios.append(spacing / (reference[upper] - reference[lower]))
    scaled = np.array(ratios) / np.median(ratios)
    return float(max(scaled.max(), (1 / scaled).max()))


def disc_map_distance(points: Points, labels: np.ndarray, affine: np.ndarray) -> float | None:
    """Largest distance (mm) of a disc point from that disc in the map.

    Parameters
    ----------
    points : dict
        SCT's disc value → world point.
    labels : ndarray of int, shape (i, j, k)
        TotalSpineSeg's map.
    affine : ndarray, shape (4, 4)

    Returns
    -------
    float or None
        None where the map has none of the discs. A disc that the map lacks is left out.
    """
    value_of = {point: value for value, point in DISC_POINT_OF_MAP.items()}
    boxes = ndimage.find_objects(labels.astype(np.int32), max_label=max(DISC_POINT_OF_MAP))
    found = []
    for disc, point in points.items():
        value = value_of.get(disc)
        if value is None or boxes[value - 1] is None:
            continue
        corner = [edge.start for edge in boxes[value - 1]]
        voxels = np.argwhere(labels[boxes[value - 1]] == value) + corner
        places = voxels @ affine[:3, :3].T + affine[:3, 3]
        found.append(float(np.linalg.norm(places - point, axis=1).min()))
    return max(found, default=None)


def spine_numbers(
    labels: np.ndarray | None, points: Points, cord: np.ndarray, affine: np.ndarray
) -> dict[str, float | None]:
    """All numbers on vertebrae and discs.

    Parameters
    ----------
    labels : ndarray of int, shape (i, j, k), or None
        TotalSpineSeg's map, where there is one.
    points : dict
        SCT's disc value → world point.
    cord : ndarray of bool, shape (i, j, k)
    affine : ndarray, shape (4, 4)

    Returns
    -------
    dict
        Those of :func:`vertebra_numbers` and :func:`disc_numbers`, ``disc_map_mm`` and
        ``map_cord_dice``.
    """
    numbers = disc_numbers(points, Centerline.from_mask(cord, affine))
    if labels is not None:
        numbers |= vertebra_numbers(labels, affine)
        numbers['disc_map_mm'] = disc_map_distance(points, labels, affine)
        numbers['map_cord_dice'] = _dice(labels == CORD, cord)
    return numbers


def _dice(one: np.ndarray, other: np.ndarray) -> float | None:
    """Overlap of two masks; None where one is empty."""
    if not (one.any() and other.any()):
        return None
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def numbering_seen(labels: np.ndarray | None, affine: np.ndarray, rootlets: bool) -> float:
    """1 where something shows that levels are not off by one, else 0.

    Parameters
    ----------
    labels : ndarray of int or None
        TotalSpineSeg's map.
    affine : ndarray, shape (4, 4)
    rootlets : bool
        Whether rootlets were found, which carry numbers of their own.
    """
    return float(rootlets or (labels is not None and top_in_view(labels, affine)))
