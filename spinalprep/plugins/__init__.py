# SPDX-License-Identifier: Apache-2.0
"""Nipype's plugins, guarded against the ways in which they hang or lose nodes."""

from spinalprep.plugins.multiproc import GuardedMultiProc
from spinalprep.plugins.slurm import GuardedSLURM

__all__ = ['GuardedMultiProc', 'GuardedSLURM']
