# SPDX-License-Identifier: Apache-2.0
"""Displacement fields: conventions, validity, agreement with nitransforms."""

import nibabel as nb
import numpy as np
import pytest

from spinalprep.anatomy.warps import (
    FILL,
    DisplacementField,
    compose,
    grid_points,
    sample,
)

SHAPE = (24, 20, 22)
# left-anterior-superior with a tilt and uneven voxels: no axis may be mixed up unnoticed
AFFINE = nb.affines.from_matvec(
    nb.eulerangles.euler2mat(x=0.2, y=0.1) @ np.diag([-1.0, 1.5, 2.0]), [12.0, -14.0, -20.0]
)


def smooth_field(amplitude=2.0, affine=AFFINE, shape=SHAPE):
    points = grid_points(shape, affine)
    x, y, z = np.moveaxis(points, -1, 0)
    vectors = amplitude * np.stack(
        [np.sin(y / 9) + 3, np.cos(z / 11) - 0.5 * np.sin(x / 8), np.sin((x + z) / 12)], axis=-1
    )
    return DisplacementField.from_vectors(vectors, affine)


def test_file_is_lps_with_vector_intent_and_comes_back(tmp_path):
    field = smooth_field()
    field.valid[0, 0, 0] = False
    field.vectors[0, 0, 0] = 0
    field.save(tmp_path / 'warp.nii.gz')

    image = nb.load(tmp_path / 'warp.nii.gz')
    stored = image.get_fdata()
    assert image.shape == (*SHAPE, 1, 3)
    assert image.header.get_intent()[0] == 'vector'
    assert image.get_data_dtype() == np.float32
    expected = field.vectors[3, 4, 5] * [-1, -1, 1]
    np.testing.assert_allclose(stored[3, 4, 5, 0], expected, atol=1 / 2000)
    assert (stored[0, 0, 0, 0] == FILL).all()

    again = DisplacementField.load(tmp_path / 'warp.nii.gz')
    np.testing.assert_allclose(again.vectors, field.vectors, atol=1 / 2000)
    np.testing.assert_array_equal(again.valid, field.valid)
    np.testing.assert_allclose(again.affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize('junk', [1e4, -1e5, 3.4e38, np.nan, np.inf, -np.inf])
def test_one_huge_component_makes_a_voxel_invalid(junk):
    vectors = np.full((3, 3, 3, 3), 9999.0)
    vectors[1, 1, 1, 2] = junk
    field = DisplacementField.from_vectors(vectors, np.eye(4))
    assert (~field.valid).sum() == 1
    assert not field.valid[1, 1, 1]
    assert not field.vectors[1, 1, 1].any()


def test_what_is_no_field_is_refused_by_name(tmp_path):
    nb.save(nb.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4)), tmp_path / 'seg.nii.gz')
    with pytest.raises(ValueError, match=r'seg\.nii\.gz.*\(4, 4, 4\)'):
        DisplacementField.load(tmp_path / 'seg.nii.gz')
    plain = nb.Nifti1Image(np.zeros((4, 4, 4, 1, 3), np.float32), np.eye(4))
    nb.save(plain, tmp_path / 'noint.nii.gz')
    with pytest.raises(ValueError, match='intent code 0'):
        DisplacementField.load(tmp_path / 'noint.nii.gz')
    (tmp_path / 'text.nii.gz').write_text('not an image')
    with pytest.raises(ValueError, match=r'text\.nii\.gz'):
        DisplacementField.load(tmp_path / 'text.nii.gz')
    with pytest.raises(FileNotFoundError):
        DisplacementField.load(tmp_path / 'absent.nii.gz')


def test_points_are_valid_only_if_all_their_voxels_are():
    vectors = np.ones((5, 5, 5, 3))
    vectors[2, 2, 2] = FILL
    field = DisplacementField.from_vectors(vectors, np.diag([2.0, 2, 2, 1]))
    points = 2.0 * np.array(
        [[1, 2, 2], [1.01, 2, 2], [2, 2, 2], [3, 3, 3], [4, 4, 4], [4.1, 4, 4], [-0.1, 0, 0]]
    )
    moved, valid = field.map_points(points)
    assert valid.tolist() == [True, False, False, True, True, False, False]
    np.testing.assert_allclose(moved[valid], points[valid] + 1)
    assert np.isnan(moved[~valid]).all()


def test_trilinear_between_voxels_is_exact_for_a_linear_field():
    matrix = np.array([[0.1, 0.02, 0], [0, -0.05, 0.03], [0.04, 0, 0.2]])
    points = grid_points(SHAPE, AFFINE)
    field = DisplacementField.from_vectors(points @ matrix.T + [1, 2, 3], AFFINE)
    rng = np.random.default_rng(0)
    voxels = rng.uniform(0, np.array(SHAPE) - 1, (100, 3))
    world = voxels @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    moved, valid = field.map_points(world)
    assert valid.all()
    np.testing.assert_allclose(moved, world + world @ matrix.T + [1, 2, 3], atol=1e-4)
    np.testing.assert_allclose(
        field.jacobian_determinant(), np.linalg.det(np.eye(3) + matrix), rtol=1e-4
    )


def test_agrees_with_nitransforms_on_points_and_images(tmp_path):
    dense_field_transform = pytest.importorskip('nitransforms').nonlinear.DenseFieldTransform
    resampling = pytest.importorskip('nitransforms.resampling')
    field = smooth_field()
    # nitransforms takes vectors in RAS from an image object
    raw = nb.Nifti1Image(field.vectors, AFFINE)
    raw.header.set_intent('vector')
    theirs = dense_field_transform(raw, is_deltas=True)

    rng = np.random.default_rng(1)
    voxels = rng.uniform(1, np.array(SHAPE) - 2, (200, 3))
    world = voxels @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    moved, valid = field.map_points(world)
    assert valid.all()
    # nitransforms interpolates vectors with a cubic spline
    assert np.abs(moved - theirs.map(world)).max() < 0.1

    source_affine = np.diag([1.2, 1.1, 0.9, 1.0])
    source_affine[:3, 3] = [-12, -20, -24]
    x, y, z = np.moveaxis(grid_points((30, 40, 60), source_affine), -1, 0)
    source = (np.sin(x / 6) * np.cos(y / 7) * np.sin(z / 8) * 100).astype(np.float32)
    ours = field.resample(source, source_affine, 1)
    expected = resampling.apply(
        theirs,
        nb.Nifti1Image(source, source_affine),
        reference=nb.Nifti1Image(np.zeros(SHAPE, np.float32), AFFINE),
        order=1,
        prefilter=False,
    ).get_fdata()
    inside = (ours != 0) & (expected != 0)
    assert inside.mean() > 0.5
    assert np.abs(ours - expected)[inside].max() < 0.1


def test_labels_keep_their_type_and_invalid_voxels_are_empty():
    field = DisplacementField.from_vectors(np.full((*SHAPE, 3), 0.3), AFFINE)
    field.valid[5:8] = False
    labels = np.full(SHAPE, 7, np.uint8)
    moved = field.resample(labels, AFFINE, 0)
    assert moved.dtype == np.uint8
    assert not moved[5:8].any()
    assert (moved[8:20, 3:15, 3:15] == 7).all()


def test_sampling_on_another_grid():
    field = smooth_field()
    image = np.random.default_rng(2).normal(size=SHAPE)
    own = field.resample(image, AFFINE, 1)
    crop = AFFINE.copy()
    crop[:3, 3] = AFFINE[:3, :3] @ [4, 5, 6] + AFFINE[:3, 3]
    np.testing.assert_allclose(
        field.resample(image, AFFINE, 1, grid=((6, 7, 8), crop)),
        own[4:10, 5:12, 6:14],
        atol=1e-5,
    )


def test_sampling_reaches_half_a_voxel_beyond_the_centres():
    image = np.ones((3, 3, 3))
    points = np.array([[-0.49, 1, 1], [-0.51, 1, 1], [2.49, 1, 1], [2.51, 1, 1]])
    for order in (0, 1):
        assert sample(image, np.eye(4), points, order).tolist() == [1, 0, 1, 0]


def test_composition_moves_points_through_both():
    first, second = smooth_field(0.8), smooth_field(-0.7)
    both = compose(first, second)
    points = grid_points(SHAPE, AFFINE)[both.valid]
    step, reached = first.map_points(points)
    step, still = second.map_points(step)
    assert both.valid.mean() > 0.5
    assert (reached & still).all()
    moved, _ = both.map_points(points)
    np.testing.assert_allclose(moved, step, atol=1e-4)


def test_a_mask_arrives_whole_however_the_grids_lie():
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = 0.8 * turn, [40, -300, 900]
    mask = np.zeros((20, 22, 24), np.uint8)
    mask[5:9, 0:4, 20:] = rng.integers(0, 3, (4, 4, 4))
    middle = affine[:3, :3] @ [9, 6, 18] + affine[:3, 3]
    points = grid_points(SHAPE, AFFINE)
    # the same place from many sides, with folds, and some of it far away
    vectors = middle - points + rng.normal(0, 4, (*SHAPE, 3))
    vectors[0] += 1000
    vectors[:, 1] = FILL
    field = DisplacementField.from_vectors(vectors, AFFINE)
    moved = field.resample(mask, affine, 0)
    every = sample(mask, affine, points + field.vectors, 0)
    assert 20 < np.count_nonzero(moved) < moved.size / 2
    np.testing.assert_array_equal(moved, np.where(field.valid, every, 0))
    assert not field.resample(np.zeros_like(mask), affine, 0).any()


def test_folding_shows_and_edges_of_validity_do_not():
    points = grid_points((9, 9, 9), np.eye(4))
    vectors = np.zeros((9, 9, 9, 3))
    vectors[..., 0] = np.where(points[..., 0] > 4, -3.0, 0.0)
    vectors[:, :, 7:] = FILL
    field = DisplacementField.from_vectors(vectors, np.eye(4))
    determinant = field.jacobian_determinant()
    some = points[..., 1] > 3
    np.testing.assert_array_equal(
        field.jacobian_determinant(some), np.where(some, determinant, np.nan)
    )
    assert (determinant[4:6, :, :7] < 0).all()
    assert np.isnan(determinant[:, :, 7:]).all()
    np.testing.assert_allclose(determinant[:3, :, :7], 1.0)


def test_a_recorded_warp_of_sct(real_data):
    case = real_data / 'sct_runs' / '31_sct_register_to_template_ldisc_3labels'
    stored = case / 'out' / 'reg'
    to_template = DisplacementField.load(stored / 'warp_anat2template.nii.gz')
    to_anat = DisplacementField.load(stored / 'warp_template2anat.nii.gz')
    assert 1 - to_anat.valid.mean() == pytest.approx(0.3599, abs=1e-4)

    anat = nb.load(real_data / 't2_cervical' / 't2_labeled_center_manual.nii.gz')
    discs = nb.load(real_data / 'pam50_small' / 'template' / 'PAM50_small_label_disc.nii.gz')
    for value in (3, 4, 5):
        template_point = discs.affine @ [*np.argwhere(discs.get_fdata() == value)[0], 1]
        truth = anat.affine @ [*np.argwhere(anat.get_fdata() == value)[0], 1]
        moved, valid = to_template.map_points(template_point[:3])
        assert valid
        assert np.linalg.norm(moved - truth[:3]) < 0.8

    cord = nb.load(real_data / 'pam50_small' / 'template' / 'PAM50_small_cord.nii.gz')
    ours = to_anat.resample(np.asarray(cord.dataobj), cord.affine, 0)
    theirs = nb.load(
        real_data / 'sct_runs' / '50_sct_apply_transfo_cord_nn_ldisc/out/cord_reg.nii.gz'
    ).get_fdata()
    assert np.mean(ours != theirs) < 1e-4
