# SPDX-License-Identifier: Apache-2.0
"""Kinds of damage to a finished output folder: each is found, and named with its path."""

import gzip
import json

import nibabel as nb
import numpy as np
import pytest
from PIL import Image

from spinalprep.check import check
from spinalprep.cli.main import main
from spinalprep.naming import sidecar_name
from tests.check.conftest import path_of, rewrite


def sidecar(path):
    return path.with_name(sidecar_name(path.name))


def turned(path, *axes):
    """Turn the grid of an image about without touching its values."""
    affine = nb.load(path).affine @ np.diag([-1 if axis in axes else 1 for axis in range(4)])
    rewrite(path, lambda data: data, affine=affine)


def edited(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def swapped(data, one, other):
    return np.where(data == one, other, np.where(data == other, one, data)).astype(data.dtype)


def moved(data):
    """Values elsewhere, within the same grid."""
    return np.roll(data, 2, axis=0)


def cut(path, bytes_lost):
    path.write_bytes(path.read_bytes()[:-bytes_lost])


def lost_before_packing(path):
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-10]))


def flipped_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def doubled_point(path):
    def double(data):
        data[0, 0, 4] = 2
        return data

    rewrite(path, double)


def lowered(data):
    """A field that leads 6 mm lower."""
    data[..., 2] -= 6
    return data


DAMAGE = {
    # kind: (file, what is done to it, what is said of it)
    'deleted image': ('cordref', lambda p: p.unlink(), 'cordref is missing'),
    'deleted warp': ('warp_cordref2template_other', lambda p: p.unlink(), 'is missing'),
    'deleted table': ('csa_per_level', lambda p: p.unlink(), 'is missing'),
    'deleted sidecar': ('cord_dseg', lambda p: sidecar(p).unlink(), 'sidecar'),
    'half a sidecar': ('cord_dseg', lambda p: cut(sidecar(p), 20), 'sidecar'),
    'sidecar of nothing': (
        'cord_dseg', lambda p: sidecar(p).write_text('{}'), 'what it was made from',
    ),
    'table of other labels': (
        'rootlets_dseg_table', lambda p: p.write_text('index\tname\tcolor\n99\tx\tn/a\n'),
        'does not tell what',
    ),
    'label without a number': (
        'disc_labels_table', lambda p: p.write_text('index\tname\tcolor\nC2\tx\tn/a\n'),
        "index is 'C2'",
    ),
    'empty file': ('canal_dseg', lambda p: p.write_bytes(b''), 'read to its end'),
    'no gzip file': ('canal_dseg', lambda p: p.write_text('moved to tape'), 'read to its end'),
    'last byte lost': ('warp_cordref2template', lambda p: cut(p, 1), 'read to its end'),
    'cut before packing': ('rootlets_dseg', lost_before_packing, 'read to its end'),
    'a byte flipped': ('cordref', flipped_byte, 'read to its end'),
    'empty mask': ('cord_dseg', lambda p: rewrite(p, np.zeros_like), 'empty'),
    'mask of probabilities': (
        'cord_dseg', lambda p: rewrite(p, lambda d: d * np.float32(0.7)), 'never has: 0.7',
    ),
    'label that there is not': (
        'rootlets_dseg', lambda p: rewrite(p, lambda d: np.minimum(d, 1) * 99), 'never has: 99',
    ),
    'one disc twice': ('disc_labels', doubled_point, 'more than one voxel for: 2'),
    'constant image': ('cordref', lambda p: rewrite(p, np.ones_like), 'all values are 1'),
    'values not finite': (
        'cordref_in_template', lambda p: rewrite(p, lambda d: np.where(d > 9, np.inf, d)),
        'not finite',
    ),
    'a slice lost': ('cord_dseg', lambda p: rewrite(p, lambda d: d[..., 1:]), 'shape'),
    'one axis too many': ('cord_dseg', lambda p: rewrite(p, lambda d: d[..., None]), '4 axes'),
    'left and right swapped in the header': (
        'cord_dseg', lambda p: turned(p, 0), 'mm off that of',
    ),
    'template grid turned': ('valid_in_template', lambda p: turned(p, 1), 'mm off that of'),
    'warp of two axes': (
        'warp_template2cordref', lambda p: rewrite(p, lambda d: d[..., :2]), 'displacement field',
    ),
    'warp that says it is an image': (
        'warp_template2cordref', lambda p: rewrite(p, lambda d: d, intent='none'), 'intent',
    ),
    'warps not inverse': (
        'warp_template2cordref', lambda p: rewrite(p, lowered), 'is not the inverse of',
    ),
    'validity of another warp': (
        'valid_in_template', lambda p: rewrite(p, lambda d: np.triu(d.T).T), 'differs from where',
    ),
    'two discs swapped': (
        'disc_labels', lambda p: rewrite(p, lambda d: swapped(d, 2, 3)),
        'out of order: C2/C3 lies above C1/C2',
    ),
    'two vertebrae swapped': (
        'vertebral_labels', lambda p: rewrite(p, lambda d: swapped(d, 11, 12)),
        'out of order: C2 lies above C1',
    ),
    'share of more than all': (
        'horn_left_dorsal', lambda p: rewrite(p, lambda d: d * np.float32(1.5)), 'shares of 1',
    ),
    'left and right horn swapped': (
        'horns_dseg', lambda p: rewrite(p, lambda d: swapped(d, 30, 31)),
        'left ventral horn and right ventral horn lie the wrong way round',
    ),
    'two spinal levels swapped': (
        'spinal_levels_of_template', lambda p: rewrite(p, lambda d: swapped(d, 1, 2)),
        'out of order: C2 lies above C1',
    ),
    'two levels swapped': (
        'vertebral_levels', lambda p: rewrite(p, lambda d: swapped(d, 2, 3)),
        'out of order: C3 lies above C2',
    ),
    'rootlets upside down': (
        'rootlets_dseg', lambda p: rewrite(p, lambda d: swapped(d, 1, 3)), 'out of order',
    ),
    "another subject's cord": ('cord_dseg', lambda p: rewrite(p, moved), 'outside canal_dseg'),
    "another subject's levels": (
        'vertebral_levels', lambda p: rewrite(p, moved), 'outside cord_dseg',
    ),
    "another subject's areas": (
        'csa_per_slice', lambda p: p.write_text(p.read_text().replace('\n4\t', '\n0\t')),
        'slices without cord',
    ),
    'table of other columns': ('csa_per_level', lambda p: p.write_text('a\tb\n1\t2\n'), 'columns'),
    'table with its rows lost': (
        'csa_per_level', lambda p: p.write_text(p.read_text().split('\n')[0] + '\n'), 'rows',
    ),
    'words for numbers': (
        'csa_per_level', lambda p: p.write_text(p.read_text().replace('\n1\t1', '\n1\tsmall')),
        "row 1: area_mm2 is 'small'",
    ),
}  # fmt: skip


@pytest.mark.parametrize('kind', DAMAGE)
def test_damage_to_a_product_is_found_and_named(layout, kind):
    name, damage, text = DAMAGE[kind]
    path = path_of(layout, name)
    damage(path)
    problems = check(layout.out).problems
    named = [problem for problem in problems if problem.path == path]
    assert any(text in problem.text for problem in named), problems
    assert {problem.subject for problem in problems} == {'sub-01'}


RECORD_DAMAGE = {
    'record deleted': (lambda p: p.unlink(), 'has no record'),
    'half a record': (lambda p: cut(p, 30), 'can not be read'),
    'no object': (lambda p: p.write_text('[]'), 'not a JSON object'),
    'a key lost': (lambda p: p.write_text('{"status": "completed"}'), 'not a valid record'),
    "another subject's record": (lambda p: edited(p, subject='07'), 'is the record of sub-07'),
    'it failed': (
        lambda p: edited(
            p, status='failed', verdict=None, products={}, reasons=['no memory'],
            failure={'substep': 'S2', 'node': None, 'error': 'X', 'message': 'no memory'},
        ),
        'failed: no memory',
    ),
    'it is bad': (lambda p: edited(p, verdict='FAIL', reasons=['folded']), 'FAIL: folded'),
}  # fmt: skip


@pytest.mark.parametrize('kind', RECORD_DAMAGE)
def test_damage_to_a_record_is_found_and_named(layout, kind):
    damage, text = RECORD_DAMAGE[kind]
    path = layout.record('sub-01')
    damage(path)
    named = [problem for problem in check(layout.out).problems if problem.path == path]
    assert any(text in problem.text for problem in named)


def test_a_product_of_an_earlier_run_is_named(layout):
    stray = path_of(layout, 'cord_dseg').with_name('sub-01_acq-old_desc-cord_dseg_T2w.nii.gz')
    stray.write_bytes(path_of(layout, 'cord_dseg').read_bytes())
    (problem,) = check(layout.out).problems
    assert str(problem) == f'{stray}: not in the record'


@pytest.mark.parametrize('damage', [lambda p: p.unlink(), lambda p: p.write_text('{"Name"')])
def test_a_lost_description_of_the_dataset_is_named(layout, damage):
    path = layout.derivatives / 'dataset_description.json'
    damage(path)
    (problem,) = check(layout.out).problems
    assert (problem.path, problem.subject) == (path, None)


def test_a_file_half_written_is_named(layout):
    part = path_of(layout, 'cordref').with_name('.sub-01_desc-cordref_T2w.nii.gz.x1.part')
    part.write_bytes(b'')
    findings = check(layout.out)
    assert findings.problems == []
    assert [warning.path for warning in findings.warnings] == [part]


def test_the_command_says_it_in_lines_and_in_json(layout, capsys):
    command = ['check', 'S2_anat_cordref', '--out', str(layout.out)]
    assert main(command) == 0
    assert capsys.readouterr().out.endswith(': 0 problems, 0 warnings\n')
    figure = path_of(layout, 'figure_spine')
    Image.new('RGB', (4, 4)).save(figure)
    assert main(command) == 0
    assert main([*command, '--strict']) == 1
    path_of(layout, 'cordref').unlink()
    capsys.readouterr()
    assert main([*command, '--json', '--dataset-key', 'ds']) == 1
    told = json.loads(capsys.readouterr().out)
    assert told['good'] is False
    assert told['subjects'] == 2
    assert told['problems'][0] == {
        'subject': 'sub-01',
        'path': str(path_of(layout, 'cordref')),
        'text': 'cordref is missing',
    }
    assert told['warnings'][0]['text'] == 'figure_spine is blank'
