# SPDX-License-Identifier: Apache-2.0
"""Rootlets from intensities: in the right place, with the right numbers, or none."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from spinalprep.anatomy.canal import segment_canal
from spinalprep.anatomy.finder import find_cord
from spinalprep.embedded.phantom import PhantomParams, make_phantom
from spinalprep.embedded.rootlets import segment_rootlets
from spinalprep.embedded.spine import segment_spine


class Case:
    """A phantom with what the segmenters before this one find in it."""

    def __init__(self, **params):
        self.truth = make_phantom(PhantomParams(**params))
        self.image = np.asarray(self.truth.image.dataobj, dtype=np.float32)
        affine = self.truth.affine
        self.cord = find_cord(self.image, affine)
        self.canal = segment_canal(self.image, affine, self.cord.mask)
        self.spine = segment_spine(self.image, affine, self.cord, self.canal)

    def rootlets(self, **changed):
        cord, spine = changed.get('cord', self.cord), changed.get('spine', self.spine)
        return segment_rootlets(self.image, self.truth.affine, cord, self.canal, spine)

    def heights(self, labels):
        """Mean position along the cord of every level's voxels (mm)."""
        line = self.cord.centerline
        return {
            int(k): line.project(
                nib.affines.apply_affine(self.truth.affine, np.argwhere(labels == k))
            )[0].mean()
            for k in np.unique(labels)
            if k
        }


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


# spinal levels three quarters of a vertebral level too high, and as much too low
@pytest.fixture(scope='module', params=[3, 5])
def case(request):
    return Case(seed=request.param, voxel_mm=(1.0, 1.0, 1.0), bottom_level=11.0)


def test_levels_are_right_where_spine_and_cord_disagree(case):
    assert abs(case.truth.anatomy.spinal_offset.mean()) > 0.7
    found = case.rootlets()
    assert found.why == ''
    true, seen = case.heights(case.truth.rootlets), case.heights(found.map)
    assert set(seen) == set(true)
    assert max(abs(seen[k] - true[k]) for k in true) < 1.5
    assert min(dice(found.map == k, case.truth.rootlets == k) for k in true) > 0.6


def test_labels_lie_in_the_fluid(case):
    labels = case.rootlets().map
    assert not labels[case.cord.mask].any()
    assert not labels[case.canal == 0].any()
    for k in np.unique(labels)[1:]:
        points = nib.affines.apply_affine(case.truth.affine, np.argwhere(labels == k))
        offset = case.cord.centerline.project(points)[1]
        assert {(-1, -1), (-1, 1), (1, -1), (1, 1)} <= {
            tuple(pair) for pair in np.sign(offset[:, :2]).astype(int).tolist()
        }


def test_t1w_is_refused(case):
    found = case.rootlets(cord=replace(case.cord, contrast='T1w'))
    assert 'T2w' in found.why
    assert not found.map.any()


def test_without_numbered_discs_there_are_no_levels(case):
    found = case.rootlets(spine=replace(case.spine, numbered=False, why='no landmark'))
    assert 'no landmark' in found.why
    assert not found.map.any()


def test_thick_voxels_are_refused(case):
    wide = case.truth.affine @ np.diag([2.0, 1.0, 1.0, 1.0])
    found = segment_rootlets(case.image, wide, case.cord, case.canal, case.spine)
    assert 'resolve' in found.why
    assert not found.map.any()


def test_nothing_is_found_where_nothing_is():
    bare = Case(seed=4, voxel_mm=(1.2, 1.0, 1.2), bottom_level=10.0, rootlet_contrast=0.0)
    found = bare.rootlets()
    assert found.why
    assert not found.map.any()


@pytest.mark.slow
@pytest.mark.parametrize('voxel', [(0.8, 0.8, 0.8), (1.0, 1.0, 1.0), (0.5, 0.5, 2.0)])
@pytest.mark.parametrize('seed', [1000, 1001, 1002])
def test_unseen_phantoms(seed, voxel):
    case = Case(seed=seed, voxel_mm=voxel)
    found = case.rootlets()
    true, seen = case.heights(case.truth.rootlets), case.heights(found.map)
    assert set(seen) == set(true)
    assert max(abs(seen[k] - true[k]) for k in true) < 2
