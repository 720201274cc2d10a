# SPDX-License-Identifier: Apache-2.0
"""What failed, read from Nipype's crash files.

Nipype wraps a node's exception in another one, as text, and each plugin hands it on
in its own way; the crash file is the one thing that all of them leave behind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SUBSTEPS = {
    'discovery': 'S2.1 discovery + crop',
    'segmentation': 'S2.2 segmentation + labels',
    'rootlets': 'S2.3 rootlets',
    'registration': 'S2.4 registration',
}
"""Part of a sub-workflow's name to the substep's name."""

_TRACEBACK = 'Traceback (most recent call last):'
_CHAINED = (
    'The above exception was the direct cause of the following exception:',
    'During handling of the above exception, another exception occurred:',
)
_ADDED = (
    'When creating this crashfile, the results file',
    'During the creation of this crashfile',
)
_WRAPPER = 'nipype.pipeline.engine.nodes.NodeExecutionError'
_OURS = 'spinalprep.errors.'


@dataclass(frozen=True)
class Crash:
    """A node that failed."""

    node: str
    """Full name of the node."""
    folder: Path | None
    """Its working folder."""
    error: str
    """Class of the exception, with its module where it is not a built-in one."""
    message: str
    """May have many lines."""
    file: Path | None
    """The crash file."""

    @property
    def substep(self) -> str:
        """Substep of the node."""
        return substep_of(self.node)

    @property
    def rejects(self) -> bool:
        """Whether the image was rejected, rather than something went wrong."""
        return self.error == f'{_OURS}CordReferenceRejected'

    @property
    def interrupts(self) -> bool:
        """Whether the user stopped it: Nipype takes that for one more failing node."""
        return self.error == 'KeyboardInterrupt'


def substep_of(node: str) -> str:
    """Name of the substep that a node belongs to; ``S2`` for one outside the four.

    Examples
    --------
    >>> substep_of('single_subject_wf.anat_cordref_wf.discovery_wf.find_cord')
    'S2.1 discovery + crop'
    >>> substep_of('single_subject_wf.ds_anat')
    'S2'
    """
    for part in reversed(node.split('.')[:-1]):
        for word, name in SUBSTEPS.items():
            if word in part:
                return name
    return 'S2'


def read_crashes(folder: Path) -> list[Crash]:
    """Crashes in a folder, the first one first."""
    files = sorted(folder.glob('crash-*.txt'), key=lambda path: (path.stat().st_mtime_ns, path))
    return [read_crash(path) for path in files]


def read_crash(path: Path) -> Crash:
    """The node, class and message of the exception in a crash file.

    Parameters
    ----------
    path : Path
        As Nipype writes it with ``crashfile_format = txt``.

    Returns
    -------
    Crash
    """
    lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
    head = {
        key: value.strip()
        for key, found, value in (line.partition(':') for line in lines[:4])
        if found
    }
    folder = head.get('Working directory')
    error, message = _exception(lines)
    return Crash(head.get('Node', '?'), Path(folder) if folder else None, error, message, path)


def _exception(lines: list[str]) -> tuple[str, str]:
    """Class and message of the exception that a node raised."""
    # without results of the node Nipype appends remarks of its own
    for number, line in enumerate(lines):
        if line.startswith(_ADDED):
            lines = lines[:number]
            break
    found = _chain(lines, '')
    if not found:
        return 'unknown', '\n'.join(lines[-20:]).strip()
    error, message = found[-1]
    if error == _WRAPPER:
        # what the command printed comes before, but every line of it is indented
        wrapped = message.splitlines()
        start = wrapped.index('Traceback:') if 'Traceback:' in wrapped else len(wrapped)
        found = _chain(wrapped[start + 1 :], '\t') or found
    ours = [item for item in found if item[0].startswith(_OURS)]
    return (ours or found)[-1]


def _chain(lines: list[str], indent: str) -> list[tuple[str, str]]:
    """Exceptions, with their messages, of tracebacks at a given indentation."""
    text = [line.removeprefix(indent) for line in lines]
    found: list[tuple[str, str]] = []
    number = 0
    while number < len(text):
        if lines[number] != indent + _TRACEBACK:
            number += 1
            continue
        number += 1
        # the frames are indented; the exception is the first line that is not
        while number < len(text) and (not text[number] or text[number][0] == ' '):
            number += 1
        end = number
        while end < len(text) and text[end] not in _CHAINED:
            end += 1
        exception = '\n'.join(text[number:end])
        if match := re.match(r'([\w.]+)(?:: )?', exception):
            found.append((match[1], exception[match.end() :].strip()))
        number = end
    return found
