# SPDX-License-Identifier: Apache-2.0
"""Processors and memory that this process may really use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

KEPT_FREE = 0.1
"""Share of the memory that nobody plans: for the driver, and for what was estimated too low."""

_UNLIMITED_GB = 1 << 20
"""Control groups of version 1 write a number beyond this where there is no limit."""


@dataclass(frozen=True)
class Machine:
    """What there is to share out."""

    processors: int
    memory_gb: float
    """That may be planned, in GB of 10⁹ bytes."""


def this_machine(environment: Mapping[str, str] | None = None, root: Path = Path('/')) -> Machine:
    """Processors and memory of this process: the least of what machine, cgroup and Slurm give.

    Parameters
    ----------
    environment : mapping, optional
        Variables, for what Slurm allocated; those of this process if not given.
    root : Path
        Where ``proc`` and ``sys`` lie.

    Notes
    -----
    Slurm's variables count only within a job (``SLURM_JOB_ID``). Control groups are read in both
    versions, with all that they lie in, as a limit holds for everything below it.
    """
    environment = os.environ if environment is None else environment
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 0
    processors = [affinity or os.cpu_count() or 1]
    memory = [os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9]
    for folder in _groups(root, 'cpu'):
        processors += _quota(folder)
    for folder in _groups(root, 'memory'):
        memory += _limit(folder)
    if 'SLURM_JOB_ID' in environment:
        granted = [_number(environment.get(name)) for name in _SLURM_PROCESSORS]
        processors += [int(number) for number in granted if number][:1]
        memory += _slurm_memory(environment, processors[-1])
    return Machine(max(min(processors), 1), min(memory) * (1 - KEPT_FREE))


_SLURM_PROCESSORS = ('SLURM_CPUS_PER_TASK', 'SLURM_CPUS_ON_NODE')


def _slurm_memory(environment: Mapping[str, str], processors: int) -> list[float]:
    """Memory (GB) of a job on this node; Slurm writes MiB, and 0 for all of it."""
    per_node = _number(environment.get('SLURM_MEM_PER_NODE'))
    if per_node:
        return [per_node * 2**20 / 1e9]
    per_cpu = _number(environment.get('SLURM_MEM_PER_CPU'))
    if per_cpu:
        cpus = _number(environment.get('SLURM_CPUS_ON_NODE')) or processors
        return [per_cpu * cpus * 2**20 / 1e9]
    per_gpu = _number(environment.get('SLURM_MEM_PER_GPU'))
    gpus = _number(environment.get('SLURM_GPUS_ON_NODE'))
    return [per_gpu * gpus * 2**20 / 1e9] if per_gpu and gpus else []


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of this process' control group and of those around it."""
    for line in _read(root / 'proc/self/cgroup').splitlines():
        number, controllers, place = line.split(':', 2)
        base = root / 'sys/fs/cgroup'
        if number != '0':
            if controller not in controllers.split(','):
                continue
            base = base / controllers if (base / controllers).is_dir() else base / controller
        folder = base / place.strip('/')
        # within a container the path may be that of the host: what lies there is then ours
        yield from (each for each in (folder, *folder.parents) if each.is_relative_to(base))


def _quota(folder: Path) -> list[int]:
    """Whole processors that a group may use; empty without a limit."""
    text = _read(folder / 'cpu.max').split()
    if not text:
        text = [_read(folder / f'cpu.cfs_{name}_us').strip() for name in ('quota', 'period')]
    quota, period = (_number(part) for part in text)
    return [max(int(quota / period), 1)] if quota and quota > 0 and period else []


def _limit(folder: Path) -> list[float]:
    """Memory (GB) that a group may use; empty without a limit."""
    found = []
    for name in ('memory.max', 'memory.limit_in_bytes'):
        number = _number(_read(folder / name))
        if number and number / 1e9 < _UNLIMITED_GB:
            found.append(number / 1e9)
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except OSError:
        return ''


def _number(text: str | None) -> float | None:
    try:
        return float(text or '')
    except ValueError:
        return None
