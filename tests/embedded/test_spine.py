# SPDX-License-Identifier: Apache-2.0
"""Discs and vertebrae from intensities, against phantoms and the small template."""

import nibabel as nib
import numpy as np
import pytest

from spinalprep.anatomy.canal import segment_canal
from spinalprep.anatomy.finder import find_cord
from spinalprep.anatomy.labels import VERTEBRAE
from spinalprep.embedded.discs import Sheet, find_discs
from spinalprep.embedded.phantom import PhantomParams, make_phantom
from spinalprep.embedded.spine import front_wall, segment_spine


class Case:
    """A phantom with the cord and the canal found in it."""

    def __init__(self, **params):
        self.truth = make_phantom(PhantomParams(**params))
        self.image = np.asarray(self.truth.image.dataobj, dtype=np.float32)
        self.affine = self.truth.affine
        self.cord = find_cord(self.image, self.affine)
        self.canal = segment_canal(self.image, self.affine, self.cord.mask)

    def spine(self, anchor=None):
        return segment_spine(self.image, self.affine, self.cord, self.canal, anchor)

    def errors(self, points):
        """Distance (mm) of every real disc in view; all must be there and no other."""
        real = {k: p for k, p in self.truth.disc_points.items() if k >= 3}
        assert {k for k in points if k >= 3} == set(real)
        return [np.linalg.norm(points[k] - p) for k, p in real.items()]


@pytest.fixture(scope='module')
def whole():
    return Case(seed=3, contrast='T1w', voxel_mm=(1.2, 1.0, 1.2))


@pytest.fixture(scope='module')
def whole_labels(whole):
    return whole.spine()


@pytest.fixture(scope='module')
def cut():
    """The field of view ends within C2: nothing tells the level."""
    return Case(seed=8, voxel_mm=(1.2, 1.0, 1.2), top_mm=-30.0)


def test_discs_are_found_and_numbered(whole, whole_labels):
    assert whole_labels.numbered
    assert max(whole.errors(whole_labels.points)) < 1.5
    assert np.linalg.norm(whole_labels.points[1] - whole.truth.disc_points[1]) < 5
    np.testing.assert_array_equal(whole_labels.found[0], whole_labels.points[3])


def test_map_overlaps_the_truth(whole, whole_labels):
    found, true = whole_labels.map, whole.truth.totalspineseg
    assert set(np.unique(found)) <= set(np.unique(true)) | {0}
    np.testing.assert_array_equal(found == 1, whole.cord.mask)
    near = nib.affines.apply_affine(whole.affine, np.argwhere(true >= 0)).reshape(*true.shape, 3)
    wall = np.array([whole.truth.disc_points[k] for k in range(1, 15)])
    order = np.argsort(wall[:, 2])
    front = near[..., 1] > np.interp(near[..., 2], wall[order, 2], wall[order, 1])
    for value in (*range(12, 18), *range(21, 26), 63, 65, 67, 71, 74):
        a, b = (found == value) & front, (true == value) & front
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > (0.7 if value < 60 else 0.6), value


def test_vertebrae_are_in_anatomical_order(whole, whole_labels):
    heights = [
        nib.affines.apply_affine(whole.affine, np.argwhere(whole_labels.map == v))[:, 2].mean()
        for v in VERTEBRAE
        if (whole_labels.map == v).any()
    ]
    assert len(heights) >= 13
    assert np.all(np.diff(heights[1:]) < -8)


def test_without_anchor_positions_but_no_numbers(cut):
    labels = cut.spine()
    assert not labels.numbered
    assert 'brainstem' in labels.why
    assert labels.points == {}
    assert set(np.unique(labels.map)) == {0, 1, 2}
    for value, point in cut.truth.disc_points.items():
        if value >= 3:
            assert np.linalg.norm(labels.found - point, axis=1).min() < 2, value


@pytest.mark.parametrize('value', [3, 6, 12])
def test_a_known_disc_numbers_all(cut, value):
    near = cut.truth.disc_points[value] + [2.0, -4.0, 3.0]
    labels = cut.spine((value, near))
    assert labels.numbered
    assert max(cut.errors(labels.points)) < 2
    assert not {1, 2} & set(labels.points)


def test_a_known_disc_outranks_the_brainstem(whole):
    labels = whole.spine((7, whole.truth.disc_points[8]))
    assert labels.numbered
    np.testing.assert_allclose(labels.points[7], whole.truth.disc_points[8], atol=1.5)


def test_a_label_between_discs_is_said(cut):
    middle = (cut.truth.disc_points[10] + cut.truth.disc_points[11]) / 2 + [0, 0, 3]
    labels = cut.spine((10, middle))
    assert labels.numbered
    assert 'mm from the disc seen' in labels.why


def test_a_label_out_of_view_numbers_nothing(cut):
    labels = cut.spine((20, cut.truth.disc_points[14] - [0, 0, 120]))
    assert not labels.numbered
    assert 'disc 20' in labels.why


def test_column_out_of_view():
    unseen = np.full((50, 32), np.nan, np.float32)
    discs = find_discs(Sheet(np.arange(50.0), np.arange(2.0, 34.0), unseen), np.full(50, 8.0))
    assert discs.values == ()
    assert 'out of view' in discs.why


def test_front_wall_follows_the_canal(whole):
    line = whole.cord.centerline
    arc = np.arange(10.0, line.length - 10.0, 2.0)
    found = front_wall(whole.truth.canal > 0, whole.affine, line, arc)
    body = whole.truth.anatomy
    s = np.arange(-240.0, 0.0)
    wall = np.interp(arc, line.project(body.to_world(s))[0], body.canal_front(s))
    np.testing.assert_allclose(found, wall, atol=1.0)
    assert front_wall(np.zeros(whole.image.shape, bool), whole.affine, line, arc).tolist() == (
        [8.0] * len(arc)
    )


@pytest.mark.slow
@pytest.mark.parametrize('contrast', ['T2w', 'T1w'])
@pytest.mark.parametrize(
    'voxel', [(0.8, 0.8, 0.8), (1.0, 1.0, 1.0), (0.5, 0.5, 2.0), (2.0, 0.5, 0.5)]
)
@pytest.mark.parametrize('seed', [1000, 1001, 1002])
def test_every_disc_within_2_mm_on_unseen_phantoms(seed, voxel, contrast):
    case = Case(seed=seed, contrast=contrast, voxel_mm=voxel)
    labels = case.spine()
    assert labels.numbered
    assert max(case.errors(labels.points)) < 2


@pytest.mark.slow
def test_real_template_as_a_subject(real_data):
    folder = real_data / 'pam50_small' / 'template'
    image = nib.load(folder / 'PAM50_small_t2.nii.gz')
    signal = np.asarray(image.dataobj, dtype=np.float32)
    cord = find_cord(signal, image.affine)
    canal = segment_canal(signal, image.affine, cord.mask)
    labels = segment_spine(signal, image.affine, cord, canal)
    assert labels.numbered
    truth = np.asarray(nib.load(folder / 'PAM50_small_label_discPosterior.nii.gz').dataobj)
    near = 0
    for value in range(3, 21):
        point = nib.affines.apply_affine(image.affine, np.argwhere(truth == value)[0])
        near += value in labels.points and abs(labels.points[value][2] - point[2]) <= 4
    assert near >= 16


@pytest.mark.slow
def test_real_neck_without_brainstem_is_not_numbered(real_data):
    image = nib.as_closest_canonical(nib.load(real_data / 't2_cervical' / 't2.nii.gz'))
    signal = np.asarray(image.dataobj, dtype=np.float32)
    cord = find_cord(signal, image.affine)
    labels = segment_spine(
        signal, image.affine, cord, segment_canal(signal, image.affine, cord.mask)
    )
    assert not labels.numbered
    assert len(labels.found) == 3
