# SPDX-License-Identifier: Apache-2.0
"""Images are read once while there is room, and never in an older state."""

import os

import nibabel as nb
import numpy as np
import pytest

from spinalprep.images import read_image, remembered_images


@pytest.fixture
def image(tmp_path):
    """Make an image of 8 voxels of 4 bytes, all of one value."""

    def make(name, value=1.0):
        path = tmp_path / f'{name}.nii.gz'
        nb.save(nb.Nifti1Image(np.full((2, 2, 2), value, np.float32), np.diag([1, 2, 3, 1])), path)
        return path

    return make


def test_an_image_is_what_nibabel_reads_and_can_not_be_written_to(image):
    path = image('field', 7)
    found, expected = read_image(path), nb.load(path)
    assert type(found) is type(expected)
    assert found.header == expected.header
    assert np.array_equal(found.affine, expected.affine)
    assert np.array_equal(found.dataobj, expected.dataobj)
    with pytest.raises(ValueError, match='read-only'):
        found.dataobj[0, 0, 0] = 1


def test_nothing_is_kept_unless_asked_for(image):
    path = image('field')
    assert read_image(path) is not read_image(path)
    with remembered_images():
        kept = read_image(path)
        assert read_image(path) is kept
    assert read_image(path) is not kept


def test_other_content_is_read_whatever_its_time(image):
    path = image('field', 1)
    with remembered_images():
        os.utime(path, ns=(10**18, 10**18))
        assert np.all(np.asarray(read_image(path).dataobj) == 1)
        image('field', 2)
        os.utime(path, ns=(10**18, 10**18))
        assert np.all(np.asarray(read_image(path).dataobj) == 2)
        path.unlink()
        with pytest.raises(FileNotFoundError):
            read_image(path)


def test_what_was_not_used_for_longest_gives_way(image):
    paths = [image(name) for name in 'abc']
    with remembered_images(room=2 * 8 * 4):
        first, second = map(read_image, paths[:2])
        assert read_image(paths[0]) is first
        read_image(paths[2])
        assert read_image(paths[0]) is first
        assert read_image(paths[1]) is not second


def test_what_is_larger_than_the_room_pushes_nothing_out(image, tmp_path):
    large = tmp_path / 'large.nii.gz'
    nb.save(nb.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4)), large)
    small = image('small')
    with remembered_images(room=8 * 4):
        kept = read_image(small)
        assert read_image(large) is not read_image(large)
        assert read_image(small) is kept
