# SPDX-License-Identifier: Apache-2.0
"""Is everything there that should be, whole and right? By product table and records alone."""

from spinalprep.check.findings import Findings, Problem
from spinalprep.check.outputs import check

__all__ = ['Findings', 'Problem', 'check']
