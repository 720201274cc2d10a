# SPDX-License-Identifier: Apache-2.0
"""Registration in the frame of the cord, against cords whose geometry is known."""

import nibabel as nb
import numpy as np
import pytest

from spinalprep.anatomy.labels import label_points
from spinalprep.anatomy.warps import DisplacementField, grid_points
from spinalprep.embedded.phantom import (
    PhantomParams,
    make_phantom,
    template_landmarks,
    write_template,
)
from spinalprep.embedded.registration import CordFrame, map_cords
from tests.embedded.recorded import run

GRID = (80, 90, 130)
AFFINE = nb.affines.from_matvec(np.diag([-1.0, 1.0, 1.0]), [40.0, -45.0, -65.0])


def elliptic(radii=(6.0, 4.0), tilt=0.0, bend=0.0, shift=(0.0, 0.0)):
    """Cord along z in the middle of the grid, bent in the sagittal plane."""
    x, y, z = np.moveaxis(grid_points(GRID, AFFINE), -1, 0)
    x, y = x - shift[0], y - shift[1] - bend * np.cos(z / 25)
    x, y = np.cos(tilt) * x + np.sin(tilt) * y, np.cos(tilt) * y - np.sin(tilt) * x
    return (x / radii[0]) ** 2 + (y / radii[1]) ** 2 < 1


def along(heights, scale=1.0, offset=0.0):
    return {v: np.array([0.0, 0.0, scale * z + offset]) for v, z in heights.items()}


HEIGHTS = {3: 40.0, 4: 22.0, 5: 3.0, 6: -14.0, 7: -33.0}


def round_trip(mapping, points):
    there, margin = mapping.to_template(points)
    back, margin_back = mapping.to_subject(there)
    valid = (margin > 0) & (margin_back > 0)
    return np.linalg.norm(back - points, axis=1)[valid], valid


def test_a_cord_onto_itself_stays():
    frame = CordFrame.from_mask(elliptic(bend=6.0), AFFINE)
    mapping = map_cords(frame, frame, along(HEIGHTS), along(HEIGHTS))
    field = mapping.field_on_subject(GRID, AFFINE)
    assert np.abs(field.vectors[field.valid]).max() < 0.01


def test_size_and_tilt_of_the_contour_are_matched():
    subject = CordFrame.from_mask(elliptic((7.3, 5.6), tilt=0.2), AFFINE)
    template = CordFrame.from_mask(elliptic((9.1, 6.2)), AFFINE)
    mapping = map_cords(subject, template, along(HEIGHTS), along(HEIGHTS))
    field = mapping.field_on_subject(GRID, AFFINE)
    moved = field.resample(elliptic((9.1, 6.2)).astype(np.uint8), AFFINE, 0) > 0
    cord = elliptic((7.3, 5.6), tilt=0.2)
    assert 2 * (moved & cord).sum() / (moved.sum() + cord[field.valid].sum()) > 0.97
    far, _ = mapping.to_template(np.array([[35.0, 0.0, 0.0], [0.0, -35.0, 10.0]]))
    np.testing.assert_allclose(far, [[35, 0, 0], [0, -35, 10]], atol=0.3)


def test_three_landmarks_are_met_and_limit_the_range():
    frame = CordFrame.from_mask(elliptic(), AFFINE)
    targets = along({3: 42.0, 4: 21.0, 5: 5.0, 6: -15.0, 7: -30.0})
    mapping = map_cords(frame, frame, along(HEIGHTS), targets)
    moved, _ = mapping.to_template(np.array(list(along(HEIGHTS).values())))
    np.testing.assert_allclose(moved, list(targets.values()), atol=0.05)
    heights = np.array([50.5, 49.0, 0.0, -42.0, -43.5])
    _, margin = mapping.to_template(np.column_stack([0 * heights, 0 * heights, heights]))
    assert (margin > 0).tolist() == [False, True, True, True, False]


def test_two_landmarks_scale_and_one_shifts():
    frame = CordFrame.from_mask(elliptic(), AFFINE)
    two = map_cords(frame, frame, along({3: 40.0, 7: -33.0}), along({3: 30.0, 7: -28.0}))
    moved, margin = two.to_template(np.array([[0, 0, 60.0], [0, 0, -55.0]]))
    slope = 58 / 73
    np.testing.assert_allclose(moved[:, 2], [30 + 20 * slope, -28 - 22 * slope], atol=0.05)
    assert (margin > 0).all()  # beyond the landmarks as far as the cord goes
    one = map_cords(frame, frame, along({4: 22.0}), along({4: 10.0}))
    moved, _ = one.to_template(np.array([[0, 0, 40.0]]))
    np.testing.assert_allclose(moved[0], [0, 0, 28.0], atol=0.05)


def test_forward_and_inverse_undo_each_other_in_strong_bends():
    subject = CordFrame.from_mask(elliptic((5.5, 4.5), 0.15, bend=12.0), AFFINE)
    template = CordFrame.from_mask(elliptic((7.0, 5.0)), AFFINE)
    mapping = map_cords(subject, template, along(HEIGHTS), along(HEIGHTS, 1.1, 2.0))
    points = grid_points(GRID, AFFINE)[::4, ::4, ::4].reshape(-1, 3)
    error, valid = round_trip(mapping, points)
    assert error.max() < 0.1
    assert 0.5 < valid.mean() < 0.95  # not beyond the centre of curvature
    on_subject = mapping.field_on_subject(GRID, AFFINE)
    on_template = mapping.field_on_template(GRID, AFFINE)
    there, _ = on_subject.map_points(points)
    back, both = on_template.map_points(np.nan_to_num(there))
    both &= np.isfinite(there).all(axis=1)
    assert np.linalg.norm(back - points, axis=1)[both].max() < 1.0
    for field in (on_subject, on_template):
        assert np.nanmin(field.jacobian_determinant()) > 0.1


def test_landmarks_beside_the_cord_count_where_they_project():
    frame = CordFrame.from_mask(elliptic(bend=6.0), AFFINE)
    line = frame.centerline
    arcs = np.array([25.0, 50.0, 75.0])
    on_cord = dict(zip((7, 5, 3), line.at(arcs), strict=True))
    beside = line.to_world(arcs, np.array([[0, 9.0, 0]] * 3))
    mapping = map_cords(frame, frame, dict(zip((7, 5, 3), beside, strict=True)), on_cord)
    moved, _ = mapping.to_template(np.array(list(on_cord.values())))
    np.testing.assert_allclose(moved, list(on_cord.values()), atol=0.05)


@pytest.mark.parametrize(
    ('heights', 'message'),
    [
        ({}, 'no landmark'),
        ({3: 40.0, 4: 90.0}, r'\[4\].*outside'),
        ({3: -33.0, 4: 10.0}, 'order'),
        ({3: 10.0, 4: 10.1}, 'order'),
    ],
)
def test_impossible_landmarks_are_refused(heights, message):
    frame = CordFrame.from_mask(elliptic(), AFFINE)
    with pytest.raises(ValueError, match=message):
        map_cords(frame, frame, along(heights), along(HEIGHTS))


# --------------------------------------------------------------------------- phantoms


@pytest.fixture(scope='session')
def template(tmp_path_factory):
    return write_template(tmp_path_factory.mktemp('template'))


def template_file(template, name):
    image = nb.load(next((template / 'template').glob(f'*_{name}.nii.gz')))
    return np.asarray(image.dataobj), image.affine


def worst(mapping, phantom):
    """Largest distance (mm) of moved landmarks from the truth, to template and back."""
    truth = template_landmarks()
    names = [name for name in phantom.landmarks if name in truth]
    ours = np.array([phantom.landmarks[name] for name in names])
    theirs = np.array([truth[name] for name in names])
    there, margin = mapping.to_template(ours)
    back, _ = mapping.to_subject(theirs)
    assert (margin > 0).mean() > 0.9
    valid = margin > 0
    return max(
        np.linalg.norm(there - theirs, axis=1)[valid].max(),
        np.linalg.norm(back - ours, axis=1)[valid].max(),
    )


@pytest.mark.parametrize(
    ('seeds', 'voxel'),
    [
        ([8], (1.0, 1.0, 1.0)),
        *(
            pytest.param(range(20), voxel, marks=pytest.mark.slow)
            for voxel in ((0.8, 0.8, 0.8), (0.5, 0.5, 2.0), (2.0, 0.8, 0.8))
        ),
    ],
)
def test_landmarks_of_phantoms(template, seeds, voxel):
    model = CordFrame.from_mask(*template_file(template, 'cord'))
    discs = label_points(*template_file(template, 'label_disc'))
    errors = {}
    for seed in seeds:
        phantom = make_phantom(PhantomParams(seed=seed, voxel_mm=voxel))
        frame = CordFrame.from_mask(phantom.totalspineseg == 1, phantom.image.affine)
        points = {v: p for v, p in phantom.disc_points.items() if v in discs}
        errors[seed] = worst(map_cords(frame, model, points, discs), phantom)
    assert max(errors.values()) < 1.5, errors


def test_rootlets_give_the_spinal_levels(template, tmp_path, monkeypatch):
    """Their midpoints land on the template's, by the field that the command writes."""
    monkeypatch.chdir(tmp_path)
    phantom = make_phantom(PhantomParams(seed=4, voxel_mm=(1.0, 1.0, 2.0)))
    image = phantom.image
    nb.save(image, 't2.nii.gz')
    cord = (phantom.totalspineseg == 1).astype(np.uint8)
    nb.save(nb.Nifti1Image(cord, image.affine), 'cord.nii.gz')
    nb.save(nb.Nifti1Image(phantom.rootlets, image.affine), 'rootlets.nii.gz')
    files = ['-i', 't2.nii.gz', '-s', 'cord.nii.gz', '-lrootlet', 'rootlets.nii.gz']
    command = ['sct_register_to_template', *files, '-t', str(template), '-ofolder', 'out']
    assert run(command) == 0
    to_template = DisplacementField.load('out/warp_anat2template.nii.gz')
    targets = label_points(*template_file(template, 'rootlets_midpoint'))
    values = sorted(set(phantom.rootlet_points) & set(targets))
    assert len(values) >= 7
    found, valid = to_template.map_points(np.array([targets[v] for v in values]))
    truth = np.array([phantom.rootlet_points[v] for v in values])
    assert valid.all()
    assert np.linalg.norm(found - truth, axis=1).max() < 2.0
    stored = nb.load('out/anat2template.nii.gz')
    assert stored.shape == template_file(template, 't2')[0].shape
    assert nb.load('out/template2anat.nii.gz').shape == image.shape


# -------------------------------------------------------------------------- real image


def register(data, labels, out):
    t2 = data / 't2_cervical'
    files = ['-i', t2 / 't2.nii.gz', '-s', t2 / 't2_seg-manual.nii.gz', '-ldisc', t2 / labels]
    command = ['sct_register_to_template', *files, '-t', data / 'pam50_small', '-ofolder', out]
    assert run([str(part) for part in command]) == 0
    return (
        DisplacementField.load(out / 'warp_anat2template.nii.gz'),
        DisplacementField.load(out / 'warp_template2anat.nii.gz'),
    )


def points_of(path):
    image = nb.load(path)
    return label_points(np.asarray(image.dataobj), image.affine)


@pytest.mark.parametrize('labels', ['labels.nii.gz', 't2_labeled_center_manual.nii.gz'])
def test_a_real_neck(real_data, tmp_path, labels):
    to_template, to_anat = register(real_data, labels, tmp_path)
    subject = points_of(real_data / 't2_cervical' / labels)
    model = real_data / 'pam50_small' / 'template'
    targets = points_of(model / 'PAM50_small_label_disc.nii.gz')
    for value, point in subject.items():
        moved, valid = to_template.map_points(targets[value])
        assert valid
        assert abs((moved - point)[2]) < 0.3
        back, valid = to_anat.map_points(point)
        assert valid
        assert abs((back - targets[value])[2]) < 0.3
    cord = nb.load(model / 'PAM50_small_cord.nii.gz')
    truth = nb.load(real_data / 't2_cervical' / 't2_seg-manual.nii.gz').get_fdata() > 0
    moved = to_anat.resample(np.asarray(cord.dataobj), cord.affine, 0) > 0
    covered = moved.any(axis=(0, 2)) & truth.any(axis=(0, 2))
    assert covered.sum() >= 50
    moved, truth = moved[:, covered], truth[:, covered]
    assert 2 * (moved & truth).sum() / (moved.sum() + truth.sum()) > 0.94


def test_agrees_with_sct_where_both_are_defined(real_data, tmp_path):
    """Three discs, real image: the recorded field of SCT and ours, near the cord."""
    ours, _ = register(real_data, 't2_labeled_center_manual.nii.gz', tmp_path)
    case = real_data / 'sct_runs' / '31_sct_register_to_template_ldisc_3labels'
    theirs = DisplacementField.load(case / 'out' / 'reg' / 'warp_anat2template.nii.gz')
    cord = nb.load(real_data / 'pam50_small' / 'template' / 'PAM50_small_cord.nii.gz')
    both = ours.valid & theirs.valid & (np.asarray(cord.dataobj) > 0)
    assert both.sum() > 1000
    apart = np.linalg.norm(ours.vectors - theirs.vectors, axis=-1)[both]
    assert np.median(apart) < 1.0
    assert np.percentile(apart, 95) < 2.0


def test_the_template_onto_itself(real_data, tmp_path):
    model = real_data / 'pam50_small' / 'template'
    cord = nb.load(model / 'PAM50_small_cord.nii.gz')
    frame = CordFrame.from_mask(np.asarray(cord.dataobj), cord.affine)
    points = points_of(model / 'PAM50_small_label_disc.nii.gz')
    field = map_cords(frame, frame, points, points).field_on_subject(cord.shape, cord.affine)
    assert field.valid.mean() > 0.7
    assert np.abs(field.vectors[field.valid]).max() < 0.01
