# SPDX-License-Identifier: Apache-2.0
"""The cord's centreline: a smooth curve through a mask, with arc length and frames."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import make_smoothing_spline
from scipy.spatial import cKDTree

STEP_MM = 0.5
"""Spacing of the samples along a centreline."""


@dataclass(frozen=True, eq=False)
class Centerline:
    """A curve from the lowest to the highest point of the cord.

    Attributes
    ----------
    points : ndarray, shape (n, 3)
        World coordinates (RAS+, mm), ordered from inferior to superior,
        :data:`STEP_MM` apart.
    """

    points: np.ndarray

    @cached_property
    def arc(self) -> np.ndarray:
        """Arc length (mm) of each point, 0 at the inferior end; shape (n,)."""
        steps = np.linalg.norm(np.diff(self.points, axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def length(self) -> float:
        """Length along the curve (mm)."""
        return float(self.arc[-1])

    @cached_property
    def tangents(self) -> np.ndarray:
        """Unit tangents pointing superiorly; shape (n, 3)."""
        tangents = np.gradient(self.points, self.arc, axis=0)
        return tangents / np.linalg.norm(tangents, axis=1, keepdims=True)

    @cached_property
    def frames(self) -> np.ndarray:
        """Orthonormal frames; shape (n, 3, 3), rows = right→left axis, anterior axis, tangent.

        Row 0 is the direction to the subject's right made perpendicular to the
        curve, row 1 points anteriorly, row 2 superiorly. No twist accumulates:
        each frame is built from the world's right axis.
        """
        right = np.array([1.0, 0.0, 0.0]) - self.tangents[:, :1] * self.tangents
        right /= np.linalg.norm(right, axis=1, keepdims=True)
        anterior = np.cross(self.tangents, right)
        return np.stack([right, anterior, self.tangents], axis=1)

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.points)

    def at(self, arc: np.ndarray) -> np.ndarray:
        """World points at given arc lengths, continued straight beyond the ends.

        Parameters
        ----------
        arc : array_like, shape (m,)
            Arc lengths (mm).

        Returns
        -------
        ndarray, shape (m, 3)
        """
        arc = np.asarray(arc, dtype=float)
        inside = np.clip(arc, 0.0, self.length)
        points = np.stack([np.interp(inside, self.arc, c) for c in self.points.T], axis=-1)
        beyond = arc - inside
        end = np.where(beyond > 0, len(self.arc) - 1, 0)
        return points + beyond[..., None] * self.tangents[end]

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest position on the curve.

        Parameters
        ----------
        points : array_like, shape (m, 3)
            World coordinates (mm).

        Returns
        -------
        arc : ndarray, shape (m,)
            Arc length (mm) of the foot point; negative below the lower end and
            above :attr:`length` beyond the upper end.
        offset : ndarray, shape (m, 3)
            Coordinates of the point in the frame there (right, anterior, along; mm).
        """
        points = np.atleast_2d(np.asarray(points, dtype=float))
        _, nearest = self._tree.query(points)
        offset = np.einsum('mij,mj->mi', self.frames[nearest], points - self.points[nearest])
        arc = self.arc[nearest] + offset[:, 2]
        interior = (nearest > 0) & (nearest < len(self.arc) - 1)
        # the along-component only refines the position inside half a step; in a bend
        # a far point's component may exceed it and would misplace the foot
        arc = np.where(interior, self.arc[nearest] + np.clip(offset[:, 2], -STEP_MM, STEP_MM), arc)
        return arc, offset

    @classmethod
    def through(cls, points: np.ndarray, smooth_mm: float = 10.0) -> Centerline:
        """Smooth curve through scattered ordered points.

        Parameters
        ----------
        points : array_like, shape (n, 3)
            World coordinates (mm) in the order of the cord, either direction, n ≥ 5.
        smooth_mm : float
            Length scale of the smoothing spline; wiggles shorter than this vanish.

        Raises
        ------
        ValueError
            With fewer than five points.
        """
        points = np.asarray(points, dtype=float)
        if len(points) < 5:
            raise ValueError(f'a centreline needs at least 5 points, got {len(points)}')
        if points[-1, 2] < points[0, 2]:
            points = points[::-1]
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        keep = np.concatenate([[True], np.diff(along) > 1e-6])
        points, along = points[keep], along[keep]
        # penalty that halves a sine of wavelength 2*pi*smooth_mm, for this sampling density
        spacing = along[-1] / (len(along) - 1)
        penalty = smooth_mm**4 / spacing
        fine = np.linspace(0.0, along[-1], max(round(along[-1] / STEP_MM) + 1, 5))
        curve = np.stack(
            [make_smoothing_spline(along, c, lam=penalty)(fine) for c in points.T], axis=-1
        )
        return cls(_equidistant(curve))

    @classmethod
    def from_mask(cls, mask: np.ndarray, affine: np.ndarray, smooth_mm: float = 10.0):
        """Centreline of a binary cord mask from the centroids of its slices.

        Parameters
        ----------
        mask : ndarray, shape (i, j, k)
            Non-zero inside the cord; any orientation.
        affine : ndarray, shape (4, 4)
            Voxel to world (RAS+, mm).
        smooth_mm : float
            See :meth:`through`.

        Returns
        -------
        Centerline
            Reaches from the centroid of the lowest to that of the highest slice.

        Raises
        ------
        ValueError
            If the mask covers fewer than five slices along the cord's axis.
        """
        return cls.through(slice_centroids(mask, affine)[1], smooth_mm)


def _equidistant(curve: np.ndarray) -> np.ndarray:
    """Resample a dense polyline to steps of :data:`STEP_MM`."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    fine = np.linspace(0.0, along[-1], max(round(along[-1] / STEP_MM) + 1, 5))
    return np.stack([np.interp(fine, along, c) for c in curve.T], axis=-1)


def superior_axis(affine: np.ndarray) -> tuple[int, int]:
    """Voxel axis that runs closest to inferior–superior, and its sign.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)

    Returns
    -------
    axis : int
    sign : int
        +1 where the index grows superiorly, -1 otherwise.
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    axis = int(np.argmax(np.abs(directions[2])))
    return axis, int(np.sign(directions[2, axis]))


def slice_centroids(mask: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centroid of the mask in each slice along the inferior–superior axis.

    Parameters
    ----------
    mask : ndarray, shape (i, j, k)
    affine : ndarray, shape (4, 4)

    Returns
    -------
    slices : ndarray of int, shape (n,)
        Indices along the inferior–superior voxel axis of slices that hold any mask,
        in the order inferior to superior.
    centroids : ndarray, shape (n, 3)
        World coordinates (mm).
    """
    axis, sign = superior_axis(affine)
    voxels = np.argwhere(np.asarray(mask) > 0)
    if not len(voxels):
        return np.empty(0, int), np.empty((0, 3))
    order = np.argsort(voxels[:, axis], kind='stable')
    voxels = voxels[order]
    slices, starts, counts = np.unique(voxels[:, axis], return_index=True, return_counts=True)
    means = np.add.reduceat(voxels.astype(float), starts, axis=0) / counts[:, None]
    world = means @ affine[:3, :3].T + affine[:3, 3]
    return (slices, world) if sign > 0 else (slices[::-1], world[::-1])
