# SPDX-License-Identifier: Apache-2.0
"""``sct_deepseg``: names, grids, values and exit codes, whatever the segmenters find."""

import json
from types import SimpleNamespace

import nibabel as nb
import numpy as np
import pytest

from spinalprep.anatomy.finder import CordNotFound
from spinalprep.embedded.phantom import PhantomParams, make_phantom
from tests.embedded.recorded import run

AFFINE = np.array([[0, 0, 1.0, -10], [-2, 0, 0, 20], [0, 0.5, 0, -5], [0, 0, 0, 1]])  # PSR
SHAPE = (8, 9, 10)


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """An image in PSR, and segmenters that find what is drawn in it by intensity."""
    monkeypatch.chdir(tmp_path)
    data = np.zeros(SHAPE, np.int16)
    data[2, 3, 4], data[2, 4, 4], data[5, 3, 4] = 1, 2, 13
    data[5, 4, 4], data[5, 5, 4], data[1, 3, 4] = 64, 11, 5
    image = nb.Nifti1Image(data, AFFINE)
    image.set_qform(AFFINE, 2)
    nb.save(image, 't2.nii.gz')
    found = SimpleNamespace(numbered=True, why='')

    def spine(image, affine, cord, canal, anchor):
        found.anchor = anchor
        assert nb.aff2axcodes(affine) == ('L', 'A', 'S')
        labels = np.where(image == 5, 0, image).astype(np.uint8)
        place = affine @ [*np.argwhere(image == 64)[0], 1]
        numbers = {'numbered': found.numbered, 'why': found.why}
        return SimpleNamespace(map=labels, points={4: place[:3]}, **numbers)

    for name, segmenter in {
        'anatomy.finder.find_cord': lambda image, affine: SimpleNamespace(mask=image == 1),
        'anatomy.canal.segment_canal': lambda image, affine, cord: (image == 2) | cord,
        'embedded.spine.segment_spine': spine,
        'embedded.rootlets.segment_rootlets': lambda image, *_: SimpleNamespace(
            map=np.where(image == 5, 5, 0), why=''
        ),
    }.items():
        monkeypatch.setattr(f'spinalprep.{name}', segmenter)
    return SimpleNamespace(folder=tmp_path, found=found, monkeypatch=monkeypatch)


def labels_of(path):
    """Labels of an output that must lie on the input's grid."""
    image = nb.load(path)
    assert image.shape == SHAPE
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_allclose(image.affine, AFFINE)
    assert (int(image.header['qform_code']), int(image.header['sform_code'])) == (2, 2)
    data = np.asarray(image.dataobj)
    return {tuple(v.tolist()): int(data[tuple(v)]) for v in np.argwhere(data)}


@pytest.mark.parametrize(
    ('task', 'default', 'labels'),
    [
        ('spinalcord', 't2_seg', {(2, 3, 4): 1}),
        ('canal', 't2_canal_seg_seg', {(2, 3, 4): 1, (2, 4, 4): 1}),
        ('rootlets', 't2_rootlets', {(1, 3, 4): 5}),
    ],
)
def test_one_output_with_its_sidecar(seen, task, default, labels):
    assert run(['sct_deepseg', task, '-i', 't2.nii.gz', '-o', 'made/for/it.nii.gz']) == 0
    assert labels_of('made/for/it.nii.gz') == labels
    origin = json.loads((seen.folder / 'made/for/it.json').read_text())['GeneratedBy'][0]
    assert origin['Version'].startswith('embedded-')
    assert origin['Name'].endswith(f'sct_deepseg {task} -i t2.nii.gz -o it.nii.gz')
    assert run(['sct_deepseg', task, '-i', 't2.nii.gz']) == 0
    assert labels_of(f'{default}.nii.gz') == labels
    assert (seen.folder / f'{default}.json').is_file()


@pytest.mark.parametrize(('flags', 'c3'), [(['-label-vert', '1'], 13), ([], 50)])
def test_spine_writes_discs_and_map(seen, flags, c3):
    assert run(['sct_deepseg', 'spine', '-i', 't2.nii.gz', '-o', 'out/x.nii.gz', *flags]) == 0
    assert labels_of('out/x_totalspineseg_discs.nii.gz') == {(5, 4, 4): 4}
    assert labels_of('out/x_totalspineseg_all.nii.gz') == {
        (2, 3, 4): 1,
        (2, 4, 4): 2,
        (5, 3, 4): c3,
        (5, 4, 4): 64,
        (5, 5, 4): 11,
    }
    assert sorted(path.name for path in (seen.folder / 'out').iterdir()) == [
        'x_totalspineseg_all.json',
        'x_totalspineseg_all.nii.gz',
        'x_totalspineseg_discs.json',
        'x_totalspineseg_discs.nii.gz',
    ]


def test_known_discs_anchor_the_numbers(seen):
    discs = np.zeros(SHAPE, np.uint8)
    discs[3, 4, 5], discs[6, 4, 5] = 9, 7
    discs[7, 4, 5], discs[1, 4, 5] = 2, 50  # no discs that an image shows
    nb.save(nb.Nifti1Image(discs, AFFINE), 'discs.nii.gz')
    command = ['sct_deepseg', 'spine', '-i', 't2.nii.gz', '-o', 'x.nii.gz']
    assert run([*command, '-init-discs', 'discs.nii.gz']) == 0
    value, point = seen.found.anchor
    assert value == 7
    np.testing.assert_allclose(point, (AFFINE @ [6, 4, 5, 1])[:3])
    assert run(command) == 0
    assert seen.found.anchor is None


def test_unnumbered_discs_end_like_totalspineseg(seen, capsys):
    seen.found.numbered, seen.found.why = False, 'no C2 in view'
    assert run(['sct_deepseg', 'spine', '-i', 't2.nii.gz', '-o', 'out/x.nii.gz']) == 1
    assert 'no C2 in view' in capsys.readouterr().err
    assert not (seen.folder / 'out').exists()


def test_no_cord_is_a_failure_without_output(seen, capsys):
    def nothing(image, affine):
        raise CordNotFound('nothing like a cord')

    seen.monkeypatch.setattr('spinalprep.anatomy.finder.find_cord', nothing)
    for task in ('spinalcord', 'spine', 'rootlets', 'canal'):
        assert run(['sct_deepseg', task, '-i', 't2.nii.gz', '-o', 'out/x.nii.gz']) == 1
        assert 'nothing like a cord' in capsys.readouterr().err
    assert not (seen.folder / 'out').exists()


def test_an_output_without_extension_fails(seen):
    assert run(['sct_deepseg', 'spinalcord', '-i', 't2.nii.gz', '-o', 'x']) == 1
    assert run(['sct_deepseg', 'spinalcord', '-i', 't2.nii.gz', 't2.nii.gz']) == 2


@pytest.mark.slow
def test_all_tasks_on_a_phantom(tmp_path, monkeypatch):
    """The segmenters themselves, through the command line, in an unusual orientation."""
    monkeypatch.chdir(tmp_path)
    phantom = make_phantom(PhantomParams(seed=1, orientation='PSR'))
    nb.save(phantom.image, 't2.nii.gz')
    for task in ('spinalcord', 'canal', 'rootlets'):
        assert run(['sct_deepseg', task, '-i', 't2.nii.gz', '-o', f'{task}.nii.gz']) == 0
    command = ['sct_deepseg', 'spine', '-label-vert', '1', '-i', 't2.nii.gz', '-o', 's.nii.gz']
    assert run(command) == 0

    def dice(path, truth):
        found = np.asarray(nb.load(path).dataobj) > 0
        return 2 * (found & truth).sum() / (found.sum() + truth.sum())

    assert dice('spinalcord.nii.gz', phantom.cord > 0) > 0.9
    assert dice('canal.nii.gz', phantom.canal > 0) > 0.85
    assert dice('rootlets.nii.gz', phantom.rootlets > 0) > 0.3
    discs = np.asarray(nb.load('s_totalspineseg_discs.nii.gz').dataobj)
    for value in (3, 4, 5, 6, 7, 8):
        place = phantom.image.affine @ [*np.argwhere(discs == value)[0], 1]
        assert np.linalg.norm(place[:3] - phantom.disc_points[value]) < 2.5
