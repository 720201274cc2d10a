# SPDX-License-Identifier: Apache-2.0
"""The check: silent when all is well, one line with the path for each thing that is not."""

import gzip
import json
import shutil
from pathlib import Path

import nibabel as nb
import numpy as np
import pytest
from PIL import Image

from spinalprep.check import check
from spinalprep.errors import NothingToRunError
from spinalprep.locks import held
from spinalprep.naming import sidecar_name
from spinalprep.products import FIGURES, WRITTEN
from tests.check.conftest import path_of, rewrite


def the_problem(layout):
    (problem,) = check(layout.out).problems
    return problem


def test_all_is_well(layout):
    findings = check(layout.out)
    assert findings.problems == []
    assert findings.warnings == []
    assert findings.subjects == 2
    # the second subject has no rootlets, with their table, no other path, no template's maps
    maps = sum(item.when == 'template_maps' for item in WRITTEN)
    assert findings.files == 2 * len(WRITTEN) - 4 - maps + 2 * len(FIGURES)


def test_no_run_is_an_error(tmp_path):
    with pytest.raises(NothingToRunError, match='no run of S2_anat_cordref'):
        check(tmp_path)


@pytest.mark.parametrize('name', ['cordref', 'csa_per_slice', 'warp_cordref2template_other'])
def test_a_deleted_product_is_named(layout, name):
    path_of(layout, name).unlink()
    problem = the_problem(layout)
    assert problem.path == path_of(layout, name)
    assert 'missing' in str(problem)


def test_a_deleted_sidecar_is_named(layout):
    path = path_of(layout, 'cord_dseg')
    path.with_name(sidecar_name(path.name)).unlink()
    assert 'sidecar' in the_problem(layout).text


@pytest.mark.parametrize('lost', [1, 8, 40])
def test_a_truncated_file_is_found_out_by_its_last_bytes(layout, lost):
    path = path_of(layout, 'warp_cordref2template')
    path.write_bytes(path.read_bytes()[:-lost])
    assert 'can not be read to its end' in the_problem(layout).text


def test_a_volume_that_is_cut_before_packing_is_found_too(layout):
    path = path_of(layout, 'canal_dseg')
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-10]))
    assert 'can not be read to its end' in the_problem(layout).text


def test_only_the_datasets_asked_for_are_checked(layout):
    shutil.copytree(layout.logs, layout.logs.with_name('other'))
    (layout.logs.with_name('other') / 'sub-01.json').unlink()
    assert check(layout.out, ['ds']).problems == []
    assert check(layout.out).problems
    with pytest.raises(NothingToRunError, match=r'no run of dataset third.*there are ds, other'):
        check(layout.out, ['ds', 'third'])


def test_a_damaged_byte_is_found(layout):
    path = path_of(layout, 'cordref')
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert 'can not be read to its end' in the_problem(layout).text


@pytest.mark.parametrize(
    ('name', 'change', 'message'),
    [
        ('cord_dseg', lambda d: d * 2, 'values that cord_dseg never has: 2'),
        ('cord_dseg', lambda d: d * np.float32(0.5), 'values that cord_dseg never has: 0.5'),
        ('cord_dseg', np.zeros_like, 'empty'),
        ('totalspineseg_dseg', lambda d: np.minimum(d, 1) * 51, 'never has: 51'),
        (
            'disc_labels',
            lambda d: np.where(np.indices(d.shape)[0] == 2, d.dtype.type(3), 0),
            'one voxel for: 3',
        ),
        ('cordref', np.ones_like, 'all values are 1'),
        ('cordref', lambda d: d[:-1], 'shape'),
        ('valid_in_template', lambda d: d[:, :-1], 'shape'),
        ('cord_dseg', lambda d: d[..., None], '4 axes'),
        ('warp_template2cordref', lambda d: d[..., 0, :], 'displacement field'),
        ('warp_template2cordref', lambda d: d * np.float32(np.nan), 'not finite'),
    ],
)
def test_wrong_values_and_shapes_are_told(layout, name, change, message):
    rewrite(path_of(layout, name), change)
    problems = check(layout.out).problems
    assert any(message in problem.text for problem in problems)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'columns'),
        ('level\tarea\nC2\t1\n', 'columns'),
        ('level\tarea_mm2\tslices\tlength_mm\n', 'without rows'),
        ('level\tarea_mm2\tslices\tlength_mm\nC2\t70\n', 'different length'),
    ],
)
def test_a_table_that_is_none_is_told(layout, text, message):
    path_of(layout, 'csa_per_level').write_text(text)
    problems = check(layout.out).problems
    assert any(message in problem.text for problem in problems)


@pytest.mark.parametrize('name', ['cord_dseg', 'warp_template2cordref', 'warp_cordref2template'])
def test_a_grid_that_is_off_is_told(layout, name):
    path = path_of(layout, name)
    affine = nb.load(path).affine.copy()
    affine[2, 3] += 1
    rewrite(path, lambda d: d, affine=affine)
    problem = the_problem(layout)
    assert problem.path == path
    assert '1 mm off' in problem.text


def test_the_last_digits_of_a_header_do_not_matter(layout):
    path = path_of(layout, 'cord_dseg')
    affine = nb.load(path).affine + 1e-4
    rewrite(path, lambda d: d, affine=affine)
    assert check(layout.out).problems == []


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            {'status': 'failed', 'verdict': None, 'reasons': ['S2.4: no'], 'products': {},
             'failure': {'substep': 'S2.4', 'node': None, 'error': 'X', 'message': 'no'}},
            'failed: S2.4: no',
        ),
        (
            {'status': 'rejected', 'verdict': None, 'reasons': ['short'], 'products': {}},
            'rejected',
        ),
        ({'verdict': 'FAIL', 'reasons': ['folded']}, 'verdict FAIL: folded'),
        ({'verdict': 'PERHAPS'}, 'not a valid record'),
        ({'subject': '77'}, 'is the record of sub-77'),
    ],
)  # fmt: skip
def test_what_the_record_says_counts(layout, change, message):
    path = layout.record('sub-01')
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    problems = check(layout.out).problems
    assert problems[0].path == path
    assert message in problems[0].text
    if 'products' in change:
        assert len(problems) == 2
        assert problems[1].path == layout.derivatives / 'sub-01'
        assert 'lie here' in problems[1].text


def test_a_warning_is_no_problem(layout):
    path = layout.record('sub-01')
    warned = {'verdict': 'WARN', 'reasons': ['few discs']}
    path.write_text(json.dumps(json.loads(path.read_text()) | warned))
    findings = check(layout.out)
    assert findings.problems == []
    assert [warning.text for warning in findings.warnings] == ['verdict WARN: few discs']


def test_a_product_that_the_record_should_have_is_named(layout):
    path = layout.record('sub-01')
    record = json.loads(path.read_text())
    del record['products']['rootlets_dseg']
    path.write_text(json.dumps(record))
    texts = [problem.text for problem in check(layout.out).problems]
    assert 'rootlets_dseg is not in the record' in texts
    # in BIDS the sidecar is that of the table, too, which the record has
    assert texts.count('not in the record') == {'run': 2, 'bids-app': 1}[layout.kind]


def test_names_of_both_schemes_in_one_dataset_are_worth_a_look(layout):
    path = layout.record('sub-02_ses-a')
    record = json.loads(path.read_text())
    other = {'seed': 'bids', 'bids': 'seed'}[record['output_names']]
    path.write_text(json.dumps(record | {'output_names': other}))
    findings = check(layout.out)
    assert findings.problems == []
    (warning,) = findings.warnings
    assert 'names of different schemes' in warning.text


def test_every_selected_subject_is_accounted_for(layout):
    layout.record('sub-02_ses-a').unlink()
    problem = the_problem(layout)
    assert problem.path == layout.record('sub-02_ses-a')
    assert 'no record' in problem.text
    layout.record('sub-02_ses-a').write_text('{"half')
    assert 'can not be read' in the_problem(layout).text


def test_a_subject_whose_last_run_was_killed_is_named(layout):
    state = layout.state('sub-01')
    state.parent.mkdir(parents=True, exist_ok=True)
    state.write_text('{"substep": "S2.4", "since": "then"}')
    problem = the_problem(layout)
    assert problem.path == state
    assert 'was killed' in problem.text
    with held(layout.lock('sub-01')):
        assert check(layout.out).problems == []  # it is being run


def shorten(path):
    path.write_bytes(path.read_bytes()[:-12])


def paint(path):
    Image.new('L', (8, 8), 40).save(path)


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (Path.unlink, 'is missing'),
        (shorten, 'can not be read to its end'),
        (lambda path: path.write_text('<svg/>'), 'can not be read to its end'),
        (paint, 'is blank'),
        (lambda path: Image.new('L', (8, 8)).save(path, format='BMP'), 'holds BMP'),
    ],
)
@pytest.mark.parametrize('name', ['figure_crop_box', 'figure_overlay'])
def test_a_figure_that_is_not_right_is_a_warning_and_no_problem(layout, name, damage, message):
    damage(path_of(layout, name))
    findings = check(layout.out)
    assert findings.problems == []
    (warning,) = findings.warnings
    assert warning.path == path_of(layout, name)
    assert message in warning.text


def test_a_figure_that_was_never_drawn_is_named(layout):
    path = layout.record('sub-01')
    record = json.loads(path.read_text())
    del record['figures']['figure_spine']
    path.write_text(json.dumps(record))
    findings = check(layout.out)
    assert findings.problems == []
    (warning,) = findings.warnings
    assert str(warning) == f'{path_of(layout, "figure_spine")}: figure_spine was not drawn'
