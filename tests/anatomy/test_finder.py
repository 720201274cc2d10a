# SPDX-License-Identifier: Apache-2.0
"""The cord finder on simple tubes, on the phantom, on real images, and where it must refuse."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from spinalprep.anatomy.centerline import Centerline, superior_axis
from spinalprep.anatomy.cordcheck import SHORTEST_MM
from spinalprep.anatomy.finder import CordNotFound, find_cord
from spinalprep.anatomy.morphometry import slice_morphometry


def dice(a, b):
    return 2 * np.sum(a & b) / (a.sum() + b.sum())


def inside_truth(mask, truth, affine):
    """Both masks in the slices that the truth covers."""
    axis, _ = superior_axis(affine)
    covered = np.moveaxis(truth, axis, 0).any(axis=(1, 2))
    return np.moveaxis(mask, axis, 0)[covered], np.moveaxis(truth, axis, 0)[covered]


def centre_error(result, truth, affine):
    """Largest distance (mm) of the found centreline from the true one, between its ends."""
    line = Centerline.from_mask(truth, affine)
    arc, offset = line.project(result.centerline.points)
    between = (arc > 0) & (arc < line.length)
    return np.hypot(offset[between, 0], offset[between, 1]).max()


def tube(contrast='T2w', zooms=(1.0, 1.0, 1.0), length=64.0, noise=30.0, semi=(6.0, 4.0)):
    """Bent cord in a canal in muscle; returns image, truth and affine ('LAS')."""
    shape = tuple(round(n / z) for n, z in zip((56, 64, length), zooms, strict=True))
    affine = nib.affines.from_matvec(
        np.diag([-zooms[0], zooms[1], zooms[2]]), [27.6, -31.3, -length / 2]
    )
    fine = np.linspace(-40, 40, 161)
    line = Centerline.through(np.stack([0.04 * fine, 4 * np.sin(fine / 25), fine], axis=1), 1.0)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing='ij'), -1).reshape(-1, 3)
    _, offset = line.project(nib.affines.apply_affine(affine, index))

    def inside(a, b):
        return ((offset[:, 0] / a) ** 2 + (offset[:, 1] / b) ** 2 <= 1).reshape(shape)

    muscle, csf, bone = (450, 1000, 150) if contrast == 'T2w' else (320, 180, 90)
    image = np.full(shape, float(muscle))
    image[inside(13, 11)] = bone
    image[inside(11, 8)] = csf
    truth = inside(*semi)
    image[truth] = 450
    blurred = ndimage.gaussian_filter(image, 0.4 / np.array(zooms))
    return blurred + np.random.default_rng(0).normal(0, noise, shape), truth, affine


@pytest.fixture(scope='module')
def t2_tube():
    image, truth, affine = tube()
    return image, truth, affine, find_cord(image, affine)


@pytest.mark.parametrize('contrast', ['T2w', 'T1w'])
@pytest.mark.parametrize('zooms', [(0.8, 0.8, 0.8), (0.5, 0.5, 2.0), (2.0, 0.8, 0.8)])
def test_tube_is_found_in_both_contrasts_and_all_voxel_sizes(contrast, zooms):
    image, truth, affine = tube(contrast, zooms)
    result = find_cord(image, affine)
    assert result.contrast == contrast
    assert dice(result.mask, truth) >= 0.95
    np.testing.assert_allclose(np.median(result.area_mm2), np.pi * 24, rtol=0.05)
    assert result.check.at_field_end == (True, True)


def test_result_describes_itself(t2_tube):
    image, truth, affine, result = t2_tube
    assert result.mask.shape == image.shape
    assert result.mask.dtype == bool
    assert len(result.area_mm2) == len(result.centerline.points)
    assert centre_error(result, truth, affine) < 0.5
    assert result.centerline.length == pytest.approx(66, abs=3)
    check = result.check
    assert check.agreement > 0.95
    assert check.aspect == pytest.approx(1.5, abs=0.1)
    assert check.complaint() is None
    assert not check.brainstem


def test_finder_is_deterministic(t2_tube):
    image, _, affine, result = t2_tube
    again = find_cord(image.copy(), affine)
    assert np.array_equal(again.mask, result.mask)
    assert np.array_equal(again.centerline.points, result.centerline.points)


@pytest.mark.parametrize('codes', ['PSR', 'RAI', 'SRA'])
def test_orientation_of_the_array_does_not_matter(t2_tube, codes):
    image, _, affine, result = t2_tube
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(codes))
    )
    turned = nib.Nifti1Image(image, affine).as_reoriented(turn)
    mask = find_cord(np.asarray(turned.dataobj), turned.affine).mask
    back = nib.Nifti1Image(mask.astype(np.uint8), turned.affine).as_reoriented(
        nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt(tuple(codes)), nib.io_orientation(affine)
        )
    )
    assert dice(np.asarray(back.dataobj) > 0, result.mask) > 0.99


def test_scale_of_the_signal_and_nans_do_not_matter(t2_tube):
    image, _, affine, result = t2_tube
    scaled = image * 1e-4
    scaled[0, 0, :3] = np.nan
    assert dice(find_cord(scaled, affine).mask, result.mask) > 0.99


def test_rotated_grid_finds_the_same_cord(t2_tube):
    """Only the affine turns: the body moves with the grid."""
    image, _, affine, result = t2_tube
    angle = np.radians(20)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    assert dice(find_cord(image, turn @ affine).mask, result.mask) > 0.97


def test_given_contrast_is_obeyed(t2_tube):
    image, _, affine, _ = t2_tube
    assert find_cord(image, affine, contrast='T2w').contrast == 'T2w'
    with pytest.raises(CordNotFound):
        find_cord(image, affine, contrast='T1w')


def test_stenosis_and_lesion_are_bridged():
    image, truth, affine = tube(length=110.0)
    gone = image.copy()
    gone[:, :, 52:58] = np.where(gone[:, :, 52:58] > 700, 450, gone[:, :, 52:58])
    gone[24:32, 28:36, 30:38] += 250
    result = find_cord(gone, affine)
    assert dice(result.mask, truth) > 0.93
    assert result.check.at_field_end == (True, True)


def noise_volume():
    return np.random.default_rng(0).normal(500, 100, (60, 80, 100))


def smooth_noise():
    field = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(60, 80, 100)), 3)
    return 500 + 150 * field / field.std()


def bottle():
    x, y, _ = np.ogrid[-40:40, -40:40, :100]
    image = np.where(np.hypot(x, y) < 30, 800.0, 20.0) * np.ones((1, 1, 100))
    return np.abs(image + np.random.default_rng(2).normal(0, 30, image.shape))


def limb():
    """Bone with dark cortex and bright marrow in muscle and fat: a ring of another kind."""
    x, y, _ = np.ogrid[-50:50, -50:50, :100]
    radius = np.hypot(x - 5, y) * np.ones((1, 1, 100))
    image = np.select(
        [radius < 9, radius < 13, radius < 42, radius < 47], [900, 80, 500, 1200], 20
    )
    return np.abs(image + np.random.default_rng(3).normal(0, 30, image.shape))


def ringless():
    """T2*-like: CSF as dark as the cord."""
    image, truth, _ = tube()
    return np.minimum(image, np.median(image[truth]) + 20)


@pytest.mark.parametrize(
    'make', [noise_volume, smooth_noise, bottle, limb, ringless, lambda: np.zeros((40, 40, 40))]
)
def test_refuses_what_holds_no_cord(make):
    with pytest.raises(CordNotFound):
        find_cord(make(), np.eye(4))


def test_refuses_a_field_of_view_that_is_too_short():
    image, _, affine = tube()
    with pytest.raises(CordNotFound, match=f'20 mm head–foot, {SHORTEST_MM:.0f} are needed'):
        find_cord(image[:, :, :20], affine)


def test_refuses_a_field_of_view_beside_the_cord():
    image, _, affine = tube()
    with pytest.raises(CordNotFound):
        find_cord(image[40:], affine)


def test_rejects_wrong_input():
    with pytest.raises(ValueError, match='3-D'):
        find_cord(np.zeros((5, 5)), np.eye(4))
    with pytest.raises(ValueError, match='T2w'):
        find_cord(np.zeros((5, 5, 5)), np.eye(4), contrast='T2star')


def test_real_cervical_t2w(real_data):
    image = nib.load(real_data / 't2_cervical' / 't2.nii.gz')
    truth = nib.load(real_data / 't2_cervical' / 't2_seg-manual.nii.gz').get_fdata() > 0.5
    result = find_cord(image.get_fdata(), image.affine)
    assert result.contrast == 'T2w'
    assert dice(result.mask, truth) >= 0.96
    assert centre_error(result, truth, image.affine) <= 1.0
    area = slice_morphometry(result.mask, image.affine)['area'].mean()
    assert area == pytest.approx(slice_morphometry(truth, image.affine)['area'].mean(), rel=0.05)


def test_real_thick_axial_t2w(real_data):
    """No truth here, but a wide field with vessels and fat: the path must run in the canal."""
    image = nib.load(real_data / 't2_thick_axial' / 't2.nii.gz')
    result = find_cord(image.get_fdata(), image.affine)
    assert result.contrast == 'T2w'
    assert result.mask.any(axis=(0, 1)).all()
    assert 40 < np.median(result.area_mm2) < 80
    middle = image.affine[0, 0] * image.shape[0] / 2 + image.affine[0, 3]
    assert np.abs(result.centerline.points[:, 0] - middle).max() < 15


@pytest.mark.slow
def test_real_whole_spine_template(real_data):
    folder = real_data / 'pam50_small' / 'template'
    image = nib.load(folder / 'PAM50_small_t2.nii.gz')
    truth = nib.load(folder / 'PAM50_small_cord.nii.gz').get_fdata() > 0.5
    result = find_cord(image.get_fdata(), image.affine)
    assert result.check.brainstem
    assert not result.check.at_field_end[0]
    assert dice(result.mask, truth) >= 0.85
    assert dice(*inside_truth(result.mask, truth, image.affine)) >= 0.91


PHANTOMS = [
    ((0.8, 0.8, 0.8), 0.92, 0.05),
    ((1.0, 1.0, 1.0), 0.92, 0.05),
    ((0.5, 0.5, 2.0), 0.92, 0.05),
    ((2.0, 0.8, 0.8), 0.88, 0.08),
]


@pytest.mark.slow
@pytest.mark.parametrize('contrast', ['T2w', 'T1w'])
@pytest.mark.parametrize(('zooms', 'least_dice', 'most_error'), PHANTOMS)
@pytest.mark.parametrize('seed', [0, 12])
def test_phantom(seed, zooms, least_dice, most_error, contrast):
    from spinalprep.embedded.phantom import PhantomParams, make_phantom

    phantom = make_phantom(PhantomParams(seed=seed, contrast=contrast, voxel_mm=zooms))
    result = find_cord(np.asarray(phantom.image.dataobj), phantom.affine)
    assert result.contrast == contrast
    assert result.check.brainstem
    assert dice(result.mask, phantom.cord > 0) >= least_dice
    area = slice_morphometry(result.mask, phantom.affine)['area'][1:-1].mean()
    assert area == pytest.approx(phantom.mean_csa_mm2, rel=most_error)


@pytest.mark.slow
def test_a_large_volume_takes_seconds_and_little_memory():
    import time
    import tracemalloc

    from spinalprep.embedded.phantom import PhantomParams, make_phantom

    params = PhantomParams(seed=1, voxel_mm=(0.8, 0.8, 0.8), field_mm=(51.2, 256.0))
    phantom = make_phantom(params)
    image = np.asarray(phantom.image.dataobj)[:64, :320, -320:]
    assert image.shape == (64, 320, 320)
    began = time.process_time()
    result = find_cord(image, phantom.affine)
    # 2.5 s on an idle core; the processor's time still grows on a busy one
    assert time.process_time() - began < 6.0
    assert result.check.brainstem
    tracemalloc.start()
    find_cord(image, phantom.affine)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.5e9
