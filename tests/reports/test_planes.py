# SPDX-License-Identifier: Apache-2.0
"""Sections: sides, sizes and places must follow from the affine, however a volume is stored."""

import itertools

import nibabel as nb
import numpy as np
import pytest

from spinalprep.reports.planes import Grid, axial, coronal, course, level_ranges, sagittal

ORIENTATIONS = ('LAS', 'RPI', 'PSR', 'SAL', 'IRP')
VOXELS = ((0.35, 0.35, 3.0), (0.5, 0.5, 2.0))
SIZES = sorted({sizes for voxel in VOXELS for sizes in itertools.permutations(voxel)})


def stored(orientation, spacing=(1.0, 2.0, 3.0), shape=(8, 9, 10)):
    """Volume that is bright at (6, 2, 7) counted right, anterior, superior; its affine."""
    data = np.zeros(shape)
    data[6, 2, 7] = 1
    image = nb.Nifti1Image(data, np.diag([*spacing, 1.0]))
    image = image.as_reoriented(
        nb.orientations.ornt_transform(
            nb.orientations.axcodes2ornt('RAS'), nb.orientations.axcodes2ornt(orientation)
        )
    )
    return np.asanyarray(image.dataobj), image.affine


@pytest.mark.parametrize('orientation', ORIENTATIONS)
def test_order_and_places_do_not_depend_on_storage(orientation):
    data, affine = stored(orientation)
    grid = Grid.of(data.shape, affine)
    assert grid.shape == (8, 9, 10)
    np.testing.assert_allclose(grid.spacing, (1, 2, 3))
    assert np.argwhere(grid.ordered(data)).tolist() == [[6, 2, 7]]
    np.testing.assert_allclose(grid.mm(np.array([6.0, 4.0, 21.0])), (6, 4, 21), atol=1e-9)
    np.testing.assert_allclose(grid.world(np.array([6.0, 4.0, 21.0])), (6, 4, 21), atol=1e-9)


@pytest.mark.parametrize('orientation', ORIENTATIONS)
def test_sections_hold_the_voxel_at_its_place(orientation):
    data, affine = stored(orientation)
    grid = Grid.of(data.shape, affine)
    volume = grid.ordered(data)
    middle = np.tile([6.0, 4.0], (10, 1))
    for section, letters, place in (
        (sagittal(volume, grid, middle), ('A', 'S'), (4, 21)),
        (coronal(volume, grid, middle), ('R', 'S'), (6, 21)),
        (axial(volume, grid, 7), ('R', 'A'), (6, 4)),
    ):
        assert section.letters == letters
        row, column = np.argwhere(section.pixels == 1)[0]
        assert (section.columns[column], section.rows[row]) == place
        np.testing.assert_allclose(section.mm[row, column], (6, 4, 21))


@pytest.mark.parametrize('spacing', SIZES)
def test_the_course_follows_a_slanted_cord(spacing):
    shape = tuple(round(size / step) + 1 for size, step in zip((30, 40, 90), spacing, strict=True))
    grid = Grid.of(shape, np.diag([*spacing, 1.0]))
    mm = np.stack(np.meshgrid(*map(np.arange, shape), indexing='ij'), axis=-1) * spacing
    centre = np.stack([10 + mm[..., 2] / 10, 12 + mm[..., 2] / 5], axis=-1)
    mask = np.linalg.norm(mm[..., :2] - centre, axis=-1) < 5
    mask &= (mm[..., 2] > 15) & (mm[..., 2] < 75)
    found = course(mask, grid)
    heights = np.arange(shape[2]) * spacing[2]
    inside = (heights > 25) & (heights < 65)
    expected = np.stack([10 + heights / 10, 12 + heights / 5], axis=-1)
    assert np.abs(found - expected)[inside].max() < 0.8
    assert np.ptp(found[heights < 10], axis=0).max() < 0.1


def test_without_cord_the_course_is_the_middle_of_the_image():
    grid = Grid.of((5, 7, 9), np.diag([2.0, 1.0, 1.0, 1.0]))
    np.testing.assert_allclose(course(np.zeros((5, 7, 9), bool), grid), np.tile([4, 3], (9, 1)))


def test_level_ranges_reach_to_the_outer_faces():
    levels = np.zeros((2, 2, 6), int)
    levels[:, :, 1:3], levels[0, 0, 3:] = 5, 4
    grid = Grid.of(levels.shape, np.diag([1.0, 1.0, 2.0, 1.0]))
    assert level_ranges(levels, grid) == {4: (5.0, 11.0), 5: (1.0, 5.0)}


def test_slices_that_two_levels_share_are_halved_between_them():
    levels = np.zeros((2, 2, 8), int)
    levels[0, :, 4:], levels[1, :, 3:] = 4, 4
    levels[0, :, 1:4], levels[1, :, 0:3] = 5, 5
    grid = Grid.of(levels.shape, np.eye(4))
    assert level_ranges(levels, grid) == {4: (3.0, 7.5), 5: (-0.5, 3.0)}


@pytest.mark.parametrize('orientation', ORIENTATIONS)
def test_a_part_lies_where_it_was_cut_out(orientation):
    data, affine = stored(orientation)
    grid = Grid.of(data.shape, affine)
    box = grid.box(((4.0, 7.0), (2.0, 9.0), (15.0, 24.0)))
    volume, part = grid.ordered(data)[box], grid.part(box)
    assert volume.shape == part.shape
    place = np.argwhere(volume)[0] * part.spacing
    np.testing.assert_allclose(part.world(place), (6, 4, 21), atol=1e-9)
    ends = part.world(np.stack([np.zeros(3), (np.array(part.shape) - 1) * part.spacing]))
    assert (ends[0] <= (4, 2, 15)).all()
    assert (ends[1] >= (7, 9, 24)).all()
