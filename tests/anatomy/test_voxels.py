# SPDX-License-Identifier: Apache-2.0
"""Boxes, voxels and centres of masks: the same as by looking at every voxel."""

import numpy as np
import pytest

from spinalprep.anatomy.voxels import filled_box, filled_voxels, plane_centres


@pytest.fixture(params=['C', 'F'])
def mask(request):
    mask = np.zeros((9, 7, 12), bool, order=request.param)
    mask[2:5, 0, 3] = mask[4, 2:4, 9] = True
    return mask


def test_the_box_holds_all_and_no_more(mask):
    box = filled_box(mask)
    assert box == (slice(2, 5), slice(0, 4), slice(3, 10))
    assert filled_box(mask.astype(np.float32)) == box


def test_a_margin_ends_where_the_array_does(mask):
    assert filled_box(mask, 2) == (slice(0, 7), slice(0, 6), slice(1, 12))
    assert filled_box(mask, (0, 9, 1)) == (slice(2, 5), slice(0, 7), slice(2, 11))


def test_an_empty_mask_has_an_empty_box_and_no_voxels(mask):
    empty = np.zeros_like(mask)
    assert empty[filled_box(empty, 3)].size == 0
    assert filled_voxels(empty).shape == (0, 3)


def test_voxels_are_those_of_argwhere_in_its_order(mask):
    np.testing.assert_array_equal(filled_voxels(mask), np.argwhere(mask))
    labels = np.where(mask, 7, 0)
    np.testing.assert_array_equal(filled_voxels(labels), np.argwhere(labels))


def test_centres_are_the_means_of_their_voxels(mask):
    centres = plane_centres(mask)
    for plane, centre in zip(mask, centres, strict=True):
        if plane.any():
            np.testing.assert_array_equal(centre, np.argwhere(plane).mean(axis=0))
        else:
            assert np.isnan(centre).all()
