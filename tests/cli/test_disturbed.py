# SPDX-License-Identifier: Apache-2.0
"""Whole runs that are killed, and that run side by side: nothing lost, nothing mixed."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.phantoms import RUN, contents, environment, processes_with, record_of, write_world

KILLS = 6


@pytest.fixture(scope='module')
def world(tmp_path_factory):
    """Two coarse subjects and a template."""
    return write_world(tmp_path_factory.mktemp('disturbed'), 2)


def start(world, out, *options):
    argv = [sys.executable, '-m', 'spinalprep', *RUN, '--out', out, '--nprocs', '2', *options]
    return subprocess.Popen(
        argv, cwd=world, env=environment(SPINALPREP_TEST=str(world / out)),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


@pytest.fixture(scope='module')
def undisturbed(world):
    process = start(world, 'undisturbed')
    told, _ = process.communicate(timeout=600)
    assert process.returncode == 0, told
    return contents(world / 'undisturbed')


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='looks at processes as Linux shows them')
def test_killed_again_and_again_it_ends_as_if_nothing_had_been(world, undisturbed):
    mark = world / 'killed'
    chance = random.Random(0)  # noqa: S311 - moments, not secrets
    results = {}
    for _ in range(KILLS):
        process = start(world, 'killed')
        try:
            process.wait(timeout=chance.uniform(2, 12))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        end = time.monotonic() + 10
        while processes_with(f'SPINALPREP_TEST={mark}'):
            assert time.monotonic() < end, processes_with(f'SPINALPREP_TEST={mark}')
            time.sleep(0.2)
        for path in (mark / 'work').rglob('_0x*.json'):
            # what has a result keeps it: nothing that was finished runs again
            stamp = path.stat().st_mtime_ns
            if 'command.json' in os.listdir(path.parent):
                assert results.setdefault(path, stamp) == stamp, path
    process = start(world, 'killed')
    told, _ = process.communicate(timeout=600)
    assert process.returncode == 0, told
    assert contents(world / 'killed') == undisturbed
    assert not list((mark / 'derivatives').rglob('*.part'))


@pytest.mark.slow
def test_two_runs_at_once_share_the_subjects(world, undisturbed):
    both = [start(world, 'shared') for _ in range(2)]
    told = [process.communicate(timeout=900)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert 'is being run by process' in ''.join(told)
    assert contents(world / 'shared') == undisturbed
    commands = record_of(world / 'shared', 'sub-01')['commands']
    assert not any(command['cached'] for command in commands)


@pytest.mark.slow
def test_eight_tasks_at_once_leave_one_whole_result(world, undisturbed):
    tasks = [
        start(world, 'tasks', '--participant-label', f'0{1 + number % 2}', '--nprocs', '1')
        for number in range(8)
    ]
    told = [process.communicate(timeout=1800)[0] for process in tasks]
    assert {process.returncode for process in tasks} == {0}, told
    assert contents(world / 'tasks') == undisturbed
    index = (world / 'tasks/derivatives/spinalfmriprep/ds/index.html').read_text()
    assert 'sub-01' in index
    assert 'sub-02' in index
