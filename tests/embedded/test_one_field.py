# SPDX-License-Identifier: Apache-2.0
"""One field on disk means the same to our code, to nitransforms, and to sct_apply_transfo."""

import nibabel as nb
import numpy as np
import pytest
from scipy import ndimage

from spinalprep.anatomy.warps import DisplacementField, grid_points
from spinalprep.embedded.phantom import PhantomParams, make_phantom, make_template
from spinalprep.embedded.registration import CordFrame, map_cords
from spinalprep.errors import ToolboxError
from spinalprep.interfaces import sct
from spinalprep.toolbox import Toolbox, find_toolbox

VOXEL = (1.5, 1.5, 2.0)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Field from a phantom to the template on the phantom's grid, and a smooth image to move."""
    folder = tmp_path_factory.mktemp('field')
    phantom = make_phantom(PhantomParams(seed=4, voxel_mm=VOXEL, bottom_level=10.0))
    template = make_template(voxel_mm=VOXEL)
    discs = {value: template.disc_points[value] for value in range(3, 9)}
    mapping = map_cords(
        CordFrame.from_mask(phantom.cord, phantom.affine),
        CordFrame.from_mask(template.cord, template.affine),
        {value: phantom.disc_points[value] for value in discs},
        discs,
    )
    mapping.field_on_subject(phantom.cord.shape, phantom.affine).save(folder / 'warp.nii.gz')
    x, y, z = np.moveaxis(grid_points(template.cord.shape, template.affine), -1, 0)
    smooth = 100 + 60 * np.sin(x / 15) * np.cos(y / 13) + 40 * np.sin(z / 14)
    image = nb.Nifti1Image(smooth.astype(np.float32), template.affine)
    image.set_qform(template.affine, 1)
    image.set_sform(template.affine, 1)
    nb.save(image, folder / 'image.nii.gz')
    nb.save(phantom.image, folder / 'dest.nii.gz')
    return folder


@pytest.fixture(scope='module')
def ours(files):
    """What our own code makes of it, and the voxels well inside the defined range."""
    field = DisplacementField.load(files / 'warp.nii.gz')
    image = nb.load(files / 'image.nii.gz')
    moved = field.resample(np.asanyarray(image.dataobj), image.affine, 1)
    # near the fill value every program blends it in, each in its own way
    inside = ndimage.binary_erosion(field.valid & (moved > 0), iterations=3)
    assert inside.sum() > 10_000
    return moved, inside


def test_nitransforms_agrees(files, ours):
    itk = pytest.importorskip('nitransforms.io.itk')
    nonlinear = pytest.importorskip('nitransforms.nonlinear')
    loaded = itk.ITKDisplacementsField.from_filename(files / 'warp.nii.gz')
    theirs = nonlinear.DenseFieldTransform(loaded, is_deltas=True)
    field = DisplacementField.load(files / 'warp.nii.gz')
    _, inside = ours
    voxels = np.argwhere(inside)[::97]
    points = voxels @ field.affine[:3, :3].T + field.affine[:3, 3]
    moved, valid = field.map_points(points)
    assert valid.all()
    assert np.abs(moved - theirs.map(points)).max() < 0.1


@pytest.fixture(params=['embedded', pytest.param('auto', marks=pytest.mark.sct)])
def toolbox(request) -> Toolbox:
    try:
        return find_toolbox(request.param)
    except ToolboxError as error:
        pytest.skip(str(error))


def test_sct_apply_transfo_agrees(files, ours, toolbox, tmp_path):
    apply = sct.ApplyTransfo(
        toolbox=toolbox,
        in_file=files / 'image.nii.gz',
        dest_file=files / 'dest.nii.gz',
        warps=[files / 'warp.nii.gz'],
        interpolation='linear',
    )
    theirs = nb.load(apply.run(cwd=tmp_path).outputs.out_file).get_fdata()
    moved, inside = ours
    assert np.abs(theirs - moved)[inside].max() < 0.1  # of a range of 200
