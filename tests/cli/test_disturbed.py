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

KILLS = int(os.environ.get('SPINALPREP_KILLS', '6'))
PATIENCE_S = 600
"""Longer than anything takes that comes at all, also on a busy machine."""


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
    begin = time.monotonic()
    process = start(world, 'undisturbed')
    told, _ = process.communicate(timeout=1800)
    assert process.returncode == 0, told
    return contents(world / 'undisturbed'), time.monotonic() - begin


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='looks at processes as Linux shows them')
def test_killed_again_and_again_it_ends_as_if_nothing_had_been(world, undisturbed):
    expected, whole_s = undisturbed
    mark = world / 'killed'
    chance = random.Random(0)  # noqa: S311 - moments, not secrets
    results = {}
    killed = 0
    for _ in range(KILLS):
        process = start(world, 'killed')
        try:
            # all of them together may take the run a little beyond its end
            process.wait(timeout=chance.uniform(0.05, 0.1 + 1.5 / KILLS) * whole_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate()
        end = time.monotonic() + PATIENCE_S
        while processes_with(f'SPINALPREP_TEST={mark}'):
            assert time.monotonic() < end, processes_with(f'SPINALPREP_TEST={mark}')
            time.sleep(0.2)
        assert_none_ran_again(mark, results)
    assert killed
    process = start(world, 'killed')
    told, _ = process.communicate(timeout=1800)
    assert process.returncode == 0, told
    assert_none_ran_again(mark, results)
    assert contents(world / 'killed') == expected
    assert not list((mark / 'derivatives').rglob('*.part'))


def assert_none_ran_again(out, results):
    """What has a result keeps it; `results` are the stamps of those known so far."""
    for path in (out / 'work').rglob('_0x*.json'):
        sinks = path.parent.name.startswith('save')  # they look at their files each time
        if not sinks and not path.stem.endswith('_unfinished'):
            stamp = path.stat().st_mtime_ns
            assert results.setdefault(path, stamp) == stamp, path
    assert all(path.is_file() for path in results)


@pytest.mark.slow
def test_two_runs_at_once_share_the_subjects(world, undisturbed):
    both = [start(world, 'shared') for _ in range(2)]
    told = [process.communicate(timeout=900)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert 'is being run by process' in ''.join(told)
    assert contents(world / 'shared') == undisturbed[0]
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
    assert contents(world / 'tasks') == undisturbed[0]
    index = (world / 'tasks/derivatives/spinalfmriprep/ds/index.html').read_text()
    assert 'sub-01' in index
    assert 'sub-02' in index
