# SPDX-License-Identifier: Apache-2.0
"""Plugins by name, and files that name one."""

import pytest
from nipype.pipeline import plugins as nipypes

from spinalprep.errors import UsageError
from spinalprep.plugins import GuardedMultiProc, GuardedSLURM
from spinalprep.plugins.choice import is_batch, make_plugin, read_plugin_file


def test_ours_take_the_place_of_nipypes(tmp_path):
    file = tmp_path / 'plugin.yaml'
    file.write_text('plugin: SLURM\nplugin_args: {sbatch_args: --partition=long, max_jobs: 7}\n')
    name, args = read_plugin_file(file)
    made = make_plugin(name, args)
    assert isinstance(made, GuardedSLURM)
    assert made.max_jobs == 7
    file.write_text('plugin: MultiProc\n')
    assert isinstance(make_plugin(*read_plugin_file(file)), GuardedMultiProc)


@pytest.mark.parametrize(
    ('name', 'batch'),
    [('linear', False), ('multiproc', False), ('slurm', True), ('PBS', True), ('Debug', False)],
)
def test_which_plugins_work_elsewhere(name, batch):
    assert is_batch(name) == batch


def test_other_plugins_are_nipypes():
    assert isinstance(make_plugin('PBS', {'qsub_args': '-q long'}), nipypes.PBSPlugin)


@pytest.mark.parametrize(
    ('text', 'why'),
    [
        ('plugin: Slrum', 'Nipype has no plugin Slrum; it has .*SLURM'),
        ('plugin: SLURMGraph', 'only submits the graph'),
        ('plugin_args: {}', 'plugin: NAME'),
        ('[1, 2', 'not a YAML file'),
        ('plugin: SLURM\nplugin_arg: {}', 'unknown key plugin_arg'),
        ('plugin: SLURM\nplugin_args: [1]', 'plugin_args is no mapping'),
    ],
)
def test_files_that_make_no_sense(text, why, tmp_path):
    file = tmp_path / 'plugin.yaml'
    file.write_text(text)
    with pytest.raises(UsageError, match=why):
        read_plugin_file(file)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match='No such file'):
        read_plugin_file(tmp_path / 'plugin.yaml')
