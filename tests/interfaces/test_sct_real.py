# SPDX-License-Identifier: Apache-2.0
"""The interfaces on a real SCT, compared with its recorded runs."""

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from spinalprep.errors import SCTCommandError, SCTOutputError, ToolboxError
from spinalprep.interfaces import sct
from spinalprep.toolbox import Toolbox, find_toolbox

pytestmark = [pytest.mark.sct, pytest.mark.slow]


@pytest.fixture(scope='module')
def toolbox(real_data) -> Toolbox:
    try:
        return find_toolbox('auto', template=real_data / 'pam50_small')
    except ToolboxError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def data(real_data) -> Path:
    return real_data / 't2_cervical'


@pytest.fixture
def recorded(real_data):
    def find(number: str, name: str) -> Path:
        return next((real_data / 'sct_runs').glob(f'{number}_*')) / 'out' / name

    return find


def voxels(path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj)


def same_voxels(path, other) -> bool:
    return np.array_equal(voxels(path), voxels(other))


def test_version(toolbox, tmp_path):
    said = sct.Version(toolbox=toolbox).run(cwd=tmp_path).outputs.version
    assert said == toolbox.version or said.startswith('git-')


def test_orientation(toolbox, data, tmp_path, recorded):
    interface = sct.Image(toolbox=toolbox, in_file=data / 't2.nii.gz', set_orientation='RPI')
    out = interface.run(cwd=tmp_path).outputs.out_file
    assert nib.aff2axcodes(nib.load(out).affine) == ('L', 'A', 'S')
    assert same_voxels(out, recorded('04', 't2_rpi.nii.gz'))


def test_every_orientation_means_what_we_think(toolbox, data, tmp_path):
    for code in ('LPI', 'SAL', 'AIR'):
        interface = sct.Image(toolbox=toolbox, in_file=data / 't2.nii.gz', set_orientation=code)
        interface.run(cwd=tmp_path)  # raises if nibabel's letters are not the opposite ones


@pytest.mark.parametrize('name', ['set_sform_to_qform', 'set_qform_to_sform'])
def test_forms_that_disagree(name, toolbox, data, tmp_path):
    image = nib.load(data / 't2.nii.gz')
    image.set_qform(image.affine @ np.diag([1, 1, 1.5, 1]), 1)
    nib.save(image, tmp_path / 'odd.nii.gz')
    interface = sct.Image(toolbox=toolbox, in_file=tmp_path / 'odd.nii.gz', **{name: True})
    out = nib.load(interface.run(cwd=tmp_path).outputs.out_file)
    kept = image.get_qform() if name == 'set_sform_to_qform' else image.get_sform()
    assert np.allclose(out.get_sform(), kept, atol=1e-3)
    assert np.allclose(out.get_qform(), kept, atol=1e-3)


def test_mask_and_crop(toolbox, data, tmp_path, recorded):
    seg = data / 't2_seg-manual.nii.gz'
    mask = sct.CreateMask(toolbox=toolbox, in_file=data / 't2.nii.gz', location_file=seg)
    mask.inputs.size = '60mm'
    out = mask.run(cwd=tmp_path).outputs.out_file
    assert same_voxels(out, recorded('07', 'mask.nii.gz'))

    crop = sct.CropImage(toolbox=toolbox, in_file=data / 't2.nii.gz', mask_file=seg)
    out = crop.run(cwd=tmp_path).outputs.out_file
    assert same_voxels(out, recorded('08', 'crop.nii.gz'))

    limits = sct.CropImage(toolbox=toolbox, in_file=data / 't2.nii.gz', ymin=5, ymax=-6)
    shape = nib.load(limits.run(cwd=tmp_path).outputs.out_file).shape
    assert shape == (60, 45, 52)


def test_labels(toolbox, data, tmp_path, recorded):
    discs = data / 't2_labeled_center_manual.nii.gz'
    keep = sct.LabelUtils(toolbox=toolbox, in_file=discs, keep=[3, 5]).run(cwd=tmp_path)
    assert keep.outputs.values == [3, 5]
    assert same_voxels(keep.outputs.out_file, recorded('13', 'kept.nii.gz'))
    with pytest.raises(SCTOutputError, match='zero everywhere'):
        sct.LabelUtils(toolbox=toolbox, in_file=discs, keep=[9]).run(cwd=tmp_path)
    create = sct.LabelUtils(toolbox=toolbox, in_file=discs, create=[(30, 20, 26, 4)])
    assert voxels(create.run(cwd=tmp_path).outputs.out_file)[30, 20, 26] == 4

    label = sct.LabelVertebrae(
        toolbox=toolbox,
        in_file=data / 't2.nii.gz',
        seg_file=data / 't2_seg-manual.nii.gz',
        disc_file=discs,
    )
    out = label.run(cwd=tmp_path).outputs
    assert same_voxels(out.labeled_file, recorded('18', 'lv/t2_seg_labeled.nii.gz'))


def test_morphometry(toolbox, data, tmp_path, recorded):
    seg = data / 't2_seg-manual.nii.gz'

    def areas(path) -> list[float]:
        with open(path, newline='') as stream:
            return [float(row['MEAN(area)']) for row in csv.DictReader(stream)]

    per_slice = sct.ProcessSegmentation(toolbox=toolbox, in_file=seg, per_slice=True)
    out = per_slice.run(cwd=tmp_path).outputs.csv_file
    assert np.allclose(areas(out), areas(recorded('21', 'csa.csv')), rtol=1e-6)

    levels = sct.ProcessSegmentation(
        toolbox=toolbox,
        in_file=seg,
        disc_file=data / 't2_labeled_center_manual.nii.gz',
        per_level=True,
        levels='3:4',
    )
    out = levels.run(cwd=tmp_path).outputs.csv_file
    assert np.allclose(areas(out), areas(recorded('23', 'csa.csv')), rtol=1e-6)
    levels.inputs.levels = '12'
    with pytest.raises(SCTOutputError, match='no rows'):
        levels.run(cwd=tmp_path)

    line = sct.GetCenterline(toolbox=toolbox, in_file=seg).run(cwd=tmp_path).outputs
    assert same_voxels(line.out_file, recorded('28', 'centerline.nii.gz'))
    assert Path(line.csv_file).read_text() == recorded('28', 'centerline.csv').read_text()


def test_maths(toolbox, data, tmp_path, recorded):
    levels = data / 't2_seg-manual_labeled.nii.gz'
    out = sct.Maths(toolbox=toolbox, in_file=levels, binarize=0).run(cwd=tmp_path).outputs
    assert same_voxels(out.out_file, recorded('12', 'bin.nii.gz'))
    smooth = sct.Maths(toolbox=toolbox, in_file=data / 't2.nii.gz', smooth=[1, 2, 0])
    assert voxels(smooth.run(cwd=tmp_path).outputs.out_file).std() > 0
    grown = sct.Maths(toolbox=toolbox, in_file=levels, dilate=2, shape='disk', dimension=1)
    assert np.count_nonzero(voxels(grown.run(cwd=tmp_path).outputs.out_file)) > 4024


@pytest.fixture(scope='module')
def registrations(toolbox, data, tmp_path_factory) -> dict:
    """The outputs by discs and by rootlets."""
    landmarks = {
        'disc_file': data / 't2_labeled_center_manual.nii.gz',
        'rootlet_file': data / 't2_rootlets-manual.nii.gz',
    }
    outputs = {}
    for name, file in landmarks.items():
        register = sct.RegisterToTemplate(
            toolbox=toolbox,
            in_file=data / 't2.nii.gz',
            seg_file=data / 't2_seg-manual.nii.gz',
            num_threads=2,
            **{name: file},
        )
        folder = tmp_path_factory.mktemp(name)
        outputs[name] = register.run(cwd=folder).outputs
        assert (folder / 'rootlets_mid.nii.gz').exists() == (name == 'rootlet_file')
    return outputs


@pytest.mark.parametrize(('name', 'number'), [('disc_file', '31'), ('rootlet_file', '32')])
def test_registration(name, number, registrations, recorded):
    for field in ('warp_anat2template', 'warp_template2anat'):
        ours = voxels(getattr(registrations[name], field))
        theirs = voxels(recorded(number, f'reg/{field}.nii.gz'))
        valid = [(np.abs(warp) < 1e4).all(axis=-1) for warp in (ours, theirs)]
        assert np.mean(valid[0] == valid[1]) > 0.99
        apart = np.linalg.norm(ours - theirs, axis=-1)[valid[0] & valid[1]]
        assert np.percentile(apart, 99) < 0.5


def test_transforms(toolbox, data, registrations, tmp_path):
    out = registrations['disc_file']
    template = toolbox.template / 'template'
    apply = sct.ApplyTransfo(
        toolbox=toolbox,
        in_file=template / 'PAM50_small_cord.nii.gz',
        dest_file=data / 't2.nii.gz',
        warps=[out.warp_template2anat],
        interpolation='nn',
    )
    cord = voxels(apply.run(cwd=tmp_path).outputs.out_file) > 0
    manual = voxels(data / 't2_seg-manual.nii.gz') > 0
    discs = voxels(data / 't2_labeled_center_manual.nii.gz')
    # The second axis runs along the cord; the discs bound the covered range.
    along = np.argwhere(discs > 0)[:, 1]
    inside = np.zeros_like(manual)
    inside[:, along.min() : along.max() + 1] = True
    dice = 2 * (cord & manual & inside).sum() / ((cord & inside).sum() + (manual & inside).sum())
    assert dice > 0.9

    there_and_back = sct.ConcatTransfo(
        toolbox=toolbox,
        dest_file=data / 't2.nii.gz',
        warps=[out.warp_anat2template, out.warp_template2anat],
    )
    vectors = voxels(there_and_back.run(cwd=tmp_path).outputs.out_file)[:, :, :, 0]
    within = manual & inside & (np.abs(vectors) < 1e4).all(axis=-1)
    # The slices of this template are 2 mm thick: less is not to be had at its ends.
    length = np.linalg.norm(vectors[within], axis=-1)
    assert np.median(length) < 0.5
    assert np.percentile(length, 95) < 1.5

    warp = sct.WarpTemplate(
        toolbox=toolbox, dest_file=data / 't2.nii.gz', warp_file=out.warp_template2anat
    )
    warped = warp.run(cwd=tmp_path).outputs
    assert np.array_equal(voxels(warped.cord_file) > 0, cord)
    assert set(np.unique(voxels(warped.discs_file))) <= {0, 3, 4, 5}


def test_two_labels_with_the_subject_as_reference(toolbox, data, tmp_path):
    discs = data / 't2_labeled_center_manual.nii.gz'
    two = sct.LabelUtils(toolbox=toolbox, in_file=discs, keep=[3, 5]).run(cwd=tmp_path).outputs
    register = sct.RegisterToTemplate(
        toolbox=toolbox,
        in_file=data / 't2.nii.gz',
        seg_file=data / 't2_seg-manual.nii.gz',
        disc_file=two.out_file,
        reference='subject',
        param='step=1,type=seg,algo=centermassrot,smooth=0',
    )
    folder = tmp_path / 'reg'
    folder.mkdir()
    assert register.run(cwd=folder).outputs.warp_anat2template


def test_register_multimodal(toolbox, data, tmp_path):
    image = nib.load(data / 't2.nii.gz')
    shifted = nib.Nifti1Image(image.get_fdata(dtype=np.float32), image.affine.copy())
    shifted.affine[:3, 3] += [2, -1, 0]
    nib.save(nib.Nifti1Image(shifted.get_fdata(), shifted.affine), tmp_path / 'moved.nii.gz')
    register = sct.RegisterMultimodal(
        toolbox=toolbox,
        in_file=tmp_path / 'moved.nii.gz',
        dest_file=data / 't2.nii.gz',
        param='step=1,type=im,algo=rigid,metric=MI,iter=10',
    )
    out = register.run(cwd=tmp_path).outputs
    assert Path(out.inverse_warp_file).exists()
    correlation = np.corrcoef(
        voxels(out.out_file)[5:-5, 5:-5, 5:-5].ravel(),
        voxels(data / 't2.nii.gz')[5:-5, 5:-5, 5:-5].ravel(),
    )[0, 1]
    assert correlation > 0.95


def test_failures_are_explained(toolbox, data, tmp_path):
    seg = nib.load(data / 't2_seg-manual.nii.gz')
    nib.save(nib.Nifti1Image(voxels(data / 't2.nii.gz') * 0, seg.affine), tmp_path / 'no.nii.gz')
    register = sct.RegisterToTemplate(
        toolbox=toolbox,
        in_file=data / 't2.nii.gz',
        seg_file=data / 't2_seg-manual.nii.gz',
        disc_file=tmp_path / 'no.nii.gz',
    )
    with pytest.raises(SCTCommandError, match='zero everywhere: disc_file') as caught:
        register.run(cwd=tmp_path)
    assert 'IndexError: list index out of range' in str(caught.value).splitlines()[0]
    register.inputs.disc_file = data / 't2_labeled_center_manual.nii.gz'
    register.inputs.contrast = 't1'
    with pytest.raises(SCTCommandError, match='Label ID 0 not found'):
        register.run(cwd=tmp_path)


def test_a_time_limit_ends_the_real_thing(toolbox, data, tmp_path):
    register = sct.RegisterToTemplate(
        toolbox=toolbox,
        in_file=data / 't2.nii.gz',
        seg_file=data / 't2_seg-manual.nii.gz',
        disc_file=data / 't2_labeled_center_manual.nii.gz',
        timeout=3.0,
    )
    with pytest.raises(SCTCommandError, match='time limit of 3 s'):
        register.run(cwd=tmp_path)


def test_a_network_is_used_or_its_lack_is_explained(toolbox, data, tmp_path):
    from spinalprep.toolbox import check_toolbox

    checks = {check.name: check for check in check_toolbox(toolbox, {'spinalcord'})}
    network = checks['network for spinalcord']
    if network.ok:
        cord = sct.DeepSeg(toolbox=toolbox, task='spinalcord', in_file=data / 't2.nii.gz')
        assert Path(cord.run(cwd=tmp_path).outputs.out_file).exists()
    else:
        assert 'sct_deepseg spinalcord -install' in network.remedy
