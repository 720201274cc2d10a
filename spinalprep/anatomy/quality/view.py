# SPDX-License-Identifier: Apache-2.0
"""S2.1: the crop, and the image that it is taken from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import fft, ndimage

from spinalprep.anatomy.centerline import superior_axis
from spinalprep.anatomy.coverage import cord_coverage
from spinalprep.anatomy.voxels import filled_box, filled_voxels

_HIGH_PASS_MM = 3.0
_BESIDE = (4, 5, 6, 7)
"""Voxels beside half a field of view: a ghost's edges are narrower."""


def crop_numbers(
    cord: np.ndarray, affine: np.ndarray, box: Sequence[tuple[int, int]]
) -> dict[str, float]:
    """How much cord there is; is all of it in the crop, and none at the image's side?

    Parameters
    ----------
    cord : ndarray of bool, shape (i, j, k)
        Cord found in the whole image.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    box : sequence of (first, last)
        Voxels kept along each axis, inclusive.

    Returns
    -------
    dict
        ``cord_slices``, ``cord_mm``, ``cord_cut_fraction``, ``cord_at_edge_slices``,
        ``below_cord_mm``.
    """
    axis, sign = superior_axis(affine)
    coverage = cord_coverage(cord, affine)
    voxels = filled_voxels(cord)
    cut = np.zeros(len(voxels), bool)
    at_edge = np.zeros(len(voxels), bool)
    for other, (first, last) in enumerate(box):
        place, size = voxels[:, other], cord.shape[other]
        cut |= (place < first) | (place > last)
        if other == axis:
            continue
        # cord on a side face of the box goes on beyond it, unless the image ends there, too
        cut |= ((place == first) & (first > 0)) | ((place == last) & (last < size - 1))
        at_edge |= (place == 0) | (place == size - 1)
    first, last = box[axis]
    below = voxels[:, axis].min() - first if sign > 0 else last - voxels[:, axis].max()
    return {
        'cord_slices': float(coverage.slices),
        'cord_mm': coverage.length_mm,
        'cord_cut_fraction': float(cut.mean()),
        'cord_at_edge_slices': float(len(np.unique(voxels[at_edge, axis]))),
        'below_cord_mm': float(below * coverage.slice_mm),
    }


def brain_kept(
    discs: Mapping[int, np.ndarray], affine: np.ndarray, shape: tuple[int, int, int]
) -> float | None:
    """How far (mm) an image reaches above the top of C1.

    Parameters
    ----------
    discs : dict
        SCT's disc value → world point.
    affine : ndarray, shape (4, 4)
        Of the cord reference.
    shape : tuple of int

    Returns
    -------
    float or None
        Negative where it ends below; None where C2/C3 or its neighbours are not known. C1
        and C2 together are 2.2 times as high as cervical discs are apart (in PAM50).
    """
    near = sorted(value for value in discs if 3 <= value <= 8)
    if len(near) < 2 or near[0] != 3:
        return None
    upper, lower = near[0], near[-1]
    spacing = (discs[upper][2] - discs[lower][2]) / (lower - upper)
    top_of_c1 = discs[3][2] + 2.2 * spacing
    axis, sign = superior_axis(affine)
    corner = np.array([(n - 1) / 2 for n in shape])
    corner[axis] = shape[axis] - 0.5 if sign > 0 else -0.5
    return float((affine[:3, :3] @ corner + affine[:3, 3])[2] - top_of_c1)


def image_numbers(
    image: np.ndarray, affine: np.ndarray, cord: np.ndarray
) -> dict[str, float | None]:
    """Noise in the cord, and ghosts.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        The whole image: a ghost lies half a field of view away.
    affine : ndarray, shape (4, 4)
    cord : ndarray of bool, shape (i, j, k)

    Returns
    -------
    dict
        ``cord_snr``, ``ghost_correlation``.
    """
    return {
        'cord_snr': cord_snr(image, affine, cord),
        'ghost_correlation': ghost_correlation(image, affine),
    }


def cord_snr(image: np.ndarray, affine: np.ndarray, cord: np.ndarray) -> float | None:
    """Signal over noise in the cord.

    Parameters
    ----------
    image, affine, cord
        See :func:`image_numbers`.

    Returns
    -------
    float or None
        Median signal over the noise; the noise from the median absolute difference of
        voxels that follow each other along the cord, of which both lie inside it and none
        at its edge. None with fewer than 50 such pairs.
    """
    axis, _ = superior_axis(affine)
    box = filled_box(cord, 1)
    cord = np.moveaxis(np.asarray(cord, bool)[box], axis, 0)
    values = np.moveaxis(np.asarray(image)[box], axis, 0)
    inner = ndimage.binary_erosion(cord, np.ones((1, 3, 3), bool))
    cord, inner = (mask & np.isfinite(values) for mask in (cord, inner))
    both = inner[1:] & inner[:-1]
    if both.sum() < 50:
        both = cord[1:] & cord[:-1]
    if both.sum() < 50:
        return None
    upper, lower = values[1:][both].astype(float), values[:-1][both].astype(float)
    noise = 1.4826 * np.median(np.abs(upper - lower - np.median(upper - lower))) / np.sqrt(2)
    signal = abs(np.median(np.concatenate([upper, lower])))
    return float(signal / noise) if noise > 0 else None


def ghost_correlation(image: np.ndarray, affine: np.ndarray) -> float:
    """How much the image's edges repeat themselves half a field of view away.

    An N/2 ghost of strength a correlates with about 2 a / (1 + a²), at exactly that
    distance. Anatomy that repeats itself does so at distances a little longer and shorter,
    too, whose correlation is subtracted.

    Parameters
    ----------
    image, affine
        See :func:`image_numbers`.

    Returns
    -------
    float
        The largest of the three axes.
    """
    sigma = _HIGH_PASS_MM / np.linalg.norm(affine[:3, :3], axis=0)
    # some programs write NaN outside the body
    volume = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
    edges = volume - ndimage.gaussian_filter(volume, sigma, mode='nearest')
    # bright spots would outweigh all the rest
    limit = np.percentile(np.abs(edges), 98)
    edges = np.clip(edges, -limit, limit)
    return max((_repeats(edges, axis) for axis in range(3)), default=0.0)


def _repeats(edges: np.ndarray, axis: int) -> float:
    """Correlation at half the size along an axis, less that a few voxels beside it."""
    size = edges.shape[axis]
    if size < 4 * _BESIDE[-1]:
        return 0.0
    spectrum = fft.rfft(edges, axis=axis)
    power = spectrum.real**2 + spectrum.imag**2
    power = power.sum(axis=tuple(other for other in range(3) if other != axis))
    correlation = fft.irfft(power, n=size)
    if correlation[0] <= 0:
        return 0.0
    half = size // 2
    beside = [correlation[half + sign * step] for step in _BESIDE for sign in (1, -1)]
    return float((correlation[half : half + 2].max() - np.median(beside)) / correlation[0])
