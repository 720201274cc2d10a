# SPDX-License-Identifier: Apache-2.0
"""Shape of the cord slice by slice, and the numbers that summarise it.

Definitions follow those of SCT's ``sct_process_segmentation`` (7.3 and newer): slices
run along inferior–superior of the array reoriented to 'LAS' (SCT's "RPI"), and each is
corrected for the angle at which the cord passes through it.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy import ndimage

from spinalprep.anatomy.centerline import Centerline
from spinalprep.anatomy.voxels import filled_box

FINE_MM = 0.2
"""In-plane spacing to which a slice is refined before its shape is measured."""
SMOOTH_MM = 4.0
"""Smoothing length of the centreline that the angles come from."""
CHORD_MM = 3.0
"""Width right–left over which the front–back diameter is averaged."""

FIELDS = (
    'area',
    'angle_AP',
    'angle_RL',
    'diameter_AP',
    'diameter_AP_ellipse',
    'diameter_RL',
    'length_anterior',
    'length_posterior',
    'eccentricity',
    'orientation',
    'solidity',
    'length',
)
"""Columns of :func:`slice_morphometry` beside ``slice``, in SCT's order."""


def slice_morphometry(
    mask: np.ndarray, affine: np.ndarray, *, angle_correction: bool = True, shapes: bool = True
) -> np.ndarray:
    """Area, angles and shape of a cord mask in each slice.

    Parameters
    ----------
    mask : ndarray, shape (i, j, k)
        Binary, or fractions 0..1 of partial volume; any orientation. All voxels of a
        slice count as one object.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    angle_correction : bool
        Measure perpendicular to the cord; otherwise in the plane of the slices.
    shapes : bool
        Measure diameters and the like, too, which takes long; otherwise they are 0.

    Returns
    -------
    ndarray, structured, shape (n,)
        One row per slice that holds any mask, from inferior to superior. ``slice`` is
        the index along inferior–superior in 'LAS' orientation. ``area`` in mm²;
        ``angle_AP``, ``angle_RL``: tilt of the cord about the anterior–posterior and
        right–left axis, degrees, positive where the cord runs to the left or anterior
        going up; diameters and lengths in mm; ``eccentricity`` and ``solidity`` without
        unit; ``orientation`` of the long axis in degrees; ``length`` of cord in the
        slice, mm.

    Raises
    ------
    ValueError
        If the mask is empty or covers fewer than five slices.
    """
    data, zooms = _to_las(mask, affine)
    slices = np.flatnonzero(data.any(axis=(0, 1)))
    if len(slices) < 5:
        raise ValueError(f'a cord mask needs at least 5 slices to be measured, got {len(slices)}')
    slopes = _slopes(data, zooms, slices) if angle_correction else np.zeros((len(slices), 2))
    table = np.zeros(len(slices), dtype=[('slice', int), *((name, float) for name in FIELDS)])
    for row, index, (slope_x, slope_y) in zip(table, slices, slopes, strict=True):
        along = np.sqrt(1 + slope_x**2 + slope_y**2)
        angles = np.arctan([slope_x, slope_y])
        row['slice'] = index
        row['angle_AP'], row['angle_RL'] = np.degrees(angles)
        row['length'] = zooms[2] * along
        pixel = zooms[:2] * np.cos(angles)
        shape = _shape_2d(data[:, :, index], pixel) if shapes else {}
        # the product of the two cosines, used for the shape, is not exactly the cosine of
        # the angle between cord and slice
        shape['area'] = data[:, :, index].sum() * zooms[0] * zooms[1] / along
        for name, value in shape.items():
            row[name] = value
    return table


def volume_mm3(mask: np.ndarray, affine: np.ndarray) -> float:
    """Volume (mm³) of a mask; fractions of partial volume count as such."""
    return float(np.asarray(mask, dtype=float).sum() * abs(np.linalg.det(affine[:3, :3])))


def summarise_csa(
    slices: np.ndarray, areas: np.ndarray, levels: np.ndarray | None = None
) -> dict[str, object]:
    """Cross-sectional area of the cord in a few numbers.

    The lowest and the highest slice are left out: both are cut by the end of the field
    of view or of the cord, and hold part of a slice only.

    Parameters
    ----------
    slices : array_like of int, shape (n,)
        Slice numbers.
    areas : array_like, shape (n,)
        Angle-corrected areas (mm²); NaN where not known.
    levels : array_like, shape (n,), optional
        Vertebral level of each slice (C1 = 1, … C7 = 7, T1 = 8); 0 or NaN where not known.

    Returns
    -------
    dict
        ``mean``, ``min``, ``max``: mm². ``c2c3``: mean over levels 2 and 3, None where
        neither is there. ``per_level``: dict from level to mean. ``n_slices``: how many
        slices count.

    Raises
    ------
    ValueError
        With fewer than three slices of known area.
    """
    order = np.argsort(np.asarray(slices))[1:-1]
    areas = np.asarray(areas, dtype=float)[order]
    known = np.isfinite(areas)
    if not known.any():
        raise ValueError(f'no slice with a known area between the end slices of {len(slices)}')
    areas = areas[known]
    summary: dict[str, object] = {
        'mean': float(areas.mean()),
        'min': float(areas.min()),
        'max': float(areas.max()),
        'c2c3': None,
        'per_level': {},
        'n_slices': int(known.sum()),
    }
    if levels is not None:
        level = np.nan_to_num(np.asarray(levels, dtype=float)[order][known]).astype(int)
        summary['per_level'] = {
            int(n): float(areas[level == n].mean()) for n in np.unique(level[level > 0])
        }
        upper = np.isin(level, (2, 3))
        summary['c2c3'] = float(areas[upper].mean()) if upper.any() else None
    return summary


def _to_las(mask: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mask in 'LAS' orientation, cut to its box in-plane, and its voxel sizes (mm)."""
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(affine), nib.orientations.axcodes2ornt(('L', 'A', 'S'))
    )
    turned = nib.orientations.apply_orientation(mask, turn)
    affine = affine @ nib.orientations.inv_ornt_aff(turn, mask.shape)
    cut = turned[*filled_box(turned)[:2]].astype(np.float32).astype(float)
    return cut, np.linalg.norm(affine[:3, :3], axis=0)


def _slopes(data: np.ndarray, zooms: np.ndarray, slices: np.ndarray) -> np.ndarray:
    """Slope dx/dz and dy/dz of the cord at the given slices; shape (n, 2)."""
    line = Centerline.from_mask(data, np.diag([*zooms, 1.0]), smooth_mm=SMOOTH_MM)
    slope = line.tangents[:, :2] / line.tangents[:, 2:]
    at = slices * zooms[2]
    return np.stack([np.interp(at, line.points[:, 2], s) for s in slope.T], axis=1)


def _shape_2d(patch: np.ndarray, pixel: np.ndarray) -> dict[str, float]:
    """Ellipse, diameters and solidity of one slice.

    Parameters
    ----------
    patch : ndarray, shape (x, y)
        Fractions of mask; x to the left, y anterior.
    pixel : ndarray, shape (2,)
        Size of a pixel (mm), already corrected for the cord's angles.
    """
    from skimage.measure import regionprops

    factors = np.maximum(np.round(pixel / FINE_MM), 1)
    fine = ndimage.zoom(
        np.pad(patch / patch.max(), 2), factors, order=1, mode='grid-constant', grid_mode=True
    )
    size = pixel / factors
    inside = fine > 0.5
    # one label for all: a mask in two pieces is still one cord
    region = regionprops(inside.astype(np.uint8), spacing=tuple(size))[0]
    points = np.argwhere(fine > 0) * size - region.centroid
    weights = fine[fine > 0]
    angle = region.orientation
    turn = (angle + np.pi / 4) % (np.pi / 2) - np.pi / 4  # least turn onto right–left
    wide = points @ [np.cos(turn), np.sin(turn)]
    deep = points @ [-np.sin(turn), np.cos(turn)]
    chord = np.abs(wide) < CHORD_MM / 2
    lengths = [
        float(weights[chord & side].sum() * size.prod() / CHORD_MM)
        for side in (deep >= 0, deep < 0)
    ]
    major, minor = region.axis_major_length, region.axis_minor_length
    lying = abs(angle) < np.pi / 4
    return {
        'diameter_AP': sum(lengths),
        'diameter_AP_ellipse': minor if lying else major,
        'diameter_RL': major if lying else minor,
        'length_anterior': lengths[0],
        'length_posterior': lengths[1],
        'eccentricity': region.eccentricity,
        'orientation': float(np.degrees(angle)),
        'solidity': region.solidity,
    }
