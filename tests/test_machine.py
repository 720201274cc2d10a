# SPDX-License-Identifier: Apache-2.0
"""Processors and memory: the least of what machine, control group and Slurm give."""

import os

import pytest

from spinalprep.machine import this_machine

GIB = 2**30


def files(root, **contents):
    for name, content in contents.items():
        path = root / name.replace('__', '/').replace('_dot_', '.')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """32 processors, of which we may use 16, and 100 GiB."""
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: set(range(16)), raising=False)
    monkeypatch.setattr(
        os, 'sysconf', {'SC_PAGE_SIZE': 4096, 'SC_PHYS_PAGES': 100 * GIB // 4096}.get
    )
    return tmp_path


def test_without_limits_all_of_the_machine(machine):
    found = this_machine({}, machine)
    assert found.processors == 16
    assert found.memory_gb == pytest.approx(0.9 * 100 * GIB / 1e9)


def test_control_groups_of_version_2_limit_with_all_that_they_lie_in(machine):
    files(
        machine,
        proc__self__cgroup='0::/slice/job\n',
        sys__fs__cgroup__slice__cpu_dot_max='350000 100000\n',
        sys__fs__cgroup__slice__memory_dot_max=f'{20 * GIB}',
        sys__fs__cgroup__slice__job__cpu_dot_max='max 100000',
        sys__fs__cgroup__slice__job__memory_dot_max=f'{30 * GIB}',
    )
    found = this_machine({}, machine)
    assert found.processors == 3
    assert found.memory_gb == pytest.approx(0.9 * 20 * GIB / 1e9)


def test_control_groups_of_version_1(machine):
    lines = ['4:memory:/job', '1:cpu,cpuacct:/job', '0::/']
    files(
        machine,
        proc__self__cgroup='\n'.join(lines),
        sys__fs__cgroup__cpu__job__cpu_dot_cfs_quota_us='200000',
        sys__fs__cgroup__cpu__job__cpu_dot_cfs_period_us='100000',
        sys__fs__cgroup__cpu__cpu_dot_cfs_quota_us='-1',
        sys__fs__cgroup__memory__job__memory_dot_limit_in_bytes=f'{5 * GIB}',
        sys__fs__cgroup__memory__memory_dot_limit_in_bytes='9223372036854771712',
    )
    found = this_machine({}, machine)
    assert found.processors == 2
    assert found.memory_gb == pytest.approx(0.9 * 5 * GIB / 1e9)


@pytest.mark.parametrize(
    ('variables', 'processors', 'gib'),
    [
        ({'SLURM_CPUS_PER_TASK': '4', 'SLURM_CPUS_ON_NODE': '8'}, 4, 100),
        ({'SLURM_CPUS_ON_NODE': '8', 'SLURM_MEM_PER_NODE': '8192'}, 8, 8),
        ({'SLURM_CPUS_ON_NODE': '8', 'SLURM_MEM_PER_CPU': '1024'}, 8, 8),
        ({'SLURM_CPUS_ON_NODE': '8', 'SLURM_MEM_PER_NODE': '0'}, 8, 100),
        ({'SLURM_MEM_PER_GPU': '4096', 'SLURM_GPUS_ON_NODE': '2'}, 16, 8),
        ({'SLURM_MEM_PER_GPU': '4096'}, 16, 100),
        ({'SLURM_CPUS_ON_NODE': '64'}, 16, 100),
    ],
)
def test_a_job_of_slurm_gets_what_was_allocated(machine, variables, processors, gib):
    found = this_machine({'SLURM_JOB_ID': '7', **variables}, machine)
    assert found.processors == processors
    assert found.memory_gb == pytest.approx(0.9 * gib * GIB / 1e9)
    # outside of a job they say nothing: salloc leaves them in shells
    assert this_machine(variables, machine).processors == 16
