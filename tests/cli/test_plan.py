# SPDX-License-Identifier: Apache-2.0
"""Processors, threads and plugin."""

from argparse import Namespace

import pytest

from spinalprep.cli import plan
from spinalprep.machine import Machine


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
    arguments = Namespace(nprocs=nprocs, omp_nthreads=threads, mem=3.5, plugin=plugin)
    found = plan.resources(arguments, Machine(5, 9.0))
    assert (found.nprocs, found.omp_nthreads, found.plugin) == expected
    assert found.memory_gb == 3.5


def test_by_default_all_that_there_is():
    arguments = Namespace(nprocs=None, omp_nthreads=None, mem=None, plugin=None)
    found = plan.resources(arguments, Machine(3, 9.0))
    assert found == plan.Resources(3, 1, 9.0, 'multiproc')
