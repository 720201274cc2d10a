# SPDX-License-Identifier: Apache-2.0
"""Extent of the cord and the crop box around it, in any storage order."""

import nibabel as nb
import numpy as np
import pytest

from spinalprep.anatomy.coverage import cord_coverage, crop_box

MARGINS = {
    'left_right_mm': 3.0,
    'anterior_mm': 8.0,
    'posterior_mm': 4.0,
    'superior_mm': 6.0,
    'inferior_mm': 2.0,
}


def cord(slope=0.0):
    """Cord of 4×4 voxels through slices 10 to 29 of a 1×1×2 mm image, in RAS."""
    mask = np.zeros((40, 50, 45), np.uint8)
    for z in range(10, 30):
        y = 20 + round(slope * 2 * (z - 10))
        mask[18:22, y : y + 4, z] = 1
    return nb.Nifti1Image(mask, np.diag([1.0, 1.0, 2.0, 1.0]))


def turned(image, codes):
    return image.as_reoriented(
        nb.orientations.ornt_transform(
            nb.io_orientation(image.affine), nb.orientations.axcodes2ornt(codes)
        )
    )


@pytest.mark.parametrize('codes', ['RAS', 'LAS', 'PSR', 'IAR'])
def test_extent_does_not_depend_on_storage(codes):
    image = turned(cord(), codes)
    coverage = cord_coverage(image.get_fdata(), image.affine)
    assert (coverage.slices, coverage.gaps, coverage.slice_mm) == (20, 0, 2.0)
    assert coverage.length_mm == pytest.approx(40.0, abs=0.5)


def test_a_slanting_cord_is_longer_than_its_slices():
    image = cord(slope=0.5)
    coverage = cord_coverage(image.get_fdata(), image.affine)
    assert coverage.length_mm == pytest.approx(38 * np.sqrt(1.25) + 2, rel=0.02)


def test_gaps_and_empty_masks():
    image = cord()
    mask = image.get_fdata()
    mask[:, :, 15:18] = 0
    assert cord_coverage(mask, image.affine).gaps == 3
    assert cord_coverage(mask, image.affine).slices == 17
    assert cord_coverage(np.zeros_like(mask), image.affine).slices == 0
    mask[:, :, 12:] = 0
    assert cord_coverage(mask, image.affine).length_mm == pytest.approx(4.0)


def test_margins_go_to_their_sides_of_the_body():
    assert crop_box(cord().get_fdata(), cord().affine, **MARGINS) == (
        (15, 24),
        (16, 31),
        (9, 32),
    )


@pytest.mark.parametrize('codes', ['LAS', 'PSR', 'IAR'])
def test_box_is_the_same_part_of_the_body_in_any_storage(codes):
    image = cord()
    box = crop_box(image.get_fdata(), image.affine, **MARGINS)
    kept = np.zeros(image.shape, np.uint8)
    kept[tuple(slice(a, b + 1) for a, b in box)] = 1
    other = turned(image, codes)
    box = crop_box(other.get_fdata(), other.affine, **MARGINS)
    kept_there = np.zeros(other.shape, np.uint8)
    kept_there[tuple(slice(a, b + 1) for a, b in box)] = 1
    back = turned(nb.Nifti1Image(kept_there, other.affine), 'RAS')
    np.testing.assert_array_equal(back.get_fdata(), kept)


def test_box_stays_inside_the_image():
    wide = dict.fromkeys(MARGINS, 500.0)
    assert crop_box(cord().get_fdata(), cord().affine, **wide) == ((0, 39), (0, 49), (0, 44))


def test_box_of_nothing():
    with pytest.raises(ValueError, match='empty'):
        crop_box(np.zeros((4, 4, 4)), np.eye(4), **MARGINS)


def test_thick_axial_has_nineteen_slices(real_data):
    image = nb.load(real_data / 't2_thick_axial' / 't2.nii.gz')
    mask = np.zeros(image.shape)
    mask[150:160, 120:130] = 1
    coverage = cord_coverage(mask, image.affine)
    assert coverage.slices == 19
    assert coverage.length_mm == pytest.approx(142, abs=2)
