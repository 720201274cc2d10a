# SPDX-License-Identifier: Apache-2.0
"""Nipype's plugins, guarded against the ways in which they hang or lose nodes."""

from importlib import import_module
from typing import Any

_HOME = {'GuardedMultiProc': 'multiproc', 'GuardedSLURM': 'slurm'}

__all__ = ['GuardedMultiProc', 'GuardedSLURM']


def __getattr__(name: str) -> Any:
    # Nipype is imported with a plugin, not with what only asks about plugins
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_HOME[name]}'), name)
