# SPDX-License-Identifier: Apache-2.0
"""Tasks side by side: shares, what is told, and the ways in which a process ends."""

import os
import signal
import sys
import time

import pytest

from spinalprep.errors import UsageError, WorkerKilled
from spinalprep.sidebyside import beside, side_by_side


def run(tasks, work, nprocs=4, at_once=2):
    heard = []
    found = dict(
        side_by_side(
            tasks, work, nprocs=nprocs, at_once=at_once, heard=lambda *told: heard.append(told)
        )
    )
    return found, heard


def test_each_has_a_process_and_a_share_and_is_heard():
    def work(task, share, tell):
        tell('begun', share)
        return os.getpid(), share

    found, heard = run('abc', work)
    assert set(found) == set('abc')
    assert len({pid for pid, _ in found.values()} | {os.getpid()}) == 4
    assert {found[task][1] for task in 'ab'} == {2}
    assert {(task, 'begun', share) for task, (_, share) in found.items()} == set(heard)


@pytest.mark.parametrize(('tasks', 'nprocs', 'at_once', 'first'), [
    ('a', 4, 4, [4]), ('ab', 3, 2, [1, 2]), ('abcd', 2, 4, [1, 1]), ('abc', 8, 2, [4, 4]),
])  # fmt: skip
def test_processors_are_shared_out(tasks, nprocs, at_once, first):
    found, _ = run(tasks, lambda task, share, tell: share, nprocs, min(at_once, nprocs))
    assert [found[task] for task in tasks[: len(first)]] == first


def test_no_more_at_once_than_asked_for(tmp_path):
    def work(task, share, tell):
        (tmp_path / task).touch()
        count = len(os.listdir(tmp_path))
        time.sleep(0.05)
        (tmp_path / task).unlink()
        return count

    found, _ = run('abcdef', work, at_once=2)
    assert max(found.values()) <= 2


def test_what_is_raised_and_what_is_killed_stay_with_their_task():
    def work(task, share, tell):
        if task == 'killed':
            os.kill(os.getpid(), signal.SIGKILL)
        if task == 'raised':
            raise ValueError('no')
        return 'fine'

    found, _ = run(['killed', 'raised', 'good', 'other'], work)
    assert isinstance(found['killed'], WorkerKilled)
    assert 'exit code -9' in str(found['killed'])
    assert repr(found['raised']) == "ValueError('no')"
    assert found['good'] == found['other'] == 'fine'


def test_what_a_killed_task_has_started_holds_up_nothing(tmp_path):
    def work(task, share, tell):
        child = os.fork()
        if child == 0:  # holds the pipe's end
            time.sleep(600)
            os._exit(0)
        (tmp_path / 'child').write_text(str(child))
        os.kill(os.getpid(), signal.SIGKILL)

    begin = time.monotonic()
    found, _ = run(['killed'], work)
    assert time.monotonic() - begin < 300
    assert isinstance(found['killed'], WorkerKilled)
    os.kill(int((tmp_path / 'child').read_text()), signal.SIGKILL)


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux tells a process')
def test_a_parent_that_died_before_we_asked_is_followed(monkeypatch):
    monkeypatch.setattr('os.getppid', lambda: 1)
    assert isinstance(run('a', lambda *_: 'fine')[0]['a'], WorkerKilled)
    monkeypatch.undo()
    assert run('a', lambda *_: 'fine')[0]['a'] == 'fine'


def test_an_interruption_ends_all_of_them_after_they_cleaned_up(tmp_path):
    def work(task, share, tell):
        if task == 'first':
            while not (tmp_path / 'begun').exists():
                time.sleep(0.01)
            raise KeyboardInterrupt
        try:
            (tmp_path / 'begun').touch()
            time.sleep(60)
        finally:
            (tmp_path / 'cleaned').touch()

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(['first', 'second'], work)
    assert time.monotonic() - start < 20
    assert (tmp_path / 'cleaned').exists()


def test_beside_us_something_is_done_meanwhile(tmp_path):
    ours = tmp_path / 'ours'

    def work():
        while not ours.exists():
            time.sleep(0.01)
        return os.getpid()

    with beside(work) as result:
        ours.touch()
        assert result() != os.getpid()


def test_beside_us_what_is_raised_is_raised_here():
    def work():
        raise UsageError('no such folder')

    with beside(work) as result, pytest.raises(UsageError, match='no such folder'):
        result()


def test_beside_us_what_is_killed_is_told():
    with (
        beside(lambda: os.kill(os.getpid(), signal.SIGKILL)) as result,
        pytest.raises(WorkerKilled, match=r'exit code -9.*memory'),
    ):
        result()


def test_beside_us_nothing_goes_on_when_we_do_not_wait_for_it(tmp_path):
    number = tmp_path / 'pid'

    def work():
        number.write_text(str(os.getpid()))
        time.sleep(600)

    with beside(work):
        while not (number.exists() and number.read_text()):
            time.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(int(number.read_text()), 0)
