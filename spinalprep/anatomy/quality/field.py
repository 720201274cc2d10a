# SPDX-License-Identifier: Apache-2.0
"""S2.4: what a displacement field does to the cord: turn, stretch, fold."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from spinalprep.anatomy.evidence import CordSpace
from spinalprep.anatomy.warps import DisplacementField

ARM_MM = 3.0
"""Half of the length of cord's width by which its turn is measured."""

TURN_MM = 10.0
"""Stretch of cord over which the turn is averaged."""


def rotation(
    subject: CordSpace, template: CordSpace, to_subject: DisplacementField
) -> float | None:
    """Largest turn (degrees) of the cord about its own axis.

    Parameters
    ----------
    subject, template : CordSpace
    to_subject : DisplacementField
        ``warp_template2anat``: on the subject's grid, it moves subject points to the
        template.

    Returns
    -------
    float or None
        Positive; of the mean over stretches of :data:`TURN_MM`. None where the field is
        not defined on both sides of the cord.
    """
    line = subject.centerline
    frames = line.frames_at(line.arc)
    turned = []
    # rows of a frame: right, anterior, along
    for row in (0, 1):
        ends = [line.points + sign * ARM_MM * frames[:, row] for sign in (1, -1)]
        (one, valid), (other, valid_other) = (to_subject.map_points(end) for end in ends)
        both = valid & valid_other
        arm = np.where(both[:, None], one - other, np.nan)
        middle = np.where(both[:, None], (one + other) / 2, 0.0)
        arcs, _ = template.centerline.project(middle)
        theirs = template.centerline.frames_at(arcs)
        x = (arm * theirs[:, 0]).sum(axis=1)
        y = (arm * theirs[:, 1]).sum(axis=1)
        angle = np.arctan2(y, x) if row == 0 else np.arctan2(-x, y)
        turned.append(np.degrees(angle))
    angles = np.mean(turned, axis=0)
    known = np.isfinite(angles)
    if not known.any():
        return None
    width = max(round(TURN_MM / max(line.length / max(len(line.arc) - 1, 1), 1e-6)), 1)
    means = ndimage.uniform_filter1d(angles[known], width, mode='nearest')
    return float(np.abs(means).max())


def smoothed_determinant(
    field: DisplacementField, mask: np.ndarray, smooth_mm: float = 2.0
) -> np.ndarray:
    """Determinant of a field's Jacobian in a mask, the field smoothed before.

    SCT aligns levels slice by slice, which leaves steps of one slice in the field that
    mean nothing; so the field is smoothed, within its defined range, before its
    Jacobian is judged.

    Parameters
    ----------
    field : DisplacementField
    mask : ndarray of bool, shape (i, j, k)
        On the field's grid.
    smooth_mm : float
        Standard deviation of the Gaussian (mm).

    Returns
    -------
    ndarray, shape (n,)
        Of the mask's voxels where it is known.
    """
    sigma = smooth_mm / np.linalg.norm(field.affine[:3, :3], axis=0)
    where = np.argwhere(mask & field.valid)
    if not len(where):
        return np.zeros(0)
    margin = np.ceil(3 * sigma).astype(int) + 1
    low = np.maximum(where.min(axis=0) - margin, 0)
    high = where.max(axis=0) + margin + 1
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    valid, mask = field.valid[box], mask[box]
    weight = ndimage.gaussian_filter(valid.astype(np.float32), sigma, mode='constant')
    smooth = (
        np.stack(
            [
                ndimage.gaussian_filter(
                    np.where(valid, field.vectors[box][..., c], 0), sigma, mode='constant'
                )
                for c in range(3)
            ],
            axis=-1,
        )
        / np.maximum(weight, 1e-6)[..., None]
    )
    determinant = DisplacementField(smooth, field.affine, valid).jacobian_determinant()
    return determinant[mask & np.isfinite(determinant)]


def folding_numbers(field: DisplacementField, mask: np.ndarray) -> dict[str, float | None]:
    """Folding and stretch of a field in a mask.

    Parameters
    ----------
    field : DisplacementField
    mask : ndarray of bool, shape (i, j, k)
        Cord, on the field's grid.

    Returns
    -------
    dict
        ``folded_fraction``: share of voxels whose determinant is ≤ 0, 0 where none is known;
        ``stretch``: the larger of the 99th percentile of the determinant and the inverse
        of its first.
    """
    determinant = smoothed_determinant(field, mask)
    if not len(determinant):
        return {'folded_fraction': 0.0, 'stretch': None}
    low, high = np.percentile(determinant, [1, 99])
    return {
        'folded_fraction': float((determinant <= 0).mean()),
        'stretch': float(max(high, 1 / low)) if low > 0 else float('inf'),
    }
