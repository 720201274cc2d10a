# SPDX-License-Identifier: Apache-2.0
"""Run one command: no shell, own process group, time limit, nothing left behind."""

import errno
import os
import re
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import spinalprep
from spinalprep.commandfiles import printed_lines
from spinalprep.processes import Heir, await_end
from spinalprep.toolbox import Toolbox

GRACE_S = 5.0
"""Seconds between asking a process group to end and ending it."""

# By default glibc asks the system for the memory of each large array, which fills it with zeros,
# and gives it back: a twentieth of the time of commands that compute on images. So they keep some
# of what was freed for the next array; their peak memory grows by a fiftieth.
_FREED_KEPT = {
    'MALLOC_TRIM_THRESHOLD_': str(256 * 2**20),
    'MALLOC_TOP_PAD_': str(64 * 2**20),
    'MALLOC_MMAP_THRESHOLD_': str(32 * 2**20),
}

# Ends the group whose number it was told, and removes the temp folder. SCT's launchers start a
# second interpreter, so signals sent to the first process alone would leave the work running.
_GUARD = """
temp=$1; shift
group=
while read -r told; do
    [ "$told" = done ] && exit
    group=$told
done
[ -n "$group" ] && kill -KILL "-$group"
[ $# -gt 0 ] && "$@"
rm -rf "$temp"
"""


# Lets the command begin once its guard knows of it; never, if we are killed before that.
_GATE = 'read -r go && exec "$@" < /dev/null'


@dataclass(frozen=True)
class Execution:
    """A command that is run, and how it ended, once it has.

    Parameters
    ----------
    argv
        What is run.
    start
        When it began.
    temp
        Temporary folder that `argv` names, as that of a container does; gone afterwards.
    exit_code
        Exit code; negative: number of the signal that ended it; ``None`` until it has ended.
    duration_s
        Seconds it took.
    timed_out
        Whether it was stopped because of the time limit.
    """

    argv: tuple[str, ...]
    start: datetime
    temp: Path | None = None
    exit_code: int | None = None
    duration_s: float | None = None
    timed_out: bool = False

    @property
    def signal(self) -> int | None:
        """Signal that ended it: seen directly, through SCT's launcher (256-N), a shell (128+N)."""
        if self.exit_code is None:
            return None
        for number in (-self.exit_code, 256 - self.exit_code, self.exit_code - 128):
            if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT):
                return number
        return None


def run_command(
    argv: Sequence[str],
    *,
    toolbox: Toolbox,
    folder: Path,
    log: Path,
    num_threads: int = 1,
    timeout: float | None = None,
    environment: Mapping[str, str] | None = None,
    readable: Sequence[Path] = (),
    begin: Callable[[Execution], None] = lambda execution: None,
) -> Execution:
    """Run a command to its end in its own folder, and make sure that nothing of it goes on.

    Parameters
    ----------
    argv
        Program and arguments; no shell reads them.
    toolbox
        Decides about the GPU, the interpreter's search path, and the container to run it in.
    folder, log
        Current folder of the command; file for its standard output and error, mixed.
    num_threads, timeout
        Threads that it may use; time limit in seconds, ``None`` for none.
    environment
        Variables to start from; default: our own.
    readable
        Files that the command reads: a container sees nothing else.
    begin
        Told of it before it starts: of one that is killed together with us nothing else remains.

    Returns
    -------
    Execution
        The exit code is not judged here.

    Raises
    ------
    FileNotFoundError
        If there is no such program, or it may not be run.

    Notes
    -----
    The whole process group is ended at the time limit, when an exception passes through (Ctrl-C),
    and when this process itself is killed.
    """
    start, clock = datetime.now(UTC).astimezone(), monotonic()
    timed_out = False
    with (
        tempfile.TemporaryDirectory(prefix='spinalprep_', ignore_cleanup_errors=True) as temp,
        log.open('wb') as stream,
    ):
        base = os.environ if environment is None else environment
        if toolbox.container:
            name = f'spinalprep-{uuid.uuid4().hex[:12]}'
            argv = toolbox.container.argv(
                argv,
                folder=folder,
                temp=Path(temp),
                readable=readable,
                variables=command_environment(toolbox, num_threads, Path(temp), {}),
                gpu=toolbox.gpu,
                name=name,
            )
            stop = toolbox.container.stop_argv(name)
            variables = toolbox.container.outer_environment(base)
        else:
            stop, variables = (), command_environment(toolbox, num_threads, Path(temp), base)
        if shutil.which(argv[0], path=variables.get('PATH')) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
        execution = Execution(tuple(argv), start, Path(temp) if toolbox.container else None)
        begin(execution)
        with _guard(temp, stop) as tell:
            process = subprocess.Popen(
                ['/bin/sh', '-c', _GATE, 'sh', *argv],
                cwd=folder,
                env=variables,
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                tell(process.pid)
                with suppress(BrokenPipeError), process.stdin as gate:  # its end will tell why
                    gate.write(b'go\n')
                await_end(process, timeout)
            except subprocess.TimeoutExpired:
                timed_out = True
            finally:
                _end_group(process, gently=timed_out)
                if stop and process.returncode:
                    subprocess.run(stop, capture_output=True, check=False)
    return replace(
        execution,
        exit_code=process.returncode,
        duration_s=monotonic() - clock,
        timed_out=timed_out,
    )


def command_environment(
    toolbox: Toolbox, num_threads: int, temp: Path, base: Mapping[str, str]
) -> dict[str, str]:
    """Environment of a command: threads, memory, temp folder, no bars or windows, GPU on request.

    Notes
    -----
    ``SCT_USE_GPU`` counts by being there, whatever its value. ``PYTHONPATH``, ``PYTHONHOME`` are
    kept from an installed SCT, which brings its own interpreter; the embedded one runs in ours and
    needs to find this package.
    """
    variables = _FREED_KEPT | dict(base)
    for name in ('ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
        variables[name] = str(num_threads)
    variables |= {
        'nnUNet_def_n_proc': str(num_threads),
        'SCT_PROGRESS_BAR': 'off',
        'MPLBACKEND': 'Agg',
        # Else all of stdout comes after stderr in the log, and tracebacks are far from its end.
        'PYTHONUNBUFFERED': '1',
        'TMPDIR': str(temp),
    }
    variables.pop('SCT_USE_GPU', None)
    if toolbox.gpu:
        variables['SCT_USE_GPU'] = '1'
    if toolbox.kind == 'embedded':
        ours = str(Path(spinalprep.__file__).resolve().parents[1])
        variables['PYTHONPATH'] = os.pathsep.join(
            part for part in (ours, variables.get('PYTHONPATH')) if part
        )
    else:
        variables.pop('PYTHONPATH', None)
        variables.pop('PYTHONHOME', None)
    return variables


@contextmanager
def _guard(temp: str, stop: Sequence[str]) -> Iterator:
    """Start what ends the command if we are killed; yields how to tell it the group.

    What ends a container, which no signal to its starter reaches, is `stop`.
    """
    heir = Heir(_GUARD, temp, *stop)
    try:
        yield heir.tell
    finally:
        heir.dismiss()


def _end_group(process: subprocess.Popen, *, gently: bool) -> None:
    """End every process of the command's group, and collect the first one."""
    if gently:
        _signal_group(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: int) -> None:
    # No such group: nothing is left of it. Not permitted: only zombies are left (macOS).
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def tail(log: Path, lines: int = 20) -> str:
    """Last lines of a command's output, in one text."""
    return '\n'.join(printed_lines(log)[-lines:])


def reason(log: Path) -> str:
    """The line of a failed command's output that says why: the last that looks like an error."""
    lines = [line for line in printed_lines(log) if not line.startswith('Total runtime')]
    errors = [line.strip() for line in lines if _ERROR.search(line)]
    return (errors or lines or ['nothing was printed'])[-1]


_ERROR = re.compile(r'^[\w.]*(Error|Exception|Interrupt)\b|\b(error|ERROR):')
