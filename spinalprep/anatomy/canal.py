# SPDX-License-Identifier: Apache-2.0
"""The dural canal around a known cord, from the image's intensities."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from spinalprep.anatomy.centerline import Centerline, superior_axis
from spinalprep.anatomy.contour import smooth_shape
from spinalprep.anatomy.planes import Sampler, fill_contours, polar_planes

RADIAL_MM = 0.25
RADII = np.arange(0.0, 19.0, RADIAL_MM)
"""Samples along a ray (mm)."""
STEP_MM = 1.0
"""Distance of the planes."""
ALONG_MM = 2.5
"""Smoothing of the image along the cord (mm, standard deviation)."""
SHAPE_MM = 20.0
"""Stretch of cord whose median is the canal's shape."""
WIDEST_MM = 9.0
"""Greatest distance of the canal's wall from the cord."""
ROOT_MM = 1.5
"""Darker than CSF for less than this is a root, not the wall (T2w)."""
DURA_MM = 1.0
"""In T1w the dura is as dark as CSF: the wall shows this far outside (mm)."""
CLEAR = 0.35
"""Share of the usual contrast at which a ray's fluid counts as seen."""
PRIOR_COST = 0.05
"""Cost of a wall 1 mm off the expected radius, in units of a clear edge."""
TILTED_MM = 10.0
"""The canal goes on this far beyond the planes: the end slices cut it at an angle."""


def segment_canal(image: np.ndarray, affine: np.ndarray, cord_mask: np.ndarray) -> np.ndarray:
    """Segment the dural canal: cord and cerebrospinal fluid (CSF).

    On rays from the cord's centre the wall is where the fluid ends: where the signal
    falls (T2w) or rises again (T1w) beyond the cord's edge. The shape is the median over
    a stretch of cord.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        T2w or T1w intensities; any orientation and voxel size.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    cord_mask : ndarray, shape (i, j, k)
        Non-zero in the cord.

    Returns
    -------
    ndarray of bool, shape (i, j, k)
        Holds the cord, and covers the same slices.

    Raises
    ------
    ValueError
        If the grids differ, the mask covers fewer than five slices, or there is no
        contrast between cord and fluid.
    """
    cord = np.asarray(cord_mask) > 0
    if cord.shape != np.shape(image):
        raise ValueError(f'cord mask and image differ in shape: {cord.shape}, {np.shape(image)}')
    line = Centerline.from_mask(cord, affine)
    arcs = np.arange(0.0, line.length + STEP_MM / 2, STEP_MM)
    reach = RADII[-1] + 1.0
    planes = polar_planes(Sampler.around(image, affine, line.points, reach), line, arcs, RADII)
    inside = polar_planes(Sampler.around(cord, affine, line.points, reach), line, arcs, RADII)
    edge = np.nansum(inside, axis=2) * RADIAL_MM
    edge = ndimage.median_filter(edge, (5, 1), mode='nearest')
    wall = smooth_shape(_find_wall(planes, edge), STEP_MM, SHAPE_MM)
    wall = np.maximum(wall, edge)

    # filled beyond the ends, then cut with the slices that end the cord
    between = (-TILTED_MM, line.length + TILTED_MM)
    canal = fill_contours(cord.shape, affine, line, arcs, wall, between) | cord
    axis, _ = superior_axis(affine)
    others = tuple({0, 1, 2} - {axis})
    return canal & cord.any(axis=others, keepdims=True)


def _find_wall(planes: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Radius (mm) of the canal's wall on every ray; NaN where it isn't seen.

    `planes` is the image, shape (n, angles, radii); `edge` the cord's radius.
    """
    known = np.isfinite(planes)
    signal = ndimage.gaussian_filter1d(np.where(known, planes, 0.0), ALONG_MM / STEP_MM, axis=0)
    weight = ndimage.gaussian_filter1d(known.astype(np.float32), ALONG_MM / STEP_MM, axis=0)
    signal = signal / np.maximum(weight, 1e-3)
    signal = ndimage.gaussian_filter1d(signal, 0.7, axis=1, mode='wrap')

    beyond = RADII - edge[..., None]
    cord = _level(signal, (beyond > -2.5) & (beyond < -1.0))
    fluid = _level(signal, (beyond > 0.75) & (beyond < 2.25))
    polarity = np.sign(np.median(fluid - cord))
    if polarity == 0:
        raise ValueError('no contrast between the cord and what surrounds it')
    signal, cord = polarity * signal, polarity * cord
    near = (beyond > 0.0) & (beyond < 3.0)
    fluid = np.where(near, signal, -np.inf).max(axis=2)
    clear = (fluid - cord) > CLEAR * np.median(fluid - cord)

    search = (beyond > 0.75) & (beyond < WIDEST_MM)
    if polarity > 0:
        after = np.where(near | search, signal, np.inf).min(axis=2)
        low = signal < ((fluid + after) / 2)[..., None]
        # the wall stays dark: thin roots don't
        size = round(ROOT_MM / RADIAL_MM) | 1
        low = ndimage.binary_opening(low, np.ones((1, 1, size)))
    else:
        low = signal < (fluid - CLEAR * (fluid - cord))[..., None]
    first = _first(low & search)
    first[~clear] = np.nan
    expected = smooth_shape(first, STEP_MM, SHAPE_MM)

    fall = -ndimage.gaussian_filter1d(signal, 0.5 / RADIAL_MM, axis=2, order=1)
    usual = np.median(np.where(search, fall, 0.0).max(axis=2), axis=1)[:, None, None]
    merit = fall / np.maximum(usual, 1e-6) - PRIOR_COST * (RADII - expected[..., None]) ** 2
    wall = RADII[np.where(search, merit, -np.inf).argmax(axis=2)]
    wall = np.where(clear & known.all(axis=2), wall, np.nan)
    return wall if polarity > 0 else wall - DURA_MM


def _level(signal: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Mean signal over some samples of each ray."""
    return np.where(where, signal, 0.0).sum(axis=2) / np.maximum(where.sum(axis=2), 1)


def _first(condition: np.ndarray) -> np.ndarray:
    """Radius (mm) of the first sample that fulfils a condition; NaN where none does."""
    return np.where(condition.any(axis=2), RADII[condition.argmax(axis=2)], np.nan)
