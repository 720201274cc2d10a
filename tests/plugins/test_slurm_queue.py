# SPDX-License-Identifier: Apache-2.0
"""Slurm's commands as stand-ins on PATH: what answers mean, and how rarely they are asked for."""

import errno
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from spinalprep import sidebyside
from spinalprep.errors import ClusterError
from spinalprep.plugins import slurm_guard
from spinalprep.plugins import slurm_queue as queue
from spinalprep.plugins.slurm_shared import SCRIPT, SharedQueue

AWAY = 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)'


@pytest.fixture
def says(tmp_path, monkeypatch):
    """Let a command say something; each call is noted in the file ``calls``."""
    tools = tmp_path / 'tools'
    tools.mkdir()
    # the shell's own commands, and none of a real Slurm
    monkeypatch.setenv('PATH', str(tools))
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr('tempfile.tempdir', None)
    monkeypatch.setenv('SQUEUE_FORMAT', '%i')

    def make(name, out='', error='', code=0):
        path = tools / name
        (tmp_path / f'{name}.out').write_text(out)
        (tmp_path / f'{name}.error').write_text(error)
        path.write_text(
            '#!/bin/bash\n'
            f'echo "{name} ${{SQUEUE_FORMAT-}}$*" >> {tmp_path}/calls\n'
            f'printf %s "$(< {tmp_path}/{name}.out)"\n'
            f'printf %s "$(< {tmp_path}/{name}.error)" >&2\n'
            f'exit {code}\n'
        )
        path.chmod(0o755)

    return make


def calls(tmp_path):
    file = tmp_path / 'calls'
    return file.read_text().splitlines() if file.exists() else []


def test_what_is_missing_is_named(says):
    for name in ('sbatch', 'squeue', 'scancel'):
        says(name)
    with pytest.raises(ClusterError, match="Slurm's scontrol not found on PATH"):
        queue.require()
    says('scontrol')
    queue.require()


@pytest.mark.parametrize(
    'printed',
    ['17\n', '17;cluster\n', 'Submitted batch job 17\n', 'Welcome!\n17\nYour account: 3 h\n'],
)
def test_the_number_of_a_job_however_it_is_printed(says, printed):
    says('sbatch', printed)
    assert queue.submit(Path('x.sh'), []) == 17


@pytest.mark.parametrize(
    ('error', 'kind'),
    [
        ('sbatch: error: Batch job submission failed: Unable to contact slurm controller',
         queue.Away),
        ('sbatch: error: Batch job submission failed: Socket timed out on send/recv operation',
         queue.Away),
        ('sbatch: error: QOSMaxSubmitJobPerUserLimit', queue.Full),
        ('sbatch: error: Requested node configuration is not available', queue.Refused),
        ('', queue.Refused),
    ],
)  # fmt: skip
def test_why_a_job_was_not_taken(says, error, kind):
    says('sbatch', error=error, code=1)
    with pytest.raises(kind) as raised:
        queue.submit(Path('x.sh'), [])
    assert type(raised.value) is kind


def test_the_queue_is_read_as_it_is_whatever_the_environment_asks_for(says, tmp_path):
    says('squeue', f'3|RUNNING|None|/a b/{SCRIPT}\n4|PENDING|PartitionTimeLimit|/x|y\n')
    found = queue.jobs()
    assert found[3] == queue.Job(3, 'RUNNING', 'None', f'/a b/{SCRIPT}')
    assert (found[3].stuck, found[4].stuck, found[4].script) == (False, True, '/x|y')
    assert calls(tmp_path)[0].startswith('squeue --noheader --states=all')


def test_an_error_of_the_queue_is_not_the_end_of_jobs(says):
    says('squeue', error=AWAY, code=1)
    with pytest.raises(queue.Away):
        queue.jobs()
    says('squeue', error='squeue: error: something else')
    with pytest.raises(queue.Odd):
        queue.jobs()


def test_how_a_job_ended_by_controller_or_accounting(says):
    says(
        'scontrol',
        'JobId=7 JobName=a JobState=OUT_OF_MEMORY Reason=None ExitCode=0:125 NodeList=node3\n',
    )
    assert queue.ending(7) == queue.Ending('OUT_OF_MEMORY', 0, 125, 'node3')
    says('scontrol', error='slurm_load_jobs error: Invalid job id specified', code=1)
    assert queue.ending(7) is None
    says('sacct', 'CANCELLED by 1000|0:15|node2\n')
    assert queue.ending(7) == queue.Ending('CANCELLED', 0, 15, 'node2')
    says('sacct', 'TIMEOUT|0:0|None assigned\n')
    assert queue.ending(7) == queue.Ending('TIMEOUT')
    says('sacct', error='Slurm accounting storage is disabled', code=1)
    assert queue.ending(7) is None
    says('scontrol', error=AWAY, code=1)
    with pytest.raises(queue.Away):
        queue.ending(7)


def test_one_question_serves_all_who_ask_within_a_poll(says, tmp_path):
    says('squeue', '3|RUNNING|None|/x\n')

    def ask():
        assert SharedQueue().ask(since=begin)[3].state == 'RUNNING'

    begin = time.monotonic()
    context = multiprocessing.get_context('fork')
    others = [context.Process(target=ask) for _ in range(8)]
    for process in others:
        process.start()
    for process in others:
        process.join()
    assert [process.exitcode for process in others] == [0] * 8
    assert len(calls(tmp_path)) == 1
    shared = SharedQueue()
    assert shared.ask(since=begin)
    assert begin < shared.asked
    shared.ask(since=time.monotonic())
    assert len(calls(tmp_path)) == 2


def test_that_there_is_no_answer_is_shared_too(says, tmp_path):
    says('squeue', '3|RUNNING|None|/x\n')
    shared, other = SharedQueue(), SharedQueue()
    shared.ask(since=0)
    says('squeue', error=AWAY, code=1)
    begin = time.monotonic()
    for item in (shared, other):
        with pytest.raises(queue.Away, match='Unable to contact'):
            item.ask(since=begin)
    assert len(calls(tmp_path)) == 2
    assert list(shared.known) == [3]


def test_together_they_have_no_more_jobs_than_one_may(says, tmp_path):
    says('squeue', f'3|RUNNING|None|/x/{SCRIPT}\n4|RUNNING|None|/x/foreign\n')
    SharedQueue().ask(since=0)
    says('sbatch', '5\n')
    script = tmp_path / SCRIPT
    assert SharedQueue().submit(script, [], most=2) == 5
    assert SharedQueue().submit(script, [], most=2) is None
    says('squeue', f'3|COMPLETED|None|/x/{SCRIPT}\n5|RUNNING|None|/x/{SCRIPT}\n')
    SharedQueue().ask(since=time.monotonic())
    says('sbatch', '6\n')
    assert SharedQueue().submit(script, [], most=2) == 6


@pytest.mark.parametrize('where', ['spinalprep.locks.fcntl.flock', 'spinalprep.atomic.write_json'])
def test_where_nothing_can_be_shared_each_goes_by_its_own_answers(
    says, tmp_path, monkeypatch, where
):
    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(where, full)
    says('squeue', f'3|RUNNING|None|/x/{SCRIPT}\n')
    says('sbatch', '5\n')
    shared = SharedQueue()
    begin = time.monotonic()
    assert list(shared.ask(since=begin)) == [3]
    assert list(shared.ask(since=begin)) == [3]
    script = tmp_path / SCRIPT
    assert shared.submit(script, [], most=2) == 5
    assert shared.submit(script, [], most=2) is None
    assert [call.split()[0] for call in calls(tmp_path)] == ['squeue', 'sbatch']


def test_a_full_cluster_is_waited_for_only_where_own_jobs_will_end(says, tmp_path):
    says('sbatch', error='sbatch: error: QOSMaxSubmitJobPerUserLimit', code=1)
    says('squeue', '')
    SharedQueue().ask(since=0)
    with pytest.raises(queue.Refused, match='MaxSubmit'):
        SharedQueue().submit(tmp_path / SCRIPT, [], most=9)
    says('squeue', f'3|RUNNING|None|/x/{SCRIPT}\n')
    SharedQueue().ask(since=time.monotonic())
    assert SharedQueue().submit(tmp_path / SCRIPT, [], most=9) is None


def test_jobs_are_cancelled_until_they_are_gone(says, tmp_path):
    says('scancel')
    says('squeue', '3|COMPLETING|None|/x\n4|CANCELLED|None|/x\n')
    assert SharedQueue().end({3, 4, 5}, patience_s=0.1) == {3}
    assert calls(tmp_path)[0] == 'scancel --quiet 3 4 5'
    assert calls(tmp_path)[-2] == 'scancel --quiet 3'


def test_a_job_whose_number_was_lost_ends_with_the_run(says, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm_guard, 'PATIENCE_S', 0)
    folder = tmp_path / 'ours'
    says('squeue', f'3|COMPLETING|None|{folder}/1/{SCRIPT}\n4|RUNNING|None|/other/{SCRIPT}\n')
    says('scancel')
    with (
        pytest.warns(UserWarning, match='has the jobs 3:'),
        pytest.raises(KeyboardInterrupt),
        slurm_guard.Guard(SharedQueue(), folder),
    ):
        raise KeyboardInterrupt
    assert 'scancel --quiet 3' in [call.strip() for call in calls(tmp_path)]


def test_a_run_that_is_interrupted_has_time_to_say_so():
    assert slurm_guard.PATIENCE_S < sidebyside.GRACE_S


def test_a_folder_of_somebody_else_is_not_trusted(says, tmp_path):
    folder = tmp_path / f'spinalprep-{os.getuid()}'
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ClusterError, match='this user alone'):
        SharedQueue()
