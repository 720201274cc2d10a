# SPDX-License-Identifier: Apache-2.0
"""Replay recorded runs of the real SCT through the interfaces.

There are 86 cases. 78 are put before an interface here: in 72 of them the stand-in replays what
the real command printed, wrote and returned; in 12 (6 of which are also replayed, with the missing
file put in place) the interface refuses before anything runs.
The other 8 have no interface: 03 (sct_check_dependencies), 05 (sct_image without ``-o``, which
overwrites its input), 06, 17 and 19 (commands that print and write nothing), 80 and 81 (sct_qc),
83 (a flag that does not exist can not be built).
"""

import json
import shutil
from pathlib import Path

import pytest

from spinalprep.errors import InputImageError, SCTCommandError, SCTOutputError
from spinalprep.interfaces import sct
from tests.interfaces.standin import calls, replaying_sct

NO_INTERFACE = {'03', '05', '06', '17', '19', '80', '81', '83'}

# Command -> interface, and recorded flag -> (input, how to read the value).
_int, _yes = int, lambda text: text == '1'


def _ints(text: str) -> list[int]:
    return [int(part) for part in text.replace('x', ',').split(',')]


COMMANDS = {
    'sct_version': (sct.Version, {}),
    'sct_image': (sct.Image, {'-setorient': ('set_orientation', str)}),
    'sct_create_mask': (
        sct.CreateMask,
        {'-p': ('location_file', str), '-size': ('size', str), '-f': ('shape', str)},
    ),
    'sct_crop_image': (sct.CropImage, {'-m': ('mask_file', str), '-dilate': ('dilate', _ints)}),
    'sct_maths': (sct.Maths, {'-bin': ('binarize', float)}),
    'sct_label_utils': (sct.LabelUtils, {'-keep': ('keep', _ints), '-remove': ('remove', _ints)}),
    'sct_label_vertebrae': (
        sct.LabelVertebrae,
        {'-s': ('seg_file', str), '-c': ('contrast', str), '-discfile': ('disc_file', str)},
    ),
    'sct_process_segmentation': (
        sct.ProcessSegmentation,
        {
            '-perslice': ('per_slice', _yes),
            '-perlevel': ('per_level', _yes),
            '-vert': ('levels', str),
            '-discfile': ('disc_file', str),
        },
    ),
    'sct_get_centerline': (sct.GetCenterline, {'-method': ('method', str)}),
    'sct_register_to_template': (
        sct.RegisterToTemplate,
        {
            '-s': ('seg_file', str),
            '-ldisc': ('disc_file', str),
            '-lrootlet': ('rootlet_file', str),
            '-c': ('contrast', str),
            '-ref': ('reference', str),
            '-t': ('template', str),
        },
    ),
    'sct_apply_transfo': (
        sct.ApplyTransfo,
        {'-d': ('dest_file', str), '-w': ('warps', str), '-x': ('interpolation', str)},
    ),
    'sct_concat_transfo': (sct.ConcatTransfo, {'-d': ('dest_file', str), '-w': ('warps', str)}),
    'sct_warp_template': (
        sct.WarpTemplate,
        {'-d': ('dest_file', str), '-w': ('warp_file', str), '-t': ('template', str)},
    ),
    'sct_deepseg': (sct.DeepSeg, {'-label-vert': ('label_vertebrae', _yes)}),
}

FILES = {
    *('in_file', 'mask_file', 'location_file', 'seg_file', 'disc_file', 'rootlet_file'),
    *('dest_file', 'warps', 'warp_file', 'template'),
}


def interface_for(case: Path, tmp_path: Path, *, complete: bool):
    """The interface that stands for a recorded command, with the inputs that it had.

    ``complete`` puts a file where one was missing, so that the command can be replayed at all.
    """
    run = json.loads((case / 'run.json').read_text())
    data = case.parent.parent
    places = {}
    for entry in run['inputs']:
        if 'stored' in entry:
            places[entry['name']] = case / entry['stored']
        elif 'data' in entry:
            places[entry['name']] = data / entry['data']
        elif 'case' in entry:
            places[entry['name']] = case.parent / entry['case'] / 'out' / entry['file']
        else:
            places[entry['name']] = data / 'pam50_small'
    # Under their recorded names: SCT names some outputs after its inputs.
    for name, place in places.items():
        if place.is_file():
            places[name] = tmp_path / 'in' / name
            places[name].parent.mkdir(exist_ok=True, parents=True)
            shutil.copy(place, places[name])

    command, *arguments = run['argv']
    kind, flags = COMMANDS[command]
    values: dict = {}
    if command == 'sct_deepseg':
        values['task'] = 'spinalcord'
        if arguments[0] in ('spinalcord', 'spine', 'rootlets'):
            values['task'] = arguments[0]
        values['label_vertebrae'] = False
    position = 0
    while position < len(arguments):
        flag, position = arguments[position], position + 1
        texts = []
        while position < len(arguments) and not arguments[position].startswith('-'):
            texts.append(arguments[position])
            position += 1
        if flag == '-i':
            name, read = 'in_file', str
        elif flag == '-o' and command != 'sct_version':
            name, read = 'out_file', lambda text: Path(text).name
        elif flag in flags:
            name, read = flags[flag]
        else:
            continue
        texts = [text.removeprefix('centerline,') for text in texts]
        found = [read(text) for text in texts]
        if name in FILES:
            found = [_place(text, places, data, tmp_path, complete) for text in texts]
        values[name] = found if name == 'warps' else found[0]
    toolbox = replaying_sct(tmp_path / 'sct', case, template=data / 'pam50_small')
    values.pop('template', None)
    return kind(toolbox=toolbox, **values), run


def _place(text: str, places: dict, data: Path, tmp_path: Path, complete: bool) -> str:
    """Where a file of a recorded command is now."""
    if text in places:
        return str(places[text])
    if text.startswith('PAM50_small'):
        return str(data / 'pam50_small' / 'template' / text)
    known = next((place for name, place in places.items() if name.endswith(Path(text).name)), None)
    if known is not None:
        return str(known)
    if complete:
        return str(data / 't2_cervical' / 't2.nii.gz')
    return str(tmp_path / text)


def case_folder(real_data: Path, number: str) -> Path:
    return next((real_data / 'sct_runs').glob(f'{number}_*'))


GOOD = [
    *('01', '02', '04', '07', '08', '09', '12', '13', '14', '16', '18', '20', '21', '22', '23'),
    *('28', '30', '31', '32', '34', '47', '48', '50', '51', '52', '53', '54', '55', '56', '57'),
    *('58', '59', '62', '63', '84', '90', '91', '92', '93', '94', '97', '98', '99'),
]
# Exit code 0 and nothing to show for it.
NO_RESULT = ['15', '25', '27', '70']
FAILED = [
    *('11', '24', '29', '35', '37', '38', '39', '40', '41', '42', '43', '44', '45', '46', '60'),
    *('61', '64', '71', '72', '73', '75', '77', '95', '96'),
]
# What can be refused before anything runs: the inputs say it.
REFUSED = {
    '10': InputImageError,
    '26': ValueError,
    '27': InputImageError,
    '29': InputImageError,
    '33': OSError,
    '36': ValueError,
    '42': InputImageError,
    '43': InputImageError,
    '60': InputImageError,
    '73': InputImageError,
    '74': ValueError,
    '82': ValueError,
}
TIMED_OUT = ['76']


def test_every_case_is_accounted_for(real_data):
    cases = {folder.name[:2] for folder in (real_data / 'sct_runs').glob('[0-9][0-9]_*')}
    covered = {*GOOD, *NO_RESULT, *FAILED, *REFUSED, *TIMED_OUT}
    assert len(cases) == 86
    assert covered | NO_INTERFACE == cases
    assert not covered & NO_INTERFACE
    assert len({*GOOD, *NO_RESULT, *FAILED, *TIMED_OUT}) == 72
    assert len(REFUSED) == 12
    assert len(REFUSED.keys() & {*NO_RESULT, *FAILED}) == 6


@pytest.mark.parametrize('number', GOOD)
def test_success(number, real_data, tmp_path, monkeypatch):
    case = case_folder(real_data, number)
    interface, run = interface_for(case, tmp_path, complete=True)
    node = tmp_path / 'node'
    node.mkdir()
    monkeypatch.chdir(tmp_path)
    outputs = interface.run(cwd=node).outputs.get_traitsfree()
    outputs.pop('no_result', None)
    assert outputs, 'no outputs'
    for value in outputs.values():
        if isinstance(value, str) and '/' in value:
            assert Path(value).exists()
            assert Path(value).is_relative_to(node.resolve())
    assert_same_command(calls(interface.inputs.toolbox)[0], run['argv'])
    record = json.loads((node / 'command.json').read_text())
    assert record['exit_code'] == run['exit_code'] == 0
    printed = (node / 'command.log').read_text()
    assert (case / 'stdout.txt').read_text() in printed


def assert_same_command(ours: list[str], recorded: list[str]) -> None:
    """Our command says what the recorded one said; only file names differ."""
    assert ours[0] == recorded[0]
    flags = [word for word in recorded[1:] if word.startswith('-')]
    assert [flag for flag in flags if flag not in ours] == []
    for flag in flags:
        then, now = recorded[recorded.index(flag) + 1], ours[ours.index(flag) + 1]
        if '.nii' in then or '.csv' in then or flag in ('-t', '-ofolder', '-o'):
            continue
        number = then.replace('.', '').isdigit()
        assert (float(now) == float(then)) if number else (now == then)


@pytest.mark.parametrize('number', NO_RESULT)
def test_exit_0_without_a_result_is_an_error(number, real_data, tmp_path):
    interface, run = interface_for(case_folder(real_data, number), tmp_path, complete=True)
    assert run['exit_code'] == 0
    with pytest.raises(SCTOutputError, match='exit code 0, but') as caught:
        interface.run(cwd=tmp_path)
    assert str(tmp_path / 'command.log') in str(caught.value)


@pytest.mark.parametrize('number', FAILED)
def test_failure(number, real_data, tmp_path):
    case = case_folder(real_data, number)
    interface, run = interface_for(case, tmp_path, complete=True)
    with pytest.raises(
        SCTCommandError, match=f'ended with exit code {run["exit_code"]}'
    ) as caught:
        interface.run(cwd=tmp_path)
    assert not isinstance(caught.value, SCTOutputError)
    message = str(caught.value)
    assert run['argv'][0] in message
    index = json.loads((case.parent / 'index.json').read_text())
    said = next(entry['message'] for entry in index if entry['case'] == case.name)
    said = ' '.join(said.split())[:60]
    assert said in ' '.join(message.split()), 'the reason that SCT gave'
    assert said[:30] in message.partition('\n')[0], 'and in its first line'


@pytest.mark.parametrize('number', sorted(REFUSED))
def test_refused_before_anything_runs(number, real_data, tmp_path):
    with pytest.raises(REFUSED[number]):
        interface_for(case_folder(real_data, number), tmp_path, complete=False)[0].run(
            cwd=tmp_path
        )
    assert not (tmp_path / 'sct' / 'calls.jsonl').exists()


@pytest.mark.parametrize('number', TIMED_OUT)
def test_a_silent_server_is_not_waited_for(number, real_data, tmp_path):
    interface, run = interface_for(case_folder(real_data, number), tmp_path, complete=True)
    assert run['timed_out']
    program = interface.inputs.toolbox.root / 'bin' / 'sct_deepseg'
    program.write_text(
        program.read_text().replace("sys.exit(plan['exit_code'])", 'import time; time.sleep(60)')
    )
    interface.inputs.timeout = 0.5
    with pytest.raises(SCTCommandError, match=r'longer than its time limit of 0\.5 s'):
        interface.run(cwd=tmp_path)


def test_an_empty_input_is_named(real_data, tmp_path):
    interface, _ = interface_for(case_folder(real_data, '24'), tmp_path, complete=True)
    with pytest.raises(SCTCommandError, match='zero everywhere: in_file'):
        interface.run(cwd=tmp_path)


def test_values_found_are_told(real_data, tmp_path):
    interface, _ = interface_for(case_folder(real_data, '16'), tmp_path, complete=True)
    assert interface.inputs.keep == [3, 9]
    assert interface.run(cwd=tmp_path).outputs.values == [3]


def test_both_maps_of_the_spine(real_data, tmp_path):
    interface, _ = interface_for(case_folder(real_data, '94'), tmp_path, complete=True)
    outputs = interface.run(cwd=tmp_path).outputs
    assert outputs.discs_file.endswith('_totalspineseg_discs.nii.gz')
    assert outputs.labels_file.endswith('_totalspineseg_all.nii.gz')
