# SPDX-License-Identifier: Apache-2.0
"""The record: plain JSON, whole or not at all, and a schema that refuses contradictions."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from spinalprep import atomic
from spinalprep.record import Record, problems_of


@pytest.fixture
def completed():
    record = Record(dataset='ds', subject='01', session=None, layout='run')
    record.status, record.verdict = 'completed', 'PASS'
    record.source = {
        'path': 'sub-01/anat/sub-01_T2w.nii.gz',
        'uri': 'bids:raw:sub-01/anat/sub-01_T2w.nii.gz',
        'modality': 'T2w',
        'entities': {'sub': '01'},
    }
    record.registration = {'path': 'disc', 'other': None}
    record.versions = dict.fromkeys(('spinalprep', 'sct', 'template', 'python', 'nipype'), '1') | {
        'sct_kind': 'installed',
        'models': {},
    }
    record.policy = {'digest': '0', 'values': {}}
    stamp = '2026-01-01T00:00:00+00:00'
    record.times = {'start': stamp, 'end': stamp, 'duration_s': 0.0}
    return record


def test_a_completed_record_fits_its_schema(completed):
    assert problems_of(completed.to_dict()) == []


@pytest.mark.parametrize(
    ('change', 'place'),
    [
        ({'verdict': None}, 'verdict'),
        ({'verdict': 'WARN'}, 'reasons'),
        ({'source': None}, 'source'),
        ({'status': 'rejected'}, 'verdict'),
        ({'status': 'failed', 'verdict': None, 'reasons': ['x']}, 'failure'),
        ({'status': 'skipped'}, 'status'),
        ({'schema_version': '0.9'}, 'schema_version'),
        ({'rootlets': {'status': 'perhaps', 'reason': ''}}, 'rootlets'),
        ({'registration': {'path': None, 'other': None}}, 'registration'),
        ({'surprise': 1}, 'surprise'),
        ({'commands': [{'node': 'x'}]}, 'commands'),
    ],
)
def test_contradictions_are_told_with_their_place(completed, change, place):
    content = copy.deepcopy(completed.to_dict()) | change
    assert any(place in problem for problem in problems_of(content))


def test_a_record_without_a_field_is_told(completed):
    content = completed.to_dict()
    del content['metrics']
    assert problems_of(content) == ["$: 'metrics' is a required property"]


def test_numbers_of_numpy_and_nan_become_json(completed, tmp_path):
    completed.metrics = {
        'mean': np.float32(1.5),
        'nan': float('nan'),
        'count': np.int64(3),
        'levels': np.array([1, 2]),
        'path': Path('x'),
    }
    completed.write(tmp_path / 'deep' / 'record.json')
    written = json.loads((tmp_path / 'deep' / 'record.json').read_text())
    assert written['metrics'] == {
        'mean': 1.5,
        'nan': None,
        'count': 3,
        'levels': [1, 2],
        'path': 'x',
    }
    with pytest.raises(TypeError, match='no JSON form'):
        atomic.plain({'a': object()})


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / 'record.json'
    atomic.write_json(path, {'a': 1})

    def fail():
        with atomic.replacing(path) as temporary:
            temporary.write_text('half')
            raise OSError('disk full')

    with pytest.raises(OSError, match='disk full'):
        fail()
    assert json.loads(path.read_text()) == {'a': 1}
    assert [item.name for item in tmp_path.iterdir()] == ['record.json']


def test_written_files_follow_the_umask(tmp_path):
    reference = tmp_path / 'plain'
    reference.touch()
    atomic.write_text(tmp_path / 'ours', 'x')
    assert (tmp_path / 'ours').stat().st_mode == reference.stat().st_mode
