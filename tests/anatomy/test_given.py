# SPDX-License-Identifier: Apache-2.0
"""Masks and labels from elsewhere: what is refused and why, and how others come onto a grid."""

import nibabel as nb
import numpy as np
import pytest

from spinalprep.anatomy.given import FAR_MM, check_near_cord, onto_grid, possible_labels
from spinalprep.anatomy.grids import UnusableImage, empty_grid
from spinalprep.products import label_names, product

SHAPE = (12, 14, 40)
AFFINE = nb.affines.from_matvec(np.diag([-1.0, 1.0, 2.0]), [6, -7, -40])
DISCS = {3: 35, 4: 28, 5: 20}
"""Value to its slice, from the bottom."""

DISC_NAMES = label_names(product('disc_labels'))


def labels(values, affine=AFFINE):
    made = nb.Nifti1Image(values, affine)
    made.set_sform(affine, 1)
    made.set_qform(affine, 1)
    return made


def discs(places=None, shape=SHAPE, affine=AFFINE):
    values = np.zeros(shape, np.uint8)
    for value, height in (places or DISCS).items():
        values[6, 5, height] = value
    return labels(values, affine)


def cord(affine=AFFINE):
    values = np.zeros(SHAPE, np.uint8)
    values[5:8, 6:9, 4:38] = 1
    return labels(values, affine)


def found(image):
    values = np.asanyarray(image.dataobj)
    return {int(values[tuple(v)]): tuple(map(int, v)) for v in np.argwhere(values)}


def test_good_labels_are_left_alone():
    image, notes = possible_labels(discs(), 'points', DISC_NAMES)
    assert notes == []
    assert found(image) == found(discs())


@pytest.mark.parametrize(
    ('places', 'told'),
    [
        ({3: 20, 4: 28}, r'out of order: 4 \(C3/C4\) is not below 3 \(C2/C3\)'),
        ({3: 20, 77: 10}, r'it holds 77; possible are 1 \(top of C1\), .*60 \(end of the conus\)'),
    ],
)
def test_impossible_discs(places, told):
    with pytest.raises(UnusableImage, match=told):
        possible_labels(discs(places), 'points', DISC_NAMES)


def test_landmarks_of_the_brainstem_are_not_discs():
    image, _ = possible_labels(discs({3: 30, 4: 20, 50: 38, 49: 37}), 'points', DISC_NAMES)
    assert set(found(image)) == {3, 4, 49, 50}


def test_a_disc_at_two_places():
    values = np.asanyarray(discs().dataobj).copy()
    values[2, 2, 2] = 3
    with pytest.raises(UnusableImage, match=r'3 \(C2/C3\) stands at 2 places'):
        possible_labels(labels(values), 'points', DISC_NAMES)


def test_a_disc_drawn_as_a_region_becomes_its_middle():
    values = np.zeros(SHAPE, np.uint8)
    values[4:9, 3:8, 20] = 3
    image, notes = possible_labels(labels(values), 'points', DISC_NAMES)
    assert found(image) == {3: (6, 5, 20)}
    assert notes == ['drawn as regions, their middles were taken: C2/C3']


def test_a_soft_mask_is_cut():
    values = np.asanyarray(cord().dataobj) * np.float32(0.9)
    values[0, 0, 0] = 0.4
    image, notes = possible_labels(labels(values), 'mask', {1: 'cord'})
    np.testing.assert_array_equal(image.dataobj, cord().dataobj)
    assert notes == ['a soft mask: cut at 0.5']


@pytest.mark.parametrize(
    ('values', 'told'),
    [
        (np.zeros(SHAPE, np.uint8), 'all values are 0'),
        (np.linspace(0, 0.4, np.prod(SHAPE), dtype=np.float32).reshape(SHAPE), 'above 0.5'),
        (np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE), r'it holds 2, 3, 4, 5, 6 …;'),
        (
            np.where(np.arange(40) > 20, 1.5, 0.0) * np.ones(SHAPE),
            r'it holds 1\.5; possible are 1',
        ),
        (np.where(np.arange(40) > 20, np.nan, 0.0) * np.ones(SHAPE), 'not finite'),
        (np.ones((*SHAPE, 2), np.uint8), '2 volumes'),
    ],
)
def test_impossible_masks(values, told):
    with pytest.raises(UnusableImage, match=told):
        possible_labels(labels(values), 'mask', {1: 'cord'})


def test_shared_voxels_are_not_resampled():
    """A crop, stored in another orientation."""
    crop = discs().slicer[2:, :, 10:].as_reoriented([[1, 1], [0, -1], [2, -1]])
    image, note = onto_grid(crop, empty_grid(discs()), 'points')
    assert note == ''
    assert found(image) == found(discs())


@pytest.mark.parametrize('sizes', [(0.5, 0.5, 1.0), (0.7, 1.3, 3.1)])
def test_points_move_one_by_one(sizes):
    """None is lost or doubled, however much finer or coarser the voxels are."""
    fine = nb.affines.from_matvec(np.diag([-sizes[0], sizes[1], sizes[2]]), AFFINE[:3, 3] + 0.2)
    shape = tuple(int(n * a / b) for n, a, b in zip(SHAPE, (1, 1, 2), sizes, strict=True))
    made = np.zeros(shape, np.uint8)
    inverse = np.linalg.inv(fine)
    for value, voxel in found(discs()).items():
        world = nb.affines.apply_affine(AFFINE, voxel)
        made[tuple(np.rint(nb.affines.apply_affine(inverse, world)).astype(int))] = value
    image, note = onto_grid(labels(made, fine), empty_grid(discs()), 'points')
    for value, voxel in found(discs()).items():
        assert np.abs(np.subtract(found(image)[value], voxel)).max() <= 1
    assert 'resampled, point by point' in note
    assert f'({sizes[0]:g}×{sizes[1]:g}×{sizes[2]:g} mm)' in note
    assert '(1×1×2 mm)' in note


def test_masks_take_the_nearest_voxel():
    shift = AFFINE.copy()
    shift[:3, 3] += (0.4, 0.3, 0.7)
    image, note = onto_grid(cord(shift), empty_grid(cord()), 'mask')
    np.testing.assert_array_equal(image.dataobj, cord().dataobj)
    assert 'each voxel as the nearest one' in note


def test_what_resampling_loses_is_told():
    values = np.zeros((48, 56, 160), np.uint8)
    values[20:30, 20:30, 40:80] = 5
    values[21, 21, 101] = 6
    fine = AFFINE @ np.diag([0.25, 0.25, 0.25, 1])
    _, note = onto_grid(labels(values, fine), empty_grid(cord()), 'labels')
    assert note.endswith('; lost thereby: 6')


def test_labels_outside_the_image():
    away = AFFINE.copy()
    away[:3, 3] += (0, 0, 70)
    with pytest.raises(UnusableImage, match=r'only 3% of it lies in the field.*another subject'):
        onto_grid(cord(away), empty_grid(cord()), 'mask')


def test_labels_far_from_the_cord():
    near, far = AFFINE.copy(), AFFINE.copy()
    near[1, 3] -= FAR_MM - 5
    far[1, 3] -= FAR_MM + 5
    check_near_cord(discs(affine=near), cord())
    with pytest.raises(UnusableImage, match=r'lies 4\d mm from the cord'):
        check_near_cord(discs(affine=far), cord())
    check_near_cord(discs(affine=far), labels(np.zeros(SHAPE, np.uint8)))


def test_the_grid_of_a_header_without_its_data(tmp_path):
    path = tmp_path / 'image.nii.gz'
    nb.save(discs(), path)
    grid = empty_grid(nb.load(path))
    assert grid.shape == SHAPE
    np.testing.assert_allclose(grid.affine, AFFINE)
    assert not np.asanyarray(grid.dataobj).any()
    nameless = nb.Nifti1Image(np.zeros(SHAPE, np.uint8), None)
    with pytest.raises(UnusableImage, match='says nothing about orientation'):
        empty_grid(nameless)
