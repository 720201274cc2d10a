# SPDX-License-Identifier: Apache-2.0
"""The table of dialects."""

import re
from copy import deepcopy

import pytest

from spinalprep.errors import ToolboxError
from spinalprep.toolbox import TASKS, ToolboxWarning, dialect_for
from spinalprep.toolbox.dialect import _table

RELEASES = ['6.3', '6.5', '7.0', '7.1', '7.2', '7.3', '7.4']


def test_releases():
    assert list(_table()) == [*RELEASES, 'embedded']


def test_embedded_speaks_the_newest_and_a_little_more():
    newest, embedded = dialect_for('7.4').row, deepcopy(dialect_for('embedded-1').row)
    assert embedded['tasks'] == newest['tasks']
    assert embedded['flags']['sct_deepseg'].pop('anchor_file') == '-init-discs'
    with pytest.raises(ToolboxError, match='only the embedded SCT'):
        dialect_for('7.4').flag('sct_deepseg', 'anchor_file')


@pytest.mark.parametrize(
    ('version', 'release'),
    [
        ('6.3', '6.3'),
        ('6.4', '6.3'),
        ('6.5', '6.5'),
        ('6.10', '6.5'),
        ('7.0', '7.0'),
        ('7.2.1', '7.2'),
        ('7.4.dev0', '7.4'),
        ('embedded-0.1.0', 'embedded'),
    ],
)
def test_lookup(version, release):
    assert dialect_for(version).release == release


@pytest.mark.parametrize('version', ['7.5', '8.0', '7.10'])
def test_newer_is_taken_for_the_newest_with_a_warning(version):
    with pytest.warns(ToolboxWarning, match=f'SCT {re.escape(version)} is newer'):
        assert dialect_for(version).release == '7.4'


@pytest.mark.parametrize('version', ['6.2', '5.8', '4.3.1'])
def test_older_is_refused(version):
    with pytest.raises(ToolboxError, match=r'too old: 6\.3 is the oldest'):
        dialect_for(version)


@pytest.mark.parametrize('version', ['', 'git-master-3b3c5b22', 'dev'])
def test_what_is_no_version_is_refused(version):
    with pytest.raises(ToolboxError, match='not a version'):
        dialect_for(version)


@pytest.mark.parametrize(
    ('version', 'names'),
    [
        ('6.3', ['seg_sc_contrast_agnostic', None, 'seg_spinal_rootlets_t2w', None]),
        (
            '6.5',
            ['seg_sc_contrast_agnostic', 'totalspineseg', 'seg_spinal_rootlets_t2w', 'canal_t2w'],
        ),
        ('7.0', ['spinalcord', 'totalspineseg', 'rootlets_t2', 'sc_canal_t2']),
        ('7.1', ['spinalcord', 'totalspineseg', 'rootlets', 'sc_canal_t2']),
        ('7.2', ['spinalcord', 'spine', 'rootlets', 'sc_canal_t2']),
        ('7.3', ['spinalcord', 'spine', 'rootlets', 'sc_canal_t2']),
        ('7.4', ['spinalcord', 'spine', 'rootlets', 'canal']),
    ],
)
def test_task_names(version, names):
    dialect = dialect_for(version)
    found = [None if dialect.lacks(task) else dialect.task(task).name for task in TASKS]
    assert found == names


def test_what_is_lacking_is_said_with_the_release_that_has_it():
    with pytest.raises(ToolboxError, match=r'spine needs SCT >= 6\.5, this is 6\.3'):
        dialect_for('6.4').task('spine')
    assert dialect_for('6.5').lacks('lrootlet') is not None
    assert dialect_for('7.0').lacks('lrootlet') is None
    with pytest.raises(ToolboxError, match=r'no disc_file in SCT 7\.0: it needs SCT >= 7\.1'):
        dialect_for('7.0').flag('sct_process_segmentation', 'disc_file')


def test_outputs_of_the_spine_task():
    def suffixes(version):
        return {
            vertebrae: list(suffix.values())
            for vertebrae, (_, suffix) in dialect_for(version).task('spine').variants.items()
        }

    old = {
        False: ['_step1_levels', '_step1_output'],
        True: ['_step1_levels', '_step2_output'],
    }
    new = {key: ['_totalspineseg_discs', '_totalspineseg_all'] for key in (False, True)}
    assert [suffixes(version) for version in RELEASES[1:]] == [old, old, old, new, new, new]


def test_labels():
    spine = dialect_for('7.3').task('spine').labels
    impossible = {*range(3, 11), *range(18, 21), *range(33, 41), *range(51, 63), 68, 69, 70, 99}
    assert {1, 2, 11, 17, 21, 32, 50, 63, 71, 82, 91, 95, 100} <= spine
    assert not spine & impossible
    assert dialect_for('7.0').task('rootlets').labels == set(range(2, 9))
    assert dialect_for('7.1').task('rootlets').labels == set(range(2, 10))


def test_rows_do_not_share_what_they_change():
    assert _table()['6.3']['tasks']['spine'] is None
    assert _table()['7.1']['tasks']['spine']['model'] == 'totalspineseg'
    assert _table()['7.2']['path_trap'] == 'spine'
    assert _table()['7.3']['path_trap'] is None
