# SPDX-License-Identifier: Apache-2.0
"""Run one Nipype graph and find out what really happened.

That ``run()`` returns means little: the crash files, the sink's summary and the
records that the commands leave are what is believed.
"""

from __future__ import annotations

import json
import logging
import math
import multiprocessing
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import spinalprep
from spinalprep import atomic, moved
from spinalprep.commandfiles import RECORD_FILE
from spinalprep.crashes import Crash, read_crashes, substep_of
from spinalprep.incomplete import forget_incomplete

Listener = Callable[[str, str], None]
"""Told of each node's full name and ``start``, ``end`` or ``exception``."""

POLL_S = 0.05
"""How often MultiProc looks for finished nodes."""

LOG_FORMAT = '%(asctime)s %(name)s %(levelname)s: %(message)s'


@dataclass(frozen=True)
class Outcome:
    """What a graph left behind."""

    summary: dict[str, Any] | None
    """Of the sink, if it ran now."""
    crashes: list[Crash]
    """The first one first."""
    commands: list[dict[str, Any]]
    """In the order in which they began; ``cached`` where an earlier run's result was taken.
    One that was cut off together with its node is not here: see `crashes.command_in`."""
    error: str | None
    """What ``run()`` raised."""


class Watcher:
    """Nipype's status callback: remembers which nodes ran, or were found cached."""

    def __init__(self, plugin: str, crash_dir: Path, listener: Listener | None = None):
        self._linear = plugin == 'linear'
        self._crash_dir = crash_dir
        self._listener = listener
        self._before: dict[str, int | None] = {}
        self.folders: dict[str, Path] = {}
        """Working folders of nodes that ran or were cached, by full name."""
        self.sinks: list[Path] = []
        """Summaries of sinks that ended well."""

    def __call__(self, node: Any, status: str) -> None:
        from spinalprep.interfaces.derivatives import SUMMARY, SaveDerivatives

        name, folder = node.fullname, Path(node.output_dir())
        if status == 'start':
            self._before[name] = _stamp(folder / RECORD_FILE)
        elif self._linear and name not in self._before:
            return  # Linear says "end" of the nodes that it skips after a crash, too
        self.folders[name] = folder
        if status == 'end' and isinstance(node.interface, SaveDerivatives):
            self.sinks.append(folder / SUMMARY)
        if self._listener is not None:
            self._listener(name, status)
        if status == 'exception':
            _stop_if_interrupted(read_crashes(self._crash_dir))

    def commands(self) -> list[dict[str, Any]]:
        """Records of the commands of these nodes, but of those that were cut off."""
        found = []
        for name, folder in self.folders.items():
            path = folder / RECORD_FILE
            stamp, record = _stamp(path), atomic.read_json(path)
            if record.get('exit_code') is None:
                continue  # no command, or none that ended
            # a node that MultiProc finds cached is never started
            cached = name not in self._before or stamp == self._before[name]
            found.append({'node': name, 'substep': substep_of(name), **record, 'cached': cached})
        return sorted(found, key=lambda item: item.get('start', ''))


def run_graph(
    workflow: Any,
    *,
    crash_dir: Path,
    log: Path,
    plugin: str = 'linear',
    plugin_args: Mapping[str, Any] | None = None,
    nprocs: int = 1,
    memory_gb: float = math.inf,
    listener: Listener | None = None,
) -> Outcome:
    """Run a workflow to its end.

    Parameters
    ----------
    workflow : nipype.pipeline.engine.Workflow
        With its ``base_dir`` set.
    crash_dir : Path
        For crash files; those of earlier runs in it are removed.
    log : Path
        Nipype's log goes here, and nowhere else.
    plugin : str
        ``linear``, ``multiproc``, ``slurm``, or another one of Nipype's.
    plugin_args : mapping, optional
        More arguments for it.
    nprocs : int
        Processors that MultiProc may give out.
    memory_gb : float
        Memory (GB) that it may plan; a node that asks for more runs alone.
    listener : callable, optional
        See `Listener`.

    Returns
    -------
    Outcome

    Raises
    ------
    KeyboardInterrupt
        Even where Nipype took it for one more node that failed.
    """
    from spinalprep.hashing import remembered_hashes
    from spinalprep.images import remembered_images
    from spinalprep.interfaces.sct import forget_failed
    from spinalprep.plugins.choice import make_plugin

    crash_dir.mkdir(parents=True, exist_ok=True)
    for path in crash_dir.glob('crash-*.txt'):
        path.unlink()
    workflow.config['execution'] = {
        **workflow.config.get('execution', {}),
        'crashdump_dir': str(crash_dir.absolute()),
        'crashfile_format': 'txt',
        'hash_method': 'content',
        'check_version': 'false',
        'poll_sleep_duration': str(POLL_S),
        'stop_on_first_crash': 'false',
        'remove_unnecessary_outputs': 'false',
        'create_report': 'false',
    }
    moved.follow(Path(workflow.base_dir))
    forget_failed(Path(workflow.base_dir))
    forget_incomplete(Path(workflow.base_dir))
    watcher = Watcher(plugin, crash_dir, listener)
    arguments = {**(plugin_args or {}), 'status_callback': watcher}
    if plugin == 'multiproc':
        arguments |= {
            'n_procs': nprocs, 'memory_gb': memory_gb, 'raise_insufficient': False,
            'preload': modules_of_nodes(),
        }  # fmt: skip
    error = None
    # nodes that have processes of their own would each keep what none reads twice
    keeping = remembered_images() if plugin == 'linear' else nullcontext()
    with _logging_to(log), remembered_hashes(), keeping, _ending_workers():
        try:
            workflow.run(plugin=make_plugin(plugin, arguments))
        except Exception as raised:  # noqa: BLE001 - any node's error comes here; it is judged
            error = f'{type(raised).__name__}: {raised}'
    summary = None
    if watcher.sinks and watcher.sinks[-1].is_file():
        summary = json.loads(watcher.sinks[-1].read_text(encoding='utf-8'))
    crashes = read_crashes(crash_dir)
    _stop_if_interrupted(crashes)
    return Outcome(summary, crashes, watcher.commands(), error)


def modules_of_nodes() -> list[str]:
    """Names of the modules that are imported only when a graph, or one of its nodes, runs.

    Imported beforehand they are there in each process that is forked later: a second of work for
    all, instead of up to one for each.
    """
    names = ['spinalprep.workflows', 'spinalprep.verdict', 'skimage.measure']
    for room in ('anatomy', 'anatomy.quality', 'reports'):
        folder = Path(spinalprep.__file__).parent / room.replace('.', '/')
        names += [item.name for item in iter_modules([str(folder)], f'spinalprep.{room}.')]
    return names


def preload() -> None:
    """Import the `modules_of_nodes`."""
    for name in modules_of_nodes():
        with suppress(Exception):  # the node that needs it will tell
            import_module(name)


def _stop_if_interrupted(crashes: list[Crash]) -> None:
    """Stop the graph where an interruption ended a node: Nipype would go on with the others."""
    for crash in crashes:
        if crash.interrupts:
            raise KeyboardInterrupt(crash.message)


def _stamp(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Nipype's loggers, and that of its workers' pool, write to a file, not to the terminal."""
    import nipype  # noqa: F401 - puts its handlers in place

    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode='w', encoding='utf-8')
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    loggers = [logging.getLogger(name) for name in ('nipype', 'concurrent.futures')]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [handler], False
    try:
        yield
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
        handler.close()


@contextmanager
def _ending_workers() -> Iterator[None]:
    """End worker processes that are left when we are interrupted: they would go on."""
    before = set(multiprocessing.active_children())
    threads = set(threading.enumerate())
    try:
        yield
    finally:
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
            process.join()
        # the pool's own thread tells of the death of its workers: while we still listen
        for thread in set(threading.enumerate()) - threads:
            thread.join(timeout=5)
