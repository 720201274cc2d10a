# SPDX-License-Identifier: Apache-2.0
"""S2.4: what a displacement field does to the cord: turn, stretch, fold."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from spinalprep.anatomy.centerline import superior_axis
from spinalprep.anatomy.evidence import CordSpace
from spinalprep.anatomy.voxels import filled_box
from spinalprep.anatomy.warps import DisplacementField

ARM_MM = 3.0
"""Half of the length of cord's width by which its turn is measured."""

TURN_MM = 10.0
"""Stretch of cord over which the turn is averaged."""


def turns(subject: CordSpace, template: CordSpace, to_subject: DisplacementField) -> np.ndarray:
    """Turn of the cord about its own axis, at each sample of the subject's centreline.

    Two arms across the cord, right–left and front–back, are moved by the field and seen in the
    frame of the template's cord: what is left of them there beside stretch and shear is the
    rotation of their polar decomposition.

    Parameters
    ----------
    subject, template : CordSpace
    to_subject : DisplacementField
        ``warp_template2anat``: on the subject's grid, it moves subject points to the
        template.

    Returns
    -------
    ndarray, shape (n,)
        Degrees, the mean over stretches of :data:`TURN_MM`, positive from right to front; NaN
        where the field is not defined on all sides of the cord.
    """
    line = subject.centerline
    frames = line.frames_at(line.arc)
    moved = []
    # rows of a frame: right, anterior, along
    for row in (0, 1):
        ends = [line.points + sign * ARM_MM * frames[:, row] for sign in (1, -1)]
        (one, valid), (other, valid_other) = (to_subject.map_points(end) for end in ends)
        both = valid & valid_other
        middle = np.where(both[:, None], (one + other) / 2, 0.0)
        arcs, _ = template.centerline.project(middle)
        theirs = template.centerline.frames_at(arcs)
        arm = np.where(both[:, None], one - other, np.nan)
        moved.append(np.einsum('nij,nj->ni', theirs[:, :2], arm))
    right, front = moved
    # no mean of angles: half a turn would be +180° by one arm, -180° by the other, and 0° by both
    parts = np.stack([right[:, 0] + front[:, 1], right[:, 1] - front[:, 0]])
    known = np.isfinite(parts).all(axis=0)
    angles = np.full(len(line.arc), np.nan)
    if known.any():
        width = max(round(TURN_MM / max(line.length / max(len(line.arc) - 1, 1), 1e-6)), 1)
        x, y = ndimage.uniform_filter1d(parts[:, known], width, axis=1, mode='nearest')
        angles[known] = np.degrees(np.arctan2(y, x))
    return angles


def rotation_numbers(
    subject: CordSpace, template: CordSpace, to_subject: DisplacementField
) -> dict[str, Any]:
    """How far a field turns the cord about its own axis.

    Parameters
    ----------
    subject, template, to_subject
        See :func:`turns`.

    Returns
    -------
    dict
        ``rotation_deg``, the largest, positive; None where nothing is known.
        ``slice_rotation_deg``, dict from the index of a slice to its turn.
    """
    angles = turns(subject, template, to_subject)
    known = np.isfinite(angles)
    axis, _ = superior_axis(subject.affine)
    inverse = np.linalg.inv(subject.affine)
    index = np.rint(subject.centerline.points @ inverse[axis, :3] + inverse[axis, 3]).astype(int)
    by_slice = {int(k): angles[known & (index == k)] for k in np.unique(index[known])}
    return {
        'rotation_deg': float(np.abs(angles[known]).max()) if known.any() else None,
        # of a slice the largest, as angles near half a turn have no mean
        'slice_rotation_deg': {
            k: float(found[np.abs(found).argmax()]) for k, found in by_slice.items()
        },
    }


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
    known = mask & field.valid
    if not known.any():
        return np.zeros(0)
    box = filled_box(known, np.ceil(3 * sigma).astype(int) + 1)
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
    determinant = DisplacementField(smooth, field.affine, valid).jacobian_determinant(mask)
    return determinant[np.isfinite(determinant)]


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
        ``determinant_low`` and ``determinant_high``: first and 99th percentile of the
        determinant; ``stretch``: the larger of the high one and the inverse of the low one.
    """
    determinant = smoothed_determinant(field, mask)
    if not len(determinant):
        unknown = ('determinant_low', 'determinant_high', 'stretch')
        return {'folded_fraction': 0.0} | dict.fromkeys(unknown)
    low, high = np.percentile(determinant, [1, 99])
    return {
        'folded_fraction': float((determinant <= 0).mean()),
        'determinant_low': float(low),
        'determinant_high': float(high),
        'stretch': float(max(high, 1 / low)) if low > 0 else float('inf'),
    }
