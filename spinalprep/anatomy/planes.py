# SPDX-License-Identifier: Apache-2.0
"""Sampling an image on planes perpendicular to a centreline, and filling contours there.

Planes are polar: rays from the centreline at :data:`ANGLES`, 0 to the subject's right,
π/2 anterior. A contour is one radius per plane and angle.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy import ndimage

from spinalprep.anatomy.centerline import Centerline

N_ANGLES = 32
ANGLES = np.arange(N_ANGLES) * 2 * np.pi / N_ANGLES
"""Directions of the rays (radians)."""


class Sampler:
    """Linear interpolation of an image in world coordinates; NaN outside.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    """

    def __init__(self, image: np.ndarray, affine: np.ndarray) -> None:
        self.image = np.asarray(image, dtype=np.float32)
        self.inverse = np.linalg.inv(affine)

    @classmethod
    def around(cls, image: np.ndarray, affine: np.ndarray, points: np.ndarray, margin_mm: float):
        """Sampler of the box around some points: the rest of the image is let go."""
        low, high = box_around(image.shape, affine, points, margin_mm)
        moved = affine @ nib.affines.from_matvec(np.eye(3), low)
        return cls(image[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], moved)

    def __call__(self, world: np.ndarray) -> np.ndarray:
        """Values at world points; float32, shape of `world` without the last axis."""
        voxels = nib.affines.apply_affine(self.inverse, world)
        values = ndimage.map_coordinates(
            self.image, np.moveaxis(voxels, -1, 0), np.float32, order=1, mode='nearest'
        )
        outside = (voxels < -0.5) | (voxels > np.array(self.image.shape) - 0.5)
        values[outside.any(axis=-1)] = np.nan
        return values


def box_around(
    shape: tuple[int, ...], affine: np.ndarray, points: np.ndarray, margin_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Index box (low, high exclusive) that holds world points and a margin in mm."""
    voxels = nib.affines.apply_affine(np.linalg.inv(affine), points)
    margin = margin_mm / np.linalg.norm(affine[:3, :3], axis=0)
    low = np.maximum(np.floor(voxels.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(voxels.max(axis=0) + margin) + 1, shape).astype(int)
    return low, np.maximum(high, low + 1)


def frames_at(line: Centerline, arcs: np.ndarray) -> np.ndarray:
    """Frames of a centreline at arc lengths; shape (n, 3, 3), see ``Centerline.frames``."""
    nearest = np.searchsorted(line.arc, np.asarray(arcs) - line.length / len(line.arc) / 2)
    return line.frames[np.clip(nearest, 0, len(line.arc) - 1)]


def polar_planes(
    sampler: Sampler, line: Centerline, arcs: np.ndarray, radii: np.ndarray
) -> np.ndarray:
    """Image on polar planes perpendicular to a centreline.

    Parameters
    ----------
    sampler : Sampler
    line : Centerline
    arcs : ndarray, shape (n,)
        Arc lengths of the planes (mm); the curve goes on straight beyond its ends.
    radii : ndarray, shape (r,)
        Distances from the centreline (mm).

    Returns
    -------
    ndarray of float32, shape (n, N_ANGLES, r)
        NaN outside the image.
    """
    frames = frames_at(line, arcs)
    rays = (
        np.cos(ANGLES)[None, :, None] * frames[:, None, 0]
        + np.sin(ANGLES)[None, :, None] * frames[:, None, 1]
    )
    return sampler(line.at(arcs)[:, None, None] + radii[:, None] * rays[:, :, None])


def contour_area(contour: np.ndarray) -> np.ndarray:
    """Area (mm²) inside contours; shape (n,) from (n, N_ANGLES)."""
    wedge = np.sin(2 * np.pi / N_ANGLES) / 2
    return wedge * np.sum(contour * np.roll(contour, -1, axis=1), axis=1)


def contour_centroid(contour: np.ndarray) -> np.ndarray:
    """Centroids of contours in the plane (right, anterior; mm); shape (n, 2)."""
    corners = contour[..., None] * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1)
    following = np.roll(corners, -1, axis=1)
    cross = corners[..., 0] * following[..., 1] - following[..., 0] * corners[..., 1]
    return np.sum((corners + following) * cross[..., None], axis=1) / (
        3 * np.sum(cross, axis=1)[:, None]
    )


def fill_contours(
    shape: tuple[int, ...],
    affine: np.ndarray,
    line: Centerline,
    arcs: np.ndarray,
    contours: np.ndarray,
    between: tuple[float, float],
) -> np.ndarray:
    """Mask of the voxels whose centres lie inside the contours.

    Parameters
    ----------
    shape : tuple of int
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    line : Centerline
    arcs : ndarray, shape (n,)
        Arc lengths of the contours (mm), evenly spaced.
    contours : ndarray, shape (n, N_ANGLES)
        Radii (mm). The first and last one hold beyond the ends.
    between : tuple of float
        Lowest and highest arc length of the mask (mm); may lie beyond the ends.

    Returns
    -------
    ndarray of bool, shape `shape`
    """
    reach = float(contours.max())
    points = line.at(np.arange(between[0], between[1] + 1.0, 1.0))
    low, high = box_around(shape, affine, points, reach + 1.0)
    grid = np.stack(
        np.meshgrid(*map(np.arange, low, high), indexing='ij', copy=False), axis=-1
    ).reshape(-1, 3)
    near = _near(grid, affine, points, reach + 1.5)
    arc, offset = line.project(nib.affines.apply_affine(affine, grid[near]))
    turn = np.mod(np.arctan2(offset[:, 1], offset[:, 0]), 2 * np.pi) * N_ANGLES / (2 * np.pi)
    closed = np.concatenate([contours, contours[:, :1]], axis=1)
    row = np.interp(arc, arcs, np.arange(len(arcs)))
    radius = ndimage.map_coordinates(closed, [row, turn], order=1, mode='nearest')
    inside = np.hypot(offset[:, 0], offset[:, 1]) <= radius
    inside &= (arc >= between[0]) & (arc <= between[1])
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(grid[near][inside].T)] = True
    return mask


def _near(grid: np.ndarray, affine: np.ndarray, points: np.ndarray, reach: float) -> np.ndarray:
    """Which voxels may lie within `reach` mm of a curve that runs upwards.

    Compares with the curve's point at the same height, which is quick and exact up to
    the curve's tilt; the reach grows accordingly.
    """
    world = nib.affines.apply_affine(affine, grid)
    steps = np.diff(points, axis=0)
    widest = reach * np.max(np.linalg.norm(steps, axis=1) / np.maximum(np.abs(steps[:, 2]), 1e-3))
    height = np.clip(world[:, 2], points[0, 2], points[-1, 2])
    middle = np.stack([np.interp(height, points[:, 2], c) for c in points[:, :2].T], axis=-1)
    beyond = np.abs(world[:, 2] - height)
    return (np.hypot(*(world[:, :2] - middle).T) <= widest) & (beyond <= widest)
