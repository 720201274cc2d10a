# SPDX-License-Identifier: Apache-2.0
"""A small phantom with its truth as files, and the template of its kind."""

from pathlib import Path

import nibabel as nb
import pytest

from spinalprep.embedded.phantom import PhantomParams, make_phantom, write_template

COARSE = (1.5, 1.5, 2.0)


@pytest.fixture(scope='session')
def template(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('template')
    write_template(folder, voxel_mm=COARSE)
    return folder


@pytest.fixture(scope='session')
def truth(tmp_path_factory) -> dict[str, Path]:
    """Files of a phantom from the brainstem to T4: its image, and what is in it."""
    folder = tmp_path_factory.mktemp('phantom')
    phantom = make_phantom(
        PhantomParams(seed=2, voxel_mm=COARSE, orientation='PSR', bottom_level=11.0)
    )
    files = {
        'anat': phantom.image,
        'cord_dseg': phantom.label_image(phantom.cord),
        'totalspineseg_dseg': phantom.label_image(phantom.totalspineseg),
        'disc_labels': phantom.point_image(phantom.disc_points),
        'rootlets_dseg': phantom.label_image(phantom.rootlets),
        'empty': phantom.label_image(0 * phantom.cord),
    }
    for name, image in files.items():
        nb.save(image, folder / f'{name}.nii.gz')
    return {name: folder / f'{name}.nii.gz' for name in files}
