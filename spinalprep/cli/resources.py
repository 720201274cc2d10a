# SPDX-License-Identifier: Apache-2.0
"""What a run may use, from arguments, plugin file and machine: processors, memory, plugin."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spinalprep.errors import UsageError
from spinalprep.machine import Machine, this_machine

MOST_THREADS = 8
"""Threads beyond which SCT's commands gain nothing that is worth a processor."""

BATCH_THREADS = 4
"""Threads of one command where the cluster's computers are not known."""


@dataclass(frozen=True)
class Resources:
    """What a run may use."""

    nprocs: int
    omp_nthreads: int
    memory_gb: float
    plugin: str
    plugin_args: Mapping[str, Any] = field(default_factory=dict)


def resources(arguments: Namespace, machine: Machine | None = None) -> Resources:
    """Processors, threads of one command, memory (GB) and plugin.

    Parameters
    ----------
    arguments : Namespace
        With ``nprocs``, ``omp_nthreads``, ``mem``, ``plugin``, ``slurm_args`` and
        ``use_plugin``.
    machine : Machine, optional
        What is there for all that is not given; this machine by default.

    Raises
    ------
    UsageError
        If plugin, file and options make no sense.
    ClusterError
        If Slurm is asked for and not there.
    """
    machine = machine or this_machine()
    plugin, args = _plugin(arguments)
    nprocs = arguments.nprocs or args.pop('n_procs', None) or machine.processors
    memory_gb = arguments.mem or args.pop('memory_gb', None) or machine.memory_gb
    plugin = plugin or ('multiproc' if nprocs > 1 else 'linear')
    # elsewhere the computers are others than this one
    threads = BATCH_THREADS
    if plugin in ('linear', 'multiproc'):
        at_once = 2 if plugin == 'multiproc' else 1
        threads = max(1, min(nprocs // at_once, MOST_THREADS))
    return Resources(nprocs, arguments.omp_nthreads or threads, memory_gb, plugin, args)


def _plugin(arguments: Namespace) -> tuple[str | None, dict[str, Any]]:
    """Name and arguments of the plugin, as far as they were given.

    Raises
    ------
    UsageError, ClusterError
    """
    from spinalprep.plugins import slurm_queue
    from spinalprep.plugins.choice import read_plugin_file

    name, args = arguments.plugin, {}
    if arguments.use_plugin is not None:
        name, args = read_plugin_file(arguments.use_plugin)
    given = arguments.slurm_args
    if given is not None:
        if name != 'slurm' and getattr(arguments, 'array_script', None) is None:
            raise UsageError('--slurm-args goes with --plugin slurm or --array-script')
        if set(given) & set('\r\n'):  # the rest would be lines of the array's script
            raise UsageError(f'--slurm-args: all options in one line expected, got {given!r}')
        slurm_queue.split_args(given)  # told now, not at the first job
    if name == 'slurm':
        if given is not None:
            args['sbatch_args'] = f'{args.get("sbatch_args", "")} {given}'.strip()
        slurm_queue.require()
    return name, args
