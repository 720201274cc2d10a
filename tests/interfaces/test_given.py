# SPDX-License-Identifier: Apache-2.0
"""Files that come into the graph from elsewhere: refused with path, reason and what to do."""

import nibabel as nb
import numpy as np
import pytest

from spinalprep.errors import CordReferenceRejected, InputImageError
from spinalprep.interfaces.given import CheckGiven
from spinalprep.products import PRECOMPUTABLE, label_names, product

AFFINE = nb.affines.from_matvec(np.diag([-1.0, 1.0, 2.0]), [6, -7, -40])


@pytest.fixture
def save(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def save(name, values, affine=AFFINE):
        nb.save(nb.Nifti1Image(values, affine), tmp_path / f'{name}.nii.gz')
        return str(tmp_path / f'{name}.nii.gz')

    save('anat', np.arange(12 * 14 * 40, dtype=np.int16).reshape(12, 14, 40))
    return save


def possible(name) -> np.ndarray:
    """Labels that may be given as a product: the first two that it has, from the top down."""
    values = np.zeros((12, 14, 40), np.uint8)
    names = list(label_names(product(name)))
    for place, value in enumerate(names[:2]):
        values[6, 5, 30 - 10 * place] = value
    return values


@pytest.mark.parametrize('name', PRECOMPUTABLE)
def test_each_product_can_be_given(save, name, tmp_path):
    path = save('given', possible(name))
    check = CheckGiven(product=name, in_file=path, anat=str(tmp_path / 'anat.nii.gz'))
    outputs = check.run().outputs
    np.testing.assert_array_equal(nb.load(outputs.out_file).dataobj, possible(name))
    assert not outputs.trait_get()['note']


@pytest.mark.parametrize('name', PRECOMPUTABLE)
@pytest.mark.parametrize(
    ('wrong', 'told'),
    [
        ('empty', 'all values are 0'),
        ('alien', 'it holds 200; possible are'),
        ('elsewhere', 'only 0% of it lies in the field of view'),
        ('cut short', ''),
        ('no image', ''),
    ],
)
def test_wrong_files_are_refused(save, name, wrong, told, tmp_path):
    values, affine = possible(name), AFFINE.copy()
    if wrong == 'empty':
        values[:] = 0
    elif wrong == 'alien':
        values[3, 3, 3] = 200
    elif wrong == 'elsewhere':
        affine[2, 3] += 200
    path = save('given', values, affine)
    if wrong == 'cut short':
        content = (tmp_path / 'given.nii.gz').read_bytes()
        (tmp_path / 'given.nii.gz').write_bytes(content[: len(content) - 30])
    elif wrong == 'no image':
        (tmp_path / 'given.nii.gz').write_text('nothing')
    with pytest.raises(InputImageError) as caught:
        CheckGiven(product=name, in_file=path, anat=str(tmp_path / 'anat.nii.gz')).run()
    text = str(caught.value)
    assert text.startswith(f'{path}: can not be used as {name}: ')
    assert told in text
    assert text.endswith(f'Correct the file, or take it away to have {name} computed.')


def test_discs_far_from_the_cord(save, tmp_path):
    cord = np.zeros((12, 14, 40), np.uint8)
    cord[6, 6, 5:35] = 1
    far = AFFINE.copy()
    far[1, 3] += 60
    inputs = {
        'product': 'disc_labels',
        'in_file': save('given', possible('disc_labels')),
        'anat': str(tmp_path / 'anat.nii.gz'),
    }
    CheckGiven(**inputs, cord_file=save('cord', cord)).run()
    with pytest.raises(InputImageError, match='mm from the cord'):
        CheckGiven(**inputs, cord_file=save('cord', cord, far)).run()


def test_another_grid_is_resampled_and_said(save, tmp_path):
    shifted = AFFINE.copy()
    shifted[:3, 3] += 0.4
    path = save('given', possible('disc_labels'), shifted)
    check = CheckGiven(product='disc_labels', in_file=path, anat=str(tmp_path / 'anat.nii.gz'))
    outputs = check.run().outputs
    np.testing.assert_array_equal(nb.load(outputs.out_file).dataobj, possible('disc_labels'))
    assert outputs.note.startswith('disc_labels: resampled, point by point: its voxels')


def test_without_a_file_nothing_is_done(tmp_path, save):
    outputs = CheckGiven(product='disc_labels', anat=str(tmp_path / 'anat.nii.gz')).run().outputs
    assert not any(outputs.trait_get().values())


def test_an_image_of_no_place_is_rejected(save, tmp_path):
    """Not the given file is to blame."""
    anat = save('nameless', possible('cord_dseg'), None)
    with pytest.raises(CordReferenceRejected, match=r'nameless\.nii\.gz: the header says nothing'):
        CheckGiven(
            product='cord_dseg', in_file=save('given', possible('cord_dseg')), anat=anat
        ).run()
