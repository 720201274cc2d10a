# SPDX-License-Identifier: Apache-2.0
"""Where SCT is, which version, which dialect it speaks, and whether it can serve."""

from spinalprep.toolbox.dialect import TASKS, Dialect, ToolboxWarning, dialect_for
from spinalprep.toolbox.find import find_toolbox
from spinalprep.toolbox.preflight import Check, check_toolbox, require
from spinalprep.toolbox.toolbox import Toolbox

__all__ = [
    'TASKS',
    'Check',
    'Dialect',
    'Toolbox',
    'ToolboxWarning',
    'check_toolbox',
    'dialect_for',
    'find_toolbox',
    'require',
]
