# SPDX-License-Identifier: Apache-2.0
"""Locks: one owner at a time, named; free as soon as it is gone, however it went."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import spinalprep
from spinalprep.locks import Held, held, is_held

HOLD = """
import sys, time
from pathlib import Path
from spinalprep.locks import held

with held(Path(sys.argv[1]), wait=True):
    print('mine', flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(path, seconds):
    """Another process that holds the lock."""
    environment = os.environ | {'PYTHONPATH': str(Path(spinalprep.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD, str(path), str(seconds)],
        stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert process.stdout.readline() == 'mine\n'
    return process


def test_another_owner_is_named(tmp_path):
    lock = tmp_path / 'new' / 'lock'
    process = holder(lock, 30)
    assert is_held(lock)
    with pytest.raises(Held, match=f'process {process.pid} on ') as caught, held(lock):
        pass
    assert 'since' in caught.value.owner
    process.kill()
    process.wait()


def test_the_lock_of_the_dead_is_free(tmp_path):
    lock = tmp_path / 'lock'
    process = holder(lock, 30)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with held(lock):
        assert f'"pid": {os.getpid()}' in lock.read_text()
    assert not is_held(lock)
    assert lock.read_text() == ''


def test_waiting_is_for_as_long_as_it_takes(tmp_path):
    lock = tmp_path / 'lock'
    process = holder(lock, 1)
    start = time.monotonic()
    with held(lock, wait=True):
        assert time.monotonic() - start > 0.5
    process.wait()
