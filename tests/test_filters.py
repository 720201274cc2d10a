# SPDX-License-Identifier: Apache-2.0
"""Filters: what they take, why not, and what is refused."""

import json
from pathlib import Path

import pytest

from spinalprep.candidates import Candidate
from spinalprep.errors import UsageError
from spinalprep.filters import by_options, read_filters


def image(name: str) -> Candidate:
    *tokens, suffix = name.split('_')
    entities = tuple(tuple(token.split('-')) for token in tokens)
    return Candidate(Path(f'{name}.nii.gz'), '01', None, suffix, entities)


def complaints(filters, name):
    found = (item.complaint(image(name)) for item in filters)
    return [complaint for complaint in found if complaint]


@pytest.mark.parametrize(
    ('entities', 'name', 'taken'),
    [
        ({'acquisition': 'cspine'}, 'sub-01_acq-cspine_T2w', True),
        ({'acquisition': 'cspine'}, 'sub-01_acq-cspine2_T2w', False),
        ({'acquisition': ['a', 'b']}, 'sub-01_acq-b_T2w', True),
        ({'acquisition': None}, 'sub-01_T2w', True),
        ({'acquisition': None}, 'sub-01_acq-a_T2w', False),
        ({'acquisition': '*'}, 'sub-01_acq-a_T2w', True),
        ({'acquisition': '*'}, 'sub-01_T2w', False),
        ({'acquisition': 'Query.OPTIONAL'}, 'sub-01_T2w', True),
        ({'acquisition': [None, 'a']}, 'sub-01_T2w', True),
        ({'acquisition': 'spi', 'regex_search': True}, 'sub-01_acq-cspine_T2w', True),
        ({'acquisition': '^spi', 'regex_search': True}, 'sub-01_acq-cspine_T2w', False),
        ({'run': 1}, 'sub-01_run-01_T2w', True),
        ({'run': '1'}, 'sub-01_run-02_T2w', False),
        ({'session': 'ses-a'}, 'sub-01_ses-a_T2w', True),
        ({'reconstruction': 'norm'}, 'sub-01_rec-norm_T2w', True),
        ({'datatype': 'anat', 'suffix': 'T2w', 'extension': '.nii.gz'}, 'sub-01_T2w', True),
        ({'extension': '.nii'}, 'sub-01_T2w', False),
        ({'acquisition': 'a'}, 'sub-01_T1w', True),  # asked of T2w alone
    ],
)
def test_what_a_filter_takes(tmp_path, entities, name, taken):
    path = tmp_path / 'filter.json'
    path.write_text(json.dumps({'t2w': entities}))
    assert (complaints(read_filters(path), name) == []) == taken


def test_options_tell_what_they_asked_for():
    filters = by_options(['acq-a', 'b'], [2])
    assert complaints(filters, 'sub-01_acq-b_run-02_T1w') == []
    assert complaints(filters, 'sub-01_acq-c_T2w') == [
        'acq-c, but --acq asks for a or b',
        'no run-, but --run asks for 2',
    ]
    assert by_options(None, None) == ()


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ('{', 'can not be read'),
        ('[]', 'an object'),
        ('{"bold": {}}', 'bold: unknown; known are t2w, t1w'),
        ('{"t2w": []}', 't2w: entities'),
        ('{"t2w": {"acq": "a"}}', 'acq: unknown'),
        ('{"t2w": {"acquisition": true}}', 'acquisition: a label'),
        ('{"t2w": {"acquisition": {}}}', 'acquisition: a label'),
        ('{"t2w": {"acquisition": ""}}', 'acquisition: a label'),
        ('{"t2w": {"run": 1.5}}', 'run: a label'),
        ('{"t2w": {"acquisition": []}}', 'the list is empty'),
        ('{"t2w": {"acquisition": "(", "regex_search": true}}', 'no regular expression'),
        ('{"t2w": {"regex_search": 1}}', 'true or false'),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(tmp_path, content, words):
    path = tmp_path / 'filter.json'
    path.write_text(content)
    with pytest.raises(UsageError) as error:
        read_filters(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)


def test_a_filter_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r'nowhere\.json'):
        read_filters(tmp_path / 'nowhere.json')
