# SPDX-License-Identifier: Apache-2.0
"""Ranking: what header and name tell of the cord in view."""

from pathlib import Path

import nibabel as nb
import numpy as np
import pytest

from spinalprep.candidates import Candidate
from spinalprep.geometry import Geometry, read_geometry
from spinalprep.ranking import describe, plausible_cord_mm, rank
from tests.datasets import BRAIN, SPINE, image

SAGITTAL = ((15, 512, 512), (3.3, 0.5, 0.5))
AXIAL = ((320, 320, 40), (0.5, 0.5, 3.0))


def candidate(path: Path) -> Candidate:
    *tokens, suffix = path.name.removesuffix('.nii.gz').split('_')
    entities = tuple(tuple(token.split('-')) for token in tokens)
    return Candidate(path, '01', None, suffix, entities)


@pytest.fixture
def ranked(tmp_path):
    """Names, best first, of images given by what follows the subject, with their geometry."""

    def order(min_slices=20, modalities=('T2w', 'T1w'), **images):
        paths = []
        for name, geometry in images.items():
            path = tmp_path / f'sub-01_{name.replace("__", "_").replace("0", "-")}.nii.gz'
            if geometry is None:
                path.write_bytes(b'no image')
            else:
                image(path, *geometry)
            paths.append(path)
        found = rank([candidate(path) for path in paths], modalities, min_slices)
        return [item.path.name.removeprefix('sub-01_').removesuffix('.nii.gz') for item in found]

    return order


def test_geometry_is_anatomical_whatever_the_storage(tmp_path):
    for orientation in ('RPI', 'PSR', 'LAS', 'ASL'):
        path = image(tmp_path / f'{orientation}.nii.gz', (10, 20, 30), (3, 2, 1), orientation)
        assert read_geometry(path) == Geometry((10, 20, 30), (3, 2, 1))
    turned = np.eye(4)
    turned[1:3, 1:3] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    nb.save(nb.Nifti1Image(np.zeros((4, 5, 6), np.uint8), turned), tmp_path / 'oblique.nii')
    found = read_geometry(tmp_path / 'oblique.nii')
    assert found.voxels == (4, 5, 6)
    assert found.voxel_mm == pytest.approx((1, 1, 1))


@pytest.mark.parametrize('affine', [np.diag([1, 1, 0, 1.0]), np.full((4, 4), np.nan)])
def test_a_header_without_sense_gives_no_geometry(tmp_path, affine):
    path = tmp_path / 'x.nii.gz'
    image(path)
    loaded = nb.load(path)
    loaded.header.set_sform(affine, 1)
    loaded.header.set_qform(None, 0)
    broken = nb.Nifti1Image(np.zeros((4, 4, 4), np.uint8), None, loaded.header)
    broken.header.set_sform(affine, 1)
    nb.save(broken, path)
    assert read_geometry(path) is None
    path.write_bytes(b'')
    assert read_geometry(path) is None
    assert read_geometry(tmp_path / 'nowhere.nii.gz') is None


@pytest.mark.parametrize(
    ('geometry', 'said', 'expected'),
    [
        (SPINE, '', 256),  # a slab is all cord
        (BRAIN, '', 96),  # a field that holds a head loses it
        (BRAIN, 'spine', 256),  # unless somebody says that it is a spine
        (SPINE, 'brain', 96),
        (((192, 256, 150), (1, 1, 1)), '', 0),  # nothing below the head
        (AXIAL, '', 120),  # as wide as a head, but too short from front to back
        (((400, 80, 1200), (1, 1, 1)), '', 450),  # no cord is longer
    ],
)
def test_the_length_of_cord_that_may_be_in_view(geometry, said, expected):
    assert plausible_cord_mm(Geometry(*geometry), said) == pytest.approx(expected)


def test_a_long_brain_does_not_win(ranked):
    tall = ((192, 256, 320), (1.0, 1.0, 1.0))
    short = ((64, 320, 240), (0.8, 0.8, 0.8))
    assert ranked(T2w=tall, run02_T2w=short)[0] == 'run-2_T2w'
    assert ranked(acq0brain_T2w=SPINE, acq0cspine_T2w=short)[0] == 'acq-cspine_T2w'
    assert ranked(acq0head_T2w=SPINE, acq0sag_T2w=short)[0] == 'acq-sag_T2w'


def test_modality_counts_first_but_no_brain_comes_before_a_spine(ranked):
    assert ranked(T1w=SPINE, T2w=AXIAL) == ['T2w', 'T1w']
    assert ranked(T1w=SPINE, T2w=AXIAL, modalities=('T1w', 'T2w')) == ['T1w', 'T2w']
    assert ranked(acq0cspine_T1w=SPINE, T2w=SPINE) == ['T2w', 'acq-cspine_T1w']
    assert ranked(acq0cspine_T1w=SPINE, acq0brain_T2w=BRAIN) == [
        'acq-cspine_T1w',
        'acq-brain_T2w',
    ]


def test_coverage_before_thickness_before_resolution_before_run(ranked):
    assert ranked(acq0ax_T2w=AXIAL, acq0sag_T2w=SAGITTAL)[0] == 'acq-sag_T2w'
    # 250 and 256 mm count as the same: then thin slices are better
    assert ranked(acq0sag_T2w=SAGITTAL, acq0iso_T2w=((64, 312, 312), (0.8, 0.8, 0.8)))[0] == (
        'acq-iso_T2w'
    )
    fine = ((64, 640, 320), (0.8, 0.4, 0.8))
    assert ranked(acq0fine_T2w=fine, acq0iso_T2w=SPINE)[0] == 'acq-iso_T2w'
    assert ranked(run012_T2w=SPINE, run02_T2w=SPINE) == ['run-2_T2w', 'run-12_T2w']


def test_what_can_hardly_serve_comes_last(ranked):
    few = ((256, 256, 19), (0.7, 0.7, 7.5))
    assert ranked(T2w=few, T1w=SPINE) == ['T1w', 'T2w']
    assert ranked(T2w=few, T1w=SPINE, min_slices=10) == ['T2w', 'T1w']
    assert ranked(T2w=None, acq0a_T2w=few, T1w=SPINE) == ['T1w', 'acq-a_T2w', 'T2w']


def test_the_reason_for_a_place_is_told(tmp_path):
    path = image(tmp_path / 'sub-01_acq-cspine_T2w.nii.gz')
    assert describe(candidate(path)) == (
        'T2w; acq- says spine; up to 256 mm of cord in view, in 320 slices; '
        'voxels of 0.8 × 0.8 × 0.8 mm'
    )
    (alone,) = rank([candidate(path)], ['T2w'])
    assert alone.why == 'T2w; the only image'
    path.write_bytes(b'')
    assert describe(candidate(path)) == 'T2w; acq- says spine; its header can not be read'
