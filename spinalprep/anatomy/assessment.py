# SPDX-License-Identifier: Apache-2.0
"""All evidence on one registration path, as plain numbers for the record."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from spinalprep.anatomy.evidence import (
    CordSpace,
    covered_levels,
    inverse_consistency,
    landmark_residuals,
    map_centerline,
    overlap,
)
from spinalprep.anatomy.labels import level_name, order_breaks
from spinalprep.anatomy.landmarks import leave_one_out
from spinalprep.anatomy.quality.field import folding_numbers, rotation_numbers
from spinalprep.anatomy.warps import DisplacementField


def assess_path(
    subject: CordSpace,
    template: CordSpace,
    to_subject: DisplacementField,
    to_template: DisplacementField,
    *,
    name: Callable[[int], str],
    levels: np.ndarray | None = None,
) -> dict[str, Any]:
    """Evidence on a registration path by its own landmarks and warps.

    Parameters
    ----------
    subject, template : CordSpace
        With the landmarks that the path used.
    to_subject : DisplacementField
        ``warp_template2anat``, on the subject's grid.
    to_template : DisplacementField
        ``warp_anat2template``, on the template's grid.
    name : callable
        Landmark value → name.
    levels : ndarray of int, optional
        Vertebral levels on the subject's grid.

    Returns
    -------
    dict
        Numbers with their units in the names; None where one can't be had.
    """
    mapping = map_centerline(subject, template, to_subject)
    covered = mapping.subject_arc[mapping.covered]
    subject_arc, template_arc = subject.landmark_arcs(), template.landmark_arcs()
    left_out = leave_one_out(subject_arc, template_arc)
    residuals = landmark_residuals(subject, template, to_template)
    values = (
        []
        if levels is None
        else covered_levels(levels, subject.affine, subject.centerline, mapping)
    )
    heights = subject.centerline.points[mapping.covered, 2]
    used = sorted(set(subject_arc) & set(template_arc))
    return {
        'landmarks': [name(value) for value in used],
        'covered_mm': round(float(np.ptp(covered)), 2) if len(covered) else 0.0,
        'covered_z_mm': _rounded([heights.min(), heights.max()]) if len(covered) else None,
        'covered_fraction': round(float(mapping.covered.mean()), 4),
        'covered_levels': values,
        'covered_level_names': [level_name(value) for value in values],
        **_rounded(overlap(subject, template, to_subject, mapping)),
        **_rounded(folding_numbers(to_subject, subject.cord)),
        **_rounded(rotation_numbers(subject, template, to_subject)),
        'leave_one_out': {name(v): round(left_out[v], 3) for v in left_out},
        'leave_one_out_mm': _largest(left_out),
        'landmark_residuals': {name(v): round(residuals[v], 3) for v in residuals},
        'landmark_residual_mm': _largest(residuals),
        'inverse_consistency_mm': _rounded(inverse_consistency(subject, to_subject, to_template)),
        'order_breaks': [f'{name(a)} and {name(b)}' for a, b in order_breaks(subject_arc)],
    }


def _largest(residuals: dict[int, float]) -> float | None:
    return round(max(map(abs, residuals.values())), 3) if residuals else None


def _rounded(value: Any) -> Any:
    """Numbers as the record keeps them: four digits, None for NaN."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return None if math.isnan(value) else round(float(value), 4)
    return value
