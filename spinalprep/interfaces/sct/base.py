# SPDX-License-Identifier: Apache-2.0
"""Base of all SCT interfaces: from traits to an argument list, run, judged."""

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterface, isdefined, traits

import spinalprep.interfaces.sct.process as process
from spinalprep import atomic
from spinalprep.commandfiles import LOG_FILE, RECORD_FILE
from spinalprep.errors import InputImageError, SCTCommandError, SCTOutputError, ToolboxError
from spinalprep.interfaces.conditional import (
    Conditional,
    ConditionalInputSpec,
    ConditionalOutputSpec,
)
from spinalprep.interfaces.sct.outputs import BadOutput, is_empty
from spinalprep.toolbox import Dialect, Toolbox


class SCTInputSpec(ConditionalInputSpec):
    """Inputs of every SCT interface."""

    toolbox = traits.Any(nohash=True, mandatory=True, desc='where SCT is (a Toolbox)')
    toolbox_identity = traits.Str(
        desc='version of SCT and, where they matter, of network and template; set by itself'
    )
    num_threads = traits.Range(
        low=1, value=1, usedefault=True, nohash=True, desc='threads that the command may use'
    )
    timeout = traits.Float(nohash=True, desc='time limit in seconds')

    def _toolbox_changed(self) -> None:
        self._set_identity()

    def _set_identity(self) -> None:
        """Hash what decides about the result: the version, not where it is installed."""
        if isinstance(self.toolbox, Toolbox):
            parts = (self.toolbox.version, *self._identity_parts(self.toolbox))
            self.toolbox_identity = ' '.join(part for part in parts if part)

    def _identity_parts(self, toolbox: Toolbox) -> tuple[str, ...]:
        """What besides the version decides about the result."""
        return ()


class SCTOutputSpec(ConditionalOutputSpec):
    """Outputs of every SCT interface."""


class SCTCommand(Conditional, BaseInterface):
    """One SCT command.

    A subclass names the command, turns its inputs into arguments (``_arguments``), and finds and
    judges what the command wrote (``_collect``): exit code 0 is not success.

    Each command runs without a shell in the node's folder, in a process group of its own, and
    leaves ``command.log`` and ``command.json`` there.
    """

    input_spec = SCTInputSpec
    output_spec = SCTOutputSpec
    _command = ''
    _folder: Path | None = None
    _results: dict[str, Any]

    @property
    def argv(self) -> tuple[str, ...]:
        """The argument list; outputs are relative until the command runs.

        Raises
        ------
        ToolboxError
            If this version of SCT can't do what is asked.
        """
        return (*self.inputs.toolbox.argv(self._command), *map(str, self._arguments()))

    @property
    def cmdline(self) -> str:
        """The command line, for display only: nothing ever runs it."""
        return shlex.join(self.argv)

    @property
    def dialect(self) -> Dialect:
        """Dialect of the toolbox."""
        return self.inputs.toolbox.dialect

    def _arguments(self) -> list[Any]:
        """Arguments after the command."""
        raise NotImplementedError

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        """Find what the command wrote in ``folder``, judge it, name it.

        Raises
        ------
        BadOutput
            If something is missing or can't be right.
        """
        raise NotImplementedError

    def _option(self, name: str, flag: str | None = None) -> list[Any]:
        """Flag and value of an input, nothing if it isn't set.

        Without ``flag`` the dialect is asked for it, which fails if this version has none.
        """
        value = getattr(self.inputs, name)
        if not isdefined(value):
            return []
        if flag is None:
            flag = self.dialect.flag(self._command, name)
        if isinstance(value, bool):
            return [flag, int(value)]
        if isinstance(value, list | tuple):
            return [flag, *value]
        return [flag, value]

    def _choice(self, name: str) -> None:
        """Refuse a value that this version doesn't take."""
        value = getattr(self.inputs, name)
        choices = self.dialect.choices(self._command, name)
        if isdefined(value) and value not in choices:
            raise ToolboxError(
                f'{self._command} takes {name} {", ".join(map(str, choices))} in SCT '
                f'{self.inputs.toolbox.version}, not {value}'
            )

    def _output(self, name: str) -> str:
        """Path of an output: as given until the command runs, then in the node's folder."""
        return str((self._folder or Path()) / getattr(self.inputs, name))

    def _run_eligible(self, runtime):
        self._folder = Path(runtime.cwd).resolve()
        try:
            self._check_inputs_exist()
            self._check_inputs()
            finished = self._run_command(runtime)
            log = self._folder / LOG_FILE
            if finished.exit_code or finished.timed_out:
                raise SCTCommandError(self._failure(finished))
            try:
                self._results = self._collect(self._folder, log)
            except BadOutput as error:
                summary = f'{self._command} ended with exit code 0, but {error}'
                raise SCTOutputError(_with_tail(summary, finished, self._folder)) from error
        finally:
            self._folder = None
        runtime.returncode = finished.exit_code
        return runtime

    def _list_results(self) -> dict[str, Any]:
        return self._results

    def _run_command(self, runtime) -> process.Execution:
        """Run it and leave the record of it."""
        inputs = self.inputs
        try:
            finished = process.run_command(
                self.argv,
                toolbox=inputs.toolbox,
                folder=self._folder,
                log=self._folder / LOG_FILE,
                num_threads=inputs.num_threads,
                timeout=inputs.timeout if isdefined(inputs.timeout) else None,
                environment=runtime.environ,
                readable=self._readable() if inputs.toolbox.container else (),
                begin=self._write_record,
            )
        except FileNotFoundError as error:
            raise ToolboxError(
                f'{self._command} can not be started: {error.filename} is gone. '
                'Look for SCT again: spinalprep doctor'
            ) from error
        self._write_record(finished)
        return finished

    def _write_record(self, execution: process.Execution) -> None:
        """Write what is known of it, in place of what was known before."""
        inputs, seconds = self.inputs, execution.duration_s
        record = {
            'command': self._command,
            'argv': execution.argv,
            'temp': execution.temp,
            'toolbox': inputs.toolbox_identity,
            'version': inputs.toolbox.version,
            'start': execution.start.isoformat(timespec='milliseconds'),
            'duration_s': None if seconds is None else round(seconds, 3),
            'exit_code': execution.exit_code,
            'timed_out': execution.timed_out,
            'killed_by': execution.signal,
        }
        atomic.write_json(self._folder / RECORD_FILE, record)

    def _readable(self) -> list[Path]:
        """Files and folders that the command reads."""
        return [Path(path) for _, path in self._input_files()]

    def _input_files(self) -> Iterator[tuple[str, str]]:
        """Names and paths of the files that the command will read."""
        for name, trait in self.inputs.items():
            value = getattr(self.inputs, name)
            if trait.input_file and isdefined(value):
                for path in value if isinstance(value, list) else [value]:
                    yield name, path

    def _check_inputs_exist(self) -> None:
        """Refuse files that aren't there: some commands only warn and go on without."""
        for name, path in self._input_files():
            if not Path(path).exists():
                raise InputImageError(f'{type(self).__name__}: {name} is not there: {path}')

    def _check_inputs(self) -> None:
        """Refuse inputs that the command would take without a word and use wrongly."""

    def _failure(self, finished: process.Execution) -> str:
        """Words for a command that failed."""
        if finished.timed_out:
            summary = (
                f'{self._command} was stopped: it took longer than its time limit of '
                f'{self.inputs.timeout:g} s (the policy sets the limits)'
            )
        elif finished.signal is not None:
            memory = ', probably because memory ran out' if finished.signal == 9 else ''
            summary = (
                f'{self._command} was killed by signal {finished.signal}{memory} '
                f'(exit code {finished.exit_code})'
            )
        else:
            why = process.reason(self._folder / LOG_FILE)
            summary = f'{self._command} ended with exit code {finished.exit_code}: {why}'
            # SCT's tracebacks do not say so.
            empty = [f'{name} {path}' for name, path in self._input_files() if is_empty(path)]
            if empty:
                summary += f' (zero everywhere: {", ".join(empty)})'
        return _with_tail(summary, finished, self._folder)


def _with_tail(summary: str, finished: process.Execution, folder: Path) -> str:
    """The summary, the command, where its log is, and the log's last lines."""
    log = folder / LOG_FILE
    return '\n'.join(
        [
            summary,
            f'Command: {shlex.join(finished.argv)}',
            f'Log: {log}',
            'It ends with:',
            process.tail(log) or '(nothing was printed)',
        ]
    )


def one_of(interface: SCTCommand, names: Iterable[str]) -> str:
    """The one input among ``names`` that is set.

    Raises
    ------
    ValueError
        If none is, or more than one.
    """
    names = list(names)
    given = [
        name
        for name in names
        if isdefined(getattr(interface.inputs, name))
        and getattr(interface.inputs, name) is not False
    ]
    if len(given) != 1:
        raise ValueError(
            f'{type(interface).__name__} does one thing at a time: set exactly one of '
            f'{", ".join(names)}; now {", ".join(given) or "none"}'
        )
    return given[0]


def forget_failed(folder: Path) -> list[Path]:
    """Make Nipype forget nodes whose command failed, or was cut off.

    A tolerated failure is a result, and cached. But what made it fail (a time limit, memory, a
    full disk, a broken installation) is not hashed, so a new run must try again.

    Parameters
    ----------
    folder
        A Nipype working folder, searched to the bottom.

    Returns
    -------
    list of Path
        Folders of the nodes that will run again.
    """
    forgotten = []
    for file in sorted(folder.rglob(RECORD_FILE)):
        record = atomic.read_json(file)  # empty where it can't be read: not known to be good
        if record.get('timed_out') or record.get('exit_code') != 0:
            for result in file.parent.glob('_0x*.json'):
                result.unlink()
            forgotten.append(file.parent)
    return forgotten
