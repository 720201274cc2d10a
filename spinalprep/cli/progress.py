# SPDX-License-Identifier: Apache-2.0
"""One line on the terminal: which subject, which substep, for how long. Quiet elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from typing import TextIO

from spinalprep.crashes import substep_of
from spinalprep.record import Record
from spinalprep.selection import Target

PERIOD_S = 1.0


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
        self._label = ''
        self._start = time.monotonic()
        self._running: list[str] = []
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
        self._label, self._start, self._running = target.label, time.monotonic(), []

    def node(self, name: str, status: str) -> None:
        """A node begins or ends."""
        others = [running for running in self._running if running != name]
        self._running = [*others, name] if status == 'start' else others

    def ended(self, record: Record) -> None:
        """A subject ends."""
        self._running = []

    def line(self) -> str:
        """The status line."""
        running = self._running  # one reference: the list is replaced, never changed
        doing = ''
        if running:
            doing = f'{substep_of(running[-1])}: {running[-1].rpartition(".")[2]}'
        minutes, seconds = divmod(int(time.monotonic() - self._start), 60)
        return f'[{self._number}/{self._total}] {self._label}  {minutes}:{seconds:02d}  {doing}'

    def _keep_drawing(self) -> None:
        while not self._stop.wait(PERIOD_S):
            width = shutil.get_terminal_size().columns - 1
            self._write(f'\r\x1b[K{self.line()[:width]}')

    def _write(self, text: str) -> None:
        # past Python's buffers and their locks: workers are forked while this thread writes
        os.write(self._stream.fileno(), text.encode())
