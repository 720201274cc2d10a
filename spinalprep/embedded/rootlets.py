# SPDX-License-Identifier: Apache-2.0
"""Nerve rootlets from a T2w image: what ``sct_deepseg rootlets`` gives.

Dorsal rootlets are dark fans in the bright fluid behind the cord's sides, one per spinal
level. Where they are is read from the image. Which level they are can't be told from the
vertebra they lie at, for people differ by up to a level; but a nerve leaves through its
own foramen, so a fan that descends little lies near its foramen and a steep one above it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter1d

from spinalprep.anatomy.centerline import Centerline
from spinalprep.anatomy.finder import CordResult
from spinalprep.embedded.spine import SpineLabels
from spinalprep.embedded.straight import cord_coordinates

LEVELS = range(2, 10)
"""Spinal levels that SCT labels: C2 … C8 = 8, T1 = 9."""
STEP = 0.5
_BINS = np.linspace(0.1, 0.9, 9)
"""Middles of the bins between entry (0) and wall (1)."""
_ENTRY = 0.7
"""Where rootlets enter, sideways, over the half width of the cord."""
_DROPS = np.arange(0.0, 18.1, 1.0)
"""Descents from cord to wall that are tried (mm)."""
_NOMINAL = 0.55
"""Rootlets of level k enter about this far (levels) above the disc with SCT's value k."""
_OFFSET_SD = 0.5
_DESCENT = (0.6, 0.2)
"""Share of the way down to the foramen that is covered inside the canal: mean, SD."""
_DARK = 0.3
_COARSEST_MM = 1.5
"""Wider voxels blur the descent of the fans, and with it their numbers."""
_NARROWING = 0.5
"""How much narrower a fan is at the wall than at the cord."""
_WEAKEST = 0.04
_SPACING_SD = 0.12
_FORBIDDEN = -1e6


@dataclass(frozen=True, eq=False)
class RootletLabels:
    """What was found.

    Attributes
    ----------
    map : ndarray of uint8
        Spinal levels 2 = C2 … 9 = T1, dorsal and ventral; empty if `why` says so.
    why : str
        Why there are no labels; empty if there are.
    """

    map: np.ndarray
    why: str


@dataclass(frozen=True, eq=False)
class _Ring:
    """Voxels of the canal around the cord, as flat arrays.

    ``across`` runs sideways from 0 where rootlets enter the cord to 1 at the wall;
    ``inner`` marks voxels that touch neither cord nor wall; ``dark`` is 0 for fluid and 1
    for cord signal; ``thickness`` is half that of a fan of rootlets in this image (mm).
    """

    box: tuple
    mask: np.ndarray
    arc: np.ndarray
    right: np.ndarray
    anterior: np.ndarray
    across: np.ndarray
    dark: np.ndarray
    inner: np.ndarray
    thickness: float


@dataclass(frozen=True)
class _Fan:
    """One level's rootlets: where they enter (mm along the cord), and their descent (mm)."""

    arc: float
    drop: float
    half: float


def segment_rootlets(
    image: np.ndarray,
    affine: np.ndarray,
    cord: CordResult,
    canal: np.ndarray,
    spine: SpineLabels,
) -> RootletLabels:
    """Find the rootlets C2–T1 and number them.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        T2w; nibabel orientation LAS.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    cord : CordResult
        As :func:`spinalprep.anatomy.finder.find_cord` gives it for this image.
    canal : ndarray, shape (i, j, k)
        Mask, non-zero inside; includes the cord.
    spine : SpineLabels
        Of the same image, as :func:`spinalprep.embedded.spine.segment_spine` gives it.

    Returns
    -------
    RootletLabels
    """
    image = np.asarray(image, dtype=np.float32)
    empty = np.zeros(image.shape, np.uint8)
    if cord.contrast != 'T2w':
        return RootletLabels(empty, 'rootlets need fluid brighter than the cord (T2w)')
    across = float(np.linalg.norm(affine[:3, :2], axis=0).max())
    if across > _COARSEST_MM:
        return RootletLabels(empty, f'voxels {across:.1f} mm wide can not resolve rootlets')
    if not spine.numbered:
        return RootletLabels(empty, f'rootlets can not be numbered: {spine.why}')
    ring = _ring(image, affine, cord, np.asarray(canal) > 0)
    discs = _Levels(cord.centerline, spine.points)
    fans = _find_fans(ring, discs, cord.centerline.length)
    if not fans:
        return RootletLabels(empty, 'no rootlets show around the cord')
    first = _number(fans, discs)
    inside = np.zeros(ring.mask.shape, np.uint8)
    for k, fan in enumerate(fans):
        if first + k in LEVELS:
            _label(inside, ring, fan, first + k)
    empty[ring.box] = inside
    if not inside.any():
        return RootletLabels(empty, 'the rootlets in view are not of the levels C2 to T1')
    return RootletLabels(empty, '')


class _Levels:
    """Vertebral levels along the cord, from numbered discs, continued beyond the ends."""

    def __init__(self, line: Centerline, points: dict[int, np.ndarray]) -> None:
        values = sorted(points)
        arcs = line.project(np.array([points[v] for v in values]))[0]
        steps = np.diff(arcs) if len(arcs) > 1 else np.array([-18.0])
        self.values = np.array([values[0] - 2, *values, values[-1] + 2], float)
        self.arcs = np.array([arcs[0] - 2 * steps[0], *arcs, arcs[-1] + 2 * steps[-1]])

    def level(self, arc: np.ndarray) -> np.ndarray:
        """Level coordinate (disc k at k) of arc lengths."""
        return np.interp(-np.asarray(arc), -self.arcs, self.values)

    def arc(self, level: np.ndarray) -> np.ndarray:
        """Arc length of level coordinates."""
        return np.interp(level, self.values, self.arcs)

    def spacing(self, arc: np.ndarray) -> np.ndarray:
        """Length of a level (mm) around arc lengths."""
        level = self.level(arc)
        return self.arc(level - 0.5) - self.arc(level + 0.5)


def _ring(image: np.ndarray, affine: np.ndarray, cord: CordResult, canal: np.ndarray) -> _Ring:
    """Collect the canal's voxels around the cord, their place and their darkness."""
    near = cord_coordinates(image.shape, affine, cord.centerline, (17.0, 14.0, 14.0))
    inside = cord.mask[near.box]
    outside = ~(canal[near.box] | inside)
    mask = ~inside & ~outside & (near.arc > 0) & (near.arc < cord.centerline.length)
    # voxels that touch cord or wall are partly that
    inner = mask & ~binary_dilation(inside) & ~binary_dilation(outside)
    signal = image[near.box]
    fluid = _along(near.arc[inner], signal[inner], near.arc[mask], 85)
    nerve = _along(near.arc[inside], signal[inside], near.arc[mask], 50)
    dark = (fluid - signal[mask]) / np.maximum(fluid - nerve, 1e-6)
    side = np.abs(near.right)
    nerve_half = _along(near.arc[inside], side[inside], near.arc[mask], 98)
    canal_half = _along(near.arc[mask], side[mask], near.arc[mask], 98)
    start = _ENTRY * nerve_half
    across = (side[mask] - start) / np.maximum(canal_half - start, 1.0)
    return _Ring(
        near.box,
        mask,
        near.arc[mask],
        near.right[mask],
        near.anterior[mask],
        across,
        np.clip(dark, -0.5, 1.2),
        inner[mask],
        0.6 + 0.5 * float(np.linalg.norm(affine[:3, :2], axis=0).mean()),
    )


def _along(arc: np.ndarray, signal: np.ndarray, where: np.ndarray, percent: float) -> np.ndarray:
    """Percentile of a signal along the cord, over about 10 mm, at given positions."""
    edges = np.arange(arc.min() - 1e-3, arc.max() + 4.0, 4.0)
    which = np.digitize(arc, edges) - 1
    order = np.argsort(which, kind='stable')
    starts = np.searchsorted(which[order], np.arange(len(edges)))
    parts = np.split(signal[order], starts[1:])
    middles = edges + 2.0
    values = np.array([np.percentile(p, percent) if p.size > 20 else np.nan for p in parts])
    known = np.isfinite(values)
    if not known.any():
        return np.full(where.shape, np.nanmedian(signal))
    smooth = gaussian_filter1d(np.interp(middles, middles[known], values[known]), 1.2)
    return np.interp(where, middles, smooth)


def _darkness(ring: _Ring, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean darkness behind the cord's sides by position along the cord and across the fluid.

    Returns
    -------
    arc : ndarray, shape (n,)
    dark : ndarray, shape (n, len(_BINS))
        NaN where there are no voxels.
    """
    chosen = ring.inner & (ring.anterior < -0.5) & (ring.across > 0)
    arc = np.arange(0.0, length, STEP)
    edges = [np.append(arc - STEP / 2, arc[-1] + STEP / 2), np.append(_BINS - 0.05, 0.95)]
    where = (ring.arc[chosen], ring.across[chosen])
    total = np.histogram2d(*where, bins=edges, weights=ring.dark[chosen])[0]
    count = np.histogram2d(*where, bins=edges)[0]
    # thick slices and thick sides leave holes: fill them from the neighbours
    total, count = (gaussian_filter1d(a, 0.9 / STEP, axis=0) for a in (total, count))
    total, count = (gaussian_filter1d(a, 0.7, axis=1, mode='constant') for a in (total, count))
    return arc, np.where(count > 0.05, total / np.maximum(count, 0.05), np.nan)


def _sheared(dark: np.ndarray, drop: float) -> np.ndarray:
    """Darkness as a function of where a fan of this descent enters; shape (n,), with NaN."""
    rows = np.arange(len(dark))
    total, weight = np.zeros(len(dark)), np.zeros(len(dark))
    known = np.isfinite(dark)
    for k, t in enumerate(_BINS):
        at = rows - drop * t / STEP
        share = np.interp(at, rows, known[:, k].astype(float), left=0, right=0)
        total += np.interp(at, rows, np.where(known[:, k], dark[:, k], 0), left=0, right=0)
        weight += share
    return np.where(weight > 0.5, total / np.maximum(weight, 0.5), np.nan)


def _contrast(profile: np.ndarray, spacing: float) -> np.ndarray:
    """Mean within a fan's width minus mean of the gaps around it, at every position."""
    reach = np.arange(-round(0.62 * spacing / STEP), round(0.62 * spacing / STEP) + 1)
    known = np.isfinite(profile).astype(float)
    means = []
    for window in (np.abs(reach) * STEP < 0.30 * spacing, np.abs(reach) * STEP > 0.38 * spacing):
        total = np.convolve(np.nan_to_num(profile), window, mode='same')
        count = np.convolve(known, window, mode='same')
        means.append(np.where(count > 0.4 * window.sum(), total / np.maximum(count, 1), np.nan))
    return np.nan_to_num(means[0] - means[1], nan=-1.0)


def _find_fans(ring: _Ring, levels: _Levels, length: float) -> list[_Fan]:
    """Fans from superior to inferior, about a vertebral level apart."""
    arc, dark = _darkness(ring, length)
    spacing = levels.spacing(arc)
    typical = float(np.median(spacing[(levels.level(arc) > 1) & (levels.level(arc) < 9)]))
    profiles = [_sheared(dark, drop) for drop in _DROPS]
    score = np.array([_contrast(profile, typical) for profile in profiles])
    seen = (levels.level(arc) > 0.0) & (levels.level(arc) < 11.0)
    best = np.where(seen, score.max(axis=0), -1.0)
    rows = _fan_chain(best - _WEAKEST, spacing)
    return [
        _fit(arc, dark, arc[row], float(_DROPS[score[:, row].argmax()]), spacing[row])
        for row in rows
    ]


def _fit(arc: np.ndarray, dark: np.ndarray, start: float, drop: float, spacing: float) -> _Fan:
    """Fit a fan's place, descent and width: the best correlated shape near a first guess."""
    rows = np.abs(arc - start + drop / 2) < drop / 2 + 0.75 * spacing
    part = dark[rows]
    known = np.isfinite(part)
    signal = np.where(known, part - part[known].mean(), 0)
    along, across = np.broadcast_arrays(arc[rows][:, None], _BINS[None, :])
    best = (-np.inf, _Fan(start, drop, 0.3 * spacing))
    for fan_drop in np.arange(max(drop - 5, 0), drop + 5.1, 1.0):
        for shift in np.arange(-4.0, 4.1, 0.5):
            place = np.abs(along + fan_drop * across - start - shift)
            for half in np.array([0.24, 0.28, 0.32, 0.37]) * spacing:
                shape = (place < half * (1 - _NARROWING * across)) & known
                mean = shape.sum() / known.sum()
                if not 0.02 < mean < 0.9:
                    continue
                # correlation of a yes-no shape with the signal, up to the signal's spread
                value = (signal * shape).sum() / np.sqrt(known.sum() * mean * (1 - mean))
                if value > best[0]:
                    best = (value, _Fan(float(start + shift), float(fan_drop), float(half)))
    return best[1]


def _fan_chain(reward: np.ndarray, spacing: np.ndarray) -> list[int]:
    """Rows of the chain of fans with the most reward; superior first."""
    total, back = reward.copy(), np.full(len(reward), -1)
    for row in range(len(reward) - 2, -1, -1):
        step = spacing[row] / STEP
        offsets = np.arange(int(0.7 * step), int(1.35 * step) + 1)
        offsets = offsets[row + offsets < len(reward)]
        if not offsets.size:
            continue
        cost = 0.02 * (np.log(offsets / step) / _SPACING_SD) ** 2
        candidates = total[row + offsets] - cost
        choice = int(np.argmax(candidates))
        if candidates[choice] > 0:
            total[row] += candidates[choice]
            back[row] = row + offsets[choice]
    row = int(np.argmax(total))
    if total[row] <= 0:
        return []
    # rows run upwards, so `back` leads to fans above
    rows = [row]
    while back[rows[-1]] >= 0:
        rows.append(int(back[rows[-1]]))
    return rows[::-1]


def _number(fans: list[_Fan], levels: _Levels) -> int:
    """Spinal level of the first (most superior) fan.

    Weighs two things: spinal levels lie within about a level of the vertebrae they are
    named after, and each nerve descends part of the way to its own foramen.
    """
    arcs = np.array([f.arc for f in fans])
    drops = np.array([f.drop for f in fans])
    shares = np.arange(0.1, 1.01, 0.05)[:, None]
    costs = {}
    for first in range(0, 9):
        spinal = first + np.arange(len(fans))
        offset = np.mean(levels.level(arcs) - (spinal - _NOMINAL))
        way = arcs - levels.arc(spinal)
        misfit = np.median(np.abs(drops - shares * np.maximum(way, 0)), axis=1)
        descent = (misfit / 1.5) ** 2 + ((shares[:, 0] - _DESCENT[0]) / _DESCENT[1]) ** 2
        # nerves do not rise to their foramen, or hardly
        rise = max(-float(np.median(way)), 0.0) / 4.0
        costs[first] = float(descent.min() + rise**2 + (offset / _OFFSET_SD) ** 2)
    return min(costs, key=costs.get)


def _label(labels: np.ndarray, ring: _Ring, fan: _Fan, value: int) -> None:
    """Write one fan's dark voxels on both sides, dorsal and ventral.

    In the cross-section rootlets run straight. The line is fitted where neither cord nor
    wall mixes in, and followed to the cord's surface.
    """
    across = np.maximum(ring.across, 0)
    inside = np.abs(ring.arc + fan.drop * across - fan.arc) < (
        fan.half * (1 - _NARROWING * across) + STEP
    )
    inside &= (ring.dark > _DARK) & (ring.across > -0.25) & (ring.across < 1.0)
    chosen = np.zeros(ring.arc.shape, bool)
    for side in (ring.right > 0, ring.right <= 0):
        for part in (ring.anterior > 0, ring.anterior <= 0):
            here = inside & side & part
            core = here & ring.inner
            if core.sum() < 6 or np.ptp(ring.right[core]) < 1.0:
                chosen |= core
                continue
            line = np.polyfit(ring.right[core], ring.anterior[core], 1)
            away = np.abs(np.polyval(line, ring.right) - ring.anterior) / np.hypot(1, line[0])
            chosen |= here & (away < ring.thickness)
    flat = labels[ring.mask]
    flat[chosen & (flat == 0)] = value
    labels[ring.mask] = flat
