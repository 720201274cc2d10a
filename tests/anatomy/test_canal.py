# SPDX-License-Identifier: Apache-2.0
"""The dural canal on tubes, phantoms and a real image."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from spinalprep.anatomy.canal import segment_canal


def dice(a, b):
    return 2 * np.sum(a & b) / (a.sum() + b.sum())


def tube(contrast, zooms=(1.0, 1.0, 1.0)):
    """Straight cord off the middle of its canal; image, cord, canal, affine ('LAS')."""
    shape = tuple(round(n / z) for n, z in zip((50, 50, 60), zooms, strict=True))
    affine = nib.affines.from_matvec(
        np.diag([-zooms[0], zooms[1], zooms[2]]), [24.7, -24.6, -29.5]
    )
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing='ij'), -1)
    x, y, z = np.moveaxis(nib.affines.apply_affine(affine, index), -1, 0)

    def inside(a, b, shift=0.0):
        return (x / a) ** 2 + ((y - shift) / b) ** 2 <= 1

    csf, marrow, dura = (1000, 300, 120) if contrast == 'T2w' else (160, 380, 130)
    image = np.full(shape, float(marrow))
    image[inside(11.8, 8.8, -1.0)] = dura
    canal, cord = inside(11, 8, -1.0), inside(6, 4)
    image[canal] = csf
    if contrast == 'T2w':  # roots on both sides, for a third of the length
        roots = (np.abs(np.abs(x) - 8.5) < 0.6) & (np.abs(y + 1) < 3) & (np.abs(z) < 10)
        image[roots & canal] = 450
    image[cord] = 450
    image = ndimage.gaussian_filter(image, 0.4 / np.array(zooms))
    return image + np.random.default_rng(0).normal(0, 20, shape), cord, canal, affine


@pytest.mark.parametrize('contrast', ['T2w', 'T1w'])
@pytest.mark.parametrize('zooms', [(1.0, 1.0, 1.0), (0.5, 0.5, 2.0), (2.0, 0.8, 0.8)])
def test_canal_of_a_tube(contrast, zooms):
    image, cord, canal, affine = tube(contrast, zooms)
    found = segment_canal(image, affine, cord)
    assert dice(found, canal) >= 0.93
    assert found[cord].all()
    assert found.sum() == pytest.approx(canal.sum(), rel=0.1)


def test_canal_ends_with_the_cord():
    image, cord, _, affine = tube('T2w')
    cord[:, :, :10] = False
    cord[:, :, 45:] = False
    found = np.flatnonzero(segment_canal(image, affine, cord).any(axis=(0, 1)))
    assert (found[0], found[-1]) == (10, 44)


def test_orientation_of_the_array_does_not_matter():
    image, cord, _, affine = tube('T2w')
    expected = segment_canal(image, affine, cord)
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(affine), nib.orientations.axcodes2ornt(('P', 'S', 'R'))
    )
    turned = nib.Nifti1Image(image, affine).as_reoriented(turn)
    mask = nib.Nifti1Image(cord.astype(np.uint8), affine).as_reoriented(turn)
    found = segment_canal(np.asarray(turned.dataobj), turned.affine, np.asarray(mask.dataobj))
    assert found.sum() == pytest.approx(expected.sum(), rel=0.01)


def test_where_the_cord_touches_the_wall_the_canal_holds_it():
    image, cord, _, affine = tube('T2w')
    moved = np.roll(cord, 5, axis=1)
    image = np.where(cord & ~moved, 1000.0, image)
    image[moved] = 450
    assert segment_canal(image, affine, moved)[moved].all()


def test_wrong_input_is_an_error():
    image, cord, _, affine = tube('T2w')
    with pytest.raises(ValueError, match='differ in shape'):
        segment_canal(image[1:], affine, cord)
    with pytest.raises(ValueError, match='at least 5'):
        segment_canal(image, affine, np.zeros_like(cord))
    with pytest.raises(ValueError, match='no contrast'):
        segment_canal(np.ones(cord.shape), affine, cord)


def test_real_canal_has_a_likely_size(real_data):
    image = nib.load(real_data / 't2_cervical' / 't2.nii.gz')
    cord = nib.load(real_data / 't2_cervical' / 't2_seg-manual.nii.gz').get_fdata() > 0.5
    canal = segment_canal(image.get_fdata(), image.affine, cord)
    assert 2.2 < canal.sum() / cord.sum() < 3.6
    ring = canal & ~ndimage.binary_dilation(cord)
    assert image.get_fdata()[ring].mean() > 1.8 * image.get_fdata()[cord].mean()


@pytest.mark.slow
@pytest.mark.parametrize('contrast', ['T2w', 'T1w'])
@pytest.mark.parametrize('zooms', [(1.0, 1.0, 1.0), (0.5, 0.5, 2.0), (2.0, 0.8, 0.8)])
def test_phantom(zooms, contrast):
    from spinalprep.embedded.phantom import PhantomParams, make_phantom

    phantom = make_phantom(PhantomParams(seed=3, contrast=contrast, voxel_mm=zooms))
    found = segment_canal(np.asarray(phantom.image.dataobj), phantom.affine, phantom.cord)
    assert dice(found, phantom.canal > 0) >= 0.92
