# SPDX-License-Identifier: Apache-2.0
"""Slurm's commands: submit a job, ask for all jobs at once, how one ended, cancel.

Each function runs one command. A controller that does not answer is `Away`, which passes; a job
that it does not take is `Refused`, which does not.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spinalprep.errors import ClusterError, UsageError

COMMANDS = ('sbatch', 'squeue', 'scancel', 'scontrol')

_PER_GRAPH = frozenset(
    ['-W', '--wait', '--wrap', '-a', '--array', '--test-only', '-h', '--help', '-V', '--version']
)
"""Options of sbatch that can't be given to each job."""

ANSWER_S = 120.0
"""Seconds that a command may take: longer than Slurm's own patience with a controller."""

ENDED = frozenset([
    'BOOT_FAIL', 'CANCELLED', 'COMPLETED', 'DEADLINE', 'FAILED', 'NODE_FAIL', 'OUT_OF_MEMORY',
    'PREEMPTED', 'REVOKED', 'TIMEOUT',
])  # fmt: skip
"""States from which a job does not come back."""

STUCK = re.compile(
    r'BadConstraints|Dependency(Never|_never)|Invalid(Account|QOS)|JobHeldAdmin|JobHoldMaxRequeue'
    r'|launch.failed|Partition(Config|NodeLimit|TimeLimit)|MaxWallDurationPerJob|PerJobLimit'
)
"""Reasons for which a job stays in the queue until somebody changes it, or the cluster."""

_AWAY = re.compile(
    r'Unable to contact|timed out|Connection (refused|reset)|Zero Bytes|standby mode'
    r'|temporarily un|not available at the moment|Communication connection failure'
    r'|Transport endpoint|[Aa]uth\w* error|Unexpected message',
)
_FULL = re.compile(r'submit limit|MaxSubmit|MaxJobCount|SubmitJobLimit', re.IGNORECASE)
# of the submitter's environment: what would change what the commands print, wait for, or take
# for one job what was meant for all of the submitter's
_MEDDLING = re.compile(
    r'SQUEUE_|SACCT_|SCONTROL_|SCANCEL_|SLURM_(?!CONF)'
    r'|SBATCH_(WAIT$|ARRAY_INX|EXPORT|MEM_|ERROR|OPEN_MODE|REQUEUE|NO_REQUEUE|HINT|DEBUG)'
)


class Away(Exception):
    """The controller does not answer, or not now."""


class Odd(Away):
    """A command fails in a way that is not known to pass, as where Slurm is not set up."""


class Full(Away):
    """The cluster takes no more jobs of this user for now."""


class Refused(Exception):
    """The cluster does not take this job."""


@dataclass(frozen=True)
class Job:
    """A job as the queue shows it."""

    number: int
    state: str
    reason: str
    script: str

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more, or will."""
        return self.state in ENDED

    @property
    def stuck(self) -> bool:
        """Whether it waits for what time alone does not bring."""
        return self.state == 'PENDING' and bool(STUCK.search(self.reason))


@dataclass(frozen=True)
class Ending:
    """How a job ended."""

    state: str
    exit_code: int = 0
    signal: int = 0
    nodes: str = ''

    @property
    def final(self) -> bool:
        """Whether it is one: of a job that still runs, only its state is known."""
        return self.state in ENDED


def require() -> None:
    """Refuse to start where Slurm's commands are missing.

    Raises
    ------
    ClusterError
    """
    missing = [name for name in COMMANDS if shutil.which(name) is None]
    if missing:
        raise ClusterError(
            f"Slurm's {', '.join(missing)} not found on PATH: run where jobs can be submitted "
            '(a login node, not inside a container), or choose another --plugin'
        )


def split_args(text: str) -> list[str]:
    """Options of sbatch from one text, as a shell would split it.

    Raises
    ------
    UsageError
        If there is one that can't be given to each job, or a quote is not closed.

    Examples
    --------
    >>> split_args('--partition=long --comment "one by one"')
    ['--partition=long', '--comment', 'one by one']
    """
    try:
        given = shlex.split(text)
    except ValueError as error:
        raise UsageError(f'options of sbatch: {error}: {text}') from None
    for item in given:
        # of one letter, with or without a value right behind it; or of a word
        name = item.partition('=')[0] if item.startswith('--') else item[:2]
        if name in _PER_GRAPH:
            raise UsageError(f'options of sbatch: {name} can not be given to each job: {text}')
    return given


def submit(script: Path, options: Sequence[str]) -> int:
    """Give a job script to Slurm.

    Returns
    -------
    int
        The job's number.

    Raises
    ------
    Away, Full, Refused
        With what sbatch said. After `Away` the job may be in the queue all the same.
    """
    answer = _run(['sbatch', '--parsable', *options, str(script)])
    said = answer.stderr.strip() or answer.stdout.strip()
    if answer.returncode:
        if _FULL.search(said):
            raise Full(said)
        if _AWAY.search(said):
            raise Away(said)
        raise Refused(said or f'sbatch ended with exit code {answer.returncode}')
    # sites let sbatch print more than it does by itself
    for line in reversed(answer.stdout.splitlines()):
        if match := re.match(r'(?:Submitted batch job )?(\d+)(;\S*)?\s*$', line):
            return int(match[1])
    raise Away(f'sbatch printed no job number, but: {said}')


def jobs() -> dict[int, Job]:
    """All jobs of this user that the controller knows, also those that ended lately.

    Raises
    ------
    Away, Odd
    """
    answer = _run([
        'squeue', '--noheader', '--states=all', f'--user={os.getuid()}', '--format=%A|%T|%r|%o',
    ])  # fmt: skip
    if answer.returncode or ('error:' in answer.stderr and not answer.stdout):
        said = answer.stderr.strip() or f'squeue ended with exit code {answer.returncode}'
        raise Away(said) if _AWAY.search(said) else Odd(said)
    found = {}
    for line in answer.stdout.splitlines():
        number, state, reason, script = [*line.split('|', 3), '', '', ''][:4]
        if number.isdigit():
            found[int(number)] = Job(int(number), state, reason, script)
    return found


def ending(number: int) -> Ending | None:
    """How a job ended: of the controller, else of the accounting; None where neither knows.

    Raises
    ------
    Away
    """
    answer = _run(['scontrol', '--oneliner', 'show', 'job', str(number)])
    if answer.returncode == 0:
        fields = dict(re.findall(r'(\w+)=(\S*)', answer.stdout))
        return _ending(fields.get('JobState', ''), fields.get('ExitCode'), fields.get('NodeList'))
    if 'Invalid job id' not in answer.stderr:
        raise Away(answer.stderr.strip())
    if shutil.which('sacct') is None:
        return None
    answer = _run([
        'sacct', '--noheader', '--parsable2', '--allocations', f'--jobs={number}',
        '--format=State,ExitCode,NodeList',
    ])  # fmt: skip
    if answer.returncode or not answer.stdout.strip():
        return None  # there is no accounting, or it has forgotten it
    state, exit_code, nodes = answer.stdout.splitlines()[-1].split('|')
    return _ending(state.split()[0], exit_code, nodes)


def _ending(state: str, codes: str | None, nodes: str | None) -> Ending:
    exit_code, _, number = (codes or '0:0').partition(':')
    nodes = '' if nodes in (None, '(null)', 'None assigned') else nodes
    return Ending(state, int(exit_code), int(number or 0), nodes)


def cancel(numbers: Collection[int]) -> None:
    """Cancel jobs; those that have ended stay as they are.

    Raises
    ------
    Away
    """
    if not numbers:
        return
    answer = _run(['scancel', '--quiet', *map(str, sorted(numbers))])
    if answer.returncode and _AWAY.search(answer.stderr):
        raise Away(answer.stderr.strip())


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what would make the commands behave otherwise.

    What a user sets to choose an account, a partition and so on (``SBATCH_ACCOUNT``) stays.

    Examples
    --------
    >>> sorted(environment({'SQUEUE_FORMAT': '%i', 'SBATCH_ACCOUNT': 'a', 'SLURM_CONF': 'c'}))
    ['SBATCH_ACCOUNT', 'SLURM_CONF']
    """
    base = os.environ if base is None else base
    return {name: value for name, value in base.items() if not _MEDDLING.match(name)}


def _run(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            list(argv),
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors='replace',
            timeout=ANSWER_S,
            check=False,
            start_new_session=True,  # Ctrl-C is for us; we then end the command, heard or not
        )
    except subprocess.TimeoutExpired:
        raise Away(f'{argv[0]} gave no answer within {ANSWER_S:g} s') from None
    except OSError as error:  # gone from PATH, out of processes: may come back
        raise Away(f'{argv[0]}: {error.strerror}') from error
