# SPDX-License-Identifier: Apache-2.0
"""Memory that commands ask for."""

import nibabel as nb
import numpy as np
import pytest

from spinalprep.demands import ImageSize, largest_gb, memory_gb
from spinalprep.policy import Crop, Policy
from spinalprep.toolbox import Toolbox
from spinalprep.workflows.anat import init_anat_cordref_wf


def test_memory_grows_with_the_image_and_the_unknown_is_small():
    assert memory_gb('installed', 'sct_deepseg spine', 8.0) > memory_gb(
        'installed', 'sct_deepseg spine', 4.0
    )
    assert memory_gb('installed', 'sct_x', 2.0) == memory_gb('installed', 'other', 2.0)
    assert largest_gb('embedded', ImageSize()) < 1 < largest_gb('installed', ImageSize())


@pytest.mark.parametrize('axes', [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_size_of_an_image_as_acquired_and_cropped(tmp_path, axes):
    # 240 × 240 × 300 mm, of which 90 × 165 × 300 mm may be kept
    affine = np.eye(4)
    affine[:3, :3] = np.diag([0.8, 1.0, 1.5])[:, list(axes)]
    shape = np.array([300, 240, 200])[list(axes)]
    nb.save(nb.Nifti1Image(np.zeros(shape, np.uint8), affine), tmp_path / 'image.nii.gz')
    found = ImageSize.of(tmp_path / 'image.nii.gz', Crop())
    assert found.whole == pytest.approx(300 * 240 * 200 / 1e6)
    assert found.cropped == pytest.approx(90 / 0.8 * 165 * 200 / 1e6)


def test_what_is_no_image_counts_as_typical(tmp_path):
    (tmp_path / 'image.nii.gz').write_text('no')
    assert ImageSize.of(tmp_path / 'image.nii.gz', Crop()) == ImageSize()


def test_every_node_asks_for_its_command(tmp_path):
    graph = init_anat_cordref_wf(
        modality='T2w', policy=Policy(), toolbox=Toolbox.example('7.2'), omp_nthreads=1,
        size=ImageSize(whole=10.0, cropped=3.0),
    )  # fmt: skip
    assert graph.get_node('discovery_wf.discover').mem_gb == memory_gb(
        'installed', 'sct_deepseg spinalcord', 10.0
    )
    assert graph.get_node('segmentation_wf.spine').mem_gb == memory_gb(
        'installed', 'sct_deepseg spine', 3.0
    )
    assert graph.get_node('conclude').mem_gb == memory_gb('installed', 'own', 3.0)
