# SPDX-License-Identifier: Apache-2.0
"""Where a traced outline can be believed: what is cord, where it ends, and how good it is."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy import ndimage

from spinalprep.anatomy.centerline import Centerline
from spinalprep.anatomy.contour import Contour, smooth_shape
from spinalprep.anatomy.planes import ANGLES, N_ANGLES, contour_area

SHORTEST_MM = 25.0
"""Less cord than this can't be told from other things."""
ENDING_MM = 60.0
"""The same where the candidate ends within the field of view and not at the brainstem. A cord
goes on for 40 cm; the dens, a vessel or a marker does not."""
SURE_MM = 0.5
"""An edge this close to the smooth outline agrees with it."""
AGREEMENT = 0.8
"""Share of a plane's rays that must agree."""
LIMITS = {
    'agreement': (0.93, 1.0),
    'ring': (0.15, 1.0),
    'asymmetry': (0.0, 0.12),
    'roughness': (0.0, 0.06),
    'aspect': (0.8, 2.6),
    'area_change': (0.0, 0.12),
    'area': (26.0, 105.0),
}
"""Where the numbers of :class:`SelfCheck` may lie for a cord. Outlines in T2w and T1w images of
cords, also noisy and coarse ones, stay within half of these; chance structures in noise and
tubes of other kinds don't."""
WEAK_RING = 0.22
"""With less contrast the outline must speak for itself: the upper limits of
:data:`SHAPE_LIMITS` are halved."""
SHAPE_LIMITS = ('asymmetry', 'roughness', 'area_change')
WEAKEST = 15.0
"""Percentile of the rays' contrast that stands for the weakest."""
EVENNESS = 0.25
"""Contrast of a plane's weakest rays, relative to the cord's usual contrast."""
FADING = 0.5
"""The same where the ring fades out within the field of view, as it does at the conus: what
lies beyond can't be told from roots."""
AREA_MM2 = (18.0, 140.0)
"""Areas that a cord may have."""
GAP_MM = 40.0
"""A stretch of doubt this long is bridged (lesion, stenosis), if twice as much cord follows."""
FIELD_END_MM = 8.0
"""Doubt this close to the end of the field of view is of the field's making."""
CONUS_RATIO = 1.75
"""The lumbar enlargement is not wider than this times the thinnest thoracic cord; what looks
wider, below, is a mass of roots."""
CONUS_LENGTH_MM = 120.0
"""A shorter stretch doesn't show how thin the thoracic cord is."""
FIELD_BEYOND_MM = 60.0
"""How far beyond the outline's ends the end of the field of view is looked for."""
BRAINSTEM_MM2 = 105.0
"""Area that only the brainstem has all the way up."""
BRAINSTEM_CERTAIN_MM2 = 118.0
"""Area that must be reached above."""
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
    asymmetry : float
        How far the outline is from its mirror image through the centre, over its radius.
    roughness : float
        Share of the outline's radius in corners: angular frequencies 3 and above.
    aspect : float
        Width over depth.
    area_change : float
        Median change of the log of the area over 10 mm of cord.
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
    asymmetry: float
    roughness: float
    aspect: float
    area_change: float
    area_mm2: tuple[float, float, float]
    length_mm: float
    bridged_mm: float
    brainstem: bool
    at_field_end: tuple[bool, bool]

    def complaint(self) -> str | None:
        """Why this isn't a cord; None where it may be one."""
        if self.length_mm < SHORTEST_MM:
            return f'only {self.length_mm:.0f} mm look like cord, {SHORTEST_MM:.0f} are needed'
        whole = self.at_field_end[0] and (self.at_field_end[1] or self.brainstem)
        if not whole and self.length_mm < ENDING_MM:
            return (
                f'only {self.length_mm:.0f} mm look like cord, which ends within the field of '
                f'view; {ENDING_MM:.0f} are needed there'
            )
        for name, (low, high) in LIMITS.items():
            value = self.area_mm2[1] if name == 'area' else getattr(self, name)
            if self.ring < WEAK_RING and name in SHAPE_LIMITS:
                high /= 2
            if not low <= value <= high:
                return (
                    f'{_WORDS[name]} is {value:.2f}, and {low:.2f} to {high:.2f} for a cord '
                    f'({self.length_mm:.0f} mm of candidate)'
                )
        return None


_WORDS = {
    'agreement': 'the share of edges that agree along its length',
    'ring': 'the contrast of the ring around it',
    'asymmetry': 'the asymmetry of its outline',
    'roughness': 'the roughness of its outline',
    'aspect': 'its width over depth',
    'area': 'its median area (mm²)',
    'area_change': 'the change of its area over 10 mm',
}


@dataclass(frozen=True, eq=False)
class Planes:
    """Quality of the single planes of a contour; all arrays of shape (n,).

    Attributes
    ----------
    agreement : ndarray
        Share of rays whose edge agrees with the smooth outline.
    evenness : ndarray
        Contrast of the weakest rays over the usual contrast, both relative to the signal.
    area : ndarray
        Area (mm²), over a short stretch only.
    ring : float
        Usual difference of the signals of CSF and cord over their sum.
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
    brightness = np.abs(contour.csf) + np.abs(contour.cord)
    contrast = np.abs(contour.csf - contour.cord) / np.maximum(brightness, 1e-3)
    seen = np.isfinite(contrast).mean(axis=1) > 0.7
    off = np.abs(contour.edges - contour.radii)
    agreement = np.where(seen, np.mean(off < SURE_MM, axis=1), 0.0)
    weakest, middle = _percentiles(contrast, seen)
    area = contour_area(smooth_shape(contour.edges, step, 5.0))
    believable = seen & (agreement >= AGREEMENT) & (area > AREA_MM2[0]) & (area < AREA_MM2[1])
    usual = float(np.median(middle[believable])) if believable.any() else np.inf
    window = max(round(7.0 / step), 1)
    smooth = ndimage.median_filter(agreement, window, mode='nearest')
    evenness = ndimage.median_filter(weakest / usual, window, mode='nearest')
    good = seen & (smooth >= AGREEMENT) & (evenness >= EVENNESS) & (area > AREA_MM2[0])
    return Planes(agreement, evenness, area, usual, good)


@dataclass(frozen=True)
class Ends:
    """The stretch of a contour that is cord.

    Attributes
    ----------
    low, high : int
        First and last plane.
    brainstem : bool
        Whether the brainstem ends it above.
    at_field_end : tuple of bool
        Whether the cord leaves the field of view below and above.
    field_mm : tuple of float
        Arc lengths (mm) at which the centreline, continued straight, leaves the image.
    """

    low: int
    high: int
    brainstem: bool
    at_field_end: tuple[bool, bool]
    field_mm: tuple[float, float]


def find_ends(
    contour: Contour, planes: Planes, shape: tuple[int, ...], affine: np.ndarray
) -> Ends | None:
    """Where the cord begins and ends in an image; None where no plane looks like cord."""
    step = contour.step_mm
    low, high = _cord_run(planes.good, max(round(GAP_MM / step), 1))
    narrow = np.flatnonzero(planes.area[low : high + 1] <= BRAINSTEM_MM2)
    if not len(narrow):
        return None
    neck = low + int(narrow[-1])
    brainstem = bool(planes.area[neck : high + 1].max() >= BRAINSTEM_CERTAIN_MM2)
    if brainstem:
        high = max(neck - round(BRAINSTEM_ABOVE_MM / step), low)
    low += _conus(planes.area[low : high + 1], step)
    field = field_ends(contour.line, shape, affine)
    below = contour.arcs[low] - field[0] <= FIELD_END_MM
    above = field[1] - contour.arcs[high] <= FIELD_END_MM
    firm = low + np.flatnonzero(planes.evenness[low : high + 1] >= FADING)
    if not below and len(firm):
        low = int(firm[0])
    if not above and not brainstem and len(firm):
        high = int(firm[-1])
    return Ends(low, high, brainstem, (bool(below), bool(above and not brainstem)), field)


def _conus(area: np.ndarray, step_mm: float) -> int:
    """First plane that is not the mass of roots below the conus; 0 where there is none."""
    if len(area) * step_mm < CONUS_LENGTH_MM:
        return 0
    long = ndimage.median_filter(area, max(round(40.0 / step_mm), 1), mode='nearest')
    thinnest = int(np.argmin(long))
    short = ndimage.median_filter(area, max(round(7.0 / step_mm), 1), mode='nearest')
    wide = np.flatnonzero(short[:thinnest] > CONUS_RATIO * long[thinnest])
    return int(wide[-1]) + 1 if len(wide) else 0


def field_ends(
    line: Centerline, shape: tuple[int, ...], affine: np.ndarray
) -> tuple[float, float]:
    """Arc lengths (mm) at which a centreline, continued straight, leaves the image."""
    arcs = np.arange(-FIELD_BEYOND_MM, line.length + FIELD_BEYOND_MM, 0.5)
    voxels = nib.affines.apply_affine(np.linalg.inv(affine), line.at(arcs))
    inside = np.all((voxels > -0.5) & (voxels < np.array(shape) - 0.5), axis=1)
    return float(arcs[inside][0]), float(arcs[inside][-1])


def summarise(contour: Contour, planes: Planes, ends: Ends) -> SelfCheck:
    """The numbers of the stretch that is taken for cord."""
    kept = slice(ends.low, ends.high + 1)
    radii = contour.radii[kept]
    mean = radii.mean(axis=1)
    spectrum = np.abs(np.fft.rfft(radii, axis=1))
    spread = np.sqrt(np.sum(spectrum[:, 3:] ** 2, axis=1)) / spectrum[:, 0]
    width = np.median(np.ptp(radii * np.cos(ANGLES), axis=1))
    depth = np.median(np.ptp(radii * np.sin(ANGLES), axis=1))
    opposite = np.roll(radii, N_ANGLES // 2, axis=1)
    areas = np.log(contour_area(radii))
    apart = min(round(10.0 / contour.step_mm), len(areas) - 1)
    changes = np.abs(areas[apart:] - areas[: len(areas) - apart])
    percentiles = np.percentile(planes.area[kept], [5, 50, 95])
    return SelfCheck(
        agreement=float(np.median(planes.agreement[kept])),
        ring=planes.ring,
        evenness=float(np.median(planes.evenness[kept])),
        asymmetry=float(np.median(np.mean(np.abs(radii - opposite), axis=1) / mean)),
        roughness=float(np.median(spread)),
        aspect=float(width / depth),
        area_change=float(np.median(changes)),
        area_mm2=tuple(float(p) for p in percentiles),
        length_mm=float(contour.arcs[ends.high] - contour.arcs[ends.low]),
        bridged_mm=float(np.sum(~planes.good[kept]) * contour.step_mm),
        brainstem=ends.brainstem,
        at_field_end=ends.at_field_end,
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

    A gap is bridged if it is no longer than `gap` and than half the run behind it.
    """
    where = np.flatnonzero(good)
    if not len(where):
        return 0, -1
    runs = [(r[0], r[-1]) for r in np.split(where, np.flatnonzero(np.diff(where) > 1) + 1)]
    main = max(range(len(runs)), key=lambda i: runs[i][1] - runs[i][0])
    low, high = runs[main]
    for first, last in runs[main + 1 :]:
        apart = first - high - 1
        if apart <= min(gap, (last - first + 1) / 2):
            high = last
    for first, last in reversed(runs[:main]):
        apart = low - last - 1
        if apart <= min(gap, (last - first + 1) / 2):
            low = first
    return int(low), int(high)
