# SPDX-License-Identifier: Apache-2.0
"""Landmarks along the cord: which of them a registration may use, and how they agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from spinalprep.anatomy.centerline import Centerline
from spinalprep.anatomy.labels import EXTRAPOLATED_DISCS, disc_name, spinal_level_name

Points = Mapping[int, np.ndarray]
"""Landmark value → world point (RAS+, mm), shape (3,)."""

MIN_DISCS = 2
MIN_ROOTLET_LEVELS = 3


@dataclass(frozen=True)
class Selected:
    """Landmarks that a registration may use, and why others were dropped.

    Attributes
    ----------
    used : tuple of int
        Values, by rising value.
    dropped : dict
        Name of the landmark → reason.
    """

    used: tuple[int, ...]
    dropped: dict[str, str]


def select_discs(
    points: Points,
    centerline: Centerline,
    template_values: set[int],
    *,
    wanted: Literal['all', 'pair'] | tuple[int, ...] = 'all',
    use_extrapolated: bool = False,
    end_mm: float = 0.0,
) -> Selected:
    """Discs to register by.

    Parameters
    ----------
    points : dict
        SCT's disc value → world point.
    centerline : Centerline
        Of the cord mask; SCT is silently wrong about points beyond its ends.
    template_values : set of int
        Values that the template has; SCT refuses others.
    wanted : 'all', 'pair', or tuple of int
        All that can serve, the outermost two of them, or only these.
    use_extrapolated : bool
        Keep the points that TotalSpineSeg extrapolates.
    end_mm : float
        How far beyond the centreline's ends the mask reaches (half a slice).

    Returns
    -------
    Selected
    """
    used, dropped = _on_cord(points, centerline, template_values, disc_name, end_mm)
    if isinstance(wanted, tuple):
        dropped |= {disc_name(v): 'not asked for by the policy' for v in used if v not in wanted}
        used = [value for value in used if value in wanted]
    elif not use_extrapolated:
        dropped |= {disc_name(v): 'extrapolated' for v in used if v in EXTRAPOLATED_DISCS}
        used = [value for value in used if value not in EXTRAPOLATED_DISCS]
    if wanted == 'pair' and len(used) > MIN_DISCS:
        dropped |= {disc_name(v): 'between the outermost pair' for v in used[1:-1]}
        used = [used[0], used[-1]]
    return Selected(tuple(used), dropped)


def select_rootlets(
    points: Points, centerline: Centerline, template_values: set[int], end_mm: float = 0.0
) -> Selected:
    """Spinal levels to register by.

    Parameters
    ----------
    points : dict
        Spinal level → centre of its rootlets.
    centerline, template_values, end_mm
        See :func:`select_discs`.

    Returns
    -------
    Selected
    """
    used, dropped = _on_cord(points, centerline, template_values, spinal_level_name, end_mm)
    return Selected(tuple(used), dropped)


def fill_gaps(points: Points, centerline: Centerline) -> dict[int, np.ndarray]:
    """Points on the cord for discs that are missing between two that are known.

    SCT takes discs as neighbours whatever their numbers, so that with C2/C3 and C4/C5
    alone all between them would be called C3.

    Parameters
    ----------
    points : dict
        Disc value → world point.
    centerline : Centerline

    Returns
    -------
    dict
        Missing value → world point on the centreline, evenly spaced along it between
        the known neighbours.
    """
    values = sorted(points)
    arcs = {value: float(centerline.project(points[value])[0][0]) for value in values}
    filled = {}
    for upper, lower in pairwise(values):
        for value in range(upper + 1, lower):
            share = (value - upper) / (lower - upper)
            filled[value] = centerline.at(arcs[upper] + share * (arcs[lower] - arcs[upper]))
    return filled


def _on_cord(points, centerline, template_values, name, end_mm) -> tuple[list[int], dict]:
    used, dropped = [], {}
    for value, point in sorted(points.items()):
        arc = float(centerline.project(point)[0][0])
        if value not in template_values:
            dropped[name(value)] = 'not in the template'
        elif not -end_mm <= arc <= centerline.length + end_mm:
            beyond = -arc if arc < 0 else arc - centerline.length
            dropped[name(value)] = f'{beyond:.1f} mm beyond the end of the cord mask'
        else:
            used.append(value)
    return used, dropped


def leave_one_out(
    subject_arc: Mapping[int, float], template_arc: Mapping[int, float]
) -> dict[int, float]:
    """How well each landmark is foretold by the others.

    The others map the template's cord to the subject's piecewise linearly along the
    cord; beyond the outermost the nearest pair's slope continues.

    Parameters
    ----------
    subject_arc, template_arc : dict
        Landmark value → position along the cord (mm).

    Returns
    -------
    dict
        Landmark value → foretold minus found position (mm along the subject's cord).
        Empty with fewer than three common landmarks, which have nothing to foretell.
    """
    values = sorted(set(subject_arc) & set(template_arc), key=template_arc.__getitem__)
    if len(values) < 3:
        return {}
    residuals = {}
    for value in values:
        others = [other for other in values if other != value]
        residuals[value] = float(
            extrapolate(
                template_arc[value],
                [template_arc[other] for other in others],
                [subject_arc[other] for other in others],
            )
            - subject_arc[value]
        )
    return residuals


def extrapolate(x, known_x, known_y) -> np.ndarray:
    """Piecewise-linear interpolation that continues with the slope of its end pieces.

    Parameters
    ----------
    x : array_like
    known_x, known_y : array_like, shape (n,)
        `known_x` rising, n ≥ 2.
    """
    x, known_x, known_y = (np.asarray(values, dtype=float) for values in (x, known_x, known_y))
    piece = np.clip(np.searchsorted(known_x, x) - 1, 0, len(known_x) - 2)
    step = np.maximum(known_x[piece + 1] - known_x[piece], 1e-6)
    slope = (known_y[piece + 1] - known_y[piece]) / step
    return known_y[piece] + (x - known_x[piece]) * slope
