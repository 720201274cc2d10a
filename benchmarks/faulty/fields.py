# SPDX-License-Identifier: Apache-2.0
"""Faults of the warps: both paths' fields turned, moved and folded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from benchmarks.faulty.products import Path, Products, phantom_template
from spinalprep.anatomy.centerline import Centerline
from spinalprep.anatomy.warps import DisplacementField

AROUND_MM = 10.0
"""Evidence looks no farther from the cord."""


def _warped(products: Products, forth: Callable, back: Callable) -> Products:
    """Both paths with space moved before the warp: `forth` and `back` are inverse."""
    template = products.template or phantom_template()
    here, there = (
        _around_cord(mask, affine)
        for mask, affine in (
            (products.cord, products.affine),
            (template.by_disc.cord, template.affine),
        )
    )
    paths = {}
    for name, path in products.paths.items():
        to_subject = _changed(path.to_subject, here, lambda p, w: w.map_points(forth(p))[0] - p)
        to_template = _changed(path.to_template, there, lambda p, w: back(w.map_points(p)[0]) - p)
        paths[name] = Path(path.landmarks, to_subject, to_template)
    return products.but(paths=paths)


def _around_cord(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Voxels up to :data:`AROUND_MM` from a mask along each axis: evidence looks no farther."""
    reach = np.ceil(AROUND_MM / np.linalg.norm(affine[:3, :3], axis=0)).astype(int)
    return ndimage.maximum_filter(mask.astype(np.uint8), 2 * reach + 1) > 0


def _changed(warp: DisplacementField, where: np.ndarray, change: Callable) -> DisplacementField:
    """Warp with other displacements, valid only somewhere."""
    voxels = np.argwhere(warp.valid & where)
    points = voxels @ warp.affine[:3, :3].T + warp.affine[:3, 3]
    vectors = np.full(warp.vectors.shape, np.nan, np.float32)
    vectors[tuple(voxels.T)] = change(points, warp)
    return DisplacementField.from_vectors(vectors, warp.affine)


def warp_moved(products: Products, by_mm: float, seed: int) -> Products:
    """The warp lies beside the cord."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    by = by_mm * np.array([np.cos(angle), np.sin(angle), 0.0])
    return _warped(products, lambda p: p + by, lambda p: p - by)


def warp_along(products: Products, by_mm: float, seed: int) -> Products:
    """The warp lies too high, or too low."""
    by = np.array([0.0, 0.0, by_mm if seed % 2 else -by_mm])
    return _warped(products, lambda p: p + by, lambda p: p - by)


def warp_rotated(products: Products, degrees: float, seed: int) -> Products:
    """The warp turned about the cord."""
    line = Centerline.from_mask(products.cord, products.affine)
    order = np.argsort(line.points[:, 2])
    heights, middle = line.points[order, 2], line.points[order, :2]

    def turn(points: np.ndarray, sign: float) -> np.ndarray:
        angle = np.radians(sign * degrees)
        centre = np.stack([np.interp(points[:, 2], heights, m) for m in middle.T], axis=1)
        x, y = (points[:, :2] - centre).T
        turned = points.copy()
        turned[:, 0] = centre[:, 0] + np.cos(angle) * x - np.sin(angle) * y
        turned[:, 1] = centre[:, 1] + np.sin(angle) * x + np.cos(angle) * y
        return turned

    return _warped(products, lambda p: turn(p, 1), lambda p: turn(p, -1))


def warp_folded(products: Products, amplitude_mm: float, seed: int) -> Products:
    """A wave along the cord is added to the warp; beyond 4.8 mm it folds."""
    paths = {}
    for name, path in products.paths.items():
        fields = []
        for warp in (path.to_subject, path.to_template):
            heights = warp._points(warp.valid)[:, 2]
            vectors = warp.vectors.copy()
            wave = amplitude_mm * np.sin(2 * np.pi * heights / 30)
            vectors[warp.valid, 2] += wave.astype(np.float32)
            vectors[~warp.valid] = np.nan
            fields.append(DisplacementField.from_vectors(vectors, warp.affine))
        paths[name] = Path(path.landmarks, *fields)
    return products.but(paths=paths)
