# SPDX-License-Identifier: Apache-2.0
"""What a registration shows about itself: coverage, overlap, folding, residuals.

Every number is taken inside the range that the warps define; nothing outside it
enters a statistic. One path's landmarks are never the truth for the other path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from spinalprep.anatomy.centerline import Centerline, superior_axis
from spinalprep.anatomy.landmarks import Points, extrapolate
from spinalprep.anatomy.voxels import filled_box, filled_voxels, plane_centres
from spinalprep.anatomy.warps import DisplacementField

MIN_VALID_FRACTION = 0.95
"""Share of the voxels in and near a slice's cord that must be defined for it to count."""

NEAR_MM = 3.0
"""How near: a template cord that lies beside the subject's must be seen whole."""

END_MM = 4.0
"""Stretch at the end of either cord where a slice may cut one of them in part: its overlap
counts, but it can't be the worst slice."""


@dataclass(frozen=True, eq=False)
class CordSpace:
    """One side of a registration: a cord mask on its grid, and the cord's course.

    Attributes
    ----------
    cord : ndarray of bool, shape (i, j, k)
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    centerline : Centerline
    landmarks : dict
        Landmark value → world point, near the cord.
    """

    cord: np.ndarray
    affine: np.ndarray
    centerline: Centerline
    landmarks: Points

    @classmethod
    def of(cls, cord: np.ndarray, affine: np.ndarray, landmarks: Points) -> CordSpace:
        """Space of a cord mask, its centreline taken from the mask."""
        mask = np.asarray(cord) > 0.5
        return cls(mask, affine, Centerline.from_mask(mask, affine), landmarks)

    def landmark_arcs(self) -> dict[int, float]:
        """Position of each landmark along the cord (mm from the lower end)."""
        if not self.landmarks:
            return {}
        arcs, _ = self.centerline.project(np.array(list(self.landmarks.values())))
        return dict(zip(self.landmarks, arcs.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Mapping2Template:
    """Where each sample of the subject's centreline goes in the template.

    Attributes
    ----------
    subject_arc : ndarray, shape (n,)
        Position along the subject's cord (mm).
    template_arc : ndarray, shape (n,)
        Position along the template's cord (mm); NaN where not covered.
    """

    subject_arc: np.ndarray
    template_arc: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        """Samples that have a place on the template's cord; bool, shape (n,)."""
        return np.isfinite(self.template_arc)


def map_centerline(
    subject: CordSpace, template: CordSpace, to_subject: DisplacementField
) -> Mapping2Template:
    """Follow the subject's centreline into the template.

    Parameters
    ----------
    subject, template : CordSpace
    to_subject : DisplacementField
        ``warp_template2anat``: on the subject's grid, it moves subject points to the
        template.

    Returns
    -------
    Mapping2Template
    """
    moved, valid = to_subject.map_points(subject.centerline.points)
    arcs = np.full(len(moved), np.nan)
    if valid.any():
        arcs[valid], _ = template.centerline.project(moved[valid])
        on_cord = (arcs >= 0) & (arcs <= template.centerline.length)
        arcs[~on_cord] = np.nan
    return Mapping2Template(subject.centerline.arc, arcs)


def overlap(
    subject: CordSpace,
    template: CordSpace,
    to_subject: DisplacementField,
    mapping: Mapping2Template,
) -> dict[str, Any]:
    """Template cord on the subject's, in the slices that are covered.

    Parameters
    ----------
    subject, template : CordSpace
    to_subject : DisplacementField
        On the subject's grid.
    mapping : Mapping2Template

    Returns
    -------
    dict
        ``covered_slices``; ``cord_dice`` over all of them; ``cord_dice_worst`` of one slice
        and ``centre_distance_mm``, the largest distance of the two centres within a slice,
        both away from the cords' ends; ``slice_dice`` and ``slice_distance_mm``, dicts from
        the index of each covered slice. NaN where nothing is covered.
    """
    warped = to_subject.resample(template.cord.astype(np.uint8), template.affine, 0) > 0
    axis, _ = superior_axis(subject.affine)
    order = [axis, *(other for other in range(3) if other != axis)]
    cord = np.transpose(subject.cord, order)
    warped = np.transpose(warped, order)
    valid = np.transpose(to_subject.valid, order)
    slices = _slices_where(mapping.covered, subject, axis, len(cord))
    sizes = np.linalg.norm(subject.affine[:3, :3], axis=0)[order[1:]]
    near = _dilated_in_plane(cord, sizes)
    slices &= (near & valid).sum((1, 2)) >= MIN_VALID_FRACTION * near.sum((1, 2))
    slices &= cord.any((1, 2))
    result = {'covered_slices': int(slices.sum())}
    if not slices.any():
        missing = ('cord_dice', 'cord_dice_worst', 'centre_distance_mm')
        return result | dict.fromkeys(missing, float('nan'))
    both = (cord & warped)[slices].sum((1, 2))
    total = cord[slices].sum((1, 2)) + warped[slices].sum((1, 2))
    indices = np.flatnonzero(slices).tolist()
    apart = (plane_centres(cord[slices]) - plane_centres(warped[slices])) * sizes
    distances = {
        k: float(np.linalg.norm(away))
        for k, away in zip(indices, apart, strict=True)
        if np.isfinite(away).all()
    }
    dice = dict(zip(indices, (2 * both / total).tolist(), strict=True))
    inner = np.flatnonzero(_away_from_ends(subject, template, mapping, axis, slices)).tolist()
    return result | {
        'cord_dice': float(2 * both.sum() / total.sum()),
        'cord_dice_worst': min(dice[k] for k in inner),
        'centre_distance_mm': max(
            (distances[k] for k in inner if k in distances), default=float('nan')
        ),
        'slice_dice': dice,
        'slice_distance_mm': distances,
    }


def _away_from_ends(
    subject: CordSpace,
    template: CordSpace,
    mapping: Mapping2Template,
    axis: int,
    slices: np.ndarray,
) -> np.ndarray:
    """Those of some slices that lie :data:`END_MM` within both cords; all, if none does."""
    away = mapping.covered.copy()
    for arcs, length in (
        (mapping.subject_arc, subject.centerline.length),
        (np.nan_to_num(mapping.template_arc), template.centerline.length),
    ):
        away &= (arcs >= END_MM) & (arcs <= length - END_MM)
    inner = slices & _slices_where(away, subject, axis, len(slices))
    return inner if inner.any() else slices


def _slices_where(chosen: np.ndarray, subject: CordSpace, axis: int, count: int) -> np.ndarray:
    """Slices through which chosen samples of the centreline run, and no others; bool, (count,)."""
    inverse = np.linalg.inv(subject.affine)
    index = subject.centerline.points @ inverse[axis, :3] + inverse[axis, 3]
    inside = np.zeros(count, dtype=bool)
    nearest = np.clip(np.rint(index).astype(int), 0, count - 1)
    inside[nearest[chosen]] = True
    inside[nearest[~chosen]] = False
    return inside


def _dilated_in_plane(cord: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Cord grown by :data:`NEAR_MM` within its slices, which the first axis counts."""
    reach = np.ceil(NEAR_MM / sizes).astype(int)
    box = filled_box(cord, (0, *reach))
    dilated = np.zeros_like(cord)
    dilated[box] = ndimage.maximum_filter(cord[box], (1, *(2 * reach + 1)))
    return dilated


def landmark_residuals(
    subject: CordSpace, template: CordSpace, to_template: DisplacementField
) -> dict[int, float]:
    """Where the field itself puts each landmark that was used.

    Parameters
    ----------
    subject, template : CordSpace
        With the landmarks of both sides.
    to_template : DisplacementField
        ``warp_anat2template``: on the template's grid, it moves template points to the
        subject.

    Returns
    -------
    dict
        Landmark value → distance along the subject's cord (mm) from the subject's
        landmark to the template's, moved; values of landmarks outside the defined
        range are left out.
    """
    common = sorted(set(subject.landmarks) & set(template.landmarks))
    if not common:
        return {}
    # landmarks may lie beside the cord (posterior edge of a disc): compare their levels
    template_arc, _ = template.centerline.project([template.landmarks[v] for v in common])
    moved, valid = to_template.map_points(template.centerline.at(template_arc))
    found, _ = subject.centerline.project([subject.landmarks[v] for v in common])
    placed = np.full(len(common), np.nan)
    if valid.any():
        placed[valid], _ = subject.centerline.project(moved[valid])
    return {value: float(placed[i] - found[i]) for i, value in enumerate(common) if valid[i]}


def inverse_consistency(
    subject: CordSpace, to_subject: DisplacementField, to_template: DisplacementField
) -> float:
    """Largest distance (mm) of a centreline point from itself after there and back.

    Parameters
    ----------
    subject : CordSpace
    to_subject : DisplacementField
        Moves subject points to the template.
    to_template : DisplacementField
        Moves them back.

    Returns
    -------
    float
        NaN where no point has both ways.
    """
    there, valid = to_subject.map_points(subject.centerline.points)
    back, valid_back = to_template.map_points(np.where(valid[:, None], there, 0.0))
    both = valid & valid_back
    if not both.any():
        return float('nan')
    return float(np.linalg.norm(back[both] - subject.centerline.points[both], axis=1).max())


def covered_levels(
    levels: np.ndarray, affine: np.ndarray, centerline: Centerline, mapping: Mapping2Template
) -> list[int]:
    """Vertebral levels of which more than half is covered.

    Parameters
    ----------
    levels : ndarray of int, shape (i, j, k)
        Levels on the cord.
    affine : ndarray, shape (4, 4)
    centerline : Centerline
        Of the cord.
    mapping : Mapping2Template

    Returns
    -------
    list of int
    """
    voxels = filled_voxels(levels > 0)
    if not len(voxels):
        return []
    values = levels[tuple(voxels.T)]
    arcs, _ = centerline.project(voxels @ affine[:3, :3].T + affine[:3, 3])
    nearest = np.clip(np.searchsorted(mapping.subject_arc, arcs), 0, len(centerline.arc) - 1)
    inside = mapping.covered[nearest]
    return [int(v) for v in np.unique(values) if inside[values == v].mean() > 0.5]


def template_course(
    subject: CordSpace, template: CordSpace, to_template: DisplacementField
) -> np.ndarray:
    """Where along the subject's cord a path sees the template's.

    Parameters
    ----------
    subject, template : CordSpace
    to_template : DisplacementField
        The path's ``warp_anat2template``: on the template's grid, it moves template points to
        the subject.

    Returns
    -------
    ndarray, shape (n,)
        Arc length (mm) on the subject's centreline of each point of the template's; NaN where
        the field is not defined.
    """
    moved, valid = to_template.map_points(template.centerline.points)
    arc, _ = subject.centerline.project(np.where(valid[:, None], moved, 0.0))
    return np.where(valid, arc, np.nan)


def path_offset(
    template: CordSpace, disc_course: np.ndarray, rootlet_course: np.ndarray
) -> tuple[float, float] | None:
    """Vertebral–spinal offset: how far apart the two paths see the same cord.

    Parameters
    ----------
    template : CordSpace
        Its landmarks are its discs.
    disc_course, rootlet_course : ndarray, shape (n,)
        Each path's :func:`template_course`.

    Returns
    -------
    offset_mm : float
        Median distance along the subject's cord between the places to which the two
        paths assign the same part of the template; positive where rootlets lie higher
        than the discs say.
    offset_levels : float
        The same, in vertebral levels; positive where the rootlets' numbers are higher.
    or None
        Where the two paths share no defined stretch, or the template has fewer than two
        discs.
    """
    courses = np.stack([disc_course, rootlet_course])
    shared = np.isfinite(courses).all(axis=0)
    discs = template.landmark_arcs()
    if shared.sum() < 2 or len(discs) < 2:
        return None
    by_disc, by_rootlet = courses[:, shared]
    values = sorted(discs, key=discs.__getitem__)
    level = extrapolate(template.centerline.arc[shared], [discs[v] for v in values], values)
    rising = np.argsort(by_disc)
    level_by_disc = extrapolate(by_rootlet, *_thinned(by_disc[rising], level[rising]))
    return (
        float(np.median(by_rootlet - by_disc)),
        float(np.median(level - level_by_disc)),
    )


def _thinned(x: np.ndarray, y: np.ndarray, pieces: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """A few well-spaced knots of a noisy monotone curve, fit to extrapolate from."""
    keep = np.unique(np.linspace(0, len(x) - 1, pieces + 1).round().astype(int))
    return x[keep], y[keep]
