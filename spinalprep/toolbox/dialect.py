# SPDX-License-Identifier: Apache-2.0
"""The command-line dialect of each SCT release, read from one table (``data/dialects.yaml``)."""

import re
import shlex
import warnings
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from spinalprep.errors import ToolboxError

TASKS = ('spinalcord', 'spine', 'rootlets', 'canal')
"""Canonical names of the segmentation tasks, whatever a release calls them."""

EMBEDDED = 'embedded'
"""Row of the embedded SCT, which speaks the newest release's dialect and a little more."""


class ToolboxWarning(UserWarning):
    """The toolbox can be used, but something about it is not known."""


@dataclass(frozen=True)
class Task:
    """How one release speaks of one segmentation task.

    Parameters
    ----------
    name
        The task's name in that release.
    model
        Folder of its network under ``data/deepseg_models``.
    labels
        Values that its output may carry.
    variants
        For tasks with several outputs, by whether vertebrae are labelled: the extra arguments
        and the suffix that SCT puts into the name of each output.
    """

    name: str
    model: str
    labels: frozenset[int]
    variants: Mapping[bool, tuple[tuple[str, ...], Mapping[str, str]]] = field(
        default_factory=dict
    )


@dataclass(frozen=True)
class Dialect:
    """What one SCT release understands.

    Parameters
    ----------
    release
        The row of the table, as ``'7.2'``.
    row
        The row itself, complete.
    """

    release: str
    row: Mapping[str, Any]

    def task(self, task: str) -> Task:
        """Words for a segmentation task.

        Raises
        ------
        ToolboxError
            If this release has no such task.
        """
        entry = self.row['tasks'].get(task)
        if not entry:
            raise ToolboxError(self.lacks(task))
        variants = {
            vertebrae: (tuple(entry[key]['arguments']), dict(entry[key]['suffixes']))
            for vertebrae, key in ((False, 'without_vertebrae'), (True, 'with_vertebrae'))
            if key in entry
        }
        return Task(entry['name'], entry['model'], _values(entry['labels']), variants)

    def flag(self, command: str, name: str) -> str:
        """Flag of ``command`` for our input ``name``.

        Raises
        ------
        ToolboxError
            If this release has no such flag.
        """
        flag = self.row['flags'][command][name]
        if flag is None:
            since = _first(lambda row: row['flags'][command][name])
            needs = f'it needs SCT >= {since}'
            if since == EMBEDDED:
                needs = 'only the embedded SCT takes it'
            raise ToolboxError(f'{command} takes no {name} in SCT {self.release}: {needs}')
        return flag

    def choices(self, command: str, name: str) -> tuple[Any, ...]:
        """Values that ``command`` takes for our input ``name``."""
        return tuple(self.row['choices'][command][name])

    def lacks(self, need: str) -> str | None:
        """Why this release can't serve a need, or ``None`` if it can.

        Parameters
        ----------
        need
            A canonical task, or ``'lrootlet'`` (registration by rootlets).

        Examples
        --------
        >>> dialect_for('6.3').lacks('spine')
        'spine needs SCT >= 6.5, this is 6.3'
        >>> dialect_for('6.5').lacks('lrootlet')
        'registration by rootlets needs SCT >= 7.0, this is 6.5'
        >>> dialect_for('7.2').lacks('lrootlet')
        """
        if need == 'lrootlet':

            def has(row: Mapping[str, Any]) -> Any:
                return row['flags']['sct_register_to_template']['rootlet_file']

            what = 'registration by rootlets'
        else:

            def has(row: Mapping[str, Any]) -> Any:
                return row['tasks'][need]

            what = need
        return (
            None if has(self.row) else f'{what} needs SCT >= {_first(has)}, this is {self.release}'
        )

    def install_command(self, task: str) -> str:
        """Shell line that fetches the network of a task.

        Examples
        --------
        >>> dialect_for('7.2').install_command('spine')
        'sct_deepseg spine -install'
        >>> dialect_for('6.5').install_command('spine')
        'sct_deepseg -install-task totalspineseg'
        """
        return self.row['deepseg_install'].format(task=shlex.quote(self.task(task).name))


def dialect_for(version: str) -> Dialect:
    """Dialect that a version of SCT speaks.

    Parameters
    ----------
    version
        As in ``version.txt``: ``'7.3'``, ``'7.4.dev0'``; or ``'embedded-…'``.

    Returns
    -------
    Dialect
        That of the release itself, else of the newest release before it.

    Raises
    ------
    ToolboxError
        If the version can't be read or is older than the oldest in the table.

    Warns
    -----
    ToolboxWarning
        If the version is newer than the newest in the table.

    Examples
    --------
    >>> dialect_for('6.4').release, dialect_for('7.4.dev0').release
    ('6.3', '7.4')
    """
    table = _table()
    if version.startswith(EMBEDDED):
        return Dialect(EMBEDDED, table[EMBEDDED])
    releases = [release for release in table if release != EMBEDDED]
    newest = releases[-1]
    asked = _number(version)
    if asked > _number(newest):
        warnings.warn(
            f'SCT {version} is newer than the newest release known here ({newest}): its command '
            'lines are taken to be the same',
            ToolboxWarning,
            stacklevel=2,
        )
    rows = [release for release in releases if _number(release) <= asked]
    if not rows:
        raise ToolboxError(
            f'SCT {version} is too old: {releases[0]} is the oldest that can be used'
        )
    return Dialect(rows[-1], table[rows[-1]])


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, Any]]:
    """All rows, oldest first, each complete."""
    import yaml

    from spinalprep.data import load

    changes = yaml.safe_load(load.readable('dialects.yaml').read_text())
    table: dict[str, dict[str, Any]] = {}
    row: dict[str, Any] = {}
    for release, changed in changes.items():
        row = _merged(row, changed)
        table[release] = row
    return table


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """``old`` with ``new`` laid over it, key by key."""
    result = deepcopy(old)
    for key, value in new.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else deepcopy(value)
    return result


def _first(has) -> str:
    """First release whose row ``has`` something."""
    return next(release for release, row in _table().items() if has(row))


def _number(version: str) -> tuple[int, int]:
    """First two numbers of a version: 7.4.dev0 is development of 7.4, and speaks like it."""
    found = re.match(r'(\d+)\.(\d+)', version)
    if not found:
        raise ToolboxError(f'{version!r} is not a version of SCT')
    return int(found[1]), int(found[2])


def _values(ranges: list[str]) -> frozenset[int]:
    """``['1-2', '50']`` as {1, 2, 50}."""
    values: set[int] = set()
    for text in ranges:
        first, _, last = text.partition('-')
        values.update(range(int(first), int(last or first) + 1))
    return frozenset(values)
