# SPDX-License-Identifier: Apache-2.0
"""Every command line that the interfaces can build is one that SCT's own parsers take.

The parsers of each release are stored as JSON beside the test data. Each interface is built with
its least inputs, then with every value of every other input alone, then with all pairs of inputs.
"""

import json
import re
from itertools import combinations

import pytest
from nipype.interfaces.base import isdefined

from spinalprep.errors import ToolboxError
from spinalprep.interfaces import sct
from spinalprep.toolbox import TASKS, Toolbox

VERSIONS = ('6.3', '6.5', '7.0', '7.1', '7.2', '7.3', '7.4.dev0')

LEAST = {
    sct.Version: [{}],
    sct.Image: [{'in_file': '/d/i.nii.gz'}],
    sct.CropImage: [
        {'in_file': '/d/i.nii.gz', 'mask_file': '/d/m.nii.gz'},
        {'in_file': '/d/i.nii.gz', 'ref_file': '/d/r.nii.gz'},
    ],
    sct.CreateMask: [
        {'in_file': '/d/i.nii.gz', 'location_file': '/d/s.nii.gz', 'coordinates': (10, 12)}
    ],
    sct.DeepSeg: [{'in_file': '/d/i.nii.gz', 'task': task} for task in TASKS],
    sct.LabelUtils: [{'in_file': '/d/i.nii.gz'}],
    sct.LabelVertebrae: [{'in_file': '/d/i.nii.gz', 'seg_file': '/d/s.nii.gz'}],
    sct.ProcessSegmentation: [{'in_file': '/d/s.nii.gz'}],
    sct.GetCenterline: [{'in_file': '/d/s.nii.gz'}],
    sct.RegisterToTemplate: [
        {'in_file': '/d/i.nii.gz', 'seg_file': '/d/s.nii.gz', name: '/d/l.nii.gz'}
        for name in ('disc_file', 'rootlet_file', 'spinal_file', 'body_file')
    ],
    sct.RegisterMultimodal: [{'in_file': '/d/i.nii.gz', 'dest_file': '/d/d.nii.gz'}],
    sct.ApplyTransfo: [
        {'in_file': '/d/i.nii.gz', 'dest_file': '/d/d.nii.gz', 'warps': ['/d/w.nii.gz']}
    ],
    sct.ConcatTransfo: [{'dest_file': '/d/d.nii.gz', 'warps': ['/d/w.nii.gz', '/d/v.nii.gz']}],
    sct.WarpTemplate: [{'dest_file': '/d/d.nii.gz', 'warp_file': '/d/w.nii.gz'}],
    sct.Maths: [{'in_file': '/d/i.nii.gz'}],
}
# Interfaces that do one thing at a time: the least inputs alone are no command.
ONE_OF = {sct.Image, sct.LabelUtils, sct.Maths}
OURS = {
    *('toolbox', 'toolbox_identity', 'num_threads', 'timeout', 'eligible', 'reason'),
    *('tolerate_failure', 'allow_empty', 'template'),
}
SAMPLES = {
    'warps': [['/d/a.nii.gz'], ['/d/a.nii.gz', '/d/b.txt']],
    'inverse_warps': [['/d/b.txt']],
    'create': [[(1, 2, 3, 4)], [(1, 2, 3, 4), (5, 6, 7, 8)]],
    'create_add': [[(1, 2, 3, 4)]],
    'create_seg': [[(10, 3), (20, 4)]],
    'init_slice': [(20, 3)],
    'pad': [(1, 2, 3)],
    'pad_asymmetric': [(1, 2, 3, 4, 5, 6)],
    'add': [['1'], ['2.5', '/d/a.nii.gz']],
    'size': ['41', '35mm'],
    'remove_small': ['5vox'],
    'levels': ['2:9', '3,4'],
    'slices': ['5:23', '7'],
    'param': ['step=1,type=seg,algo=centermass:step=2,type=seg,algo=bsplinesyn,slicewise=1'],
}


def values(interface, name: str) -> list:
    """Values to try for an input."""
    trait = interface.inputs.trait(name)
    kind = type(trait.trait_type).__name__
    if kind == 'Enum':
        return list(trait.trait_type.values)
    if name in SAMPLES and not (name == 'add' and kind == 'Int'):
        return SAMPLES[name]
    return {
        'Bool': [True, False],
        'Int': [3, 0, -1],
        'Range': [1, 4],
        'Float': [0.0, 2.5],
        'File': ['/d/x y.nii.gz'],
        'Directory': ['out'],
        'List': [[1], [1, 2, 3]],
        'InputMultiObject': [['2'], ['/d/a.nii.gz']],
    }[kind]


def optional(interface, least: dict) -> list[str]:
    names = [name for name in interface.inputs.copyable_trait_names() if name not in OURS]
    return sorted(set(names) - set(least))


def build(kind, inputs: dict):
    """An interface, or ``None`` if these inputs exclude each other."""
    try:
        return kind(toolbox=Toolbox.example('7.3'), **inputs)
    except OSError:
        return None


def all_inputs():
    """Every set of inputs to try, as (interface class, inputs)."""
    for kind, starts in LEAST.items():
        for least in starts:
            if kind not in ONE_OF:
                yield kind, least
            probe = build(kind, least)
            names = optional(probe, least)
            for name in names:
                for value in values(probe, name):
                    yield kind, {**least, name: value}
            for one, two in combinations(names, 2):
                yield (
                    kind,
                    {**least, one: values(probe, one)[0], two: values(probe, two)[-1]},
                )


@pytest.fixture(scope='module')
def parsers(real_data) -> dict:
    file = real_data.parent / 'reference' / 'sct_cli.json'
    if not file.is_file():
        pytest.skip(f'the parsers of SCT are not there: {file}')
    return json.loads(file.read_text())


def problems(parser: dict, arguments: list[str]) -> list[str]:
    """Why a parser would refuse arguments; empty if it would take them."""
    found = []
    if parser.get('subcommands') and arguments and not arguments[0].startswith('-'):
        task, *arguments = arguments
        if task not in parser['subcommands']:
            return [f'no task {task}']
        parser = parser['subcommands'][task]
    flags = {}
    for flag, option in parser.get('options', {}).items():
        for spelled in (flag, *option.get('aliases', ())):
            flags[spelled] = (flag, option)
    given: dict[str, list[str]] = {}
    position = 0
    while position < len(arguments):
        word, position = arguments[position], position + 1
        if word not in flags:
            found.append(f'unknown: {word}')
            continue
        texts = []
        while position < len(arguments) and not _looks_like_flag(arguments[position]):
            texts.append(arguments[position])
            position += 1
        flag, option = flags[word]
        if flag in given:
            found.append(f'{flag} twice')
        given[flag] = texts
        found += [f'{flag}: {problem}' for problem in _wrong_values(option, texts)]
    for flag, option in parser.get('options', {}).items():
        if option.get('required') and flag not in given:
            found.append(f'{flag} is required')
    return found + _wrong_groups(parser, given)


def _looks_like_flag(word: str) -> bool:
    return word.startswith('-') and not re.fullmatch(r'-\d+(\.\d*)?', word)


def _wrong_values(option: dict, texts: list[str]) -> list[str]:
    nargs = option.get('nargs')
    fits = {None: len(texts) == 1, '?': len(texts) <= 1, '*': True, '+': len(texts) >= 1}
    if not fits.get(nargs, len(texts) == nargs):
        return [f'{len(texts)} values for nargs {nargs}']
    found = []
    kind = str(option.get('type') or 'str')
    for text in texts:
        try:
            value = _parsed(kind, text)
        except ValueError as error:
            found.append(str(error))
            continue
        if option.get('choices') and value not in option['choices']:
            found.append(f'{value} is not among {option["choices"]}')
    return found


def _parsed(kind: str, text: str):
    """A value as SCT's parser reads it; ValueError if it can't."""
    if kind in ('int', 'float'):
        return {'int': int, 'float': float}[kind](text)
    listed = re.fullmatch(r"list\(delimiter='(.)', subtype=(.*), length=(\w+)\)", kind)
    if listed:
        parts = text.split(listed[1])
        if listed[3] != 'None' and len(parts) != int(listed[3]):
            raise ValueError(f'{text}: {len(parts)} parts')
        for part in parts:
            if listed[2] == 'Coordinate':
                if [int(number) for number in part.split(',')] and part.count(',') != 3:
                    raise ValueError(f'{part} is no coordinate')
            else:
                _parsed(listed[2], part)
    elif kind == 'one_two_three_ints':
        [int(part) for part in text.split('x')]
    elif kind == 'one_or_three_sigmas':
        if len([float(part) for part in text.split(',')]) not in (1, 3):
            raise ValueError(f'{text}: neither one nor three')
    elif kind == 'parse_num_list':
        [int(part) for part in re.split('[,:;]', text)]
    elif kind == 'parse_initz':
        if len([int(part) for part in text.split(',')]) != 2:
            raise ValueError(f'{text}: not two')
    elif kind not in ('str', 'number_or_fname', 'get_absolute_path', 'abspath'):
        raise AssertionError(f'the checker does not know the type {kind}')
    return text


def _wrong_groups(parser: dict, given: dict) -> list[str]:
    groups: dict = {}
    for flag, option in parser.get('options', {}).items():
        if option.get('mutually_exclusive'):
            groups.setdefault(option['mutually_exclusive']['group'], []).append((flag, option))
    found = []
    for members in groups.values():
        used = [flag for flag, _ in members if flag in given]
        if len(used) > 1:
            found.append(f'exclude each other: {used}')
        if members[0][1]['mutually_exclusive']['required'] and not used:
            found.append(f'one is required of {[flag for flag, _ in members]}')
    return found


def test_every_command_line_parses(parsers):
    wrong, built, refused = [], 0, {}
    for kind, inputs in all_inputs():
        interface = build(kind, inputs)
        if interface is None:
            continue
        for version in VERSIONS:
            interface.inputs.toolbox = Toolbox.example(version)
            try:
                argv = interface.argv
            except ToolboxError as error:
                refused.setdefault((kind, version), set()).add(str(error))
                continue
            except ValueError:
                break  # two things at a time
            program, *arguments = argv
            assert program == f'/usr/local/sct_{version}/bin/{kind._command}'
            built += 1
            found = problems(parsers[version][kind._command], arguments)
            if kind is sct.DeepSeg and '-i' not in arguments:
                found.append('-i is needed')
            if found:
                wrong.append((version, interface.cmdline, found))
    assert not wrong, wrong[:10]
    assert built > 6000
    # What a release is said not to have, its parser does not have.
    for (kind, version), messages in refused.items():
        known = json.dumps(parsers[version].get(kind._command))
        for message in messages:
            flag = {
                'disc_file': '-discfile',
                'exclude_missing': '-centerline-exclude-missing',
                'anat_file': '-anat',
                'rootlet_file': '-lrootlet',
                'space': '-space',
                'volumewise': '-volumewise',
                'slicewise_mean': '-slicewise-mean',
                'test_time_augmentation': '-test-time-aug',
                'anchor_file': '-init-discs',
            }
            names = re.search(r'takes no (\w+) in SCT', message)
            if names:
                assert f'"{flag[names[1]]}"' not in known, message


@pytest.mark.parametrize('version', VERSIONS)
@pytest.mark.parametrize('task', TASKS)
def test_tasks_exist_where_they_are_said_to(version, task, parsers):
    toolbox = Toolbox.example(version)
    parser = parsers[version]['sct_deepseg']
    if toolbox.dialect.lacks(task):
        assert version == '6.3'
        assert task in ('spine', 'canal')
        return
    name = toolbox.dialect.task(task).name
    if 'subcommands' in parser:
        assert name in parser['subcommands']
        assert toolbox.dialect.install_command(task) == f'sct_deepseg {name} -install'
        assert '-install' in parser['subcommands'][name]['options']
    else:
        install = next(
            option
            for flag, option in parser['options'].items()
            if '-install-task' in (flag, *option.get('aliases', ()))
        )
        assert name in install['choices']
        assert toolbox.dialect.install_command(task) == f'sct_deepseg -install-task {name}'


def test_choices_are_those_of_the_parsers(parsers):
    for version in VERSIONS:
        dialect = Toolbox.example(version).dialect
        for command, name, flag in (
            ('sct_apply_transfo', 'crop', '-crop'),
            ('sct_register_multimodal', 'interpolation', '-x'),
        ):
            choices = parsers[version][command]['options'][flag]['choices']
            assert set(dialect.choices(command, name)) == set(choices), (version, command)


def test_the_checker_can_say_no(parsers):
    parser = parsers['7.3']
    assert problems(parser['sct_image'], ['-i', 'a', '-nosuch', '1'])
    assert problems(parser['sct_image'], ['-setorient', 'RPI'])
    assert problems(parser['sct_image'], ['-i', 'a', '-setorient', 'XYZ'])
    assert problems(parser['sct_image'], ['-i', 'a', '-setorient'])
    assert problems(parser['sct_label_utils'], ['-i', 'a', '-keep', '1', '-remove', '2'])
    assert problems(parser['sct_label_utils'], ['-i', 'a', '-keep', 'one'])
    assert problems(parser['sct_deepseg'], ['totalspineseg', '-i', 'a'])
    assert problems(parsers['6.5']['sct_deepseg'], ['spinalcord', '-i', 'a'])
    assert problems(parser['sct_process_segmentation'], ['-i', 'a', '-angle-corr-centerline', 'b'])
    assert not problems(parser['sct_crop_image'], ['-i', 'a', '-zmax', '-2'])


def test_every_input_is_typed_and_described():
    for kind in LEAST:
        interface = kind(toolbox=Toolbox.example('7.3'))
        for spec in (interface.inputs, interface._outputs()):
            for name, trait in spec.items():
                assert trait.desc, f'{kind.__name__}.{name} has no description'
        for name, trait in interface.inputs.items():
            if name.endswith('_file') and not name.startswith('out_'):
                assert trait.input_file, f'{kind.__name__}.{name} is not checked to be there'
                assert not trait.mandatory, f'{kind.__name__}.{name} can not be missing'
        assert not isdefined(interface.inputs.timeout)
