# SPDX-License-Identifier: Apache-2.0
"""Plugins by name: ours where there is one, else Nipype's."""

from __future__ import annotations

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


def read_plugin_file(path: Path) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a plugin from a YAML file.

    Parameters
    ----------
    path : Path
        With ``plugin``, a name that Nipype knows, and ``plugin_args``.

    Returns
    -------
    name : str
        ``linear``, ``multiproc`` and ``slurm`` for those that are guarded here.
    args : dict

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
        what = f'unknown key {sorted(unknown)[0]}' if unknown else 'plugin_args is no mapping'
        raise UsageError(f'--use-plugin {path}: {what}; it has "plugin" and "plugin_args"')
    name = content['plugin']
    name = _OURS.get(name.lower(), name)
    if name not in _OURS:
        _nipypes(name)
    return name, args


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
