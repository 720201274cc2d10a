# SPDX-License-Identifier: Apache-2.0
"""Look at an image in the frame of the cord: profiles, sheets, voxel coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from spinalprep.anatomy.centerline import Centerline


def frames_at(line: Centerline, arc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and frame at arc lengths, the end frames kept beyond the ends.

    Parameters
    ----------
    line : Centerline
    arc : ndarray, shape (n,)
        Arc lengths (mm); below 0 and beyond ``line.length`` the line goes on straight.

    Returns
    -------
    points : ndarray, shape (n, 3)
        World coordinates (mm).
    frames : ndarray, shape (n, 3, 3)
        Rows: right, anterior, superior along the cord.
    """
    index = np.clip(np.searchsorted(line.arc, arc), 0, len(line.arc) - 1)
    return line.at(arc), line.frames[index]


def sample(image: np.ndarray, affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Linear interpolation at world points; NaN outside the grid.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    points : ndarray, shape (..., 3)

    Returns
    -------
    ndarray of float32, shape (...)
    """
    inverse = np.linalg.inv(affine)
    index = points.reshape(-1, 3) @ inverse[:3, :3].T + inverse[:3, 3]
    values = map_coordinates(
        image, index.T, output=np.float32, order=1, mode='constant', cval=np.nan, prefilter=False
    )
    return values.reshape(points.shape[:-1])


def straightened(
    image: np.ndarray,
    affine: np.ndarray,
    line: Centerline,
    arc: np.ndarray,
    right: np.ndarray,
    anterior: np.ndarray,
) -> np.ndarray:
    """Sample the image on planes perpendicular to the cord.

    Parameters
    ----------
    image, affine : ndarray
        As in :func:`sample`.
    line : Centerline
    arc, right, anterior : ndarray
        Positions along the cord and offsets from its centre (mm), one-dimensional.

    Returns
    -------
    ndarray of float32, shape (arc, right, anterior)
        NaN outside the image.
    """
    points, frames = frames_at(line, arc)
    world = (
        points[:, None, None, :]
        + right[None, :, None, None] * frames[:, None, None, 0]
        + anterior[None, None, :, None] * frames[:, None, None, 1]
    )
    return sample(image, affine, world)


@dataclass(frozen=True, eq=False)
class CordCoordinates:
    """Coordinates relative to the cord, voxel by voxel, in a box around it.

    Attributes
    ----------
    box : tuple of slice
        The part of the volume.
    arc, right, anterior : ndarray of float32
        Position along the cord and offsets (mm) of the box's voxels.
    """

    box: tuple[slice, slice, slice]
    arc: np.ndarray
    right: np.ndarray
    anterior: np.ndarray


def cord_coordinates(
    shape: tuple[int, int, int],
    affine: np.ndarray,
    line: Centerline,
    margin_mm: tuple[float, float, float],
) -> CordCoordinates:
    """Coordinates along and across the cord of the voxels near it.

    The projection onto the line is computed on a coarse grid and interpolated: away
    from the line's centre of curvature it is smooth.

    Parameters
    ----------
    shape : tuple of int
    affine : ndarray, shape (4, 4)
        Voxel to world; axes close to right–left, posterior–anterior, inferior–superior
        in this order, either direction.
    line : Centerline
    margin_mm : tuple of float
        How far the box reaches to the sides, behind, and in front of the line (mm).

    Returns
    -------
    CordCoordinates
    """
    inverse = np.linalg.inv(affine)
    sides, behind, front = margin_mm
    reach = [np.array([x, y, 0.0]) for x in (-sides, sides) for y in (-behind, front)]
    corners = np.concatenate([line.points + r for r in reach])
    index = corners @ inverse[:3, :3].T + inverse[:3, 3]
    low = np.clip(np.floor(index.min(0)), 0, shape).astype(int)
    high = np.clip(np.ceil(index.max(0)) + 1, 0, shape).astype(int)
    low[2], high[2] = 0, shape[2]
    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    nodes = [
        np.linspace(a, max(b - 1, a + 1), max(round((b - a) * h / 6.0), 1) + 1)
        for a, b, h in zip(low, high, zooms, strict=True)
    ]
    grid = np.stack(np.meshgrid(*nodes, indexing='ij'), axis=-1).reshape(-1, 3)
    arc, offset = _project(line, grid @ affine[:3, :3].T + affine[:3, 3])
    coarse = np.stack([arc, offset[:, 0], offset[:, 1]]).reshape(3, *(len(n) for n in nodes))
    fields = []
    for field in coarse.astype(np.float32):
        for axis in (2, 1, 0):
            field = _refine(field, nodes[axis], low[axis], high[axis], axis)
        fields.append(field)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return CordCoordinates(box, *fields)


def _project(line: Centerline, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Arc and offsets of points, smooth also far from the line and beyond its ends."""
    arc, _ = line.project(points)
    for _ in range(3):
        centre, frames = frames_at(line, arc)
        offset = np.einsum('mij,mj->mi', frames, points - centre)
        # half steps: far in front of a bend a whole step overshoots
        arc = arc + 0.5 * np.clip(offset[:, 2], -3.0, 3.0)
    centre, frames = frames_at(line, arc)
    return arc, np.einsum('mij,mj->mi', frames, points - centre)


def _refine(field: np.ndarray, nodes: np.ndarray, low: int, high: int, axis: int) -> np.ndarray:
    """Linear interpolation of a coarse field along one axis to the voxels low..high-1."""
    index = np.arange(low, high)
    position = np.clip((index - nodes[0]) / (nodes[1] - nodes[0]), 0, len(nodes) - 1)
    first = np.minimum(position.astype(int), len(nodes) - 2)
    share = (position - first).astype(np.float32)
    share = share.reshape([-1 if a == axis else 1 for a in range(3)])
    return np.take(field, first, axis) * (1 - share) + np.take(field, first + 1, axis) * share
