# SPDX-License-Identifier: Apache-2.0
"""Label values of vertebrae, discs and levels, and what to read from label images.

Three numberings meet here. *TotalSpineSeg's map*: 1 cord, 2 rest of the canal,
11–17 C1–C7, 21–32 T1–T12, 41–46 L1–L6, 50 sacrum, discs 63–100. *SCT's disc points*:
value n is the disc between vertebrae n − 1 and n, so 3 is C2/C3. *Levels*: C1 = 1 …
C7 = 7, T1 = 8 … T12 = 19, L1 = 20; spinal levels count C8 as 8 and T1 as 9.
"""

from __future__ import annotations

import itertools

import numpy as np

from spinalprep.anatomy.voxels import filled_voxels

CORD, CANAL, SACRUM = 1, 2, 50

_CERVICAL, _THORACIC, _LUMBAR = 7, 12, 5
_NAMES = [
    *(f'C{n}' for n in range(1, _CERVICAL + 1)),
    *(f'T{n}' for n in range(1, _THORACIC + 1)),
    *(f'L{n}' for n in range(1, _LUMBAR + 1)),
    'S1',
]

VERTEBRAE: dict[int, str] = {
    **{10 + n: f'C{n}' for n in range(1, _CERVICAL + 1)},
    **{20 + n: f'T{n}' for n in range(1, _THORACIC + 1)},
    **{40 + n: f'L{n}' for n in range(1, 7)},
    SACRUM: 'sacrum',
}
"""TotalSpineSeg's vertebrae in anatomical order."""

DISC_POINT_OF_MAP: dict[int, int] = {
    **{60 + n: n for n in range(3, 8)},
    **{70 + n: 7 + n for n in range(1, 13)},
    **{90 + n: 19 + n for n in range(1, 6)},
    100: 25,
}
"""TotalSpineSeg's disc in the map → SCT's value of that disc's point."""

EXTRAPOLATED_DISCS = (1, 2)
"""Points that TotalSpineSeg extrapolates on the canal's line rather than sees."""

LAST_DISC = 25
"""Value of the lowest disc point; those beyond it are landmarks of the brainstem and the conus."""

HORNS: dict[int, str] = {
    30: 'left ventral horn',
    31: 'right ventral horn',
    34: 'left dorsal horn',
    35: 'right dorsal horn',
}
"""Horns of the grey matter, with the numbers of PAM50's atlas."""


def disc_name(value: int) -> str:
    """Name of a disc point in SCT's numbering.

    Examples
    --------
    >>> [disc_name(value) for value in (1, 2, 3, 8, 20, 25)]
    ['top of C1', 'C1/C2', 'C2/C3', 'C7/T1', 'T12/L1', 'L5/S1']
    """
    if value == 1:
        return 'top of C1'
    if 2 <= value <= len(_NAMES):
        return f'{_NAMES[value - 2]}/{_NAMES[value - 1]}'
    return f'disc {value}'


def level_name(value: int) -> str:
    """Name of a vertebral level.

    Examples
    --------
    >>> [level_name(value) for value in (1, 7, 8, 20)]
    ['C1', 'C7', 'T1', 'L1']
    """
    return _NAMES[value - 1] if 1 <= value <= len(_NAMES) else f'level {value}'


def spinal_level_name(value: int) -> str:
    """Name of a spinal level: unlike vertebrae there is a C8, and there are S1 to S5.

    Examples
    --------
    >>> [spinal_level_name(value) for value in (2, 8, 9, 26, 30)]
    ['C2', 'C8', 'T1', 'S1', 'S5']
    """
    if value > 25:
        return f'S{value - 25}'
    return 'C8' if value == 8 else level_name(value - (value > 8))


def meanings(kind: str) -> dict[int, str]:
    """Names of all values of a kind of labels, in anatomical order.

    Parameters
    ----------
    kind : str
        ``cord``, ``canal``, ``valid``, ``vertebrae``, ``levels``, ``spinal levels``, ``horns``,
        ``discs`` or ``spine``.

    Examples
    --------
    >>> meanings('horns')[34]
    'left dorsal horn'
    """
    tables = {
        'cord': {1: 'cord'},
        'canal': {1: 'canal'},
        'valid': {1: 'field defined'},
        'vertebrae': VERTEBRAE,
        'levels': {n: level_name(n) for n in range(1, len(_NAMES) + 1)},
        'spinal levels': {n: spinal_level_name(n) for n in range(1, 31)},
        'horns': HORNS,
        'discs': {n: disc_name(n) for n in range(1, LAST_DISC + 1)}
        | {49: 'pontomedullary groove', 50: 'pontomedullary junction', 60: 'end of the conus'},
        'spine': {CORD: 'cord', CANAL: 'canal around the cord'}
        | VERTEBRAE
        | {value: disc_name(n) for value, n in DISC_POINT_OF_MAP.items()}
        | {96: 'L5/L6'},
    }
    return dict(tables[kind])


def whole(values: np.ndarray) -> np.ndarray:
    """Labels as integers; those that are already are not touched.

    Examples
    --------
    >>> whole(np.array([0.0, 2.9999]))
    array([0, 3], dtype=int16)
    """
    return values if values.dtype.kind in 'iu' else np.rint(values).astype(np.int16)


def canal_of_map(labels: np.ndarray) -> np.ndarray:
    """Canal with the cord in it: labels 1 and 2 of TotalSpineSeg's map; bool."""
    return (labels == CORD) | (labels == CANAL)


def with_canal(labels: np.ndarray, canal: np.ndarray) -> np.ndarray:
    """TotalSpineSeg's map with another canal.

    Parameters
    ----------
    labels : ndarray of int
    canal : ndarray of bool
        The cord included; it takes nothing from cord, vertebrae and discs.

    Examples
    --------
    >>> with_canal(np.array([1, 2, 2, 0, 11]), np.array([True, True, False, True, True]))
    array([ 1,  2,  0,  2, 11])
    """
    rest = np.where(labels == CANAL, 0, labels)
    return np.where((rest == 0) & canal, CANAL, rest)


def vertebrae_of_map(labels: np.ndarray) -> np.ndarray:
    """The map's vertebrae (11–50), unchanged, and 0 elsewhere."""
    return np.where((labels >= min(VERTEBRAE)) & (labels <= SACRUM), labels, 0)


def names_in_order(labels: np.ndarray, names: dict[int, str]) -> list[str]:
    """Names of the values present, in the order of `names`.

    Parameters
    ----------
    labels : ndarray of int
    names : dict
        Value → name, in anatomical order.
    """
    present = set(np.unique(labels[labels > 0]).tolist())
    return [name for value, name in names.items() if value in present]


def label_points(labels: np.ndarray, affine: np.ndarray) -> dict[int, np.ndarray]:
    """Centre of each label.

    Parameters
    ----------
    labels : ndarray of int, shape (i, j, k)
        Single points, or regions.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).

    Returns
    -------
    dict
        Value → world point (3,), by rising value.
    """
    voxels = filled_voxels(labels > 0)
    values = labels[tuple(voxels.T)]
    return {
        int(value): voxels[values == value].mean(axis=0) @ affine[:3, :3].T + affine[:3, 3]
        for value in np.unique(values)
    }


def disc_points_of_map(labels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Posterior edge of each disc of TotalSpineSeg's map, as SCT's disc points.

    Parameters
    ----------
    labels : ndarray of int, shape (i, j, k)
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).

    Returns
    -------
    ndarray of uint8, shape (i, j, k)
        SCT's disc value in the disc's voxel that is nearest the middle of the canal,
        which is where TotalSpineSeg puts its own points. Zero everywhere if there is
        no canal to measure from.
    """
    from scipy.spatial import cKDTree

    from spinalprep.anatomy.centerline import slice_centroids

    points = np.zeros(labels.shape, np.uint8)
    _, middle = slice_centroids(canal_of_map(labels), affine)
    if not len(middle):
        return points
    tree = cKDTree(middle)
    for value, disc in DISC_POINT_OF_MAP.items():
        voxels = np.argwhere(labels == value)
        if len(voxels):
            distance, _ = tree.query(voxels @ affine[:3, :3].T + affine[:3, 3])
            points[tuple(voxels[np.argmin(distance)])] = disc
    return points


def order_breaks(heights: dict[int, float]) -> list[tuple[int, int]]:
    """Neighbouring values whose positions are the wrong way round.

    Parameters
    ----------
    heights : dict
        Value → position along the cord (mm, growing superiorly); values count
        downwards, so a higher value must lie lower.

    Returns
    -------
    list of (int, int)
        Pairs out of order; empty when all is well.
    """
    values = sorted(heights)
    return [
        (upper, lower)
        for upper, lower in itertools.pairwise(values)
        if heights[lower] >= heights[upper]
    ]
