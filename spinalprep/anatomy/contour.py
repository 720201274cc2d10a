# SPDX-License-Identifier: Apache-2.0
"""The cord's outline on planes perpendicular to it, at sub-voxel precision.

On every ray from the centre the edge is where the signal crosses a level between cord
and cerebrospinal fluid (CSF). Noise and roots are overcome by the median of the shape
over a stretch of cord, which changes slowly along its length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from spinalprep.anatomy.centerline import Centerline
from spinalprep.anatomy.planes import (
    N_ANGLES,
    Sampler,
    contour_centroid,
    frames_at,
    polar_planes,
)

RADIAL_MM = 0.25
RADII = np.arange(0.0, 12.0, RADIAL_MM)
"""Samples along a ray (mm)."""
EDGE_MM = (2.0, 9.0)
"""Where the cord's edge may lie (mm from the centre)."""
LEVEL = 0.47
"""Height of the edge between cord (0) and CSF (1). Half would be the middle of the blur;
raters draw a little within, and peaks of noisy CSF lie a little high."""
ALONG_MM = 2.5
"""Smoothing of the image along the cord (mm, standard deviation)."""
SHAPE_MM = 17.5
"""Stretch of cord whose median is its shape."""
PRIOR_COST = 0.15
"""Cost of an edge 1 mm off the expected radius, in units of a clear edge."""
HARMONICS = 6
"""The outline keeps angular frequencies up to this."""
INNERMOST = 0.6
"""Share of the steepest edge that an edge further inside must reach to be the cord's."""
PLATEAU = 0.25
"""Share of the edge's slope below which the fluid's level is reached."""
MARGIN_MM = 2.0
"""Planes beyond the ends of the centreline."""


@dataclass(frozen=True, eq=False)
class Contour:
    """Outline of the cord along a centreline.

    Attributes
    ----------
    line : Centerline
        Through the centroids of the outline.
    arcs : ndarray, shape (n,)
        Arc lengths of the planes (mm), evenly spaced.
    radii : ndarray, shape (n, N_ANGLES)
        The outline (mm), smooth along the cord.
    edges : ndarray, shape (n, N_ANGLES)
        Edges of the single rays (mm); NaN where none was found.
    cord, csf : ndarray, shape (n, N_ANGLES)
        Signal on both sides of the edge; NaN outside the image.
    """

    line: Centerline
    arcs: np.ndarray
    radii: np.ndarray
    edges: np.ndarray
    cord: np.ndarray
    csf: np.ndarray

    @property
    def step_mm(self) -> float:
        """Distance of the planes (mm)."""
        return float(self.arcs[1] - self.arcs[0])


def trace(
    sampler: Sampler, line: Centerline, polarity: int, *, step_mm: float, rounds: int
) -> Contour:
    """Outline of the cord around a rough centreline, recentred on the way.

    Parameters
    ----------
    sampler : Sampler
    line : Centerline
        At most about 3 mm off the cord's centre.
    polarity : int
        +1 where CSF is brighter than the cord, -1 where darker.
    step_mm : float
        Distance of the planes.
    rounds : int
        How often the outline is found; after each but the last the centreline is moved
        onto the outline's centroids.
    """
    expected = None
    for number in range(rounds):
        arcs = np.arange(-MARGIN_MM, line.length + MARGIN_MM + step_mm / 2, step_mm)
        planes = polarity * polar_planes(sampler, line, arcs, RADII)
        edges, cord, csf = find_edges(planes, step_mm, expected)
        radii = smooth_shape(edges, step_mm)
        if number == rounds - 1:
            break
        frames = frames_at(line, arcs)
        middle = contour_centroid(radii)
        points = line.at(arcs) + np.einsum('ni,nij->nj', middle, frames[:, :2])
        # where few edges agree with the outline, the curve is left to its neighbours
        sure = np.mean(np.abs(edges - radii) < 0.75, axis=1) >= 0.6
        sure &= (arcs >= 0) & (arcs <= line.length)
        if sure.sum() * step_mm < SHAPE_MM:
            break
        moved = Centerline.through(points[sure])
        there = np.arange(-MARGIN_MM, moved.length + MARGIN_MM + step_mm / 2, step_mm)
        before, _ = line.project(moved.at(there))
        smooth = ndimage.gaussian_filter1d(radii, 1.5, axis=1, mode='wrap')
        expected = np.stack([np.interp(before, arcs, ray) for ray in smooth.T], axis=1)
        line = moved
    return Contour(line, arcs, radii, edges, polarity * cord, polarity * csf)


def find_edges(
    planes: np.ndarray, step_mm: float, expected: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edge of the cord on every ray.

    The steepest rise near the expected radius says which edge it is; where exactly, the
    crossing of a level between the signals inside and outside.

    Parameters
    ----------
    planes : ndarray, shape (n, N_ANGLES, len(RADII))
        Signal at polar samples, CSF bright; NaN outside the image.
    step_mm : float
        Distance of the planes.
    expected : ndarray, shape (n, N_ANGLES), optional
        Expected radii (mm); by default the steepest rise of the mean over all rays.

    Returns
    -------
    edges, cord, csf : ndarray, shape (n, N_ANGLES)
    """
    signal = _smooth_known(planes, ALONG_MM / step_mm)
    known = np.isfinite(signal)
    signal = ndimage.gaussian_filter1d(np.where(known, signal, 0.0), 0.7, axis=1, mode='wrap')
    rise = ndimage.gaussian_filter1d(signal, 0.5 / RADIAL_MM, axis=2, order=1)
    penalty = PRIOR_COST
    if expected is None:
        expected = np.repeat(_common_radius(rise, step_mm)[:, None], N_ANGLES, axis=1)
        penalty = PRIOR_COST / 2  # the common radius knows nothing of the cord's width
    clear = np.median(rise.max(axis=2), axis=1)[:, None, None]
    merit = rise / np.maximum(clear, 1e-6) - penalty * (RADII - expected[..., None]) ** 2
    merit[..., np.abs(RADII - np.mean(EDGE_MM)) > np.ptp(EDGE_MM) / 2] = -np.inf
    steepest = merit.argmax(axis=2)

    cord = _take(signal, steepest, -2.25, -1.0).mean(axis=2)
    cord = ndimage.median_filter(cord, (_odd(15.0 / step_mm), 1), mode='nearest')
    cord = ndimage.gaussian_filter1d(cord, 2.0, axis=1, mode='wrap')
    outside = _take(ndimage.gaussian_filter1d(signal, 0.4 / RADIAL_MM, axis=2), steepest, 0, 3.0)
    slope = _take(rise, steepest, 0, 3.0)
    flat = slope < PLATEAU * slope[..., :1]
    top = np.where(flat.any(axis=2), flat.argmax(axis=2), outside.shape[2] - 1)
    reached = np.arange(outside.shape[2]) <= top[..., None]
    outside = np.where(reached, outside, -np.inf)
    csf = outside.max(axis=2)
    peak = np.minimum(steepest + outside.argmax(axis=2), len(RADII) - 1)
    edges = _last_crossing(signal, (1 - LEVEL) * cord + LEVEL * csf, peak)
    seen = np.take_along_axis(known, peak[..., None], axis=2)[..., 0]
    edges[~seen | (csf <= cord)] = np.nan
    return edges, np.where(seen, cord, np.nan), np.where(seen, csf, np.nan)


def smooth_shape(edges: np.ndarray, step_mm: float, stretch_mm: float = SHAPE_MM) -> np.ndarray:
    """Median of the edges over a stretch of cord, smooth around the cord.

    Parameters
    ----------
    edges : ndarray, shape (n, N_ANGLES)
        mm; NaN where not known.
    step_mm : float
        Distance of the planes.
    stretch_mm : float

    Returns
    -------
    ndarray, shape (n, N_ANGLES)
        Finite everywhere.
    """
    half = _odd(stretch_mm / step_mm) // 2
    padded = np.pad(edges, ((half, half), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=0)
    shape = _nanmedian(windows, axis=2)
    mean = _nanmedian(shape, axis=1)
    mean = np.where(np.isfinite(mean), mean, np.mean(EDGE_MM))
    shape = np.where(np.isfinite(shape), shape, mean[:, None])
    spectrum = np.fft.rfft(shape, axis=1)
    spectrum[:, HARMONICS + 1 :] = 0
    return np.fft.irfft(spectrum, N_ANGLES, axis=1)


def _nanmedian(values: np.ndarray, axis: int) -> np.ndarray:
    """Median of what is known; NaN where nothing is, without numpy's warning."""
    ordered = np.sort(values, axis=axis)  # NaN goes last
    count = np.isfinite(values).sum(axis=axis, keepdims=True)
    low, high = np.maximum(count - 1, 0) // 2, np.maximum(count, 1) // 2
    middle = np.take_along_axis(ordered, np.concatenate([low, high], axis=axis), axis=axis)
    return middle.mean(axis=axis)


def _smooth_known(planes: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian along the cord over the samples inside the image."""
    known = np.isfinite(planes).astype(np.float32)
    total = ndimage.gaussian_filter1d(np.where(known > 0, planes, 0.0), sigma, axis=0)
    weight = ndimage.gaussian_filter1d(known, sigma, axis=0)
    return np.where(weight > 0.2, total / np.maximum(weight, 1e-6), np.nan)


def _common_radius(rise: np.ndarray, step_mm: float) -> np.ndarray:
    """Radius (mm) of the steepest rise of all rays of a plane; shape (n,)."""
    common = ndimage.gaussian_filter1d(np.median(rise, axis=1), 5.0 / step_mm, axis=0)
    likely = (RADII >= 2.5) & (RADII <= 8.0)
    inner = common[:, likely]
    # the innermost of the clear edges: beyond the fluid there may be a steeper one
    before = np.pad(inner, ((0, 0), (1, 1)), constant_values=-np.inf)
    peak = (inner >= before[:, :-2]) & (inner >= before[:, 2:])
    clear = peak & (inner >= INNERMOST * inner.max(axis=1, keepdims=True))
    return RADII[likely][clear.argmax(axis=1)]


def _take(signal: np.ndarray, index: np.ndarray, low_mm: float, high_mm: float) -> np.ndarray:
    """Samples from `low_mm` to `high_mm` beyond an index along each ray."""
    steps = np.arange(round(low_mm / RADIAL_MM), round(high_mm / RADIAL_MM) + 1)
    return np.take_along_axis(signal, np.clip(index[..., None] + steps, 0, len(RADII) - 1), axis=2)


def _last_crossing(signal: np.ndarray, level: np.ndarray, peak: np.ndarray) -> np.ndarray:
    """Radius (mm) where the signal last rises through `level` before `peak`; else NaN."""
    number = np.arange(len(RADII))
    below = (signal < level[..., None]) & (number <= peak[..., None])
    last = len(RADII) - 1 - below[..., ::-1].argmax(axis=2)
    found = below.any(axis=2) & (last < len(RADII) - 1)
    last = np.minimum(last, len(RADII) - 2)
    before = np.take_along_axis(signal, last[..., None], axis=2)[..., 0]
    after = np.take_along_axis(signal, last[..., None] + 1, axis=2)[..., 0]
    share = (level - before) / np.where(after == before, 1.0, after - before)
    radius = RADII[last] + RADIAL_MM * np.clip(share, 0.0, 1.0)
    return np.where(found & (radius > EDGE_MM[0] - 0.5), radius, np.nan)


def _odd(number: float) -> int:
    """Nearest odd integer, at least 1."""
    return max(2 * round((number - 1) / 2) + 1, 1)
