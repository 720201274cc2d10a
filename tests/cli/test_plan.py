# SPDX-License-Identifier: Apache-2.0
"""Processors, threads and plugin."""

from argparse import Namespace

import pytest

from spinalprep.cli import plan


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
    arguments = Namespace(nprocs=nprocs, omp_nthreads=threads, plugin=plugin)
    assert plan.resources(arguments) == expected


def test_by_default_all_processors_that_we_may_use(monkeypatch):
    monkeypatch.setattr(plan.os, 'sched_getaffinity', lambda pid: {0, 3, 5}, raising=False)
    arguments = Namespace(nprocs=None, omp_nthreads=None, plugin=None)
    assert plan.resources(arguments) == (3, 1, 'multiproc')
