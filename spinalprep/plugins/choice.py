# SPDX-License-Identifier: Apache-2.0
"""Plugins by name: ours where there is one, else Nipype's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spinalprep.errors import UsageError

_OURS = {
    'linear': 'linear',
    'multiproc': 'multiproc',
    'legacymultiproc': 'multiproc',
    'slurm': 'slurm',
}
"""Names in Nipype, in small letters → what we run instead."""

_COUNT = 'a whole number of at least 1'
_AMOUNT = 'a number of more than 0'
_SECONDS = 'a number of seconds'
_TEXT = 'a text'

_OF_ANY = {'n_procs': _COUNT, 'memory_gb': _AMOUNT, 'max_jobs': _COUNT}
"""What is expected of arguments that a plugin may have, whichever it is."""

_OF_SLURM = {
    **_OF_ANY,
    'sbatch_args': _TEXT,
    'template': _TEXT,
    'poll_s': _SECONDS,
    'result_timeout_s': _SECONDS,
    'controller_timeout_s': _SECONDS,
    'stuck_s': _SECONDS,
    'minutes': _COUNT,
}
"""All arguments of :class:`spinalprep.plugins.slurm.GuardedSLURM` that a file may have."""


def read_plugin_file(path: Path) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a plugin from a YAML file.

    Parameters
    ----------
    path : Path
        With ``plugin``, a name that Nipype knows, and ``plugin_args``; those without a value
        count as not given.

    Returns
    -------
    name : str
        ``linear``, ``multiproc`` and ``slurm`` for those that are guarded here.
    args : dict
        Of which the plugin can be made.

    Raises
    ------
    UsageError
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise UsageError(f'--use-plugin {path}: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f'--use-plugin {path}: not a YAML file: {error}') from error
    if not isinstance(content, dict) or not isinstance(content.get('plugin'), str):
        raise UsageError(f'--use-plugin {path}: "plugin: NAME" expected, such as "plugin: SLURM"')
    args = content.get('plugin_args') or {}
    unknown = set(content) - {'plugin', 'plugin_args'}
    if unknown or not isinstance(args, dict):
        what = f'unknown key {min(map(str, unknown))}' if unknown else 'plugin_args is no mapping'
        raise UsageError(f'--use-plugin {path}: {what}; it has "plugin" and "plugin_args"')
    name = content['plugin']
    name = _OURS.get(name.lower(), name)
    args = {key: value for key, value in args.items() if value is not None}
    try:
        _check_args(name, args)
        make_plugin(name, args)
    except (AttributeError, ImportError, OSError, TypeError, ValueError) as error:
        raise UsageError(f'--use-plugin {path}: {error}') from error
    return name, args


def _check_args(name: str, args: Mapping[str, Any]) -> None:
    """Look at those arguments of a plugin that it takes unseen, and fails by later.

    Raises
    ------
    UsageError
    """
    expected = _OF_SLURM if name == 'slurm' else _OF_ANY
    for key, value in args.items():
        what = expected.get(key)
        if what is None and name == 'slurm':
            raise UsageError(f'plugin_args: unknown key {key}; there are {", ".join(_OF_SLURM)}')
        if what is not None and not _is(what, value):
            raise UsageError(f'plugin_args: {key}: {what} expected, got {value!r}')


def _is(what: str, value: Any) -> bool:
    """Whether a value is what is expected; Python takes true and false for numbers, we do not."""
    if what == _TEXT:
        return isinstance(value, str)
    if what == _COUNT:
        return type(value) is int and value >= 1
    if type(value) not in (int, float):
        return False
    return 0 < value < math.inf if what == _AMOUNT else value >= 0


def is_batch(name: str) -> bool:
    """Whether a plugin gives nodes to other computers, one job each."""
    if name in ('linear', 'multiproc'):
        return False
    from nipype.pipeline.plugins.base import SGELikeBatchManagerBase

    return name == 'slurm' or issubclass(_nipypes(name), SGELikeBatchManagerBase)


def make_plugin(name: str, args: Mapping[str, Any]) -> Any:
    """A plugin, ready to be given to ``Workflow.run``.

    Parameters
    ----------
    name : str
        As `read_plugin_file` returns it.
    args : mapping
        Its ``plugin_args``.
    """
    from nipype.pipeline.plugins import LinearPlugin

    from spinalprep.plugins import GuardedMultiProc, GuardedSLURM

    classes = {'linear': LinearPlugin, 'multiproc': GuardedMultiProc, 'slurm': GuardedSLURM}
    return (classes.get(name) or _nipypes(name))(plugin_args=dict(args))


def _nipypes(name: str) -> Any:
    """Class of a plugin of Nipype.

    Raises
    ------
    UsageError
        If there is none, or it would return before anything has run.
    """
    from nipype.pipeline import plugins
    from nipype.pipeline.plugins.base import GraphPluginBase, PluginBase

    known = {
        word.removesuffix('Plugin'): item
        for word, item in vars(plugins).items()
        if isinstance(item, type) and issubclass(item, PluginBase)
    }
    if name not in known:
        raise UsageError(f'Nipype has no plugin {name}; it has {", ".join(sorted(known))}')
    if issubclass(known[name], GraphPluginBase):
        raise UsageError(
            f'{name} only submits the graph and returns: nobody would see how it ends. Use '
            '--plugin slurm'
        )
    return known[name]
