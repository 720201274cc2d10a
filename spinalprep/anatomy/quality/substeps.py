# SPDX-License-Identifier: Apache-2.0
"""All numbers of a substep from its products, as the graph and the fault study measure them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from spinalprep.anatomy.landmarks import Points
from spinalprep.anatomy.quality.cord import canal_numbers, cord_numbers, grid_distance
from spinalprep.anatomy.quality.edges import edge_numbers
from spinalprep.anatomy.quality.spine import numbering_seen, spine_numbers
from spinalprep.anatomy.quality.view import brain_kept, crop_numbers, image_numbers

Grid = tuple[np.ndarray, tuple[int, ...]]
"""Affine and shape."""


def view(
    image: np.ndarray, cord: np.ndarray, affine: np.ndarray, box: Sequence[tuple[int, int]]
) -> dict[str, float | None]:
    """S2.1: the image and the crop.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        The whole image.
    cord : ndarray of bool, shape (i, j, k)
        Cord found in it.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    box : sequence of (first, last)
        Voxels kept along each axis.
    """
    return crop_numbers(cord, affine, box) | image_numbers(image, affine, cord)


def segmentation(
    image: np.ndarray,
    cord: np.ndarray,
    canal: np.ndarray | None,
    affine: np.ndarray,
    *,
    grids: Iterable[Grid],
    area_mm2: tuple[float, float],
    csf_is_bright: bool,
) -> dict[str, float | None]:
    """S2.2: the cord by itself, in its canal, and on its image.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        Cord reference.
    cord : ndarray of bool, shape (i, j, k)
    canal : ndarray of bool, shape (i, j, k), or None
    affine : ndarray, shape (4, 4)
        Of the image.
    grids : iterable of (affine, shape)
        Of all products that belong on the image's grid. Where one is not, nothing else is
        measured.
    area_mm2 : (float, float)
        Physiological range of the cross-sectional area.
    csf_is_bright : bool
        As on T2w.
    """
    off = max(grid_distance(affine, image.shape, *grid) for grid in grids)
    if off > np.linalg.norm(affine[:3, :3], axis=0).max():
        return {'grid_mm': off}
    numbers = {'grid_mm': off} | cord_numbers(cord, affine, area_mm2)
    numbers |= edge_numbers(image, cord, affine, csf_is_bright)
    if canal is not None:
        numbers |= canal_numbers(cord, canal, affine)
    return numbers


def labels(
    cord: np.ndarray,
    spine: np.ndarray | None,
    discs: Points,
    affine: np.ndarray,
    *,
    rootlets: bool,
    given: bool,
) -> Mapping[str, float | None]:
    """S2.2: vertebrae and discs, how many are in view, and how far the crop reaches above.

    Parameters
    ----------
    cord : ndarray of bool, shape (i, j, k)
    spine : ndarray of int, shape (i, j, k), or None
        TotalSpineSeg's map.
    discs : dict
        SCT's disc value → world point.
    affine : ndarray, shape (4, 4)
    rootlets : bool
        Whether there are any.
    given : bool
        Whether the user said which disc is which.
    """
    numbers = spine_numbers(spine, discs, cord, affine)
    numbers['brain_kept_mm'] = brain_kept(discs, affine, cord.shape)
    levels = sum(value + 1 in discs for value in discs)
    numbers['levels_in_view'] = float(levels) if discs else None
    if given:
        numbers['discs_missing'] = None  # some were given, as some are known
    if discs:
        seen = given or numbering_seen(spine, affine, rootlets)
        numbers['numbering_seen'] = float(seen)
    return numbers
