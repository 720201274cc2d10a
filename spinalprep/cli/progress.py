# SPDX-License-Identifier: Apache-2.0
"""One line on the terminal: which subjects, which substeps, for how long. Quiet elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TextIO

from spinalprep.crashes import substep_of
from spinalprep.record import Record
from spinalprep.selection import Target

PERIOD_S = 1.0


@dataclass
class _Subject:
    start: float
    nodes: list[str] = field(default_factory=list)


class Progress:
    """Context manager that keeps a status line up to date.

    Parameters
    ----------
    total : int
        Subjects and sessions to come.
    stream : file, optional
        Where to write; standard error if not given. Nothing is written if it is not a
        terminal.
    """

    def __init__(self, total: int, stream: TextIO | None = None):
        self._stream = stream or sys.stderr
        self._total = total
        self._number = 0
        # each change makes a new dict: the line is drawn by a thread of its own
        self._running: dict[str, _Subject] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Progress:
        if self._stream.isatty():
            self._thread = threading.Thread(target=self._keep_drawing, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._write('\r\x1b[K')

    def started(self, target: Target) -> None:
        """A subject begins."""
        self._number += 1
        self._running = {**self._running, target.label: _Subject(time.monotonic())}

    def node(self, target: Target, name: str, status: str) -> None:
        """A node begins or ends."""
        subject = self._running.get(target.label)
        if subject is None:
            return
        others = [running for running in subject.nodes if running != name]
        subject.nodes = [*others, name] if status == 'start' else others

    def ended(self, record: Record) -> None:
        """A subject ends; one whose last result still holds has not begun."""
        if record.label not in self._running:
            self._number += 1
        self._running = {k: v for k, v in self._running.items() if k != record.label}

    def line(self) -> str:
        """The status line."""
        told = []
        for label, subject in self._running.items():
            minutes, seconds = divmod(int(time.monotonic() - subject.start), 60)
            nodes = subject.nodes
            doing = f'{substep_of(nodes[-1])}: {nodes[-1].rpartition(".")[2]}' if nodes else ''
            told.append(f'{label}  {minutes}:{seconds:02d}  {doing}')
        return f'[{self._number}/{self._total}] {" | ".join(told)}'

    def _keep_drawing(self) -> None:
        while not self._stop.wait(PERIOD_S):
            width = shutil.get_terminal_size().columns - 1
            self._write(f'\r\x1b[K{self.line()[:width]}')

    def _write(self, text: str) -> None:
        # past Python's buffers and their locks: workers are forked while this thread writes
        os.write(self._stream.fileno(), text.encode())
