# SPDX-License-Identifier: Apache-2.0
"""S2.3: do rootlets and discs number alike? The rootlets' own descent tells.

Where rootlets enter the cord differs between people by up to a level, so their height says
little about their number. But each nerve leaves through its own foramen, above the vertebra or
below the disc that it is named after: rootlets that enter high run down steeply, others are
nearly level. From their slope follows how far the foramen is, and so at which disc it lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spinalprep.anatomy.centerline import Centerline
from spinalprep.anatomy.labels import EXTRAPOLATED_DISCS
from spinalprep.anatomy.landmarks import MIN_ROOTLET_LEVELS, Points

MIN_VOXELS = 15
MIN_SPREAD_MM = 0.5
"""Standard deviation, sideways, of voxels that show a slope."""

SLOPE_SD = 0.6
"""By how much slopes of one level differ (mm per mm): as in two releases of PAM50's rootlets."""

CERTAIN_LEVELS = 0.3
"""Standard error from which a shift tells nothing."""

Quadrant = tuple[int, bool, bool]
"""Spinal level, whether dorsal, whether to the right."""


@dataclass(frozen=True, eq=False)
class Descents:
    """How rootlets run from the cord outwards, and where discs lie.

    Attributes
    ----------
    slopes : dict
        :data:`Quadrant` → rise along the cord per mm sideways, and its standard error.
    heights : dict
        Spinal level → mean position along the cord (mm from the lower end).
    discs : dict
        SCT's disc value → position along the cord (mm); those that are extrapolated are left out.
    """

    slopes: Mapping[Quadrant, tuple[float, float]]
    heights: Mapping[int, float]
    discs: Mapping[int, float]

    @classmethod
    def of(
        cls, rootlets: np.ndarray, discs: Points, cord: np.ndarray, affine: np.ndarray
    ) -> Descents:
        """Measure them.

        Parameters
        ----------
        rootlets : ndarray of int, shape (i, j, k)
            Spinal levels.
        discs : dict
            SCT's disc value → world point.
        cord : ndarray of bool, shape (i, j, k)
        affine : ndarray, shape (4, 4)
            Voxel to world (RAS+, mm).
        """
        line = Centerline.from_mask(cord, affine)
        seen = sorted(value for value in discs if value not in EXTRAPOLATED_DISCS)
        places = {}
        if seen:
            found, _ = line.project(np.array([discs[value] for value in seen]))
            places = dict(zip(seen, found.tolist(), strict=True))
        voxels = np.argwhere(rootlets > 0)
        if not len(voxels):
            return cls({}, {}, places)
        values = rootlets[tuple(voxels.T)]
        arcs, offsets = line.project(voxels @ affine[:3, :3].T + affine[:3, 3])
        right, dorsal = offsets[:, 0] > 0, offsets[:, 1] < 0
        slopes = {}
        for value in np.unique(values):
            for is_dorsal in (True, False):
                for is_right in (True, False):
                    part = (values == value) & (dorsal == is_dorsal) & (right == is_right)
                    slope = _slope(np.abs(offsets[part, 0]), arcs[part])
                    if slope is not None:
                        slopes[int(value), is_dorsal, is_right] = slope
        heights = {int(value): float(arcs[values == value].mean()) for value in np.unique(values)}
        return cls(slopes, heights, places)

    def way(self, level: int) -> float | None:
        """How far (mm) a level's rootlets lie above their foramen; None where that is unknown.

        The foramen of nerve k lies at the disc with SCT's value k, that of C3 at C2/C3.
        """
        if level not in self.heights or level not in self.discs:
            return None
        return self.heights[level] - self.discs[level]

    def spacing(self, level: int) -> float | None:
        """Mean distance (mm) of a disc from its neighbours; None where it has none."""
        here = [self.discs.get(value) for value in (level - 1, level, level + 1)]
        apart = [
            upper - lower
            for upper, lower in pairwise(here)
            if upper is not None and lower is not None
        ]
        return float(np.mean(apart)) if apart else None


def _slope(sideways: np.ndarray, arcs: np.ndarray) -> tuple[float, float] | None:
    """Slope of a straight line, and its standard error; None where voxels show none."""
    if len(arcs) < MIN_VOXELS or sideways.std() < MIN_SPREAD_MM:
        return None
    away = sideways - sideways.mean()
    square = (away**2).sum()
    slope = float((away * arcs).sum() / square)
    rest = arcs - arcs.mean() - slope * away
    return slope, float(np.sqrt((rest**2).sum() / (len(arcs) - 2) / square))


def numbering_shift(subject: Descents, template: Descents) -> float | None:
    """By how many levels the rootlets' numbers exceed those that their descent speaks for.

    Nerves of one number go the same share of the way to their foramen in subject and
    template: their slopes are as their ways. A number that is one too high puts the foramen a
    level too low.

    Parameters
    ----------
    subject, template : Descents

    Returns
    -------
    float or None
        In levels, positive where numbers are too high against those of the discs. The weighted
        median over levels and sides, each as certain as its slope. None with fewer than
        :data:`~spinalprep.anatomy.landmarks.MIN_ROOTLET_LEVELS` levels that have
        slopes and discs, or with a standard error of more than :data:`CERTAIN_LEVELS`.
    """
    shifts, errors, levels = [], [], set()
    for quadrant in subject.slopes.keys() & template.slopes.keys():
        level = quadrant[0]
        way, usual_way = subject.way(level), template.way(level)
        spacing = subject.spacing(level)
        if way is None or usual_way is None or spacing is None or spacing <= 0:
            continue
        slope, error = subject.slopes[quadrant]
        usual, _ = template.slopes[quadrant]
        if usual >= 0 or usual_way <= 0:
            continue  # these nerves don't descend in the template: they tell nothing
        share = usual / usual_way
        shifts.append((way - slope / share) / spacing)
        errors.append(np.hypot(error, SLOPE_SD) / (-share * spacing))
        levels.add(level)
    if len(levels) < MIN_ROOTLET_LEVELS or (np.array(errors) ** -2).sum() < CERTAIN_LEVELS**-2:
        return None
    order = np.argsort(shifts)
    weights = np.cumsum(1 / np.array(errors)[order])
    return float(shifts[order[np.searchsorted(weights, weights[-1] / 2)]])
