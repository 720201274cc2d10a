# SPDX-License-Identifier: Apache-2.0
"""The embedded SCT as a program: dispatch, usage errors, flags, and what no record shows."""

import argparse
import json
import os
import subprocess
import sys
import time

import nibabel as nb
import numpy as np
import pytest

from spinalprep import __version__
from spinalprep.embedded import files
from spinalprep.embedded.__main__ import COMMANDS
from spinalprep.embedded.shell import CommandParser
from tests.conftest import REPOSITORY
from tests.embedded.recorded import run

AFFINE = np.array([[0, 0, 1.0, -10], [-2, 0, 0, 20], [0, 0.5, 0, -5], [0, 0, 0, 1]])  # PSR


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(name, data, affine=AFFINE, codes=(1, 1)):
    image = nb.Nifti1Image(data, affine)
    image.set_qform(affine, codes[0])
    image.set_sform(affine, codes[1])
    nb.save(image, name)
    return image


def data_of(name):
    return np.asarray(nb.load(name).dataobj)


def process(*arguments):
    """A fresh interpreter that finds the package also where it is not installed."""
    environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_process_of_its_own_is_quick_and_says_what_it_is(folder):
    save('labels.nii.gz', np.zeros((4, 5, 6), np.uint8))
    started = time.monotonic()
    version = process('-m', 'spinalprep.embedded', 'sct_version')
    shown = process(
        '-m', 'spinalprep.embedded', 'sct_label_utils', '-i', 'labels.nii.gz', '-display'
    )
    assert time.monotonic() - started < 6  # two starts, on a busy machine
    assert version.stdout == f'embedded-{__version__}\n'
    assert version.returncode == shown.returncode == 0


def test_trivial_commands_import_nothing_slow(folder):
    save('t2.nii.gz', np.zeros((4, 5, 6), np.int16))
    script = (
        'import sys; from spinalprep.embedded.__main__ import main\n'
        "main(['sct_image', '-i', 't2.nii.gz', '-setorient', 'RPI'])\n"
        "heavy = {'scipy.ndimage', 'scipy.spatial', 'skimage', 'nipype'} & set(sys.modules)\n"
        'sys.exit(str(heavy) if heavy else 0)'
    )
    done = process('-c', script)
    assert done.returncode == 0, done.stderr


def test_what_is_not_covered_is_a_usage_error(capsys):
    assert run(['sct_qc', '-i', 'x']) == 2
    assert 'not one of the commands' in capsys.readouterr().err
    assert run(['sct_get_centerline', '-i', 'x', '-method', 'optic']) == 2
    assert 'invalid choice' in capsys.readouterr().err
    assert run(['sct_maths', '-i', 'x', '-o', 'y', '-otsu', '5']) == 2
    assert 'embedded SCT' in capsys.readouterr().err
    assert run([]) == 2
    assert run(['--help']) == 0


def captured_parsers(monkeypatch):
    """Parser of every command, taken where it would begin to parse."""
    parsers = {}

    class Captured(Exception):
        pass

    def capture(self, *_):
        parsers[self.prog] = self
        raise Captured

    monkeypatch.setattr(CommandParser, 'parse_args', capture)
    for name in COMMANDS:
        with pytest.raises(Captured):
            run([name, '-i', 'x'])
    return parsers


def test_flags_are_scts(monkeypatch, real_data):
    """Covered flags exist in SCT, with its choices, number of values and defaults."""
    table = json.loads((real_data.parent / 'reference' / 'sct_cli.json').read_text())
    known = table['7.4.dev0']
    for name, parser in captured_parsers(monkeypatch).items():
        if name == 'sct_version':
            continue
        checked = [(parser, known[name]['options'])]
        for action in parser._actions:
            if action.dest == 'task':
                tasks = known[name]['subcommands']
                checked += [(p, tasks[t]['options']) for t, p in action.choices.items()]
        for one, options in checked:
            for action in one._actions:
                for flag in action.option_strings:
                    # the last one is no flag of SCT's: the toolbox' dialect says so
                    if flag in ('-h', '--help', '-init-discs'):
                        continue
                    if name == 'sct_deepseg' and one is parser:
                        continue
                    assert flag in options, f'{name} {flag}'
                    theirs = options[flag]
                    if action.choices is not None and theirs.get('choices'):
                        assert set(action.choices) <= set(theirs['choices']), f'{name} {flag}'
                    assert not (theirs.get('required') and not action.required), f'{name} {flag}'
                    default = theirs.get('default')
                    if isinstance(default, int | str) and None not in (action.default, default):
                        assert default in (action.default, argparse.SUPPRESS), f'{name} {flag}'


def test_reorienting_keeps_differing_forms_apart(folder):
    image = save('t2.nii.gz', np.arange(120, dtype=np.int16).reshape(4, 5, 6))
    shifted = AFFINE.copy()
    shifted[:3, 3] += 3
    image.set_qform(shifted, 2)
    nb.save(image, 't2.nii.gz')
    assert run(['sct_image', '-i', 't2.nii.gz', '-setorient', 'RPI', '-o', 'o.nii.gz']) == 0
    turned = nb.load('o.nii.gz')
    assert nb.aff2axcodes(turned.affine) == ('L', 'A', 'S')
    np.testing.assert_allclose(
        turned.get_qform() - turned.get_sform(), shifted - AFFINE, atol=1e-4
    )
    assert (int(turned.header['qform_code']), int(turned.header['sform_code'])) == (2, 1)
    voxel = np.linalg.inv(turned.affine) @ AFFINE @ [1, 2, 3, 1]
    assert turned.get_fdata()[tuple(np.rint(voxel[:3]).astype(int))] == image.get_fdata()[1, 2, 3]
    assert run(['sct_image', '-i', 't2.nii.gz', '-set-sform-to-qform', '-o', 'q.nii.gz']) == 0
    np.testing.assert_allclose(nb.load('q.nii.gz').get_sform(), shifted, atol=1e-4)
    assert run(['sct_image', '-i', 't2.nii.gz', '-set-qform-to-sform', '-o', 's.nii.gz']) == 0
    np.testing.assert_allclose(nb.load('s.nii.gz').get_qform(), AFFINE, atol=1e-4)


def test_header_copied_and_type_changed(folder):
    save('a.nii.gz', np.zeros((4, 5, 6), np.uint8))
    save('b.nii.gz', np.full((4, 5, 6), 300.6, np.float32), np.eye(4))
    command = ['sct_image', '-i', 'a.nii.gz', '-copy-header', 'b.nii.gz']
    assert run(command) == 2  # without an output the input would be lost
    assert run([*command, '-o', 'c.nii.gz']) == 0
    np.testing.assert_allclose(nb.load('c.nii.gz').affine, AFFINE)
    assert data_of('c.nii.gz').max() == pytest.approx(300.6)
    assert run(['sct_image', '-i', 'b.nii.gz', '-type', 'uint8', '-o', 'd.nii.gz']) == 0
    assert data_of('d.nii.gz').max() == 255
    assert data_of('d.nii.gz').dtype == np.uint8


def test_crop_by_ranges_reference_and_background(folder):
    data = np.arange(10 * 11 * 12, dtype=np.int16).reshape(10, 11, 12)
    save('t2.nii.gz', data)
    box = ['-xmin', '2', '-xmax', '-3', '-ymin', '1', '-ymax', '5', '-zmax', '8']
    assert run(['sct_crop_image', '-i', 't2.nii.gz', *box]) == 0
    cropped = nb.load('t2_crop.nii.gz')
    np.testing.assert_array_equal(cropped.get_fdata(), data[2:8, 1:6, :9])
    np.testing.assert_allclose(cropped.affine @ [0, 0, 0, 1], AFFINE @ [2, 1, 0, 1])
    ref = ['-ref', 't2_crop.nii.gz', '-o', 'again.nii.gz']
    assert run(['sct_crop_image', '-i', 't2.nii.gz', *ref]) == 0
    np.testing.assert_array_equal(data_of('again.nii.gz'), data[2:8, 1:6, :9])
    filled = ['-b', '7', '-o', 'filled.nii.gz']
    assert run(['sct_crop_image', '-i', 't2.nii.gz', *box, *filled]) == 0
    assert data_of('filled.nii.gz').shape == data.shape
    assert data_of('filled.nii.gz')[0, 0, 0] == 7
    assert run(['sct_crop_image', '-i', 't2.nii.gz', '-xmin', '9', '-xmax', '3']) == 1


@pytest.mark.parametrize('process', ['center', 'coord,8x5', 'point,point.nii.gz'])
def test_masks_about_a_line(folder, process):
    save('t2.nii.gz', np.zeros((16, 12, 20), np.int16), np.diag([-1.0, 1, 1, 1]))
    point = np.zeros((16, 12, 20), np.uint8)
    point[8, 5, 3] = 1
    save('point.nii.gz', point, np.diag([-1.0, 1, 1, 1]))
    size = ['-size', '7', '-f', 'box']
    assert run(['sct_create_mask', '-i', 't2.nii.gz', '-p', process, *size]) == 0
    mask = data_of('mask_t2.nii.gz')
    assert mask.dtype == np.uint8
    assert mask[:, :, 0].sum() == 49
    assert mask[8, 5, :].all()
    assert run(['sct_create_mask', '-i', 't2.nii.gz', '-p', 'nonsense']) == 2
    assert run(['sct_create_mask', '-i', 't2.nii.gz', '-p', 'centerline,absent.nii.gz']) == 1


def test_arithmetic_in_order(folder):
    save('a.nii.gz', np.array([[[1, 5, 9]]], np.int16))
    save('b.nii.gz', np.array([[[1, 2, 3]]], np.int16))

    def calculate(*operations):
        assert run(['sct_maths', '-i', 'a.nii.gz', *operations, '-o', 'o.nii.gz']) == 0
        return data_of('o.nii.gz').ravel().tolist()

    assert calculate('-add', '1', '-mul', '2') == [4, 12, 20]
    assert calculate('-mul', '2', '-add', '1') == [3, 11, 19]
    assert calculate('-sub', 'b.nii.gz', '-bin', '0') == [0, 1, 1]
    assert calculate('-thr', '5', '-uthr', '5') == [0, 5, 0]
    assert calculate('-div', 'b.nii.gz') == [1, 2.5, 3]
    assert calculate('-dilate', '1') == [5, 9, 9]
    assert calculate('-erode', '3', '-shape', 'cube') == [1, 1, 5]
    assert run(['sct_maths', '-i', 'a.nii.gz', '-o', 'o.nii.gz']) == 2
    assert run(['sct_maths', '-i', 'a.nii.gz', '-add', 'absent.nii.gz', '-o', 'o.nii.gz']) == 1


def test_smoothing_is_in_millimetres(folder):
    point = np.zeros((31, 31, 31), np.float32)
    point[15, 15, 15] = 1
    save('p.nii.gz', point, np.diag([2.0, 1, 1, 1]))
    assert run(['sct_maths', '-i', 'p.nii.gz', '-smooth', '4', '-o', 's.nii.gz']) == 0
    smooth = data_of('s.nii.gz')
    position = np.arange(31) - 15
    spread = [(smooth.sum(axis=tuple({0, 1, 2} - {a})) * position**2).sum() for a in (0, 1)]
    assert spread == pytest.approx([4, 16], rel=0.05)


def test_label_points_made_shifted_reduced(folder):
    save('t2.nii.gz', np.zeros((6, 6, 6), np.int16))
    save('reference.nii.gz', np.full((6, 6, 6), 5, np.uint8))

    def edit(source, *action):
        assert run(['sct_label_utils', '-i', source, *action, '-o', 'labels.nii.gz']) == 0
        labels = data_of('labels.nii.gz')
        return {int(labels[tuple(v)]): tuple(v.tolist()) for v in np.argwhere(labels)}

    assert edit('t2.nii.gz', '-create', '1,2,3,3:4,4,4,5') == {3: (1, 2, 3), 5: (4, 4, 4)}
    assert edit('labels.nii.gz', '-create-add', '0,0,1,7') == {
        3: (1, 2, 3),
        5: (4, 4, 4),
        7: (0, 0, 1),
    }
    assert edit('labels.nii.gz', '-remove-reference', 'reference.nii.gz') == {5: (4, 4, 4)}
    assert edit('labels.nii.gz', '-add', '-2') == {3: (4, 4, 4)}
    block = np.zeros((6, 6, 6), np.uint8)
    block[1:4, 1:4, 2] = 4
    save('block.nii.gz', block)
    assert edit('block.nii.gz', '-cubic-to-point') == {4: (2, 2, 2)}
    assert run(['sct_label_utils', '-i', 't2.nii.gz', '-create', '9,9,9,1']) == 1
    assert run(['sct_label_utils', '-i', 't2.nii.gz', '-create', '1,2,3']) == 2
    assert run(['sct_label_utils', '-i', 't2.nii.gz', '-keep', '1', '-remove', '2']) == 2


def test_levels_given_as_a_map_must_fit(folder):
    cord = np.zeros((9, 9, 20), np.uint8)
    cord[2:7, 2:7] = 1
    save('cord.nii.gz', cord, np.eye(4))
    levels = np.where(np.arange(20) < 8, 4, 3) * cord
    save('levels.nii.gz', levels.astype(np.uint8), np.eye(4))
    save('short.nii.gz', levels[..., :15].astype(np.uint8), np.eye(4))
    command = ['sct_process_segmentation', '-i', 'cord.nii.gz', '-perlevel', '1', '-vert', '3:4']
    assert run([*command, '-vertfile', 'short.nii.gz']) == 1
    assert run([*command, '-vertfile', 'levels.nii.gz', '-discfile', 'levels.nii.gz']) == 2
    assert run([*command, '-vertfile', 'levels.nii.gz']) == 0
    rows = (folder / 'csa.csv').read_text().splitlines()[1:]
    assert ['"0:7","4"' in rows[0], '"8:19","3"' in rows[1]] == [True, True]
    assert (
        run(['sct_process_segmentation', '-i', 'cord.nii.gz', '-z', '2:4', '-perslice', '1']) == 0
    )
    assert len((folder / 'csa.csv').read_text().splitlines()) == 4


def test_a_failed_write_leaves_nothing_behind(folder):
    image = save('a.nii.gz', np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(ValueError, match=r'without \.nii'):
        files.write(image, folder / 'name-without-extension')
    with pytest.raises(FileNotFoundError):
        files.write(image, folder / 'absent' / 'b.nii.gz')
    assert [path.name for path in folder.iterdir()] == ['a.nii.gz']


def test_installing_has_nothing_to_do(folder, capsys):
    for task in ('spinalcord', 'canal', 'rootlets', 'spine'):
        assert run(['sct_deepseg', task, '-install']) == 0
    assert 'nothing to install' in capsys.readouterr().out


def test_images_that_are_none_end_with_exit_code_1(folder, capsys):
    (folder / 'text.nii.gz').write_text('nothing')
    save('four.nii.gz', np.zeros((4, 4, 4, 2), np.int16))
    assert run(['sct_image', '-i', 'text.nii.gz', '-setorient', 'RPI']) == 1
    assert 'text.nii.gz' in capsys.readouterr().err
    assert run(['sct_get_centerline', '-i', 'four.nii.gz', '-method', 'fitseg']) == 1
    assert '(4, 4, 4, 2)' in capsys.readouterr().err
