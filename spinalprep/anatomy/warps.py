# SPDX-License-Identifier: Apache-2.0
"""Displacement fields as SCT writes them: reading, applying, judging.

A warp of SCT is an ITK displacement field. It lies on the grid of the *destination*
image and is a pull: at a point of the destination the vector leads to the point of
the *source* image whose intensity belongs there. So ``warp_anat2template`` lies on the
template's grid and resamples anatomical *images* into the template, while it moves
*points* from the template to the anatomy. A point of the anatomy goes to the template
through the other field, ``warp_template2anat``.

On disk vectors are LPS+ (ITK); in memory everything is RAS+ millimetres. SCT marks what
it does not define with values from ±1e5 to 3.4e38: see :data:`INVALID`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nb
import numpy as np
from scipy import ndimage

from spinalprep.anatomy.voxels import filled_box, filled_voxels
from spinalprep.images import read_image

INVALID = 1e4
"""A component of this size (mm) or more says that no displacement is defined."""

FILL = 1e5
"""What :meth:`DisplacementField.save` writes where no displacement is defined (mm)."""

_VECTOR_INTENTS = {1006, 1007}  # NIFTI_INTENT_DISPVECT, NIFTI_INTENT_VECTOR
_SNAP = 1e-4  # voxels: rounding of affines must not push a grid point off its voxel


@dataclass(frozen=True, eq=False)
class DisplacementField:
    """A displacement field and where it is defined.

    Attributes
    ----------
    vectors : ndarray, shape (i, j, k, 3)
        Displacements (RAS+, mm) from a point of this grid to its place in the source
        space; 0 where not :attr:`valid`.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm) of the grid.
    valid : ndarray of bool, shape (i, j, k)
        True where a displacement is defined.
    """

    vectors: np.ndarray
    affine: np.ndarray
    valid: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the grid."""
        return self.valid.shape

    @classmethod
    def from_vectors(cls, vectors: np.ndarray, affine: np.ndarray) -> DisplacementField:
        """Field from raw vectors, those of :data:`INVALID` size and beyond set aside.

        Parameters
        ----------
        vectors : array_like, shape (i, j, k, 3)
            Displacements (RAS+, mm), with anything huge or not finite where undefined.
        affine : array_like, shape (4, 4)
        """
        vectors = np.array(vectors, dtype=np.float32)
        # a comparison with NaN is False, so what is not finite falls out as well
        valid = _all_axes(np.abs(vectors[..., axis]) < INVALID for axis in range(3))
        # unlike an index by a mask, this follows the order in memory, which is Fortran's on disk
        np.copyto(vectors, 0, where=~valid[..., None])
        return cls(vectors, np.array(affine, dtype=float), valid)

    @classmethod
    def from_points(
        cls, points: np.ndarray, affine: np.ndarray, valid: np.ndarray
    ) -> DisplacementField:
        """Field from the place in the source space of every voxel of a grid.

        Parameters
        ----------
        points : ndarray, shape (i, j, k, 3)
            World coordinates (RAS+, mm) in the source space.
        affine : ndarray, shape (4, 4)
            Voxel to world of the grid.
        valid : ndarray of bool, shape (i, j, k)
        """
        vectors = points - grid_points(valid.shape, affine)
        return cls.from_vectors(np.where(valid[..., None], vectors, np.nan), affine)

    @classmethod
    def load(cls, path: str | Path) -> DisplacementField:
        """Read an ITK displacement field stored as NIfTI.

        Parameters
        ----------
        path : path-like
            5-D file (x, y, z, 1, 3), intent *vector*.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is no displacement field; the message names what was found.
        """
        try:
            image = read_image(path)
        except nb.filebasedimages.ImageFileError as error:
            raise ValueError(f'{path} is not a displacement field: {error}') from error
        intent = int(image.header['intent_code']) if isinstance(image, nb.Nifti1Pair) else None
        if len(image.shape) != 5 or image.shape[3:] != (1, 3) or intent not in _VECTOR_INTENTS:
            raise ValueError(
                f'{path} is not a displacement field: expected a NIfTI of shape (x, y, z, 1, 3) '
                f'with vector intent, found shape {image.shape} with intent code {intent}'
            )
        field = cls.from_vectors(np.asanyarray(image.dataobj)[:, :, :, 0], image.affine)
        np.negative(field.vectors[..., :2], out=field.vectors[..., :2])  # LPS to RAS
        return field

    def save(self, path: str | Path) -> None:
        """Write the field as SCT does: LPS, float32, :data:`FILL` where undefined.

        Displacements are rounded to 1/1024 mm.

        Parameters
        ----------
        path : path-like
            Ends in ``.nii`` or ``.nii.gz``.
        """
        nb.save(self.to_nifti(), path)

    def to_nifti(self) -> nb.Nifti1Image:
        """The image that :meth:`save` writes."""
        # steps of 1/1024 mm: no loss that matters, and files a third smaller and faster
        vectors = np.rint(self.vectors * np.float32([-1024, -1024, 1024])) / np.float32(1024)
        np.copyto(vectors, FILL, where=~self.valid[..., None])
        image = nb.Nifti1Image(vectors[:, :, :, None], self.affine)
        image.set_sform(self.affine, code=1)
        image.set_qform(self.affine, code=1)
        image.header.set_intent('vector')
        image.header.set_xyzt_units('mm')
        return image

    def _points(self, where: np.ndarray) -> np.ndarray:
        # only some: the coordinates of a whole PAM50 grid take half a gigabyte
        return filled_voxels(where) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def _leading_into(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Voxels of which the displacement leads into a box of the source space (RAS+, mm)."""
        inside = self.valid
        places = np.ix_(*(np.arange(size, dtype=np.float32) for size in self.shape))
        for axis, (*steps, start) in enumerate(self.affine[:3].astype(np.float32)):
            place = self.vectors[..., axis] + start
            for along, step in zip(places, steps, strict=True):
                place += along * step
            inside = inside & (place >= low[axis]) & (place <= high[axis])
        return inside

    def map_points(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Move points of this grid's space to the source space.

        Parameters
        ----------
        points : array_like, shape (..., 3)
            World coordinates (RAS+, mm).

        Returns
        -------
        points : ndarray, shape (..., 3)
            Where they lie in the source space; NaN where not valid.
        valid : ndarray of bool, shape (...)
            False outside the grid, and where any voxel that the vector is
            interpolated from (trilinearly) is not valid.
        """
        shape = np.shape(points)
        points = np.asarray(points, dtype=float).reshape(-1, 3)
        voxels = _to_voxels(points, self.affine).T
        # outside the grid the constant 0 makes a point invalid
        weight = ndimage.map_coordinates(
            self.valid.view(np.uint8), voxels, output=np.float32, order=1, mode='constant'
        )
        valid = weight > 1 - _SNAP
        moved = points + np.stack(
            [
                ndimage.map_coordinates(self.vectors[..., axis], voxels, order=1, mode='nearest')
                for axis in range(3)
            ],
            axis=-1,
        )
        moved[~valid] = np.nan
        return moved.reshape(shape), valid.reshape(shape[:-1])

    def resample(
        self,
        image: np.ndarray,
        affine: np.ndarray,
        order: int = 1,
        *,
        grid: tuple[tuple[int, int, int], np.ndarray] | None = None,
    ) -> np.ndarray:
        """Bring an image from the source space onto a grid of the destination space.

        Parameters
        ----------
        image : ndarray, shape (x, y, z)
        affine : ndarray, shape (4, 4)
            Voxel to world (RAS+, mm) of `image`.
        order : {0, 1, 3}
            Nearest neighbour, linear, or cubic spline.
        grid : (shape, affine), optional
            Where to sample; the field's own grid if not given.

        Returns
        -------
        ndarray
            0 where the field is not valid or leads outside `image`. The type of
            `image` with order 0, floating otherwise.
        """
        if grid is None:
            # most of a mask is 0: only what leads to the rest needs to be followed
            valid = self.valid if order else self._leading_into(*_filled_range(image, affine))
            points = self._points(valid) + self.vectors[valid]
        else:
            points, valid = self.map_points(grid_points(*grid))
            points = points[valid]
        values = sample(image, affine, points, order)
        resampled = np.zeros(valid.shape, dtype=values.dtype)
        resampled[valid] = values
        return resampled

    def jacobian_determinant(self, where: np.ndarray | None = None) -> np.ndarray:
        """Determinant of the mapping's Jacobian; ≤ 0 where it folds.

        Parameters
        ----------
        where : ndarray of bool, shape (i, j, k), optional
            Voxels that are asked for; all, if not given.

        Returns
        -------
        ndarray, shape (i, j, k)
            NaN elsewhere, and where the field, or along any axis both neighbours, are not
            valid.
        """
        where = self.valid if where is None else self.valid & where
        voxels = filled_voxels(where)
        vectors = np.where(self.valid[..., None], self.vectors, np.nan)
        by_index = np.stack([_differences(vectors, voxels, axis) for axis in range(3)], axis=-1)
        jacobian = np.eye(3) + by_index @ np.linalg.inv(self.affine[:3, :3])
        known = np.isfinite(jacobian).all(axis=(-2, -1))
        determinant = np.full(self.shape, np.nan)
        determinant[tuple(voxels[known].T)] = np.linalg.det(jacobian[known])
        return determinant


def compose(first: DisplacementField, second: DisplacementField) -> DisplacementField:
    """One field that moves points through `first`, then through `second`.

    Parameters
    ----------
    first, second : DisplacementField
        The source space of `first` is the space in which the grid of `second` lies.

    Returns
    -------
    DisplacementField
        On the grid of `first`; valid where both are.
    """
    points = first._points(first.valid)
    moved, _ = second.map_points(points + first.vectors[first.valid])
    vectors = np.full(first.vectors.shape, np.nan, dtype=np.float32)
    vectors[first.valid] = moved - points
    return DisplacementField.from_vectors(vectors, first.affine)


def grid_points(shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    """World coordinates of every voxel of a grid.

    Parameters
    ----------
    shape : tuple of int
        (i, j, k); further axes are ignored.
    affine : ndarray, shape (4, 4)

    Returns
    -------
    ndarray, shape (i, j, k, 3)
        RAS+ mm.
    """
    voxels = np.stack(np.meshgrid(*map(np.arange, shape[:3]), indexing='ij'), axis=-1)
    return voxels @ affine[:3, :3].T + affine[:3, 3]


def sample(image: np.ndarray, affine: np.ndarray, points: np.ndarray, order: int) -> np.ndarray:
    """Values of an image at world points.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
    points : ndarray, shape (..., 3)
        RAS+ mm.
    order : {0, 1, 3}

    Returns
    -------
    ndarray, shape (...)
        0 outside the image, whose border runs half a voxel beyond the outer centres
        (as in ITK). The type of `image` with order 0, floating otherwise.
    """
    voxels = _to_voxels(np.asarray(points, dtype=float), affine)
    limits = np.array(image.shape[:3])
    inside = _all_axes(
        (voxels[..., axis] >= -0.5) & (voxels[..., axis] < limits[axis] - 0.5) for axis in range(3)
    )
    if order == 0:
        index = np.clip(np.floor(np.where(inside[..., None], voxels, 0) + 0.5), 0, limits - 1)
        values = image[tuple(np.moveaxis(index.astype(np.intp), -1, 0))]
        return np.where(inside, values, np.zeros((), image.dtype))
    kind = np.float64 if image.dtype == np.float64 else np.float32
    values = ndimage.map_coordinates(
        image, np.moveaxis(voxels, -1, 0), output=kind, order=order, mode='nearest'
    )
    return np.where(inside, values, kind(0))


def _filled_range(image: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest world coordinates (RAS+, mm) at a voxel or less from what is not 0."""
    box = filled_box(image)
    ends = np.array(np.meshgrid(*([edge.start - 1, edge.stop] for edge in box))).reshape(3, -1)
    corners = affine[:3, :3] @ ends + affine[:3, 3:]
    return corners.min(axis=1), corners.max(axis=1)


def _all_axes(conditions: Iterable[np.ndarray]) -> np.ndarray:
    """Where all conditions hold: a quarter of the time of ``all`` along a last axis of three."""
    return functools.reduce(np.logical_and, conditions)


def _to_voxels(points: np.ndarray, affine: np.ndarray) -> np.ndarray:
    inverse = np.linalg.inv(affine)
    voxels = points @ inverse[:3, :3].T
    voxels += inverse[:3, 3]
    nearest = np.rint(voxels)
    voxels -= nearest
    voxels[np.abs(voxels) < _SNAP] = 0.0
    voxels += nearest
    return voxels


def _differences(values: np.ndarray, voxels: np.ndarray, axis: int) -> np.ndarray:
    """Central differences at voxels; one-sided beside a NaN or the border, NaN between two."""
    here = values[tuple(voxels.T)].astype(float)
    beside = []
    for step in (1, -1):
        place = voxels + step * (np.arange(3) == axis)
        inside = (place[:, axis] >= 0) & (place[:, axis] < values.shape[axis])
        found = np.full_like(here, np.nan)
        found[inside] = values[tuple(place[inside].T)]
        beside.append(step * (found - here))
    ahead, behind = beside
    one_sided = np.where(np.isnan(ahead), behind, ahead)
    return np.where(np.isnan(ahead) | np.isnan(behind), one_sided, (ahead + behind) / 2)
