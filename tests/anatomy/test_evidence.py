# SPDX-License-Identifier: Apache-2.0
"""Evidence on registrations: fields with known answers, and recorded runs of the real SCT."""

import json

import nibabel as nb
import numpy as np
import pytest

from spinalprep.anatomy.assessment import assess_path
from spinalprep.anatomy.evidence import (
    CordSpace,
    covered_levels,
    inverse_consistency,
    landmark_residuals,
    map_centerline,
    overlap,
    path_offset,
    template_course,
)
from spinalprep.anatomy.labels import disc_name, label_points
from spinalprep.anatomy.quality.field import folding_numbers
from spinalprep.anatomy.warps import DisplacementField

SHAPE = (24, 24, 60)
AFFINE = np.eye(4)


def cord_space(landmarks=None, shift=(0, 0)):
    """Straight cord, 8×6 mm, through all slices but five at each end."""
    cord = np.zeros(SHAPE, bool)
    cord[8 + shift[0] : 16 + shift[0], 9 + shift[1] : 15 + shift[1], 5:55] = True
    return CordSpace.of(cord, AFFINE, landmarks or {})


def points(**heights):
    return {int(name[1:]): np.array([11.5, 18.0, float(z)]) for name, z in heights.items()}


def field(displacement, valid=None):
    """Field with one displacement everywhere it is defined."""
    vectors = np.broadcast_to(np.float32(displacement), (*SHAPE, 3)).copy()
    if valid is not None:
        vectors[:, :, ~valid] = 1e5
    return DisplacementField.from_vectors(vectors, AFFINE)


def middle():
    """Slices 20 to 39."""
    return (np.arange(SHAPE[2]) >= 20) & (np.arange(SHAPE[2]) < 40)


def test_identity_is_perfect():
    space = cord_space(points(d3=50, d4=30, d5=10))
    evidence = assess_path(space, space, field((0, 0, 0)), field((0, 0, 0)), name=disc_name)
    assert evidence['cord_dice'] == 1
    assert evidence['centre_distance_mm'] == 0
    assert evidence['folded_fraction'] == 0
    assert evidence['covered_fraction'] == 1
    assert evidence['landmark_residual_mm'] == pytest.approx(0, abs=1e-3)
    assert evidence['leave_one_out_mm'] == pytest.approx(0, abs=1e-3)
    assert evidence['inverse_consistency_mm'] == pytest.approx(0, abs=1e-4)
    assert evidence['order_breaks'] == []
    json.dumps(evidence)


def test_nothing_outside_the_defined_range_counts():
    space = cord_space()
    partial = field((0, 0, 0), middle())
    mapping = map_centerline(space, space, partial)
    assert mapping.covered.mean() == pytest.approx(20 / 50, abs=0.03)
    result = overlap(space, space, partial, mapping)
    assert 19 <= result['covered_slices'] <= 20
    assert result['cord_dice'] == 1


def test_a_shift_in_the_plane_shows_in_overlap_and_distance():
    subject, template = cord_space(), cord_space(shift=(2, 0))
    identity = field((0, 0, 0))
    result = overlap(subject, template, identity, map_centerline(subject, template, identity))
    assert result['cord_dice'] == pytest.approx(6 / 8)
    assert result['centre_distance_mm'] == pytest.approx(2)


@pytest.mark.parametrize(('height', 'expected'), [(54, 0), (30, 4)])
def test_a_slice_that_cuts_an_end_in_part_is_not_the_worst(height, expected):
    subject, template = cord_space(), cord_space()
    one = template.cord[:, :, height]
    template.cord[:, :, height] = np.roll(one, 4, axis=0)
    identity = field((0, 0, 0))
    result = overlap(subject, template, identity, map_centerline(subject, template, identity))
    assert result['centre_distance_mm'] == pytest.approx(expected, abs=0.01)
    assert result['slice_distance_mm'][height] == pytest.approx(4)


def test_a_shift_along_the_cord_shows_in_the_residuals_only():
    space = cord_space(points(d3=40, d4=20))
    shifted = field((0, 0, 6))
    mapping = map_centerline(space, space, field((0, 0, -6)))
    assert overlap(space, space, field((0, 0, -6)), mapping)['cord_dice'] == 1
    residuals = landmark_residuals(space, space, shifted)
    assert list(residuals.values()) == pytest.approx([6, 6], abs=0.1)


def test_landmarks_beyond_the_defined_range_have_no_residual():
    space = cord_space(points(d3=50, d4=30, d5=10))
    assert list(landmark_residuals(space, space, field((0, 0, 0), middle()))) == [4]


def test_no_overlap_is_no_number():
    space = cord_space()
    nowhere = field((0, 0, 0), np.zeros(SHAPE[2], bool))
    evidence = assess_path(space, space, nowhere, nowhere, name=disc_name)
    assert evidence['covered_slices'] == 0
    assert evidence['cord_dice'] is None
    assert evidence['inverse_consistency_mm'] is None
    json.dumps(evidence)


def test_folding_is_seen_and_steps_of_a_slice_are_not():
    vectors = np.zeros((*SHAPE, 3), np.float32)
    vectors[:, :, :, 2] = -(np.arange(SHAPE[2]) % 3)
    cord = cord_space().cord
    steps = folding_numbers(DisplacementField.from_vectors(vectors, AFFINE), cord)
    assert steps['folded_fraction'] == 0
    vectors[:, :, 20:40, 2] = -2.0 * np.arange(20)
    folded = folding_numbers(DisplacementField.from_vectors(vectors, AFFINE), cord)
    assert (
        0.25 < folded['folded_fraction'] < 0.5
    )  # a third of the cord, less the smoothing at its ends


def test_there_and_back():
    space = cord_space()
    off = inverse_consistency(space, field((0, 1.5, 0)), field((0, -1.0, 0)))
    assert off == pytest.approx(0.5, abs=1e-4)


def test_levels_count_when_more_than_half_is_covered():
    space = cord_space()
    levels = np.zeros(SHAPE, int)
    levels[:, :, 45:55], levels[:, :, 25:45], levels[:, :, 5:25] = 2, 3, 4
    levels[~space.cord] = 0
    mapping = map_centerline(space, space, field((0, 0, 0), middle()))
    assert covered_levels(levels, AFFINE, space.centerline, mapping) == [3]


def offset_of(subject, template, disc, rootlet):
    return path_offset(
        template, *(template_course(subject, template, warp) for warp in (disc, rootlet))
    )


def test_a_path_places_the_template_along_the_subject():
    space = cord_space()
    course = template_course(space, space, field((0, 0, 5), middle()))
    heights = space.centerline.points[:, 2]
    # where the field is defined on both sides of a point
    defined = (heights > 19.99) & (heights < 39.01)
    assert (np.isfinite(course) == defined).all()
    assert course[defined] == pytest.approx(space.centerline.arc[defined] + 5, abs=0.01)


def test_offset_between_two_paths():
    template = cord_space(points(d3=50, d4=35, d5=20))
    subject = cord_space()
    offset_mm, levels = offset_of(subject, template, field((0, 0, 0)), field((0, 0, 9)))
    assert offset_mm == pytest.approx(9, abs=0.3)
    # nine millimetres higher is where the discs say 9/15 of a level less
    assert levels == pytest.approx(9 / 15, abs=0.05)
    back = offset_of(subject, template, field((0, 0, 9)), field((0, 0, 0)))
    assert back[0] == pytest.approx(-9, abs=0.3)


def test_offset_needs_a_shared_stretch():
    space = cord_space(points(d3=50, d4=35))
    nowhere = field((0, 0, 0), np.zeros(SHAPE[2], bool))
    assert offset_of(space, space, field((0, 0, 0)), nowhere) is None
    bare = cord_space()
    assert offset_of(bare, bare, field((0, 0, 0)), field((0, 0, 0))) is None


def _load(path):
    image = nb.load(path)
    return np.asanyarray(image.dataobj), image.affine


@pytest.fixture(scope='module')
def recorded(real_data):
    """Cord spaces and warps of recorded registrations: two discs, three discs, rootlets."""
    small = real_data / 'pam50_small' / 'template'
    cord, template = (
        _load(real_data / 't2_cervical' / 't2_seg-manual.nii.gz'),
        _load(small / 'PAM50_small_cord.nii.gz'),
    )

    def run(case, landmarks, template_landmarks):
        (folder,) = (real_data / 'sct_runs').glob(f'{case}_*')
        warps = [
            DisplacementField.load(next(folder.rglob(f'warp_{name}.nii.gz')))
            for name in ('template2anat', 'anat2template')
        ]
        return (
            CordSpace.of(*cord, label_points(*_load(real_data / 't2_cervical' / landmarks))),
            CordSpace.of(*template, label_points(*_load(small / template_landmarks))),
            *warps,
        )

    discs = 'PAM50_small_label_disc.nii.gz'
    return {
        'two': run(30, 'labels.nii.gz', discs),
        'three': run(31, 't2_labeled_center_manual.nii.gz', discs),
        'rootlets': run(32, 't2_rootlets-manual.nii.gz', 'PAM50_small_rootlets_midpoints.nii.gz'),
    }


@pytest.mark.parametrize(('path', 'covered_mm'), [('two', 50), ('three', 34), ('rootlets', 38)])
def test_recorded_registrations_are_good_where_they_are_defined(recorded, path, covered_mm):
    evidence = assess_path(*recorded[path], name=disc_name)
    assert evidence['covered_mm'] == pytest.approx(covered_mm, abs=2)
    assert evidence['cord_dice'] > 0.95
    assert evidence['centre_distance_mm'] < 0.6
    assert evidence['folded_fraction'] == 0
    assert evidence['landmark_residual_mm'] < (3 if path == 'rootlets' else 0.1)
    assert evidence['inverse_consistency_mm'] < 2.1


@pytest.mark.parametrize('discs', ['two', 'three'])
def test_recorded_offset_of_rootlets_from_discs(recorded, discs):
    subject, template, _, disc = recorded[discs]
    rootlet = recorded['rootlets'][3]
    offset_mm, levels = offset_of(subject, template, disc, rootlet)
    assert 24 < offset_mm < 26
    assert levels == pytest.approx(1.45, abs=0.1)
