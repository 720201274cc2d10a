# SPDX-License-Identifier: Apache-2.0
"""Workflows: factories that build Nipype graphs, without SCT and without touching the disk."""

from spinalprep.workflows.base import init_single_subject_wf, init_spinalprep_wf

__all__ = ['init_single_subject_wf', 'init_spinalprep_wf']
