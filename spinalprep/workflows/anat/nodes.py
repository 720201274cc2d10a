# SPDX-License-Identifier: Apache-2.0
"""Nodes that several sub-workflows build alike."""

from __future__ import annotations

from typing import Any

import nipype.pipeline.engine as pe

from spinalprep.interfaces import sct
from spinalprep.policy import Policy
from spinalprep.toolbox import Toolbox


def deepseg_node(
    task: str, *, name: str, policy: Policy, toolbox: Toolbox, omp_nthreads: int, **inputs: Any
) -> pe.Node:
    """Node that segments with one of SCT's networks, within the policy's time limit.

    Parameters
    ----------
    task : str
        ``spinalcord``, ``spine`` or ``rootlets``.
    name : str
    policy : Policy
    toolbox : Toolbox
    omp_nthreads : int
        Threads that the command may use.
    **inputs
        Further inputs of :class:`spinalprep.interfaces.sct.DeepSeg`.
    """
    return pe.Node(
        sct.DeepSeg(
            task=task,
            toolbox=toolbox,
            num_threads=omp_nthreads,
            timeout=getattr(policy.time_limits, task),
            out_file=f'{task}.nii.gz',
            **inputs,
        ),
        name=name,
        n_procs=omp_nthreads,
    )
