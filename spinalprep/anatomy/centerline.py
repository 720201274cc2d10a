# SPDX-License-Identifier: Apache-2.0
"""The cord's centreline: a smooth curve through a mask, with arc length and frames."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import make_smoothing_spline
from scipy.spatial import cKDTree

from spinalprep.anatomy.voxels import filled_box, plane_centres

STEP_MM = 0.5
"""Spacing of the samples along a centreline."""

SMOOTH_MM = 5.0
"""Usual length scale of smoothing: the neck's lordosis (wavelength 100 mm and more) keeps
99 % of its amplitude, the steps of a voxel mask (a few mm) vanish."""

_NEIGHBOURHOOD_MM = 20.0


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
    def curvature(self) -> np.ndarray:
        """Change of the unit tangent per mm of arc; shape (n, 3), 1/mm."""
        return np.gradient(self.tangents, self.arc, axis=0)

    @cached_property
    def frames(self) -> np.ndarray:
        """Frame of each point, see :meth:`frames_at`; shape (n, 3, 3)."""
        return _frames(self.tangents)

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
        beyond = arc - inside
        end = np.where(beyond > 0, len(self.arc) - 1, 0)
        return self._interpolate(self.points, inside) + beyond[..., None] * self.tangents[end]

    def frames_at(self, arc: np.ndarray) -> np.ndarray:
        """Orthonormal frames at given arc lengths; those of the ends beyond them.

        Row 0 is the direction to the subject's right made perpendicular to the
        curve, row 1 points anteriorly, row 2 superiorly along the curve. No twist
        accumulates: each frame is built from the world's right axis.

        Parameters
        ----------
        arc : array_like, shape (m,)
            Arc lengths (mm).

        Returns
        -------
        ndarray, shape (m, 3, 3)
        """
        return _frames(self._interpolate(self.tangents, arc))

    def to_world(self, arc: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """World points from positions in the frame of the curve; undoes :meth:`project`.

        Parameters
        ----------
        arc : array_like, shape (m,)
            Arc lengths (mm).
        offset : array_like, shape (m, 3)
            Right, anterior, along (mm).

        Returns
        -------
        ndarray, shape (m, 3)
        """
        frames = self.frames_at(arc)
        return self.at(arc) + np.einsum('mij,mi->mj', frames, np.asarray(offset, dtype=float))

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
            The part along is 0 but for points without a unique foot.
        """
        points = np.atleast_2d(np.asarray(points, dtype=float))
        _, nearest = self._tree.query(points)
        arc = self.arc[nearest]
        # the samples lie half a step off at most: two corrections reach the foot
        for _ in range(2):
            tangent = _unit(self._interpolate(self.tangents, arc))
            away = points - self.at(arc)
            stretch = self._stretch(arc, away)
            arc = arc + np.einsum('mi,mi->m', away, tangent) / np.maximum(stretch, 0.2)
        return arc, np.einsum('mij,mj->mi', self.frames_at(arc), points - self.at(arc))

    def stretch(self, arc: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Length along the cord at a position off the curve, relative to that on it.

        Parameters
        ----------
        arc : array_like, shape (m,)
            Arc lengths (mm).
        offset : array_like, shape (m, 3)
            Right, anterior, along (mm).

        Returns
        -------
        ndarray, shape (m,)
            1 on the curve, below 1 on the inner side of a bend; 0 or less beyond the
            centre of curvature, where positions are not unique.
        """
        arc = np.asarray(arc, dtype=float)
        return self._stretch(arc, np.einsum('mij,mi->mj', self.frames_at(arc), offset))

    def _stretch(self, arc: np.ndarray, away: np.ndarray) -> np.ndarray:
        bent = np.einsum('mi,mi->m', self._interpolate(self.curvature, arc), away)
        return np.where((arc < 0) | (arc > self.length), 1.0, 1.0 - bent)

    def _interpolate(self, values: np.ndarray, arc: np.ndarray) -> np.ndarray:
        """Rows of `values`, one per sample of the curve, linearly between the samples."""
        arc = np.clip(arc, 0.0, self.length)
        left = np.clip(np.searchsorted(self.arc, arc, side='right') - 1, 0, len(self.arc) - 2)
        part = (arc - self.arc[left]) / (self.arc[left + 1] - self.arc[left])
        return values[left] + part[..., None] * (values[left + 1] - values[left])

    @classmethod
    def through(
        cls,
        points: np.ndarray,
        smooth_mm: float = SMOOTH_MM,
        weights: np.ndarray | None = None,
    ) -> Centerline:
        """Smooth curve through scattered ordered points.

        Parameters
        ----------
        points : array_like, shape (n, 3)
            World coordinates (mm) in the order of the cord, either direction, n ≥ 5.
        smooth_mm : float
            Length scale of the smoothing spline: a wiggle of wavelength 2π times this
            is halved, one of twice that wavelength loses 6 %.
        weights : array_like, shape (n,), optional
            How much each point counts, at most 1; all alike if not given.

        Raises
        ------
        ValueError
            With fewer than five points.
        """
        points = np.asarray(points, dtype=float)
        weights = np.ones(len(points)) if weights is None else np.asarray(weights, dtype=float)
        if len(points) < 5:
            raise ValueError(f'a centreline needs at least 5 points, got {len(points)}')
        if points[-1, 2] < points[0, 2]:
            points, weights = points[::-1], weights[::-1]
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        keep = np.concatenate([[True], np.diff(along) > 1e-6])
        points, along, weights = points[keep], along[keep], weights[keep]
        # penalty that halves a sine of wavelength 2*pi*smooth_mm, for this sampling density
        spacing = along[-1] / (len(along) - 1)
        penalty = smooth_mm**4 / spacing
        # much finer than the samples that remain: the curvature is their second difference
        fine = np.linspace(0.0, along[-1], max(round(10 * along[-1] / STEP_MM) + 1, 50))
        spline = make_smoothing_spline(along, points, w=weights, lam=penalty)
        return cls(_equidistant(spline(fine)))

    @classmethod
    def from_mask(
        cls, mask: np.ndarray, affine: np.ndarray, smooth_mm: float = SMOOTH_MM
    ) -> Centerline:
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
            Reaches from the lowest to the highest slice. Slices with less area than
            those around them count little: where the end of the mask cuts obliquely
            through a slice, its centroid is off the cord's middle.

        Raises
        ------
        ValueError
            If the mask covers fewer than five slices along the cord's axis.
        """
        axis, _ = superior_axis(affine)
        slices, centroids, area = _slices(mask, affine)
        if len(slices) < 5:
            raise ValueError(f'a centreline needs at least 5 slices of mask, got {len(slices)}')
        slice_mm = np.linalg.norm(affine[:3, axis])
        part = np.clip(area / _usual(area, round(_NEIGHBOURHOOD_MM / slice_mm)), 0.3, 1.0)
        return cls.through(centroids, smooth_mm, part**8)


def _usual(area: np.ndarray, width: int) -> np.ndarray:
    """Median over the `width` values around each one, whole windows also at the ends."""
    width = int(np.clip(width, 1, len(area)))
    medians = np.median(np.lib.stride_tricks.sliding_window_view(area, width), axis=1)
    return medians[np.clip(np.arange(len(area)) - width // 2, 0, len(medians) - 1)]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _frames(tangents: np.ndarray) -> np.ndarray:
    """Frames (rows right, anterior, along) for tangents of any length; shape (m, 3, 3)."""
    tangents = _unit(tangents)
    right = _unit(np.array([1.0, 0.0, 0.0]) - tangents[:, :1] * tangents)
    return np.stack([right, np.cross(tangents, right), tangents], axis=1)


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
    slices, centroids, _ = _slices(mask, affine)
    return slices, centroids


def _slices(mask: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slices and centroids, see :func:`slice_centroids`, and how many voxels each slice has."""
    axis, sign = superior_axis(affine)
    mask = np.asarray(mask) > 0
    box = filled_box(mask)
    stack = np.moveaxis(mask[box], axis, 0)
    area = stack.sum(axis=(1, 2))
    used = np.flatnonzero(area)[::sign]
    area = area[used]
    means = np.insert(plane_centres(stack[used]), axis, used, axis=1)
    means += [edge.start for edge in box]
    return used + box[axis].start, means @ affine[:3, :3].T + affine[:3, 3], area


def point_at_height(mask: np.ndarray, affine: np.ndarray, height: float) -> np.ndarray | None:
    """Middle of the cord where it passes a height.

    Parameters
    ----------
    mask : ndarray, shape (i, j, k)
        Non-zero inside the cord; any orientation.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    height : float
        World z (mm).

    Returns
    -------
    ndarray, shape (3,), or None
        World coordinates (mm); None where the mask doesn't reach that height.
    """
    _, centroids = slice_centroids(mask, affine)
    if not len(centroids):
        return None
    half = np.linalg.norm(affine[:3, superior_axis(affine)[0]]) / 2
    if not centroids[0, 2] - half <= height <= centroids[-1, 2] + half:
        return None
    return np.array([np.interp(height, centroids[:, 2], c) for c in centroids.T])
