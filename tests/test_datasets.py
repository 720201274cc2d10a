# SPDX-License-Identifier: Apache-2.0
"""The registry: scopes, keys, local paths, and errors that name the place."""

import pytest

from spinalprep.datasets import by_key, by_scope, load_registry
from spinalprep.errors import NothingToRunError, UsageError

REGISTRY = """
version: 1
datasets:
  - key: one
    title: First
    intended_use: [regression, v1_validation]
    spec: {domains: [spine]}
    selection: {mode: subset, subjects: [1, '02', sub-03], sessions: [ses-a]}
  - key: two
    intended_use: [regression]
    selection: {mode: all, subjects: [], sessions: []}
  - key: three
    intended_use: [v1_validation, teaching]
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / 'one').mkdir()
    (tmp_path / 'three').mkdir()
    (tmp_path / 'datasets.yaml').write_text(REGISTRY)
    local = tmp_path / 'datasets_local.yaml'
    local.write_text(f'one: {tmp_path}/one\nthree: {tmp_path}/three\nfour: {tmp_path}/one\n')
    return local


def keys(found):
    return [item.dataset.key for item in found]


def test_scopes_select_by_intended_use(files):
    assert keys(by_scope('reg', files)) == ['one', 'two']
    assert keys(by_scope('full', files)) == ['one', 'three']
    assert keys(by_scope('teaching', files)) == ['three']


def test_a_member_without_a_path_is_named_and_does_not_stop_the_others(files, tmp_path):
    one, two = by_scope('reg', files)
    assert one.folder == tmp_path / 'one'
    assert not one.problem
    assert two.folder is None
    assert 'two' in two.problem
    assert str(files) in two.problem


def test_an_unknown_scope_names_what_there_is(files):
    with pytest.raises(UsageError, match='regression, teaching, v1_validation'):
        by_scope('regresion', files)


def test_subsets(files):
    found = by_key('one', files).dataset
    assert found.subjects == ('1', '02', '03')
    assert found.sessions == ('a',)
    assert by_key('three', files).dataset.subjects is None


def test_a_key_may_have_a_local_path_only(files, tmp_path):
    assert by_key('four', files).folder == tmp_path / 'one'


def test_a_key_without_a_folder_is_nothing_to_run(files, tmp_path):
    with pytest.raises(NothingToRunError, match='two'):
        by_key('two', files)
    (tmp_path / 'three').rmdir()
    with pytest.raises(NothingToRunError, match='no such folder'):
        by_key('three', files)


def test_an_unknown_key_names_the_known_ones(files):
    with pytest.raises(UsageError, match='four, one, three, two'):
        by_key('fife', files)


def test_relative_paths_start_at_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / 'config').mkdir()
    (tmp_path / 'data').mkdir()
    local = tmp_path / 'config' / 'datasets_local.yaml'
    local.write_text('here: data\n')
    monkeypatch.chdir(tmp_path)
    assert by_key('here', local).folder == tmp_path / 'data'


def test_the_registry_may_be_elsewhere(files, tmp_path):
    other = tmp_path / 'other.yaml'
    other.write_text('datasets: [{key: one, intended_use: [x]}]')
    assert keys(by_scope('x', files, other)) == ['one']
    (tmp_path / 'datasets.yaml').unlink()
    with pytest.raises(UsageError, match='--datasets'):
        by_scope('reg', files)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('datasets: 3', 'list named datasets'),
        ('datasets: [{title: x}]', 'dataset 1'),
        ('datasets: [{key: a}, {key: a}]', 'twice'),
        ('datasets: [{key: ../a}]', 'letters'),
        ('datasets: [{key: a, intended_use: regression}]', 'intended_use'),
        ('datasets: [{key: a, selection: {mode: some}}]', r'selection\.mode'),
        ('datasets: [{key: a, selection: {subject: [1]}}]', 'selection'),
        ('datasets: [', 'not valid YAML'),
    ],
)
def test_a_broken_registry_is_an_error_that_says_where(tmp_path, text, message):
    path = tmp_path / 'datasets.yaml'
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_registry(path)
