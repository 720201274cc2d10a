# SPDX-License-Identifier: Apache-2.0
"""Whole runs with the embedded SCT on a real Slurm: as job arrays, and a job per step."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from spinalprep.status import standings
from tests.phantoms import RUN, contents, environment, record_of, write_world
from tests.slurm.conftest import OUT_OF_MEMORY, PATIENCE_S, RUNS, WAITS, meanwhile, wait_until

pytestmark = pytest.mark.slurm

LABELS = [f'sub-0{number}' for number in range(1, 5)]
# the partition gives four hours
PLUGIN = ('--plugin', 'slurm', '--slurm-args', '--time=4:00:00', '--omp-nthreads', '1')
ARRAY = ('--array-script', 'study.sh', '--nprocs', '1', '--mem', '1.5')


@pytest.fixture(scope='module')
def world(tmp_path_factory):
    """Four coarse subjects and a template."""
    return write_world(tmp_path_factory.mktemp('runs'), 4)


@pytest.fixture(scope='module')
def whole(world):
    """Asserts that a run has whole results, the same as all other runs here."""
    first = {}

    def check(out):
        assert [text.split()[0] for text in status(world, out).values()] == ['completed'] * 4
        assert spinalprep(world, 'check', RUN[1], '--out', out).returncode == 0
        assert not list((world / out / 'derivatives').rglob('*.part'))
        found = contents(world / out)
        assert found == first.setdefault('contents', found)
        assert {label for label in LABELS for path in found if label in path} == set(LABELS)

    return check


def spinalprep(world, *argv, **variables):
    """Run the program as a user does, in a folder; its exit code and all that it prints."""
    return subprocess.run(
        [sys.executable, '-m', 'spinalprep', *argv], cwd=world, env=environment(**variables),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


def status(world, out):
    """What ``status`` says of each subject."""
    return {item.label: str(item).partition(': ')[2] for item in standings(world / out)}


def submit(world, out, *options):
    """Write an array script, and submit it; the number of the array."""
    told = spinalprep(world, *RUN, '--out', out, *ARRAY, *options)
    assert told.returncode == 0, told.stdout
    return submit_again(world)


def submit_again(world):
    told = subprocess.run(
        ['bash', 'study.sh'], cwd=world, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return re.match(r'array: (\d+)   page: \d+', told)[1]


def test_eight_tasks_at_once_leave_one_whole_result(cluster, world, whole):
    submit(world, 'tasks')
    submit_again(world)
    wait_until(lambda: len(cluster.jobs('spinalprep', RUNS)) == 8)
    cluster.wait_for_the_end()
    told = ''.join(path.read_text() for path in (world / 'tasks/logs/slurm').glob('*_?.txt'))
    assert told.count('(unchanged)') == 4, told
    whole('tasks')
    page = (world / 'tasks/derivatives/spinalfmriprep/ds/index.html').read_text()
    assert all(label in page for label in LABELS)


def test_what_an_array_loses_the_next_one_finishes(cluster, world, whole, monkeypatch):
    monkeypatch.setenv('MOST', '3')
    array = submit(world, 'array')
    cluster.answer('scancel', f'{array}_3')  # waits still
    assert set(status(world, 'array')) == set(LABELS)
    wait_until(lambda: status(world, 'array')['sub-01'].startswith('running  S2'))
    cluster.answer('scancel', f'{array}_0')
    wait_until(lambda: status(world, 'array')['sub-03'].startswith('running  S2'))
    (lost,) = (job for job in cluster.jobs() if job.task == f'{array}_2')
    cluster.cut_power(lost.node)
    try:
        wait_until(lambda: [job for job in cluster.jobs(state=WAITS) if job.task == lost.task])
        assert ': its run was killed' in status(world, 'array')['sub-03']
    finally:
        cluster.control('node-start', lost.node)
    # Slurm starts what ran there again by itself, but two minutes later
    for job in cluster.jobs('spinalprep', WAITS):
        cluster.answer('scontrol', 'update', f'JobId={job.task}', 'StartTime=now')
    cluster.wait_for_the_end()
    standing = status(world, 'array')
    assert standing['sub-01'] == 'failed  S2: interrupted'
    assert standing['sub-02'].startswith('completed')
    assert standing['sub-03'].startswith('completed')
    assert standing['sub-04'] == 'waiting'
    submit_again(world)
    cluster.wait_for_the_end()
    whole('array')


def test_a_task_whose_time_is_over_says_so(cluster, world, tmp_path):
    told = spinalprep(
        world, *RUN, '--out', 'late', *ARRAY, '--participant-label', '01',
        '--array-scratch', str(tmp_path / 'scratch'),
    )  # fmt: skip
    assert told.returncode == 0, told.stdout
    # the least time of which a minute is left for a warning
    script = str(world / 'study.sh')
    cluster.answer('sbatch', '--array=0', '--time=2', script)
    cluster.delay(cluster.wait_for('spinalprep').number, 'sct_')
    cluster.wait_for_the_end()
    record = record_of(world / 'late', 'sub-01')
    assert record['failure']['message'] == 'interrupted: the time of its job is nearly over'
    assert 'give its jobs more time' in record['failure']['advice']
    assert list((tmp_path / 'scratch').iterdir()) == []


REFUSE = """
for word in "$@"; do
  case $word in --chdir=*/sub-04/*)
    echo 'sbatch: error: Batch job submission failed: Invalid account' >&2
    exit 1 ;;
  esac
done
exec "$REAL" "$@"
"""

COUNT = """
case "$*" in *--states=all*) date +%s >> "$NOTES/questions" ;; esac
exec "$REAL" "$@"
"""


def test_a_job_per_step_whatever_happens_to_some_of_them(cluster, world, whole, wrap):
    notes = wrap('scontrol', OUT_OF_MEMORY)
    wrap('sbatch', REFUSE)

    def happens():
        job = cluster.wait_for(folder='/sub-02/')
        cluster.answer('scancel', job.number)
        job = cluster.wait_for(folder='/sub-03/')
        (notes / 'out-of-memory').write_text(f'{job.number}\n')
        cluster.kill(job.number)

    with meanwhile(happens):
        told = spinalprep(world, *RUN, '--out', 'steps', *PLUGIN)
    assert told.returncode == 1, told.stdout
    for label, reason, advice in (
        ('sub-02', 'ended as CANCELLED', 'The cluster took the job away'),
        ('sub-03', 'ended as OUT_OF_MEMORY', 'Give its jobs more memory (--slurm-args'),
        ('sub-04', 'sbatch did not take the job of this node: sbatch: error: ', 'sinfo'),
    ):
        record = record_of(world / 'steps', label)
        assert record['status'] == 'failed'
        assert record['failure']['error'] == 'JobLost'
        assert record['failure']['substep'].startswith('S2')
        assert reason in record['failure']['message']
        assert advice in record['failure']['advice']
        assert f'{label}: failed' in told.stdout
        assert reason in told.stdout
        assert reason in status(world, 'steps')[label]
    assert status(world, 'steps')['sub-01'].startswith('completed')
    cluster.wait_for_the_end()

    wrap('sbatch', 'exec "$REAL" "$@"')
    wrap('squeue', COUNT)
    begin = time.monotonic()
    told = spinalprep(world, *RUN, '--out', 'steps', *PLUGIN)
    assert told.returncode == 0, told.stdout
    # three subjects ask as one: every 10 s, and where each of them begins and ends
    asked = len((notes / 'questions').read_text().splitlines())
    assert asked < (time.monotonic() - begin) / 10 + 3 * 3
    assert 'sub-01: completed PASS (unchanged)' in told.stdout
    whole('steps')


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL], ids=lambda each: each.name)
def test_no_job_outlives_its_run(cluster, world, number):
    out = f'stopped-{number.name}'
    process = subprocess.Popen(
        [sys.executable, '-m', 'spinalprep', *RUN, '--out', out, *PLUGIN, '--participant-label',
         '01', '02'], cwd=world, env=environment(), start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    for label in LABELS[:2]:
        cluster.wait_for(folder=f'/{label}/')
    os.kill(process.pid, number)
    told, _ = process.communicate(timeout=PATIENCE_S)
    cluster.wait_for_the_end()
    standing = status(world, out)
    for label in LABELS[:2]:
        if number == signal.SIGTERM:
            assert standing[label] == 'failed  S2: interrupted'
        else:
            assert standing[label].startswith('failed  S2')
            assert standing[label].endswith(': its run was killed')
    assert process.returncode == (1 if number == signal.SIGTERM else -number), told
