# SPDX-License-Identifier: Apache-2.0
"""S2.3: rootlets along the cord, around it, and on its two sides."""

from __future__ import annotations

import numpy as np

from spinalprep.anatomy.centerline import Centerline
from spinalprep.anatomy.labels import order_breaks
from spinalprep.anatomy.quality.spine import spacing_ratio

MIDLINE_DEG = 30.0
"""Angle from the midline within which there are no rootlets. To the side there are: those of
PAM50 nearly all lie within 20° of right–left."""

SPINAL_SPACING_MM = {2: 17.5, 3: 16.5, 4: 16.0, 5: 16.5, 6: 16.5, 7: 15.5, 8: 17.5}
"""Distance (mm) of each spinal level's rootlets from the next lower ones in PAM50."""


def rootlet_numbers(
    rootlets: np.ndarray,
    cord: np.ndarray,
    canal: np.ndarray | None,
    affine: np.ndarray,
    *,
    dorsal_only: bool,
) -> dict[str, float | None]:
    """Order, spacing, balance and angles of rootlets.

    Parameters
    ----------
    rootlets : ndarray of int, shape (i, j, k)
        Spinal levels.
    cord : ndarray of bool, shape (i, j, k)
    canal : ndarray of bool, shape (i, j, k), or None
        With the cord in it, where it was found.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    dorsal_only : bool
        The network marks dorsal rootlets alone, as those of SCT ≤ 7.0 do.

    Returns
    -------
    dict
        The numbers of S2.3; None where there is no rootlet.
    """
    voxels = np.argwhere(rootlets > 0)
    names = (
        'rootlet_order_breaks', 'rootlet_levels_missing', 'rootlet_spacing', 'rootlet_balance',
        'rootlet_dorsal_fraction', 'rootlet_ventral_fraction', 'rootlet_midline_fraction',
        'rootlet_in_cord_fraction', 'rootlet_outside_canal',
    )  # fmt: skip
    if not len(voxels):
        return dict.fromkeys(names)
    values = rootlets[tuple(voxels.T)]
    line = Centerline.from_mask(cord, affine)
    arcs, offsets = line.project(voxels @ affine[:3, :3].T + affine[:3, 3])
    present = [int(value) for value in np.unique(values)]
    heights = {value: float(arcs[values == value].mean()) for value in present}
    inside = cord[tuple(voxels.T)] > 0
    numbers = {
        'rootlet_order_breaks': float(len(order_breaks(heights))),
        'rootlet_levels_missing': float(present[-1] - present[0] + 1 - len(present)),
        'rootlet_spacing': spacing_ratio(heights, _reference(present)),
        'rootlet_in_cord_fraction': float(inside.mean()),
        'rootlet_outside_canal': None,
        **_around(offsets[:, :2], dorsal_only),
    }
    if canal is not None:
        numbers['rootlet_outside_canal'] = float((canal[tuple(voxels.T)] == 0).mean())
    return numbers


def _reference(values: list[int]) -> dict[int, float]:
    """PAM50's heights (mm) of the levels, from an arbitrary zero."""
    heights, height = {}, 0.0
    for value in range(min(values), max(values) + 1):
        heights[value] = height
        height -= SPINAL_SPACING_MM.get(value, SPINAL_SPACING_MM[8])
    return heights


def _around(offsets: np.ndarray, dorsal_only: bool) -> dict[str, float | None]:
    """Shares of the voxels by their direction from the middle of the cord.

    Parameters
    ----------
    offsets : ndarray, shape (n, 2)
        To the right and to the front (mm).
    dorsal_only : bool
    """
    right, front = offsets.T
    from_midline = np.degrees(np.arctan2(np.abs(right), np.abs(front)))
    share_right = float((right > 0).mean())
    ventral = float((front > 0).mean())
    return {
        'rootlet_balance': min(share_right, 1 - share_right),
        'rootlet_dorsal_fraction': 1 - ventral,
        'rootlet_ventral_fraction': ventral if dorsal_only else None,
        'rootlet_midline_fraction': float((from_midline < MIDLINE_DEG).mean()),
    }
