# SPDX-License-Identifier: Apache-2.0
"""Processors, threads and plugin."""

from argparse import Namespace

import pytest

from spinalprep.cli.resources import BATCH_THREADS, Resources, resources
from spinalprep.errors import ClusterError, UsageError
from spinalprep.machine import Machine

REST = {'slurm_args': None, 'use_plugin': None}


@pytest.mark.parametrize(
    ('nprocs', 'threads', 'plugin', 'expected'),
    [
        (1, None, None, (1, 1, 'linear')),
        (2, None, None, (2, 1, 'multiproc')),
        (16, None, None, (16, 8, 'multiproc')),
        (64, None, None, (64, 8, 'multiproc')),
        (4, None, 'linear', (4, 4, 'linear')),
        (4, 3, 'multiproc', (4, 3, 'multiproc')),
        (1, None, 'multiproc', (1, 1, 'multiproc')),
    ],
)
def test_resources(nprocs, threads, plugin, expected):
    arguments = Namespace(nprocs=nprocs, omp_nthreads=threads, mem=3.5, plugin=plugin, **REST)
    found = resources(arguments, Machine(5, 9.0))
    assert (found.nprocs, found.omp_nthreads, found.plugin) == expected
    assert found.memory_gb == 3.5


def test_by_default_all_that_there_is():
    arguments = Namespace(nprocs=None, omp_nthreads=None, mem=None, plugin=None, **REST)
    found = resources(arguments, Machine(3, 9.0))
    assert found == Resources(3, 1, 9.0, 'multiproc')


@pytest.fixture
def slurm_there(monkeypatch):
    monkeypatch.setattr('shutil.which', lambda name: f'/usr/bin/{name}')


def test_slurm_takes_its_options_and_does_not_count_our_processors(slurm_there):
    rest = {**REST, 'slurm_args': '--partition=long'}
    arguments = Namespace(nprocs=None, omp_nthreads=None, mem=None, plugin='slurm', **rest)
    found = resources(arguments, Machine(1, 9.0))
    assert (found.plugin, found.plugin_args) == ('slurm', {'sbatch_args': '--partition=long'})
    assert found.omp_nthreads == BATCH_THREADS


def test_slurm_that_is_not_there_is_told_at_once(monkeypatch):
    monkeypatch.setattr('shutil.which', lambda name: None)
    arguments = Namespace(nprocs=1, omp_nthreads=1, mem=None, plugin='slurm', **REST)
    with pytest.raises(ClusterError, match='sbatch, squeue, scancel, scontrol not found'):
        resources(arguments, Machine(1, 9.0))


@pytest.mark.parametrize(
    ('plugin', 'args', 'why'),
    [
        ('multiproc', '--partition=long', 'goes with --plugin slurm'),
        ('slurm', '--array=1-4', '--array can not be given to each job'),
        ('slurm', '-a1-4', '-a can not be given to each job'),
        ('slurm', '--comment="open', 'No closing quotation'),
        ('slurm', '--mem=3G\n--time=9', 'all options in one line expected'),
    ],
)
def test_options_of_sbatch_that_make_no_sense(plugin, args, why, slurm_there):
    rest = {**REST, 'slurm_args': args}
    arguments = Namespace(nprocs=1, omp_nthreads=1, mem=None, plugin=plugin, **rest)
    with pytest.raises(UsageError, match=why):
        resources(arguments, Machine(1, 9.0))


def test_a_plugin_file_gives_resources_where_the_arguments_do_not(tmp_path):
    file = tmp_path / 'plugin.yaml'
    file.write_text('plugin: LegacyMultiProc\nplugin_args: {n_procs: 20, memory_gb: 60}\n')
    rest = {**REST, 'use_plugin': file}
    arguments = Namespace(nprocs=None, omp_nthreads=None, mem=None, plugin=None, **rest)
    found = resources(arguments, Machine(2, 9.0))
    assert found == Resources(20, 8, 60, 'multiproc')
