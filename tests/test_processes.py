# SPDX-License-Identifier: Apache-2.0
"""Waiting for the end of a process, on systems that tell it and on those that don't."""

import os
import subprocess
import sys

import pytest

from spinalprep.processes import await_end


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
