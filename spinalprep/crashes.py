# SPDX-License-Identifier: Apache-2.0
"""What failed, read from Nipype's crash files.

Nipype wraps a node's exception in another one, as text, and each plugin hands it on
in its own way; the crash file is the one thing that all of them leave behind.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from spinalprep import atomic
from spinalprep.commandfiles import LOG_FILE, RECORD_FILE, printed_lines

SUBSTEPS = {
    'discovery': 'S2.1 discovery + crop',
    'segmentation': 'S2.2 segmentation + labels',
    'rootlets': 'S2.3 rootlets',
    'registration': 'S2.4 registration',
    'template_maps': 'S2.4 registration',
}
"""Part of a sub-workflow's name to the substep's name."""

TAIL_LINES = 40
"""Of what a command printed, in a crash report."""

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

    def command(self) -> dict[str, Any]:
        """What is known of the command that the node ran; see `command_in`."""
        return command_in(self.folder) if self.folder else {}

    @property
    def interrupts(self) -> bool:
        """Whether the user stopped it: Nipype takes that for one more failing node."""
        return self.error == 'KeyboardInterrupt'


def command_in(folder: Path) -> dict[str, Any]:
    """What is known of the command that was run in a node's folder, if one was.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict
        ``command``, a line for a shell, ``log``, the file of what it printed, and ``tail``, the
        end of that: those that are there.
    """
    known: dict[str, Any] = {}
    record = atomic.read_json(folder / RECORD_FILE)
    if 'argv' in record:
        steps = [('cd', str(folder)), record['argv']]
        if record.get('temp'):  # removed when the command ended
            steps.insert(0, ('mkdir', '-p', record['temp']))
        known['command'] = ' && '.join(map(shlex.join, steps))
    log = folder / LOG_FILE
    with suppress(OSError):
        known |= {'tail': printed_lines(log)[-TAIL_LINES:], 'log': str(log)}
    return known


def command_cut_off(work: Path, since: datetime) -> dict[str, Any]:
    """What is known of the command that was at work when a subject's process was killed.

    Parameters
    ----------
    work : Path
        The subject's working folder.
    since : datetime
        When its run began; what an earlier one left does not count.

    Returns
    -------
    dict
        See `command_in`; empty unless it was one alone, for which of several it was nobody knows.
    """
    found = []
    for path in work.rglob(RECORD_FILE):
        record = atomic.read_json(path)
        unfinished = record.get('exit_code', 0) is None
        if unfinished and datetime.fromisoformat(record['start']) >= since:
            found.append(path.parent)
    return command_in(found[0]) if len(found) == 1 else {}


def advice(error: str, message: str) -> str:
    """What to do about an error, in a sentence or two.

    Parameters
    ----------
    error : str
        Name of its class.
    message : str
        Its first line decides; what the tool printed follows, and may speak of anything.

    Returns
    -------
    str

    Examples
    --------
    >>> advice('OSError', 'No space left on device')
    'Make room on the disk, and give the same command again: it goes on where it stopped.'
    """
    line = f'{error}: {message}'.partition('\n')[0]
    for words, told in _ADVICE.items():
        if re.search(words, line):
            return told
    return (
        'Try the command by hand, and look at its log. If it looks like an error of spinalprep, '
        'report it with the crash report.'
    )


_AGAIN = 'and give the same command again: it goes on where it stopped.'
_ADVICE = {
    r'[Nn]o space left|Errno 28\b|[Dd]isk quota': f'Make room on the disk, {_AGAIN}',
    r'sbatch did not take|this node can not start:': (
        'Compare what it asked for with what the cluster has (sinfo), change --slurm-args or '
        f'--omp-nthreads, {_AGAIN}'
    ),
    r'ended as (BOOT_FAIL|NODE_FAIL|PREEMPTED|CANCELLED|REVOKED)\b': (
        'The cluster took the job away, not this node: give the same command again: it goes on '
        'where it stopped.'
    ),
    r'\bClusterError:': 'Give the same command again when squeue gives an answer.',
    r'ended as OUT_OF_MEMORY\b': f'Give its jobs more memory (--slurm-args "--mem=16G"), {_AGAIN}',
    r'\b(WorkerKilled|MemoryError)\b|memory ran out|killed by signal 9\b': (
        f'Give it more memory (--mem, or of the cluster), or lower --nprocs, {_AGAIN}'
    ),
    r'ended as TIMEOUT\b': (
        f'Raise the limit in the policy (time_limits), or --time in --slurm-args, {_AGAIN}'
    ),
    'longer than its time limit': f'Raise the limit in the policy (time_limits), {_AGAIN}',
    'time of its job is nearly over': (
        'Give the same command again: it goes on where it stopped. Where even one step does not '
        'fit, give its jobs more time (--slurm-args "--time=8:00:00").'
    ),
    r'\bKeyboardInterrupt\b': 'Give the same command again: it goes on where it stopped.',
    r'\bToolboxError:': (
        'Run spinalprep doctor: it says what of SCT is missing and how to mend it.'
    ),
    r'\bInputImageError:': 'Look at the file that is named, or give another one.',
    'no registration|disc_labels': (
        'Look at the figures. Discs or rootlets that you corrected can be given (--manual-dir).'
    ),
    'cord mask': 'Look at the figures. A corrected mask can be given (--manual-dir).',
}
"""What an error's name and first line match → what to do."""


def report(label: str, failure: Mapping[str, Any]) -> str:
    """What failed and what to do, as a text for people.

    Parameters
    ----------
    label : str
        Subject and session.
    failure : mapping
        Of the record.

    Returns
    -------
    str
    """
    lines = [f'{label} failed in {failure["substep"]}', '', failure['message'], '']
    lines += ['What to do', '----------', failure.get('advice') or '–', '']
    if failure.get('command'):
        lines += ['The command, to try by hand', '---------------------------']
        lines += [failure['command'], '']
    if failure.get('tail'):
        lines += ['The end of what it printed', '--------------------------', *failure['tail'], '']
    for name, text in (('node', 'Node'), ('log', 'Whole log'), ('crash_file', "Nipype's report")):
        if failure.get(name):
            lines.append(f'{text}: {failure[name]}')
    if failure.get('details') and not failure.get('tail'):
        lines += ['', 'Details', '-------', failure['details']]
    return '\n'.join(lines) + '\n'


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
