# SPDX-License-Identifier: Apache-2.0
"""Where the voxels of a mask lie.

A cord fills less than a hundredth of its image: what is found in the smallest box around it
needs no look at the rest.
"""

from __future__ import annotations

import numpy as np


def filled_box(mask: np.ndarray, margin: int | np.ndarray = 0) -> tuple[slice, ...]:
    """Smallest box that holds all of a mask.

    Parameters
    ----------
    mask : ndarray, n axes
    margin : int or array_like of int, shape (n,)
        Voxels to add on every side, up to the ends of the array.

    Returns
    -------
    tuple of slice
        One for each axis; empty ones for an empty mask.

    Examples
    --------
    >>> filled_box(np.array([[0, 0, 0, 0], [0, 0, 1, 1]]), (0, 1))
    (slice(1, 2, None), slice(1, 4, None))
    """
    box: list[slice] = []
    for axis, wide in enumerate(np.broadcast_to(margin, mask.ndim).tolist()):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        filled = np.flatnonzero(mask.any(axis=others))
        if not len(filled):
            return (slice(0, 0),) * mask.ndim
        first, last = int(filled[0]), int(filled[-1])
        box.append(slice(max(first - wide, 0), min(last + wide + 1, mask.shape[axis])))
    return tuple(box)


def filled_voxels(mask: np.ndarray) -> np.ndarray:
    """Indices of the voxels of a mask, as :func:`numpy.argwhere` finds them in more time.

    Parameters
    ----------
    mask : ndarray, n axes

    Returns
    -------
    ndarray of int, shape (voxels, n)
    """
    box = filled_box(mask)
    return np.argwhere(mask[box]) + [edge.start for edge in box]


def plane_centres(masks: np.ndarray) -> np.ndarray:
    """Centre of a mask in each of a stack of planes.

    Parameters
    ----------
    masks : ndarray of bool, shape (planes, rows, columns)

    Returns
    -------
    ndarray, shape (planes, 2)
        Mean row and mean column; NaN where a plane is empty.
    """
    by_row, by_column = masks.sum(axis=2), masks.sum(axis=1)
    sums = [count @ np.arange(count.shape[1]) for count in (by_row, by_column)]
    with np.errstate(invalid='ignore'):
        return np.stack(sums, axis=-1) / by_row.sum(axis=1)[:, None]
