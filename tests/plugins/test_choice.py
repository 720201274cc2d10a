# SPDX-License-Identifier: Apache-2.0
"""Plugins by name, and files that name one."""

import inspect
import json
import re

import pytest
from nipype.pipeline import plugins as nipypes

from spinalprep.errors import UsageError
from spinalprep.plugins import GuardedMultiProc, GuardedSLURM
from spinalprep.plugins.choice import _OF_SLURM, is_batch, make_plugin, read_plugin_file


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
        ('{plugin: SLURM, 1: 2, a: 3}', 'unknown key 1'),
    ],
)
def test_files_that_make_no_sense(text, why, tmp_path):
    file = tmp_path / 'plugin.yaml'
    file.write_text(text)
    with pytest.raises(UsageError, match=why):
        read_plugin_file(file)


@pytest.mark.parametrize(
    ('args', 'why'),
    [
        ('MultiProc: {n_procs: four}', "n_procs: a whole number of at least 1 .* got 'four'"),
        ('MultiProc: {n_procs: -3}', 'n_procs: .* got -3'),
        ('Linear: {n_procs: 2.5}', 'n_procs: .* got 2.5'),
        ('Linear: {n_procs: true}', 'n_procs: .* got True'),
        ('MultiProc: {memory_gb: lots}', "memory_gb: a number of more than 0 .* got 'lots'"),
        ('MultiProc: {memory_gb: .nan}', 'memory_gb: .* got nan'),
        ('MultiProc: {memory_gb: 0}', 'memory_gb: .* got 0'),
        ('PBS: {max_jobs: many}', "max_jobs: .* got 'many'"),
        ('PBS: {template: [1]}', 'template|path'),
        ('SLURM: {max_jobs: none}', "max_jobs: .* got 'none'"),
        ('SLURM: {sbatch_args: [--mem=3G]}', 'sbatch_args: a text expected'),
        ('SLURM: {sbatch_args: --array=1-3}', '--array can not be given to each job'),
        ('SLURM: {poll_s: often}', "poll_s: a number of seconds .* got 'often'"),
        ('SLURM: {poll_s: -1}', 'poll_s: .* got -1'),
        ('SLURM: {minutes: 0}', 'minutes: .* got 0'),
        ('SLURM: {max_job: 3}', 'unknown key max_job; there are .*max_jobs'),
    ],
)
def test_arguments_that_make_no_plugin(args, why, tmp_path):
    name, _, args = args.partition(': ')
    file = tmp_path / 'plugin.yaml'
    file.write_text(f'plugin: {name}\nplugin_args: {args}\n')
    with pytest.raises(UsageError, match=f'--use-plugin {file}: .*({why})'):
        read_plugin_file(file)


def test_all_arguments_of_slurm_are_known(tmp_path):
    told = set(re.findall(r'^    ``(\w+)``', inspect.getdoc(GuardedSLURM), re.MULTILINE))
    told -= {'status_callback'}  # none that a file could have
    assert told == set(_OF_SLURM) - {'n_procs', 'memory_gb'}
    file = tmp_path / 'plugin.yaml'
    args = dict.fromkeys(told, 3) | {'sbatch_args': '--mem=3G', 'template': '#!/bin/sh'}
    file.write_text(json.dumps({'plugin': 'SLURM', 'plugin_args': args}))
    assert read_plugin_file(file) == ('slurm', args)


def test_an_argument_without_a_value_is_not_given(tmp_path):
    file = tmp_path / 'plugin.yaml'
    file.write_text('plugin: SLURM\nplugin_args:\n  sbatch_args:\n  max_jobs: 7\n')
    assert read_plugin_file(file) == ('slurm', {'max_jobs': 7})


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match='No such file'):
        read_plugin_file(tmp_path / 'plugin.yaml')
