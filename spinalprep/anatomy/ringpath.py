# SPDX-License-Identifier: Apache-2.0
"""First guess of the cord's course: a smooth path of points evenly ringed by another signal.

The cord lies in cerebrospinal fluid: on an axial plane it is a homogeneous disc whose
surroundings 3–9 mm away are brighter (T2w) or darker (T1w) in nearly every direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy import ndimage

PLANE_MM = 1.0
"""Pixel size of the planes."""
STEP_MM = 2.0
"""Distance of the planes; thicker slices are taken as they are."""
RING_MM = (3.0, 4.0, 5.0, 6.0, 7.5, 9.0)
"""Where the ring is looked for."""
DISC_MM = 2.0
"""Radius of the disc that must be homogeneous; the smallest cords are 5.5 mm thick."""
DIRECTIONS = 16
MISSING = 0.2
"""Share of the directions in which the ring may be missing (contact, roots)."""
SMOOTH_MM = (0.6, 0.6, 2.0)
"""Smoothing before sampling, in-plane and along."""
LOCAL_MM = 25.0
"""Scale of the local mean that evens out the coil's field."""
CENTRE_MM = 1.0
"""Blur that half of the score takes, in favour of the middle of a disc."""
SLOPE = 1.0
"""Steepest course from plane to plane (mm per mm)."""
SLOPE_COST = 0.2
"""Cost per plane of a slope of 1 mm per mm; grows with the slope's square."""
THRESHOLD = 0.15
"""Ring contrast below which a plane counts against a path."""
APART_MM = 12.0
"""Paths closer than this are the same."""


@dataclass(frozen=True, eq=False)
class Coarse:
    """An image resampled to planes across the body.

    Attributes
    ----------
    image : ndarray of float32, shape (n, x, y)
        Planes from inferior to superior; x to the right, y anterior.
    affine : ndarray, shape (4, 4)
        From (x, y, plane) to world (RAS+, mm).
    step_mm : float
        Distance of the planes.
    """

    image: np.ndarray
    affine: np.ndarray
    step_mm: float

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """World coordinates of (plane, x, y) indices; shape (n, 3)."""
        return nib.affines.apply_affine(self.affine, np.asarray(points)[:, [1, 2, 0]])


@dataclass(frozen=True, eq=False)
class RingPath:
    """A candidate for the cord's course.

    Attributes
    ----------
    points : ndarray, shape (n, 3)
        World coordinates (mm), one per plane, upwards.
    polarity : int
        +1 where the ring is brighter than the centre (T2w), -1 where darker (T1w).
    contrast : float
        Mean ring contrast along the path, relative to the local mean signal.
    """

    points: np.ndarray
    polarity: int
    contrast: float


def coarse_planes(image: np.ndarray, affine: np.ndarray) -> Coarse:
    """Resample an image to about 1 mm in-plane, planes across its inferior–superior axis.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        Any orientation and voxel size.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    """
    turn = nib.io_orientation(affine)
    data = nib.apply_orientation(np.asarray(image, dtype=np.float32), turn)
    moved = affine @ nib.orientations.inv_ornt_aff(turn, image.shape)
    zooms = np.linalg.norm(moved[:3, :3], axis=0)
    step = np.array([PLANE_MM, PLANE_MM, max(STEP_MM, zooms[2])])
    # a voxel already blurs by about 0.4 of its size
    sigma = np.sqrt(np.maximum(np.square(SMOOTH_MM) - np.square(0.4 * zooms), 0.0)) / zooms
    smooth = ndimage.gaussian_filter(data, sigma, truncate=3.0)
    extent = (np.array(data.shape) - 1) * zooms
    count = np.floor(extent / step + 1e-6).astype(int) + 1
    offset = (extent - (count - 1) * step) / 2 / zooms
    scale = step / zooms
    planes = ndimage.affine_transform(
        smooth, scale, offset=offset, output_shape=tuple(count), order=1, mode='nearest'
    )
    matrix = moved @ nib.affines.from_matvec(np.diag(scale), offset)
    return Coarse(np.ascontiguousarray(np.moveaxis(planes, 2, 0)), matrix, float(step[2]))


def ring_contrast(coarse: Coarse) -> dict[int, np.ndarray]:
    """How evenly each point is ringed, for both polarities.

    Returns
    -------
    dict
        From polarity (+1 bright ring, -1 dark ring) to an array of the planes' shape:
        the contrast of ring and disc, relative to the local mean signal, that all but
        :data:`MISSING` of the directions reach.
    """
    sigma = LOCAL_MM / np.array([coarse.step_mm, PLANE_MM, PLANE_MM])
    local = ndimage.gaussian_filter(coarse.image, sigma, truncate=2.0)
    even = coarse.image / (local + 0.3 * max(float(coarse.image.mean()), 1e-6))
    reach = int(np.ceil(max(RING_MM)))
    disc = np.hypot(*np.mgrid[-3:4, -3:4]) <= DISC_MM + 0.01
    turns = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
    shifts = np.round(
        np.multiply.outer(np.stack([np.cos(turns), np.sin(turns)], axis=1), RING_MM) / PLANE_MM
    ).astype(int)
    skipped = int(MISSING * DIRECTIONS)
    scores = {sign: np.empty(even.shape, np.float32) for sign in (1, -1)}
    for index, plane in enumerate(even):
        smooth = ndimage.gaussian_filter(plane, 0.5)
        padded = np.pad(smooth, reach, mode='edge')
        high = np.empty((DIRECTIONS, *plane.shape), np.float32)
        low = np.empty_like(high)
        for direction, shift in enumerate(shifts):
            views = [
                padded[reach + dx : reach + dx + plane.shape[0], reach + dy :][:, : plane.shape[1]]
                for dx, dy in shift.T
            ]
            np.maximum.reduce(views, out=high[direction])
            np.minimum.reduce(views, out=low[direction])
        least = np.partition(high, skipped, axis=0)[skipped]
        most = np.partition(low, DIRECTIONS - 1 - skipped, axis=0)[DIRECTIONS - 1 - skipped]
        scores[1][index] = least - ndimage.maximum_filter(smooth, footprint=disc)
        scores[-1][index] = ndimage.minimum_filter(smooth, footprint=disc) - most
    for score in scores.values():
        # inside a wide cord all points score alike: the blur makes its middle the best
        score += ndimage.gaussian_filter(score, (0.0, CENTRE_MM, CENTRE_MM), truncate=3.0)
        score /= 2
    return scores


def best_paths(
    coarse: Coarse, scores: np.ndarray, polarity: int, *, count: int, shortest_mm: float
) -> list[RingPath]:
    """Best smooth paths through the planes, best first.

    Dynamic programming over the contiguous runs of planes: a path collects the contrast
    above :data:`THRESHOLD` and pays for moving sideways, so it ends where no ring is
    left. Later paths keep away from earlier ones.

    Parameters
    ----------
    coarse : Coarse
    scores : ndarray, shape (n, x, y)
        From :func:`ring_contrast`.
    polarity : int
    count : int
        How many paths at most.
    shortest_mm : float
        Shorter ones are left out.
    """
    gains = scores - THRESHOLD
    paths = []
    for _ in range(count):
        nodes = _best_run(gains, coarse.step_mm / PLANE_MM)
        world = coarse.to_world(nodes)
        if len(nodes) < 5 or np.ptp(world[:, 2]) < shortest_mm:
            break
        contrast = float(scores[tuple(nodes.T)].mean())
        paths.append(RingPath(world, polarity, contrast))
        _blank(gains, nodes)
    return paths


def _best_run(gains: np.ndarray, apart: float) -> np.ndarray:
    """Nodes (plane, x, y) of the contiguous path with the largest sum, upwards.

    `apart` is the distance of the planes in pixels.
    """
    slope = max(round(SLOPE * apart), 1)
    steps = [(dx, dy) for dx in range(-slope, slope + 1) for dy in range(-slope, slope + 1)]
    steps = [s for s in steps if np.hypot(*s) <= slope + 0.5]
    total = np.array(gains)
    origin = np.full(gains.shape, -1, np.int16)
    for index in range(1, len(gains)):
        padded = np.pad(total[index - 1], slope, constant_values=-np.inf)
        best = np.zeros(gains.shape[1:], np.float32)
        for number, (dx, dy) in enumerate(steps):
            before = padded[slope + dx :, slope + dy :][: best.shape[0], : best.shape[1]]
            value = before - SLOPE_COST * (dx * dx + dy * dy) / apart**2
            better = value > best
            best[better] = value[better]
            origin[index][better] = number
        total[index] += best
    node = np.unravel_index(np.argmax(total), total.shape)
    nodes = [node]
    while origin[node] >= 0:
        dx, dy = steps[origin[node]]
        node = (node[0] - 1, node[1] + dx, node[2] + dy)
        nodes.append(node)
    return np.array(nodes[::-1])


def _blank(gains: np.ndarray, nodes: np.ndarray) -> None:
    """Make the surroundings of a path unattractive, in place."""
    x, y = np.ogrid[: gains.shape[1], : gains.shape[2]]
    for plane, px, py in nodes:
        gains[plane][np.hypot(x - px, y - py) * PLANE_MM < APART_MM] = -1.0
