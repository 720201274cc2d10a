# SPDX-License-Identifier: Apache-2.0
"""Headers made trustworthy, and labels moved between grids without interpolation."""

import itertools

import nibabel as nb
import numpy as np
import pytest

from spinalprep.anatomy.grids import (
    UnusableImage,
    conform,
    labels_like,
    mark_points,
    match_grid,
    same_affine,
)

AFFINE = nb.affines.from_matvec(np.diag([-0.8, 0.8, 1.2]), [40, -50, -60])


def image(shape=(6, 7, 8), affine=AFFINE, dtype=np.int16):
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    made = nb.Nifti1Image(values, affine)
    made.set_sform(affine, 1)
    made.set_qform(affine, 1)
    return made


def test_a_good_image_is_left_alone():
    conformed, notes = conform(image())
    assert notes == []
    assert same_affine(conformed.affine, AFFINE)
    np.testing.assert_array_equal(conformed.get_fdata(), image().get_fdata())


def test_single_volume_loses_its_fourth_axis():
    conformed, notes = conform(image((6, 7, 8, 1)))
    assert conformed.shape == (6, 7, 8)
    assert 'empty axes' in notes[0]


def test_sform_wins_over_a_different_qform():
    made = image()
    other = AFFINE.copy()
    other[:3, 3] += 5
    made.set_qform(other, 1)
    conformed, notes = conform(made)
    assert 'sform was taken' in notes[0]
    assert same_affine(conformed.get_qform(), AFFINE)
    assert same_affine(conformed.get_sform(), AFFINE)


def test_qform_replaces_a_shearing_sform():
    made = image()
    sheared = AFFINE.copy()
    sheared[0, 1] = 0.3
    made.set_sform(sheared, 1)
    conformed, notes = conform(made)
    assert 'shears' in notes[0]
    assert same_affine(conformed.affine, AFFINE)


def _no_codes():
    made = image()
    made.set_sform(None, 0)
    made.set_qform(None, 0)
    return made


def _sheared_alone():
    made = image()
    sheared = AFFINE.copy()
    sheared[0, 1] = 0.3
    made.set_sform(sheared, 1)
    made.set_qform(None, 0)
    return made


def _not_finite():
    values = np.ones((6, 7, 8), np.float32)
    values[0, 0, 0] = np.nan
    return nb.Nifti1Image(values, AFFINE)


@pytest.mark.parametrize(
    ('made', 'reason'),
    [
        (lambda: image((6, 7, 8, 3)), '3 volumes'),
        (lambda: image((6, 7, 1)), 'not a volume'),
        (lambda: nb.Nifti1Image(np.zeros((6, 7, 8), np.uint8), AFFINE), 'all values are 0'),
        (lambda: nb.Nifti1Image(np.ones((6, 7, 8), np.complex64), AFFINE), 'real numbers'),
        (_not_finite, 'not finite'),
        (_no_codes, 'nothing about orientation'),
        (_sheared_alone, 'shears and there is no qform'),
    ],
)
def test_rejections_say_why(made, reason):
    with pytest.raises(UnusableImage, match=reason):
        conform(made())


def test_truncated_file(tmp_path):
    path = tmp_path / 'cut.nii.gz'
    nb.save(image((30, 30, 30)), path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UnusableImage, match='to its end'):
        conform(nb.load(path))


@pytest.mark.parametrize('codes', ['RAS', 'PSR', 'ILA', 'LAS'])
def test_labels_follow_any_orientation(codes):
    reference = image((9, 10, 11))
    labels = np.zeros((9, 10, 11), np.uint8)
    labels[2, 3, 4], labels[7, 8, 9] = 3, 5
    turned = nb.Nifti1Image(labels, AFFINE).as_reoriented(
        nb.orientations.ornt_transform(
            nb.io_orientation(AFFINE), nb.orientations.axcodes2ornt(codes)
        )
    )
    matched = match_grid(turned, reference)
    np.testing.assert_array_equal(matched.get_fdata(), labels)
    assert same_affine(matched.affine, AFFINE)


def test_whole_grid_and_crop_match_both_ways():
    whole = image((20, 20, 20))
    crop = whole.slicer[3:12, 4:15, 5:16]
    on_crop = match_grid(whole, crop)
    np.testing.assert_array_equal(on_crop.get_fdata(), crop.get_fdata())
    back = match_grid(crop, whole).get_fdata()
    np.testing.assert_array_equal(back[3:12, 4:15, 5:16], crop.get_fdata())
    assert back.sum() == crop.get_fdata().sum()


def test_soft_masks_stay_soft():
    soft = nb.Nifti1Image(np.full((4, 4, 4), 0.25, np.float32), AFFINE)
    assert match_grid(soft, soft).get_fdata().max() == 0.25


def test_other_voxels_and_elsewhere_are_refused():
    reference = image()
    finer = nb.Nifti1Image(np.ones((6, 7, 8), np.uint8), AFFINE @ np.diag([0.5, 0.5, 0.5, 1]))
    half_off = AFFINE.copy()
    half_off[2, 3] += 0.6
    away = AFFINE.copy()
    away[2, 3] += 1.2 * 100
    for affine in (finer.affine, half_off):
        with pytest.raises(UnusableImage, match='do not coincide'):
            match_grid(nb.Nifti1Image(np.ones((6, 7, 8), np.uint8), affine), reference)
    with pytest.raises(UnusableImage, match='outside'):
        match_grid(nb.Nifti1Image(np.ones((6, 7, 8), np.uint8), away), reference)


def test_points_are_marked_where_they_lie():
    voxels = list(itertools.product([0, 3], [1, 5], [2, 7]))
    points = {
        value: AFFINE[:3, :3] @ voxel + AFFINE[:3, 3] for value, voxel in enumerate(voxels, 1)
    }
    points[99] = np.array([1e3, 0, 0])
    marked = mark_points(np.zeros((6, 7, 8), int), AFFINE, points)
    assert [tuple(np.argwhere(marked == v)[0]) for v in range(1, 9)] == voxels
    assert 99 not in marked
    assert labels_like(marked, image()).get_data_dtype() == np.uint8
