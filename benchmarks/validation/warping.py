# SPDX-License-Identifier: Apache-2.0
"""Subjects made of a template by a known smooth map: bent, stretched, noisy, biased."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy import ndimage

from spinalprep.anatomy.centerline import Centerline

BEND_DEG = (8.0, 20.0)
"""Largest angle of the spine to its course in the template, front–back."""
STRETCH = 0.08
"""Largest change of length along the spine, and of that a part that changes on the way."""
NOISE = 0.05
"""Of the bright parts of the image (99th percentile)."""
BIAS = 0.3
"""Amplitude of the log of the coil's field."""
LATTICE = 4
"""Voxels between the points at which the map is computed."""
MARGIN_MM = 4.0
"""Field of view beyond the bent template."""


@dataclass(frozen=True, eq=False)
class SpineMap:
    """Smooth invertible map between template and subject (world, RAS+ mm).

    A height in the template goes to an arc length by a monotone table, and the position
    across to the same one in the frame of a bent curve.

    Attributes
    ----------
    curve : Centerline
    table : ndarray, shape (n, 2)
        Heights in the template and arc lengths in the subject; both increase.
    axis : ndarray, shape (2,)
        x and y of the template's straight axis.
    """

    curve: Centerline
    table: np.ndarray
    axis: np.ndarray

    def to_subject(self, points: np.ndarray) -> np.ndarray:
        """Subject points of template points; shape (n, 3)."""
        points = np.atleast_2d(points)
        arc = np.interp(points[:, 2], *self.table.T)
        across = np.column_stack([points[:, :2] - self.axis, np.zeros(len(points))])
        return self.curve.to_world(arc, across)

    def to_template(self, points: np.ndarray) -> np.ndarray:
        """Template points of subject points; shape (n, 3)."""
        arc, across = self.curve.project(points)
        height = np.interp(arc, *self.table.T[::-1])
        return np.column_stack([across[:, :2] + self.axis, height])


@dataclass(frozen=True, eq=False)
class Warped:
    """A subject.

    Attributes
    ----------
    image : ndarray of float32, shape (i, j, k)
    cord : ndarray of bool, shape (i, j, k)
        The template's cord, moved.
    affine : ndarray, shape (4, 4)
        LAS orientation.
    map : SpineMap
    """

    image: np.ndarray
    cord: np.ndarray
    affine: np.ndarray
    map: SpineMap

    def cropped(self, low: int, high: int) -> Warped:
        """The same with a field of view cut to slices `low` to `high` (exclusive)."""
        affine = self.affine @ nib.affines.from_matvec(np.eye(3), (0, 0, low))
        return Warped(self.image[..., low:high], self.cord[..., low:high], affine, self.map)


def draw_map(rng: np.random.Generator, low: np.ndarray, high: np.ndarray) -> SpineMap:
    """Map for a template between two corners (mm)."""
    height = np.arange(low[2] - 20.0, high[2] + 20.0, 0.5)
    extent = high[2] - low[2]
    along = (height - height[0]) / extent

    def wave(periods: tuple[float, float]) -> np.ndarray:
        phase = 2 * np.pi * (rng.uniform(*periods) * along + rng.uniform())
        return np.sin(phase)

    # one half changes the whole length, the other comes and goes along the spine
    stretch = STRETCH * (0.5 * rng.uniform(-1, 1) + 0.5 * wave((0.7, 2.0)))
    arc = np.concatenate([[0.0], np.cumsum((1 + stretch)[:-1] * np.diff(height))])
    forward = np.radians(rng.uniform(*BEND_DEG)) * wave((0.8, 1.6))
    sideways = np.radians(rng.uniform(0.0, 5.0)) * wave((0.5, 1.2))
    direction = np.stack(
        [np.sin(sideways), np.cos(sideways) * np.sin(forward), np.cos(sideways) * np.cos(forward)],
        axis=1,
    )
    steps = direction[:-1] * np.diff(arc)[:, None]
    points = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    # finer than any feature, so that arc length and samples agree
    curve = Centerline.through(points, 0.1)
    table = np.column_stack([height, arc * curve.length / arc[-1]])
    return SpineMap(curve, table, (low[:2] + high[:2]) / 2)


def warped(image: np.ndarray, cord: np.ndarray, affine: np.ndarray, seed: int) -> Warped:
    """Draw a subject from a template.

    Parameters
    ----------
    image, cord : ndarray, shape (i, j, k)
    affine : ndarray, shape (4, 4)
        Of both; voxel axes along the world's.
    seed : int
    """
    rng = np.random.default_rng([seed, 31])
    ends = nib.affines.apply_affine(affine, np.array([[0, 0, 0], np.array(image.shape) - 1]))
    low, high = ends.min(axis=0), ends.max(axis=0)
    spine = draw_map(rng, low, high)
    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    faces = np.stack(np.meshgrid(*[np.linspace(a, b, 15) for a, b in zip(low, high, strict=True)],
                                 indexing='ij'), axis=-1).reshape(-1, 3)  # fmt: skip
    moved = spine.to_subject(faces)
    lower, upper = moved.min(axis=0) - MARGIN_MM, moved.max(axis=0) + MARGIN_MM
    shape = tuple(np.ceil((upper - lower) / zooms).astype(int) + 1)
    grid = np.diag([-zooms[0], zooms[1], zooms[2], 1.0])
    grid[:3, 3] = upper[0], lower[1], lower[2]
    there = _source_voxels(spine, shape, grid, affine)
    signal = ndimage.map_coordinates(image.astype(np.float32), there, order=1, cval=0.0)
    mask = ndimage.map_coordinates(cord.astype(np.float32), there, order=1) > 0.5
    signal = _degraded(signal.reshape(shape), rng, float(np.percentile(image, 99)))
    return Warped(signal.astype(np.float32), mask.reshape(shape), grid, spine)


def _source_voxels(spine: SpineMap, shape: tuple, grid: np.ndarray, affine: np.ndarray):
    """Place of each voxel of a subject in the template's array; shape (3, n).

    The map is smooth (curves have radii of 150 mm and more): found on a lattice and linear
    in between, it is off by a few hundredths of a millimetre.
    """
    counts = [n // LATTICE + 2 for n in shape]
    ticks = [np.linspace(0, n - 1, m) for n, m in zip(shape, counts, strict=True)]
    nodes = np.stack(np.meshgrid(*ticks, indexing='ij'), axis=-1).reshape(-1, 3)
    points = spine.to_template(nib.affines.apply_affine(grid, nodes))
    lattice = nib.affines.apply_affine(np.linalg.inv(affine), points).reshape(*counts, 3)
    scale = [(m - 1) / max(n - 1, 1) for n, m in zip(shape, counts, strict=True)]
    parts = [
        ndimage.affine_transform(part, scale, output_shape=shape, order=1, mode='nearest')
        for part in np.moveaxis(lattice, -1, 0)
    ]
    return np.stack([part.ravel() for part in parts])


def _degraded(signal: np.ndarray, rng: np.random.Generator, bright: float) -> np.ndarray:
    """Coil's field and the noise of a magnitude image."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in signal.shape], indexing='ij', sparse=True)
    phase, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(-1, 1, 3)
    field = 0.6 * np.sin(2.0 * axes[2] + phase) - 0.6 * axes[1] + 0.4 * tilt[0] * axes[0]
    signal = signal * np.exp(BIAS * (field + 0.4 * tilt[2] * axes[2]))
    real, imaginary = NOISE * bright * rng.standard_normal((2, *signal.shape), np.float32)
    return np.hypot(signal + real, imaginary)
