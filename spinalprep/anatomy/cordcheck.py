# SPDX-License-Identifier: Apache-2.0
"""Where a traced outline can be believed: what is cord, where it ends, and how good it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from spinalprep.anatomy.centerline import Centerline
from spinalprep.anatomy.contour import Contour, smooth_shape
from spinalprep.anatomy.planes import contour_area

SHORTEST_MM = 25.0
"""Less cord than this can't be told from other things."""
SURE_MM = 0.5
"""An edge this close to the smooth outline agrees with it."""
AGREEMENT = 0.8
"""Share of a plane's rays that must agree."""
MEDIAN_AGREEMENT = 0.9
"""The same for the median over all planes."""
WEAKEST = 15.0
"""Percentile of the rays' contrast that stands for the weakest."""
EVENNESS = 0.25
"""Contrast of a plane's weakest rays, relative to the cord's usual contrast."""
AREA_MM2 = (18.0, 140.0)
"""Areas that a cord may have."""
GAP_MM = 20.0
"""A stretch of doubt this long is bridged (lesion, stenosis), if as much cord follows."""
FIELD_END_MM = 8.0
"""Doubt this close to the end of the field of view is of the field's making."""
FIELD_BEYOND_MM = 60.0
"""How far beyond the outline's ends the end of the field of view is looked for."""
BRAINSTEM_MM2 = 105.0
"""Area that only the brainstem has all the way up."""
BRAINSTEM_CERTAIN = (6.0, 120.0)
"""Length (mm) that must exceed it, and area (mm²) that must be reached."""
BRAINSTEM_ABOVE_MM = 2.2
"""How far above the top of C1 the brainstem's area is reached, on average."""


@dataclass(frozen=True)
class SelfCheck:
    """What the finder knows about the quality of its result.

    Attributes
    ----------
    agreement : float
        Median share of rays whose own edge agrees with the smooth outline (0..1).
    ring : float
        Difference of the signals of CSF and cord over their sum (0..1).
    evenness : float
        Median contrast of the weakest rays over that of all rays.
    area_mm2 : tuple of float
        5th, 50th and 95th percentile of the area.
    length_mm : float
        Length of the cord found.
    bridged_mm : float
        Length of the doubtful stretches between the ends.
    brainstem : bool
        Whether the brainstem was seen; the cord then ends below it, at about the top of C1.
    at_field_end : tuple of bool
        Whether the cord leaves the field of view below and above. Where it doesn't, it
        ends or goes on in a way that can't be followed (conus, lost contrast), unless
        `brainstem` says what the upper end is.
    """

    agreement: float
    ring: float
    evenness: float
    area_mm2: tuple[float, float, float]
    length_mm: float
    bridged_mm: float
    brainstem: bool
    at_field_end: tuple[bool, bool]

    def complaint(self) -> str | None:
        """Why this isn't a cord; None where it may be one."""
        if self.length_mm < SHORTEST_MM:
            return f'only {self.length_mm:.0f} mm look like cord, {SHORTEST_MM:.0f} are needed'
        if self.agreement < MEDIAN_AGREEMENT:
            return (
                f'its outline is not consistent along its length: {self.agreement:.0%} of the '
                f'edges agree, {MEDIAN_AGREEMENT:.0%} are needed'
            )
        return None


@dataclass(frozen=True, eq=False)
class Planes:
    """Quality of the single planes of a contour; all arrays of shape (n,).

    Attributes
    ----------
    agreement : ndarray
        Share of rays whose edge agrees with the smooth outline.
    evenness : ndarray
        Contrast of the weakest rays over the usual contrast.
    area : ndarray
        Area (mm²), over a short stretch only.
    ring : float
        Usual contrast of CSF and cord over the sum of both.
    good : ndarray of bool
        Planes that look like cord or brainstem.
    """

    agreement: np.ndarray
    evenness: np.ndarray
    area: np.ndarray
    ring: float
    good: np.ndarray


def check_planes(contour: Contour) -> Planes:
    """Judge each plane of a contour by itself and its neighbours."""
    step = contour.step_mm
    contrast = np.abs(contour.csf - contour.cord)
    seen = np.isfinite(contrast).mean(axis=1) > 0.7
    off = np.abs(contour.edges - contour.radii)
    agreement = np.where(seen, np.mean(off < SURE_MM, axis=1), 0.0)
    weakest, middle = _percentiles(contrast, seen)
    area = contour_area(smooth_shape(contour.edges, step, 5.0))
    believable = seen & (agreement >= AGREEMENT) & (area > AREA_MM2[0]) & (area < AREA_MM2[1])
    usual = float(np.median(middle[believable])) if believable.any() else np.inf
    brightness = np.abs(contour.csf) + np.abs(contour.cord)
    ring = usual / float(np.nanmedian(brightness)) if believable.any() else 0.0
    window = max(round(7.0 / step), 1)
    smooth = ndimage.median_filter(agreement, window, mode='nearest')
    evenness = ndimage.median_filter(weakest / usual, window, mode='nearest')
    good = seen & (smooth >= AGREEMENT) & (evenness >= EVENNESS) & (area > AREA_MM2[0])
    return Planes(agreement, evenness, area, ring, good)


def find_ends(contour: Contour, planes: Planes) -> tuple[int, int, bool] | None:
    """First and last plane of the cord, and whether the brainstem ends it.

    Returns None where no plane looks like cord.
    """
    step = contour.step_mm
    low, high = _cord_run(planes.good, max(round(GAP_MM / step), 1))
    if high < low:
        return None
    narrow = np.flatnonzero(planes.area[low : high + 1] <= BRAINSTEM_MM2)
    if not len(narrow):
        return None
    neck = low + narrow[-1]
    above = planes.area[neck : high + 1]
    length, reached = BRAINSTEM_CERTAIN
    if (high - neck) * step >= length and above.max() >= reached:
        return low, max(neck - round(BRAINSTEM_ABOVE_MM / step), low), True
    return low, high, False


def field_ends(
    line: Centerline, shape: tuple[int, ...], affine: np.ndarray
) -> tuple[float, float]:
    """Arc lengths (mm) at which a centreline, continued straight, leaves the image."""
    import nibabel as nib

    arcs = np.arange(-FIELD_BEYOND_MM, line.length + FIELD_BEYOND_MM, 0.5)
    voxels = nib.affines.apply_affine(np.linalg.inv(affine), line.at(arcs))
    inside = np.all((voxels > -0.5) & (voxels < np.array(shape) - 0.5), axis=1)
    return float(arcs[inside][0]), float(arcs[inside][-1])


def summarise(
    contour: Contour,
    planes: Planes,
    ends: tuple[int, int, bool],
    at_field_end: tuple[bool, bool],
) -> SelfCheck:
    """The numbers of the stretch between two planes."""
    low, high, brainstem = ends
    kept = slice(low, high + 1)
    percentiles = np.percentile(planes.area[kept], [5, 50, 95])
    return SelfCheck(
        agreement=float(np.median(planes.agreement[kept])),
        ring=planes.ring,
        evenness=float(np.median(planes.evenness[kept])),
        area_mm2=tuple(float(p) for p in percentiles),
        length_mm=float(contour.arcs[high] - contour.arcs[low]),
        bridged_mm=float(np.sum(~planes.good[kept]) * contour.step_mm),
        brainstem=brainstem,
        at_field_end=at_field_end,
    )


def _percentiles(contrast: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weakest and median contrast of each plane, 0 where it isn't seen."""
    weakest, middle = np.zeros((2, len(contrast)))
    if seen.any():
        both = np.nanpercentile(contrast[seen], [WEAKEST, 50.0], axis=1)
        weakest[seen], middle[seen] = both
    return weakest, middle


def _cord_run(good: np.ndarray, gap: int) -> tuple[int, int]:
    """First and last index of the longest run of good planes and those it can be joined to.

    A gap is bridged if it is no longer than `gap` and than the run behind it.
    """
    where = np.flatnonzero(good)
    if not len(where):
        return 0, -1
    runs = [(r[0], r[-1]) for r in np.split(where, np.flatnonzero(np.diff(where) > 1) + 1)]
    main = max(range(len(runs)), key=lambda i: runs[i][1] - runs[i][0])
    low, high = runs[main]
    for first, last in runs[main + 1 :]:
        apart = first - high - 1
        if apart <= min(gap, last - first + 1):
            high = last
    for first, last in reversed(runs[:main]):
        apart = low - last - 1
        if apart <= min(gap, last - first + 1):
            low = first
    return int(low), int(high)
