# SPDX-License-Identifier: Apache-2.0
"""Label tables agree with each other and with SCT's numbering."""

import numpy as np

from spinalprep.anatomy import labels as anatomy


def test_discs_of_the_map_are_named_as_their_points():
    assert anatomy.DISC_POINT_OF_MAP[63] == 3
    assert anatomy.DISC_POINT_OF_MAP[71] == 8
    assert anatomy.DISC_POINT_OF_MAP[82] == 19
    assert anatomy.DISC_POINT_OF_MAP[91] == 20
    assert anatomy.DISC_POINT_OF_MAP[100] == 25
    assert sorted(anatomy.DISC_POINT_OF_MAP.values()) == list(range(3, 26))


def test_parts_of_the_map():
    labels = np.array([0, 1, 2, 11, 17, 50, 63, 100])
    assert anatomy.canal_of_map(labels).tolist() == [0, 1, 1, 0, 0, 0, 0, 0]
    assert anatomy.vertebrae_of_map(labels).tolist() == [0, 0, 0, 11, 17, 50, 0, 0]
    names = anatomy.names_in_order(labels, anatomy.VERTEBRAE)
    assert names == ['C1', 'C7', 'sacrum']


def test_labels_stored_as_floats_are_rounded_and_others_left_alone():
    stored = np.array([0, 3, 200], np.uint8)
    assert anatomy.whole(stored) is stored
    for values in (stored + 1e-3, stored.astype(np.float32) - 1e-3):
        found = anatomy.whole(values)
        assert found.dtype.kind == 'i'
        assert found.tolist() == [0, 3, 200]


def test_points_are_centres_in_world_space():
    labels = np.zeros((5, 5, 5), int)
    labels[1, 2, 3] = 4
    labels[2, 2, 1:4] = 6
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    points = anatomy.label_points(labels, affine)
    assert list(points) == [4, 6]
    np.testing.assert_allclose(points[4], [2, 4, 6])
    np.testing.assert_allclose(points[6], [4, 4, 4])


def test_order_along_the_cord():
    assert anatomy.order_breaks({3: 50.0, 4: 30.0, 6: 10.0}) == []
    assert anatomy.order_breaks({3: 50.0, 4: 10.0, 5: 30.0}) == [(4, 5)]


def test_disc_points_lie_at_the_canal_side_of_the_disc():
    labels = np.zeros((20, 40, 30), int)
    labels[8:12, 8:12, :] = anatomy.CORD
    labels[7:13, 6:8, :] = anatomy.CANAL
    labels[5:15, 16:32, 10:12] = 64
    points = anatomy.disc_points_of_map(labels, np.eye(4))
    (voxel,) = np.argwhere(points)
    assert points[tuple(voxel)] == 4
    assert voxel[1] == 16
    assert abs(voxel[0] - 9.5) <= 1
    assert not anatomy.disc_points_of_map(np.where(labels > 2, labels, 0), np.eye(4)).any()
