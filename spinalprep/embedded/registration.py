# SPDX-License-Identifier: Apache-2.0
"""Registration in the frame of the cord's centreline.

A position is written as arc length along the cord plus two coordinates across it, in the
subject and in the template. Landmarks map one arc length to the other; across the cord the
centre, size and tilt of its contour are matched, and what lies farther away keeps its
distance from the cord more and more. All of it can be undone, so both displacement
fields come from one mapping.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from spinalprep.anatomy.centerline import Centerline
from spinalprep.anatomy.warps import DisplacementField

MARGIN_MM = 10.0
"""How far the mapping goes beyond the outer landmarks (three or more), and beyond the
ends of the cord."""
REACH_MM = 60.0
"""Farther than this from the cord nothing is defined."""

_MIN_STRETCH = 0.25  # towards the centre of curvature (0) positions cease to be unique
_LATTICE_MM = 3.0  # the mapping is smooth: computed this far apart, linear in between
_SHAPE_SMOOTH_MM = 3.0
_TILT_SMOOTH_MM = 8.0
_MAX_TILT = np.radians(15)
_SCALES = (0.7, 1.4)
_CORE, _FADED = 1.2, 6.0  # in cord radii: whole effect of the contour inside, none outside


@dataclass(frozen=True, eq=False)
class CordFrame:
    """A cord and its contour along the centreline.

    Attributes
    ----------
    centerline : Centerline
        With n samples.
    centers : ndarray, shape (n, 2)
        Middle of the mask (right, anterior; mm) in the frame of each sample.
    shapes : ndarray, shape (n, 2, 2)
        Second moments of the mask about that middle (mm²).
    """

    centerline: Centerline
    centers: np.ndarray
    shapes: np.ndarray

    @classmethod
    def from_mask(cls, mask: np.ndarray, affine: np.ndarray) -> CordFrame:
        """Frame of a cord mask.

        Parameters
        ----------
        mask : ndarray, shape (i, j, k)
            Non-zero inside the cord; any orientation.
        affine : ndarray, shape (4, 4)
            Voxel to world (RAS+, mm).

        Raises
        ------
        ValueError
            If the mask covers fewer than five slices.
        """
        mask = np.asarray(mask) > 0
        line = Centerline.from_mask(mask, affine)
        arc, offset = line.project(np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3])
        step = line.length / (len(line.arc) - 1)
        bins = np.clip(np.rint(arc / step).astype(int), 0, len(line.arc) - 1)
        x, y = offset[:, 0], offset[:, 1]
        sums = [
            gaussian_filter1d(
                np.bincount(bins, weights=values, minlength=len(line.arc)),
                _SHAPE_SMOOTH_MM / step,
                mode='constant',
            )
            for values in (np.ones_like(x), x, y, x * x, x * y, y * y)
        ]
        count = np.maximum(sums[0], 1e-9)
        mx, my, xx, xy, yy = (total / count for total in sums[1:])
        shapes = np.array([[xx - mx * mx, xy - mx * my], [xy - mx * my, yy - my * my]])
        # a mask one voxel wide still has the extent of that voxel
        floor = np.abs(np.linalg.det(affine[:3, :3])) ** (2 / 3) / 12
        return cls(
            line, np.stack([mx, my], axis=-1), np.moveaxis(shapes, -1, 0) + floor * np.eye(2)
        )

    def at(self, arc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centres and second moments at arc lengths; those of the ends beyond them."""
        known = self.centerline.arc
        values = np.column_stack([self.centers, self.shapes.reshape(-1, 4)])
        values = np.column_stack([np.interp(arc, known, column) for column in values.T])
        return values[:, :2], values[:, 2:].reshape(-1, 2, 2)


@dataclass(frozen=True, eq=False)
class CordMapping:
    """Mapping between a subject and a template, both ways.

    Attributes
    ----------
    subject, template : CordFrame
    arcs : ndarray, shape (m, 2)
        Arc lengths (mm) in subject and template that belong together; both increase.
    matrices : ndarray, shape (m, 2, 2)
        Across the cord, subject to template, about the middles of the two contours.
    covered : tuple of float
        First and last arc length in the subject (mm) where the mapping is defined.
    """

    subject: CordFrame
    template: CordFrame
    arcs: np.ndarray
    matrices: np.ndarray
    covered: tuple[float, float]

    def to_template(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Move points of the subject to the template.

        Parameters
        ----------
        points : ndarray, shape (n, 3)
            World coordinates (RAS+, mm).

        Returns
        -------
        points : ndarray, shape (n, 3)
        margin : ndarray, shape (n,)
            How far (mm or alike) inside the domain of the mapping; defined where > 0.
        """
        arc, offset = self.subject.centerline.project(points)
        target = np.interp(arc, self.arcs[:, 0], self.arcs[:, 1])
        centre, target_centre, matrix, radius = self._across(arc, target)
        across = offset[:, :2] - centre
        across = across + _faded(across, matrix, radius) + target_centre
        moved = np.column_stack([across, np.zeros(len(across))])
        margin = self._margin(arc, offset, target, moved)
        return self.template.centerline.to_world(target, moved), margin

    def to_subject(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Move points of the template to the subject; undoes :meth:`to_template`."""
        target, offset = self.template.centerline.project(points)
        arc = np.interp(target, self.arcs[:, 1], self.arcs[:, 0])
        centre, target_centre, matrix, radius = self._across(arc, target)
        goal = offset[:, :2] - target_centre
        across = goal.copy()
        for _ in range(40):
            last = across
            across = goal - _faded(across, matrix, radius)
            if np.abs(across - last).max(initial=0.0) < 1e-3:
                break
        moved = np.column_stack([across + centre, np.zeros(len(across))])
        margin = self._margin(arc, moved, target, offset)
        return self.subject.centerline.to_world(arc, moved), margin

    def _across(self, arc: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, ...]:
        centre, shape = self.subject.at(arc)
        target_centre, _ = self.template.at(target)
        matrix = np.column_stack(
            [np.interp(arc, self.arcs[:, 0], m) for m in self.matrices.reshape(-1, 4).T]
        )
        # an ellipse with semi-axes a and b has second moments a²/4 and b²/4
        radius = 2 * np.abs(np.linalg.det(shape)) ** 0.25
        return centre, target_centre, matrix.reshape(-1, 2, 2), radius

    def _margin(self, arc, offset, target, target_offset) -> np.ndarray:
        """Positive inside the covered range, near the cord, and before any centre of curvature."""
        curves = (
            self.subject.centerline.stretch(arc, offset),
            self.template.centerline.stretch(target, target_offset),
        )
        return np.minimum.reduce(
            [
                arc - self.covered[0],
                self.covered[1] - arc,
                REACH_MM - np.linalg.norm(offset, axis=1),
                *((stretch - _MIN_STRETCH) * REACH_MM for stretch in curves),
            ]
        )

    def field_on_subject(self, shape: tuple, affine: np.ndarray) -> DisplacementField:
        """``warp_template2anat``: on the subject's grid, leads to the template."""
        return _field(self.to_template, shape, affine)

    def field_on_template(self, shape: tuple, affine: np.ndarray) -> DisplacementField:
        """``warp_anat2template``: on the template's grid, leads to the subject."""
        return _field(self.to_subject, shape, affine)


def map_cords(
    subject: CordFrame,
    template: CordFrame,
    subject_landmarks: dict[int, np.ndarray],
    template_landmarks: dict[int, np.ndarray],
) -> CordMapping:
    """Mapping between two cords from landmarks along them.

    Parameters
    ----------
    subject, template : CordFrame
    subject_landmarks, template_landmarks : dict of int to ndarray, shape (3,)
        World coordinates (RAS+, mm), on the cord or beside it. Values of the subject that
        the template lacks must have been removed.

    Returns
    -------
    CordMapping
        One landmark shifts along the cord, two shift and scale, three and more are met
        exactly (monotone cubic) and limit the covered range.

    Raises
    ------
    ValueError
        Without landmarks, with one far beyond the cord's ends, or with landmarks whose
        order along the two cords differs.
    """
    values = sorted(subject_landmarks)
    if not values:
        raise ValueError('no landmark')
    arcs, _ = subject.centerline.project(np.array([subject_landmarks[v] for v in values]))
    targets, _ = template.centerline.project(np.array([template_landmarks[v] for v in values]))
    length = subject.centerline.length
    lost = [
        v
        for v, arc in zip(values, arcs, strict=True)
        if not -MARGIN_MM <= arc <= length + MARGIN_MM
    ]
    if lost:
        raise ValueError(f'labels {lost} lie outside the extent of the cord segmentation')
    order = np.argsort(arcs)
    arcs, targets = arcs[order], targets[order]
    if (np.diff(arcs) < 0.5).any() or (np.diff(targets) <= 0).any():
        names = [values[i] for i in order]
        raise ValueError(f'labels do not follow the order of the template, from below: {names}')
    table = _arc_table(arcs, targets, subject.centerline.length)
    covered = _covered(arcs, table, subject, template)
    return CordMapping(subject, template, table, _matrices(subject, template, table), covered)


def _arc_table(arcs: np.ndarray, targets: np.ndarray, length: float) -> np.ndarray:
    """Arc lengths of subject and template side by side, far beyond both ends."""
    beyond = 2 * REACH_MM
    fine = np.arange(-beyond, length + beyond, 0.25)
    if len(arcs) < 3:
        slope = (targets[-1] - targets[0]) / (arcs[-1] - arcs[0]) if len(arcs) == 2 else 1.0
        return np.column_stack([fine, targets[0] + slope * (fine - arcs[0])])
    # beyond the outer landmarks: the scale of the two spaces next to them, not of the last
    # alone, where one misplaced landmark would count twice
    low = (targets[2] - targets[0]) / (arcs[2] - arcs[0])
    high = (targets[-1] - targets[-3]) / (arcs[-1] - arcs[-3])
    reach = 4 * beyond + length
    knots = np.concatenate([[arcs[0] - reach], arcs, [arcs[-1] + reach]])
    goals = np.concatenate([[targets[0] - low * reach], targets, [targets[-1] + high * reach]])
    return np.column_stack([fine, PchipInterpolator(knots, goals)(fine)])


def _covered(
    arcs: np.ndarray, table: np.ndarray, subject: CordFrame, template: CordFrame
) -> tuple[float, float]:
    limits = [-MARGIN_MM, subject.centerline.length + MARGIN_MM]
    template_ends = [-MARGIN_MM, template.centerline.length + MARGIN_MM]
    ends = np.interp(template_ends, table[:, 1], table[:, 0])
    low, high = max(limits[0], ends[0]), min(limits[1], ends[1])
    if len(arcs) >= 3:
        low, high = max(low, arcs[0] - MARGIN_MM), min(high, arcs[-1] + MARGIN_MM)
    return float(low), float(high)


def _matrices(subject: CordFrame, template: CordFrame, table: np.ndarray) -> np.ndarray:
    """Linear maps that carry the subject's contour onto the template's; shape (m, 2, 2)."""
    _, source = subject.at(table[:, 0])
    _, goal = template.at(table[:, 1])
    step = table[1, 0] - table[0, 0]
    tilt = gaussian_filter1d(_tilt(goal) - _tilt(source), _TILT_SMOOTH_MM / step, mode='nearest')
    tilt = np.clip(tilt, -_MAX_TILT, _MAX_TILT)
    turn = np.moveaxis(
        np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]), -1, 0
    )
    turned = turn @ source @ turn.transpose(0, 2, 1)
    # the one symmetric map between two covariances: it adds no further rotation
    root = _root(turned)
    inverse = np.linalg.inv(root)
    scale = inverse @ _root(root @ goal @ root) @ inverse
    values, vectors = np.linalg.eigh(scale)
    values = np.clip(values, *_SCALES)
    return (vectors * values[:, None]) @ vectors.transpose(0, 2, 1) @ turn


def _tilt(shapes: np.ndarray) -> np.ndarray:
    """Angle (radians) of the long axis from right–left, 0 where the contour is round."""
    difference = shapes[:, 0, 0] - shapes[:, 1, 1]
    cross = 2 * shapes[:, 0, 1]
    total = shapes[:, 0, 0] + shapes[:, 1, 1]
    flatness = np.hypot(difference, cross) / total
    sure = np.clip((flatness - 0.08) / 0.12, 0.0, 1.0)
    return sure * 0.5 * np.arctan2(cross, np.maximum(difference, 1e-9))


def _root(matrices: np.ndarray) -> np.ndarray:
    """Square roots of symmetric positive matrices; shape (m, 2, 2)."""
    values, vectors = np.linalg.eigh(matrices)
    return (vectors * np.sqrt(np.maximum(values, 0.0))[:, None]) @ vectors.transpose(0, 2, 1)


def _faded(across: np.ndarray, matrix: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """What the contour's map adds to positions across the cord, fading with distance."""
    distance = np.linalg.norm(across, axis=1) / radius
    part = np.log(np.maximum(distance, _CORE) / _CORE) / np.log(_FADED / _CORE)
    part = np.clip(part, 0.0, 1.0)
    weight = 1 - part * part * (3 - 2 * part)
    added = np.einsum('mij,mj->mi', matrix, across) - across
    return weight[:, None] * added


def _field(move, shape: tuple, affine: np.ndarray) -> DisplacementField:
    """Field of a smooth mapping, computed on a coarse lattice and refined linearly."""
    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    strides = np.maximum(1, np.floor(_LATTICE_MM / zooms + 1e-6)).astype(int)
    ticks = [np.arange(0, n - 1 + s, s) for n, s in zip(shape, strides, strict=True)]
    voxels = np.stack(np.meshgrid(*ticks, indexing='ij'), axis=-1)
    points = (voxels @ affine[:3, :3].T + affine[:3, 3]).reshape(-1, 3)
    moved, margin = move(points)
    lattice = np.column_stack([moved - points, margin]).astype(np.float32)
    lattice = lattice.reshape(*voxels.shape[:3], 4)
    for axis, (n, stride) in enumerate(zip(shape, strides, strict=True)):
        lattice = _refine(lattice, axis, n, stride)
    vectors, valid = lattice[..., :3], lattice[..., 3] > 0
    vectors[~valid] = np.nan
    return DisplacementField.from_vectors(vectors, affine)


def _refine(values: np.ndarray, axis: int, size: int, stride: int) -> np.ndarray:
    if stride == 1:
        return np.take(values, np.arange(size), axis=axis)
    index = np.arange(size)
    left = np.minimum(index // stride, values.shape[axis] - 2)
    part = ((index - left * stride) / stride).astype(values.dtype)
    part = part.reshape([-1 if a == axis else 1 for a in range(values.ndim)])
    refined, rise = np.take(values, left, axis=axis), np.take(values, left + 1, axis=axis)
    rise -= refined
    rise *= part
    refined += rise
    return refined
