# SPDX-License-Identifier: Apache-2.0
"""What runs again, and what does not: unchanged, killed, other threads, another SCT."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from spinalprep.bounds import Bound
from spinalprep.policy import Policy
from spinalprep.workflows.anat import init_anat_cordref_wf
from tests.workflows.oracle import calls, oracle

COMMANDS = 18
"""SCT commands of a T2w subject with both paths."""


@pytest.fixture
def toolbox(tmp_path, template, truth):
    known = {
        'spinalcord': truth['cord_dseg'],
        'rootlets': truth['rootlets_dseg'],
        'spine': {'discs': truth['disc_labels'], 'all': truth['totalspineseg_dseg']},
    }
    return oracle(tmp_path, template, known)


def run(tmp_path, truth, toolbox, policy=None, **changes):
    """Run the graph; which commands it called."""
    wf = init_anat_cordref_wf(
        **{
            'modality': 'T2w',
            'policy': policy or Policy(),
            'toolbox': toolbox,
            'omp_nthreads': 1,
            **changes,
        }
    )
    wf.inputs.inputnode.anat = str(truth['anat'])
    wf.base_dir = str(tmp_path / 'work')
    wf.config['execution'] |= {
        'hash_method': 'content',
        'crashdump_dir': str(tmp_path),
        'remove_unnecessary_outputs': False,
    }
    wf.run('Linear')
    return calls(tmp_path)


@pytest.mark.slow
def test_only_what_is_concerned_runs_again(tmp_path, truth, toolbox):
    assert len(run(tmp_path, truth, toolbox)) == COMMANDS
    assert run(tmp_path, truth, toolbox) == [], 'unchanged'
    assert run(tmp_path, truth, toolbox, omp_nthreads=2) == [], 'threads'
    os.utime(truth['anat'])
    assert run(tmp_path, truth, toolbox) == [], "an input's time stamp"
    limits = dataclasses.replace(Policy().time_limits, spine=99)
    patient = dataclasses.replace(Policy(), time_limits=limits)
    assert run(tmp_path, truth, toolbox, patient) == [], 'time limits'

    strict = dataclasses.replace(Policy().verdict, cord_dice=Bound(0.99, 0.9))
    assert run(tmp_path, truth, toolbox, dataclasses.replace(Policy(), verdict=strict)) == []
    registration = dataclasses.replace(Policy().registration, discs='pair')
    again = run(tmp_path, truth, toolbox, dataclasses.replace(Policy(), registration=registration))
    assert set(again) <= {
        'sct_register_to_template -i',
        'sct_apply_transfo -i',
    }, 'other discs concern the registration alone'

    updated = dataclasses.replace(toolbox, version='embedded-newer')
    assert len(run(tmp_path, truth, updated)) == COMMANDS, 'another SCT'


SCRIPT = """
import sys
from pathlib import Path
import pickle

folder, truth, toolbox = pickle.loads(Path(sys.argv[1]).read_bytes())
from tests.workflows.test_resume import run

run(folder, truth, toolbox)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(tmp_path, truth, toolbox):
    import pickle

    plan = tmp_path / 'plan.pkl'
    plan.write_bytes(pickle.dumps((tmp_path, truth, toolbox)))
    log = tmp_path / 'oracle.log'
    process = subprocess.Popen(
        [sys.executable, '-c', SCRIPT, str(plan)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not log.exists() or 'sct_process_segmentation' not in log.read_text():
        assert process.poll() is None, 'the run ended before it could be killed'
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    started = calls(tmp_path)
    rest = run(tmp_path, truth, toolbox)
    assert 0 < len(rest) < COMMANDS
    # at most the one that was under way had to start again
    assert len(started) + len(rest) <= COMMANDS + 1
    assert run(tmp_path, truth, toolbox) == []
