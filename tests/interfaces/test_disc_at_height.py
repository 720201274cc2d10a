# SPDX-License-Identifier: Apache-2.0
"""A disc whose height the policy gives becomes one voxel on the cord reference."""

import nibabel as nb
import numpy as np
import pytest

from spinalprep.errors import InputImageError
from spinalprep.interfaces.labelling import DiscAtHeight

AFFINE = np.array([[-1.0, 0, 0, 20], [0, 1, 0, -10], [0, 0, 2, -50], [0, 0, 0, 1]])


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run on a cord of the whole image and a reference that is a crop of it."""
    monkeypatch.chdir(tmp_path)
    mask = np.zeros((40, 40, 60), np.uint8)
    mask[18:21, 24:27, 10:50] = 1
    nb.save(nb.Nifti1Image(mask, AFFINE), 'cord.nii.gz')
    corner = AFFINE @ nb.affines.from_matvec(np.eye(3), (5, 6, 8))
    nb.save(nb.Nifti1Image(np.zeros((30, 30, 45), np.float32), corner), 'cordref.nii.gz')

    def run(height):
        found = DiscAtHeight(
            cord_file=str(tmp_path / 'cord.nii.gz'),
            reference=str(tmp_path / 'cordref.nii.gz'),
            value=4,
            height=height,
        ).run()
        image = nb.load(found.outputs.out_file)
        return np.asanyarray(image.dataobj), image.affine

    return run


def test_the_voxel_lies_on_the_cord_at_that_height(run):
    labels, affine = run(12.4)
    (voxel,) = np.argwhere(labels)
    assert labels[tuple(voxel)] == 4
    assert nb.affines.apply_affine(affine, voxel).tolist() == [1.0, 15.0, 12.0]


def test_a_height_without_cord_is_an_error_that_names_the_key(run):
    with pytest.raises(
        InputImageError, match=r'init_disc: there is no cord at a height of -35 mm'
    ):
        run(-35.0)
