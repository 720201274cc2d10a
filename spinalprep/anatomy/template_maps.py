# SPDX-License-Identifier: Apache-2.0
"""What the template says of a subject: where it holds, and what to make of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from spinalprep.anatomy.centerline import superior_axis

HALF = 0.5
"""Share of a voxel from which on it counts as part of a horn."""


def covered_region(valid: np.ndarray, affine: np.ndarray, slices: Iterable[int]) -> np.ndarray:
    """Where the template says anything about a subject.

    Parameters
    ----------
    valid : ndarray of bool, shape (i, j, k)
        Where the field on the subject's grid is defined.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    slices : iterable of int
        Slices across the cord that the registration covers, as indices of the array.

    Returns
    -------
    ndarray of bool, shape (i, j, k)
    """
    axis, _ = superior_axis(affine)
    inside = np.zeros(valid.shape[axis], bool)
    inside[list(slices)] = True
    shape = [1, 1, 1]
    shape[axis] = -1
    return valid & inside.reshape(shape)


def horn_labels(shares: Mapping[int, np.ndarray]) -> np.ndarray:
    """One label map of the horns.

    Parameters
    ----------
    shares : dict
        Value of a horn → its share of each voxel (0 to 1); arrays of one shape.

    Returns
    -------
    ndarray of uint8
        Value of the horn with the largest share, where that is at least :data:`HALF`.
    """
    values = np.array([*shares], np.uint8)
    some = np.logical_or.reduce([share >= HALF for share in shares.values()])
    labels = np.zeros(some.shape, np.uint8)
    labels[some] = values[np.argmax([share[some] for share in shares.values()], axis=0)]
    return labels


def levels_of_slices(levels: np.ndarray, affine: np.ndarray) -> dict[int, int]:
    """Level of each slice across the cord, by most of its voxels.

    Parameters
    ----------
    levels : ndarray of int, shape (i, j, k)
        Levels on the cord, 0 elsewhere.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).

    Returns
    -------
    dict
        Slice, from 0 at the inferior end, → level; slices without any are left out.
    """
    axis, sign = superior_axis(affine)
    stack = np.moveaxis(levels, axis, 0)[::sign]
    counts = (np.bincount(plane.ravel())[1:] for plane in stack)
    return {k: int(count.argmax()) + 1 for k, count in enumerate(counts) if count.any()}
