# SPDX-License-Identifier: Apache-2.0
"""Intervertebral discs along the cord: positions from the image, numbers from an anchor.

Discs show as pairs of edges across the column in front of the canal. Where they are is
read from the image; which ones they are can't be told from their spacing (a shift by one
looks like a few per cent of scale), so numbers need the top of C1 or a known disc.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d, percentile_filter

from spinalprep.anatomy.centerline import Centerline
from spinalprep.embedded.straight import straightened

STEP = 0.5
"""Sampling along the cord (mm)."""
FIRST, LAST = 3, 25
"""SCT's values of the discs C2/C3 and L5/S1."""
# distances along the cord from disc k to k+1, k = 3.., mm: PAM50's, rounded
_SPACING = np.array(
    [
        18.5, 18, 16.5, 16, 17.5, 21, 22.5, 23, 24.5, 25, 25.5,
        26.5, 27, 27, 29, 31, 31.5, 33, 34, 34.5, 35, 35,
    ]
)  # fmt: skip
_TOP_TO_FIRST = 38.5
"""From the top of C1 down to C2/C3."""
_SPACING_SD = 0.09
_SCALES = np.arange(0.82, 1.21, 0.03)
_SCALE_SD = 0.08
_ANCHOR_SD = 4.5
_ANCHOR_REACH = 10.0
"""A label set on the neighbouring body is still taken, and said (mm)."""
_WEIGHT = 5.0
_FORBIDDEN = -1e6
_FLANK = (1.0, 5.0)
_FINE = 0.25
_REACH = np.arange(-14.0, 14.01, _FINE)
_TEMPLATE_HALF = 7.0
_NEAR, _FAR = 11.0, 24.0
"""Window in front of the cord's centre that holds vertebral bodies (mm)."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """The column in front of the cord, straightened; (arc, anterior), averaged sideways."""

    arc: np.ndarray
    anterior: np.ndarray
    signal: np.ndarray

    @property
    def logarithm(self) -> np.ndarray:
        """Log signal, blunted where there is little."""
        return np.log(np.maximum(self.signal, 0) + 0.1 * np.nanpercentile(self.signal, 90))


@dataclass(frozen=True)
class Discs:
    """Discs found, from superior to inferior.

    Attributes
    ----------
    values : tuple of int
        SCT's values, consecutive; arbitrary if not `numbered`.
    arc : tuple of float
        Position along the cord (mm) where the disc meets the canal.
    slope : tuple of float
        How much the disc rises per mm towards anterior.
    score : tuple of float
        About 1 for a plain disc, about 0 for none.
    numbered : bool
    why : str
        What the numbers rest on, or why there are none.
    """

    values: tuple[int, ...]
    arc: tuple[float, ...]
    slope: tuple[float, ...]
    score: tuple[float, ...]
    numbered: bool
    why: str


def column_sheet(image: np.ndarray, affine: np.ndarray, line: Centerline) -> Sheet:
    """Sample the sagittal sheet in front of the cord, 25 mm beyond its ends."""
    arc = np.arange(-25.0, line.length + 25.0, STEP)
    anterior = np.arange(2.0, 34.1, 0.5)
    right = np.arange(-4.0, 4.1, 1.0)
    volume = straightened(image, affine, line, arc, right, anterior)
    known = np.isfinite(volume)
    signal = np.where(known, volume, 0).sum(1) / np.maximum(known.sum(1), 1)
    return Sheet(arc, anterior, np.where(known.any(1), signal, np.nan).astype(np.float32))


def edge_energy(sheet: Sheet) -> np.ndarray:
    """Strength of edges across the column, |d log I / ds|; NaN outside the image."""
    logarithm = sheet.logarithm
    known = np.isfinite(logarithm)
    smooth = gaussian_filter1d(np.where(known, logarithm, 0), 0.8 / STEP, axis=0)
    weight = gaussian_filter1d(known.astype(float), 0.8 / STEP, axis=0)
    smooth = np.where(weight > 0.1, smooth / np.maximum(weight, 0.1), np.nan)
    return np.where(known, np.abs(np.gradient(smooth, STEP, axis=0)), np.nan)


def disc_score(sheet: Sheet) -> np.ndarray:
    """How much each position looks like the middle of a disc: about 1 yes, 0 no.

    Returns
    -------
    ndarray, shape of ``sheet.arc``
        NaN where the column is out of view.
    """
    energy = edge_energy(sheet)[:, (sheet.anterior >= _NEAR) & (sheet.anterior <= _FAR)]
    known = np.isfinite(energy)
    seen = known.mean(1) > 0.5
    profile = np.where(known, energy, 0).sum(1) / np.maximum(known.sum(1), 1)
    profile = np.where(seen, profile, 0)
    pair = gaussian_filter1d(mirrored(profile[None], STEP)[0], 0.7 / STEP)
    window = round(50.0 / STEP)
    low, high = (percentile_filter(pair, q, window, mode='nearest') for q in (25, 90))
    score = np.clip((pair - low) / np.maximum(high - low, 1e-6), -0.5, 1.3)
    return np.where(seen, score, np.nan)


def mirrored(profiles: np.ndarray, step: float) -> np.ndarray:
    """How well each position is flanked by equal edges, 1 to 5 mm away on either side.

    Parameters
    ----------
    profiles : ndarray, shape (p, n)
        Edge strength along the cord.
    step : float
        Spacing of the samples (mm).

    Returns
    -------
    ndarray, shape (p, n)
        Mean of the weaker edge of each pair of positions.
    """
    lags = np.arange(round(_FLANK[0] / step), round(_FLANK[1] / step) + 1)
    padded = np.pad(profiles, ((0, 0), (lags[-1], lags[-1])))
    count = profiles.shape[1]
    total = np.zeros_like(profiles)
    for lag in lags:
        below = padded[:, lags[-1] - lag : lags[-1] - lag + count]
        above = padded[:, lags[-1] + lag : lags[-1] + lag + count]
        total += np.minimum(below, above)
    return total / len(lags)


def find_discs(
    sheet: Sheet,
    front: np.ndarray,
    top: float | None = None,
    anchor: tuple[int, float] | None = None,
) -> Discs:
    """Find the discs and, given an anchor, number them.

    Parameters
    ----------
    sheet : Sheet
    front : ndarray, shape of ``sheet.arc``
        Distance of the canal's front wall from the cord's centre (mm).
    top : float, optional
        Arc length of the top of C1, if the brainstem is in view.
    anchor : tuple of int and float, optional
        A known disc: SCT's value and its arc length. It outranks `top`.

    Returns
    -------
    Discs
        Empty if no disc shows.
    """
    score = disc_score(sheet)
    if not np.isfinite(score).any():
        return Discs((), (), (), (), False, 'the vertebral column is out of view')
    best = max(
        (_chain(sheet.arc, score, scale, top, anchor) for scale in _SCALES),
        key=lambda chain: chain[0],
    )
    total, first, rows = best
    if (not rows or total <= _FORBIDDEN / 2) and anchor is not None:
        why = f'no chain of discs passes where disc {anchor[0]} was given'
        return replace(find_discs(sheet, front), numbered=False, why=why)
    if not rows or total <= _FORBIDDEN / 2:
        return Discs((), (), (), (), False, 'no chain of discs fits the image')
    values = tuple(range(first, first + len(rows)))
    arc, slope = (tuple(found) for found in _refine(sheet, rows, front))
    scores = tuple(float(score[row]) for row in rows)
    numbered, why = _judge(values, arc, scores, top, anchor)
    return Discs(values, arc, slope, scores, numbered, why)


def _judge(values, arc, scores, top, anchor) -> tuple[bool, str]:
    """Whether the numbers rest on something."""
    if anchor is not None:
        if anchor[0] not in values:
            return False, f'disc {anchor[0]} was given, but the column is not in view there'
        distance = abs(arc[values.index(anchor[0])] - anchor[1])
        if distance > _ANCHOR_REACH:
            return (
                False,
                f'no disc shows within {_ANCHOR_REACH:g} mm of the given disc {anchor[0]}',
            )
        away = f', which lies {distance:.0f} mm from the disc seen' if distance > 4 else ''
        return True, f'given disc {anchor[0]}{away}'
    if top is None:
        return False, 'the brainstem is not in view and no disc was given'
    gap = top - arc[0]
    plausible = 0.75 * _TOP_TO_FIRST < gap < 1.25 * _TOP_TO_FIRST
    if values[0] != FIRST or not plausible or scores[0] < 0.3:
        return False, 'no disc shows where C2/C3 should lie below the brainstem'
    return True, 'top of C1 from the width of the cord'


def _chain(arc, score, scale, top, anchor) -> tuple[float, int, list[int]]:
    """Best chain of discs for one scale of the body: total, first value, rows."""
    count = len(arc)
    seen = np.isfinite(score)
    reward = np.where(seen, _WEIGHT * np.nan_to_num(score), _FORBIDDEN)
    upper = arc[np.flatnonzero(seen)[-1]]
    lower = arc[np.flatnonzero(seen)[0]]
    spacing = _SPACING * scale
    total = np.full((LAST - FIRST + 1, count), _FORBIDDEN)
    back = np.full((LAST - FIRST + 1, count), -1)
    for k in range(LAST - FIRST + 1):
        local = reward.copy()
        if anchor is not None and anchor[0] == k + FIRST:
            away = np.abs(arc - anchor[1])
            local -= np.where(away > _ANCHOR_REACH, -_FORBIDDEN, 0.5 * (away / _ANCHOR_SD) ** 2)
        total[k] = _start(arc, k, scale, spacing, upper, top, anchor) + local
        if k:
            reached, origin = _step(total[k - 1], spacing[k - 1])
            better = reached + local > total[k]
            total[k] = np.where(better, reached + local, total[k])
            back[k] = np.where(better, origin, -1)
    # a chain may end only where the next disc would lie out of view
    best = (_FORBIDDEN, 0, [])
    for k in range(LAST - FIRST + 1):
        if anchor is not None and k + FIRST < anchor[0]:
            continue
        following = spacing[min(k, len(spacing) - 1)]
        ends = np.where(arc - 1.1 * following < lower, total[k], _FORBIDDEN)
        row = int(np.argmax(ends))
        value = ends[row] - 0.5 * ((scale - 1) / _SCALE_SD) ** 2
        if value > best[0]:
            rows = [row]
            level = k
            while back[level, rows[-1]] >= 0:
                rows.append(int(back[level, rows[-1]]))
                level -= 1
            best = (value, FIRST + level, rows[::-1])
    return best


def _start(arc, k, scale, spacing, upper, top, anchor) -> np.ndarray:
    """Cost of a chain that begins with the k-th disc, by position."""
    if anchor is None and top is not None:
        if k:
            return np.full(len(arc), _FORBIDDEN)
        return -0.5 * ((arc - (top - _TOP_TO_FIRST * scale)) / _ANCHOR_SD) ** 2
    if anchor is not None and k + FIRST > anchor[0]:
        return np.full(len(arc), _FORBIDDEN)
    if k == 0:
        return np.zeros(len(arc))
    # begins below C2/C3 only if the disc above would lie out of view
    return np.where(arc + 0.9 * spacing[k - 1] > upper, 0.0, _FORBIDDEN)


def _step(previous: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Best predecessor above every position for the expected spacing (mm)."""
    offsets = np.arange(int(0.72 * spacing / STEP), int(1.32 * spacing / STEP) + 1)
    cost = -0.5 * (np.log(offsets * STEP / spacing) / _SPACING_SD) ** 2
    padded = np.append(previous, np.full(offsets[-1] + 1, _FORBIDDEN))
    index = np.arange(len(previous))[:, None] + offsets[None, :]
    candidates = padded[index] + cost[None, :]
    choice = candidates.argmax(axis=1)
    rows = np.arange(len(previous))
    return candidates[rows, choice], rows + offsets[choice]


def _refine(sheet: Sheet, rows: list[int], front: np.ndarray) -> tuple[list, list]:
    """Place the discs to a fraction of a millimetre: arcs where they meet the canal, slopes.

    First each alone: sheared by the right slope its edges are sharpest, and it is flanked
    by equal edges. Then all by their common look: the mean of the discs, made symmetric,
    is matched to each, which also places a disc that the image's end cuts.
    """
    energy = edge_energy(sheet)
    logarithm = sheet.logarithm
    slopes = np.arange(-0.24, 0.25, 0.04)
    edges = [np.array([_across(sheet, energy, r, s, front) for s in slopes]) for r in rows]
    looks = [np.array([_across(sheet, logarithm, r, s, front) for s in slopes]) for r in rows]
    places = []
    for profiles in edges:
        clean = np.clip(np.nan_to_num(profiles) - np.nanpercentile(profiles, 25), 0, None)
        match = gaussian_filter1d(_symmetry(clean), 0.4 / _FINE, axis=1)
        match[:, np.abs(_REACH) > 4.5] = 0
        places.append(np.unravel_index(np.argmax(match), match.shape))
    half = round(_TEMPLATE_HALF / _FINE)
    for _ in range(2):
        template = _common_look(looks, places, half)
        places = [
            _matched(look, template, place) for look, place in zip(looks, places, strict=True)
        ]
    arcs = [float(sheet.arc[r] + _REACH[p[1]]) for r, p in zip(rows, places, strict=True)]
    return arcs, [float(slopes[p[0]]) for p in places]


def _across(sheet, values, row, slope, front) -> np.ndarray:
    """Mean of `values` over the column along lines of a slope, at :data:`_REACH`."""
    inside = (sheet.anterior >= front[row] + 2.0) & (sheet.anterior <= front[row] + 15.0)
    columns = np.flatnonzero(inside)[None, :]
    ahead = sheet.anterior[inside] - front[row]
    position = (sheet.arc[row] + _REACH[:, None] + slope * ahead[None, :] - sheet.arc[0]) / STEP
    first = np.floor(position).astype(int)
    valid = (first >= 0) & (first < len(values) - 1)
    first = np.clip(first, 0, len(values) - 2)
    share = position - first
    found = values[first, columns] * (1 - share) + values[first + 1, columns] * share
    known = np.isfinite(found) & valid
    mean = np.where(known, found, 0).sum(1) / np.maximum(known.sum(1), 1)
    return np.where(known.mean(1) > 0.3, mean, np.nan)


def _symmetry(profiles: np.ndarray) -> np.ndarray:
    """Product of each profile with its mirror image about every position."""
    lags = np.arange(0, round(6.0 / _FINE) + 1)
    count = profiles.shape[1]
    padded = np.pad(profiles, ((0, 0), (lags[-1], lags[-1])))
    total = np.zeros_like(profiles)
    for lag in lags:
        below = padded[:, lags[-1] - lag : lags[-1] - lag + count]
        total += below * padded[:, lags[-1] + lag : lags[-1] + lag + count]
    return total


def _common_look(looks: list, places: list, half: int) -> np.ndarray:
    """Symmetric mean profile of the discs about their places."""
    parts = []
    for look, (slope, middle) in zip(looks, places, strict=True):
        part = look[slope][middle - half : middle + half + 1]
        parts.append((part - np.nanmean(part)) / max(np.nanstd(part), 1e-6))
    mean = np.nanmedian(parts, axis=0)
    return np.nan_to_num((mean + mean[::-1]) / 2)


def _matched(look: np.ndarray, template: np.ndarray, place: tuple) -> tuple[int, int]:
    """Slope and place where a disc looks most like the common look.

    The right slope is the one that blurs least: most of the template is in the profile.
    For one slope the place is that of the best correlation.
    """
    half = len(template) // 2
    best = (-np.inf, place)
    for slope in range(len(look)):
        windows = np.lib.stride_tricks.sliding_window_view(look[slope], len(template))
        found = (-np.inf, None, 0.0)
        for middle in range(max(place[1] - 12, half), min(place[1] + 13, len(_REACH) - half)):
            part = windows[middle - half]
            known = np.isfinite(part)
            if known.mean() < 0.6:
                continue
            a, b = part[known] - part[known].mean(), template[known] - template[known].mean()
            content = float(a @ b / max(np.sqrt(b @ b), 1e-9))
            match = content / max(np.sqrt(a @ a), 1e-9) - 0.004 * abs(middle - place[1]) * _FINE
            if match > found[0]:
                found = (match, middle, content)
        if found[1] is not None and found[2] > best[0]:
            best = (found[2], (slope, found[1]))
    return best[1]
