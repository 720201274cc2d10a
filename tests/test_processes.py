# SPDX-License-Identifier: Apache-2.0
"""Ends of processes: awaited, on systems that tell them and on those that don't; asked for."""

import os
import signal
import subprocess
import sys

import pytest

from spinalprep import processes
from spinalprep.processes import await_end, interruptible


@pytest.fixture(params=['told', 'asked for'])
def _way(request, monkeypatch):
    if request.param == 'asked for':
        monkeypatch.delattr(os, 'pidfd_open', raising=False)


def python(code):
    return subprocess.Popen([sys.executable, '-I', '-S', '-c', code])


@pytest.mark.usefixtures('_way')
@pytest.mark.parametrize('timeout', [None, 60.0])
def test_an_end_is_awaited(timeout):
    process = python('raise SystemExit(3)')
    await_end(process, timeout)
    assert process.returncode == 3


@pytest.mark.usefixtures('_way')
def test_a_process_that_goes_on_is_told_and_left_alone():
    process = python('import time; time.sleep(600)')
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            await_end(process, 0.1)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def interrupted(*numbers, once=False):
    """Why a block is interrupted by signals that follow each other, one after the other."""
    why = []
    with interruptible(once=once):
        for number in numbers:
            try:
                signal.raise_signal(number)
            except KeyboardInterrupt as error:
                why.append(str(error))
    return why


def test_a_cluster_that_says_it_twice_does_not_disturb_the_cleaning_up(monkeypatch):
    assert interrupted(signal.SIGTERM, signal.SIGTERM) == ['interrupted']
    warned = 'interrupted: the time of its job is nearly over'
    assert interrupted(signal.SIGUSR1, signal.SIGTERM) == [warned]
    assert interrupted(signal.SIGTERM, signal.SIGINT) == ['interrupted'] * 2
    assert interrupted(signal.SIGINT, signal.SIGINT) == ['interrupted'] * 2
    assert interrupted(signal.SIGINT, signal.SIGINT, once=True) == ['interrupted']
    monkeypatch.setattr(processes, 'REPEATED_S', 0.0)
    assert interrupted(signal.SIGTERM, signal.SIGTERM) == ['interrupted'] * 2
