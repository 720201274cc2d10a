# SPDX-License-Identifier: Apache-2.0
"""S2.2: does the edge of the cord mask lie where the image has an edge?

Around the cord lies CSF, brighter than the cord on T2w and darker on T1w. The image is read
along the distance from the mask's outline, on each of four sides; the steepest change towards
CSF is the cord's edge. Equal distances on all sides say that a mask is too small or too large,
opposite ones that it lies beside the cord, as a mask that was mirrored does.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from spinalprep.anatomy.centerline import superior_axis
from spinalprep.anatomy.voxels import filled_box, plane_centres

REACH_MM = 3.0
"""How far to both sides of the outline an edge is sought."""

STEP_MM = 0.25

SIDES = ('right', 'left', 'front', 'back')


def edge_numbers(
    image: np.ndarray, cord: np.ndarray, affine: np.ndarray, csf_is_bright: bool
) -> dict[str, float | None]:
    """Where the image has the cord's edge, from the mask's.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
    cord : ndarray of bool, shape (i, j, k)
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    csf_is_bright : bool
        As on T2w.

    Returns
    -------
    dict
        ``edge_size_mm`` (positive: the mask is too small), ``edge_shift_mm``; None where no
        side shows an edge, or where two opposite ones don't.
    """
    edges = side_edges(image, cord, affine, csf_is_bright)
    known = [edge for edge in edges.values() if edge is not None]
    shifts = [
        (edges[one] - edges[other]) / 2
        for one, other in (('right', 'left'), ('front', 'back'))
        if edges[one] is not None and edges[other] is not None
    ]
    return {
        'edge_size_mm': float(np.mean(known)) if len(known) > 1 else None,
        'edge_shift_mm': float(np.linalg.norm(shifts)) if shifts else None,
    }


def side_edges(
    image: np.ndarray, cord: np.ndarray, affine: np.ndarray, csf_is_bright: bool
) -> dict[str, float | None]:
    """Distance (mm) of the image's edge outwards from the mask's outline, on each side.

    Where voxels are larger than 1 mm towards a side, what they leave open counts as no distance.
    """
    box, axis = _box(cord, affine)
    mask = np.moveaxis(np.asarray(cord, bool)[box], axis, 0)
    values = np.moveaxis(np.asarray(image[box], np.float32), axis, 0)
    slices = mask.any(axis=(1, 2))
    mask, values = mask[slices], values[slices]
    in_plane = np.delete(affine[:3, :3], axis, axis=1)
    sizes = np.linalg.norm(in_plane, axis=0)
    # each slice in units of its own cord: coils and slices differ in brightness
    signal = np.array([np.median(v[m]) for v, m in zip(values, mask, strict=True)])
    values = values / np.maximum(np.abs(signal), 1e-6)[:, None, None]
    distance = _signed_distance(mask, sizes)
    side = _sides(mask, in_plane)
    across, forward = (sizes[int(np.argmax(np.abs(row)))] for row in in_plane[:2])
    edges = {}
    for number, (name, size) in enumerate(
        zip(SIDES, (across, across, forward, forward), strict=True)
    ):
        edge = _edge(distance[side == number], values[side == number], sizes, csf_is_bright)
        edges[name] = None if edge is None else _certain(edge, size)
    return edges


def _certain(edge: float, size: float) -> float:
    """The part of an edge's distance (mm) that is not due to a voxel larger than 1 mm."""
    return float(np.sign(edge) * max(abs(edge) - max(size - 1, 0) / 2, 0))


def _box(cord: np.ndarray, affine: np.ndarray) -> tuple[tuple[slice, ...], int]:
    """The mask's box with room around it, and the axis along the body."""
    axis, _ = superior_axis(affine)
    margin = np.ceil((REACH_MM + 2) / np.linalg.norm(affine[:3, :3], axis=0)).astype(int)
    margin[axis] = 0
    return filled_box(cord, margin), axis


def _signed_distance(mask: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Distance (mm) in the slice from the outline, negative inside."""
    # slices so far apart that no distance crosses from one to the next
    spacing = (1e4, *sizes)
    # the outline lies half a voxel, as large as it is in the direction of the step, from centres
    signed = np.empty(mask.shape)
    for side in (~mask, mask):
        distance, nearest = ndimage.distance_transform_edt(side, spacing, return_indices=True)
        steps = (nearest[1:] - np.indices(mask.shape)[1:]) * sizes[:, None, None, None]
        with np.errstate(invalid='ignore'):
            half = (np.abs(steps) * sizes[:, None, None, None]).sum(0) / np.abs(steps).sum(0) / 2
        signed[side] = (distance - half)[side]
    signed[mask] *= -1
    return signed


def _sides(mask: np.ndarray, in_plane: np.ndarray) -> np.ndarray:
    """Side of the cord's centre on which each voxel lies, as an index of :data:`SIDES`."""
    rows, columns = np.indices(mask.shape[1:])
    side = np.empty(mask.shape, np.int8)
    for number, centre in enumerate(plane_centres(mask)):
        away = np.stack([rows - centre[0], columns - centre[1]], axis=-1) @ in_plane.T
        across, forward = away[..., 0], away[..., 1]
        lateral = np.abs(across) > np.abs(forward)
        side[number] = np.where(lateral, across < 0, 2 + (forward < 0))
    return side


def _edge(
    distance: np.ndarray, values: np.ndarray, sizes: np.ndarray, csf_is_bright: bool
) -> float | None:
    """Place of the steepest change towards CSF in the profile over the distance."""
    edges = np.arange(-REACH_MM - STEP_MM / 2, REACH_MM + STEP_MM, STEP_MM)
    places = (edges[:-1] + edges[1:]) / 2
    bins = np.digitize(distance, edges) - 1
    inside = (bins >= 0) & (bins < len(places)) & np.isfinite(values)
    count = np.bincount(bins[inside], minlength=len(places))
    total = np.bincount(bins[inside], weights=values[inside], minlength=len(places))
    known = count >= 20
    if known.sum() < 6:
        return None
    profile = np.interp(places, places[known], total[known] / count[known])
    smooth = ndimage.gaussian_filter1d(profile, max(sizes.min() / 2, STEP_MM) / STEP_MM)
    slope = np.gradient(smooth, STEP_MM) * (1 if csf_is_bright else -1)
    # not where nothing was seen: a small mask has no voxels deep inside
    slope[(places < places[known][0]) | (places > places[known][-1])] = 0
    best = int(np.argmax(slope))
    if slope[best] < 0.05:  # per mm, in units of the cord's signal: no CSF beside it
        return None
    return float(places[best])
