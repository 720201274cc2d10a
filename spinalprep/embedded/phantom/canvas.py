# SPDX-License-Identifier: Apache-2.0
"""A grid to paint tissues on, in body coordinates, with partial volume at every edge.

The array is laid out as (sagittal pixel, x): what a tissue needs of ``s`` and ``v`` is
two-dimensional, so only few operations run over all voxels. An edge crosses a voxel as
a ramp as wide as the voxel along the edge's normal: the voxel's share of the tissue.
"""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np

from spinalprep.embedded.phantom.anatomy import Anatomy


def cover(distance: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    """Share of a voxel inside an edge, from the signed distance (negative inside; mm)."""
    return np.clip(0.5 - distance / width, 0.0, 1.0)


def ellipse(u: np.ndarray, v: np.ndarray, a: np.ndarray, b: np.ndarray, h: tuple) -> np.ndarray:
    """Share of a voxel inside an ellipse in the cross-section.

    Parameters
    ----------
    u, v : ndarray
        Offsets from the ellipse's centre (mm).
    a, b : ndarray or float
        Half axes along `u` and `v` (mm).
    h : tuple of ndarray or float
        Voxel extent along `u` and `v` (mm).
    """
    nu, nv = u / a, v / b
    f = np.sqrt(nu * nu + nv * nv) + np.float32(1e-6)
    gu, gv = nu / a, nv / b
    gradient = np.sqrt(gu * gu + gv * gv) + np.float32(1e-6)
    width = np.sqrt((gu * h[0]) ** 2 + (gv * h[1]) ** 2) / gradient
    return cover(f * (f - 1.0) / gradient, width + np.float32(1e-6))


@dataclass(frozen=True, eq=False)
class Patch:
    """A part of the canvas: some sagittal pixels times a range of x.

    ``s``, ``v``, ``hs``, ``hv`` have shape (m, 1), ``u`` (m, n); ``hu`` is a number.
    """

    rows: np.ndarray
    columns: slice
    s: np.ndarray
    v: np.ndarray
    u: np.ndarray
    hs: np.ndarray
    hv: np.ndarray
    hu: float


class Canvas:
    """The grid of one phantom.

    Parameters
    ----------
    anatomy : Anatomy
    voxel_mm : tuple of float
        Right–left, anterior–posterior, superior–inferior (mm).
    lower, upper : array_like, shape (3,)
        Corners of the field of view (RAS+ mm, before the anatomy's origin and rotation).
    """

    def __init__(self, anatomy: Anatomy, voxel_mm: tuple, lower: np.ndarray, upper: np.ndarray):
        self.anatomy = anatomy
        self.voxel = np.asarray(voxel_mm, dtype=float)
        lower, upper = np.asarray(lower, float), np.asarray(upper, float)
        self.shape = tuple(int(n) for n in np.round((upper - lower) / self.voxel))
        first = (lower + upper) / 2 - (np.array(self.shape) - 1) / 2 * self.voxel
        self.x, y, z = (
            f + h * np.arange(n) for f, h, n in zip(first, self.voxel, self.shape, strict=True)
        )
        self.y, self.z = y, z
        s, v, angle = (a.ravel() for a in anatomy.sheet(y[:, None], z[None, :]))
        self.s, self.v = s.astype(np.float32), v.astype(np.float32)
        _, hy, hz = self.voxel
        self.hs = np.hypot(hy * np.sin(angle), hz * np.cos(angle)).astype(np.float32)
        self.hv = np.hypot(hy * np.cos(angle), hz * np.sin(angle)).astype(np.float32)
        self.sway = anatomy.sway_at(self.s)[0].astype(np.float32)
        self.image = np.zeros((s.size, self.x.size), np.float32)

    @property
    def affine(self) -> np.ndarray:
        """Voxel to world of the array in R-A-S order; shape (4, 4)."""
        affine = np.eye(4)
        affine[:3, :3] = self.anatomy.rotation @ np.diag(self.voxel)
        corner = np.array([self.x[0], self.y[0], self.z[0]]) + self.anatomy.origin
        affine[:3, 3] = self.anatomy.rotation @ corner
        return affine

    def patch(self, where: np.ndarray, half_width: float = np.inf) -> Patch:
        """The pixels where a mask of the sheet holds, within `half_width` (mm) of the middle."""
        rows = np.flatnonzero(where)
        sway = self.sway[rows] if rows.size else np.zeros(1, np.float32)
        inside = (self.x > sway.min() - half_width) & (self.x < sway.max() + half_width)
        first = int(np.argmax(inside)) if inside.any() else 0
        columns = slice(first, first + int(inside.sum()))
        u = self.x[columns].astype(np.float32)[None, :] - self.sway[rows][:, None]
        s, v, hs, hv = (a[rows][:, None] for a in (self.s, self.v, self.hs, self.hv))
        return Patch(rows, columns, s, v, u, hs, hv, float(self.voxel[0]))

    def paint(self, patch: Patch, share: np.ndarray, value: np.ndarray | float) -> None:
        """Blend a tissue's signal in by its share of each voxel."""
        old = self.image[patch.rows, patch.columns]
        self.image[patch.rows, patch.columns] = old + share * (value - old)

    def label(self, target: np.ndarray, patch: Patch, share: np.ndarray, value: int) -> None:
        """Write a label where a tissue has most of the voxel."""
        old = target[patch.rows, patch.columns]
        target[patch.rows, patch.columns] = np.where(share > 0.5, np.uint8(value), old)

    def blank(self) -> np.ndarray:
        """Return an empty label array of the canvas' layout."""
        return np.zeros(self.image.shape, np.uint8)

    def volume(self, array: np.ndarray, orientation: str) -> tuple[np.ndarray, np.ndarray]:
        """Array of the canvas' layout as a volume in an orientation, with its affine."""
        nx, ny, nz = self.shape
        ras = array.reshape(ny, nz, nx).transpose(2, 0, 1)
        turn = nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt('RAS'), nib.orientations.axcodes2ornt(orientation)
        )
        affine = self.affine @ nib.orientations.inv_ornt_aff(turn, self.shape)
        return np.ascontiguousarray(nib.orientations.apply_orientation(ras, turn)), affine
