# SPDX-License-Identifier: Apache-2.0
"""Sections through volumes, in millimetres, whatever the storage order and voxel size.

Sections follow the voxel grid, brought into the order right, anterior, superior. Their
coordinates are mm from the first voxel's centre in that order, so letters, aspect and
positions can't disagree with the affine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nb
import numpy as np
from scipy import ndimage

from spinalprep.anatomy.voxels import filled_box

POSITIVE = ('R', 'A', 'S')
"""Letter of the direction in which each coordinate grows."""

OPPOSITE = {'R': 'L', 'A': 'P', 'S': 'I'}

COURSE_SMOOTH_MM = 3.0
"""Standard deviation with which the cord's course is smoothed along the cord."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A voxel grid in the order right, anterior, superior.

    Attributes
    ----------
    shape : tuple of int
        In that order.
    affine : ndarray, shape (4, 4)
        Of the volumes that :meth:`ordered` gives, to world (RAS+, mm).
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    _orientation: np.ndarray

    @classmethod
    def of(cls, shape: tuple[int, ...], affine: np.ndarray) -> Grid:
        """Grid of volumes that are stored with a shape and an affine."""
        stored = nb.io_orientation(affine)
        ordered = affine @ nb.orientations.inv_ornt_aff(stored, shape[:3])
        sizes = tuple(int(shape[axis]) for axis in np.argsort(stored[:, 0]))
        return cls(sizes, ordered, stored)

    @property
    def spacing(self) -> np.ndarray:
        """Voxel size right, anterior, superior (mm)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def size_mm(self) -> np.ndarray:
        """Size of the field of view (mm), outer faces included."""
        return self.spacing * self.shape

    def ordered(self, data: np.ndarray) -> np.ndarray:
        """View of a stored volume in the order right, anterior, superior."""
        return nb.apply_orientation(data, self._orientation)

    def box(self, limits: Sequence[tuple[float, float]]) -> tuple[slice, ...]:
        """Voxels of an ordered volume that are seen within limits (mm)."""
        return tuple(
            slice(max(int(low / step) - 1, 0), min(int(high / step) + 3, size))
            for (low, high), step, size in zip(limits, self.spacing, self.shape, strict=True)
        )

    def part(self, box: Sequence[slice]) -> Grid:
        """Grid of what is cut out of ordered volumes; its coordinates begin at the cut."""
        shape = tuple(cut.stop - cut.start for cut in box)
        first = nb.affines.from_matvec(np.eye(3), [cut.start for cut in box])
        return Grid.of(shape, self.affine @ first)

    def mm(self, world: np.ndarray) -> np.ndarray:
        """Section coordinates of world points; shape (..., 3)."""
        return nb.affines.apply_affine(np.linalg.inv(self.affine), world) * self.spacing

    def world(self, mm: np.ndarray) -> np.ndarray:
        """World points of section coordinates; shape (..., 3)."""
        return nb.affines.apply_affine(self.affine, np.asarray(mm) / self.spacing)


@dataclass(frozen=True, eq=False)
class Section:
    """A plane, or a sheet that follows the cord, of a volume.

    Attributes
    ----------
    pixels : ndarray, shape (rows, columns)
        Rows upwards; columns in the direction in which their coordinate grows.
    columns, rows : ndarray
        Coordinates (mm) of the pixels' centres.
    letters : tuple of str
        Direction in which columns and rows grow, of :data:`POSITIVE`.
    mm : ndarray, shape (rows, columns, 3)
        Section coordinates of each pixel.
    """

    pixels: np.ndarray
    columns: np.ndarray
    rows: np.ndarray
    letters: tuple[str, str]
    mm: np.ndarray

    def like(self, pixels: np.ndarray) -> Section:
        """Same sheet with other values."""
        return Section(pixels, self.columns, self.rows, self.letters, self.mm)

    def about(self, centre: Sequence[float]) -> Section:
        """Same sheet with columns and rows counted from a point (mm)."""
        columns, rows = self.columns - centre[0], self.rows - centre[1]
        return Section(self.pixels, columns, rows, self.letters, self.mm)

    def within(self, columns: tuple[float, float], rows: tuple[float, float]) -> Section:
        """The part inside limits (mm), the pixels that they cut included."""
        part = []
        for values, (low, high) in ((self.rows, rows), (self.columns, columns)):
            step = values[1] - values[0]
            inside = np.flatnonzero((values > low - step) & (values < high + step))
            first, last = (inside[0], inside[-1] + 1) if len(inside) else (0, 1)
            part.append(slice(max(first - 1, 0), max(last + 1, 2)))
        row, column = part
        return Section(
            self.pixels[row, column],
            self.columns[column],
            self.rows[row],
            self.letters,
            self.mm[row, column],
        )


def course(mask: np.ndarray, grid: Grid) -> np.ndarray:
    """Middle of the cord at each height.

    Parameters
    ----------
    mask : ndarray of bool, shape (r, a, s)
        Ordered.
    grid : Grid

    Returns
    -------
    ndarray, shape (s, 2)
        Right and anterior coordinate (mm); beyond the cord those of its ends, and the
        middle of the image where there is no cord at all.
    """
    area = np.count_nonzero(mask, axis=(0, 1))
    found = np.flatnonzero(area)
    if not len(found):
        return np.tile((np.array(grid.shape[:2]) - 1) / 2 * grid.spacing[:2], (grid.shape[2], 1))
    middle = np.empty((grid.shape[2], 2))
    for axis in range(2):
        profile = np.count_nonzero(mask, axis=1 - axis)[:, found]
        centre = np.arange(grid.shape[axis]) @ profile / area[found] * grid.spacing[axis]
        full = np.interp(np.arange(grid.shape[2]), found, centre)
        middle[:, axis] = ndimage.gaussian_filter1d(
            full, COURSE_SMOOTH_MM / grid.spacing[2], mode='nearest'
        )
    return middle


def sagittal(
    volume: np.ndarray, grid: Grid, middle: np.ndarray, *, nearest: bool = False
) -> Section:
    """Sheet of all anterior and superior positions that follows the cord to its sides.

    Parameters
    ----------
    volume : ndarray, shape (r, a, s)
        Ordered.
    grid : Grid
    middle : ndarray, shape (s, 2)
        As `course` gives it.
    nearest : bool
        For labels, which must not be mixed.
    """
    return _sheet(volume, grid, middle, across=0, nearest=nearest)


def coronal(
    volume: np.ndarray, grid: Grid, middle: np.ndarray, *, nearest: bool = False
) -> Section:
    """Sheet of all right and superior positions that follows the cord front to back."""
    return _sheet(volume, grid, middle, across=1, nearest=nearest)


def _sheet(
    volume: np.ndarray, grid: Grid, middle: np.ndarray, *, across: int, nearest: bool
) -> Section:
    along = 1 - across
    heights = np.arange(grid.shape[2])
    index = np.clip(middle[:, across] / grid.spacing[across], 0, grid.shape[across] - 1)
    low = np.floor(index).astype(int)
    high = np.minimum(low + 1, grid.shape[across] - 1)
    slabs = np.moveaxis(volume, (across, 2, along), (0, 1, 2))
    if nearest:
        pixels = slabs[np.rint(index).astype(int), heights]
    else:
        part = (index - low)[:, None].astype(np.float32)
        pixels = (1 - part) * slabs[low, heights] + part * slabs[high, heights]
    columns = np.arange(grid.shape[along]) * grid.spacing[along]
    rows = heights * grid.spacing[2]
    mm = np.empty((*pixels.shape, 3))
    mm[..., across] = (index * grid.spacing[across])[:, None]
    mm[..., along] = columns
    mm[..., 2] = rows[:, None]
    return Section(pixels, columns, rows, (POSITIVE[along], 'S'), mm)


def axial(volume: np.ndarray, grid: Grid, height: int) -> Section:
    """Slice at a height: right along the columns, anterior along the rows."""
    columns, rows = (np.arange(grid.shape[axis]) * grid.spacing[axis] for axis in range(2))
    mm = np.empty((len(rows), len(columns), 3))
    mm[..., 0], mm[..., 1], mm[..., 2] = columns, rows[:, None], height * grid.spacing[2]
    return Section(volume[:, :, height].T, columns, rows, ('R', 'A'), mm)


def projection(mask: np.ndarray, grid: Grid, axis: int) -> Section:
    """Maximum of a mask along right–left (0) or anterior–posterior (1), as a section."""
    pixels = mask.max(axis=axis).T
    along = 1 - axis
    columns = np.arange(grid.shape[along]) * grid.spacing[along]
    rows = np.arange(grid.shape[2]) * grid.spacing[2]
    return Section(pixels, columns, rows, (POSITIVE[along], 'S'), np.empty((*pixels.shape, 3)))


def level_ranges(levels: np.ndarray, grid: Grid) -> dict[int, tuple[float, float]]:
    """Lower and upper end (mm) of each level on the cord.

    Parameters
    ----------
    levels : ndarray of int, shape (r, a, s)
        Ordered.
    grid : Grid

    Returns
    -------
    dict
        By rising level, outer faces of the slices included. Slices that two levels share,
        as where their border is oblique, are halved between them.
    """
    whole = filled_box(levels)
    if whole[2].start == whole[2].stop:
        return {}
    boxes = enumerate(ndimage.find_objects(levels[whole]), start=1)
    first, step = whole[2].start, float(grid.spacing[2])
    found = {
        value: [(first + end - 0.5) * step for end in (box[2].start, box[2].stop)]
        for value, box in boxes
        if box
    }
    for value, (low, high) in found.items():
        below = found.get(value + 1)
        if below and below[0] < low < below[1] < high:
            found[value][0] = below[1] = (low + below[1]) / 2
    return {value: tuple(ends) for value, ends in found.items()}
