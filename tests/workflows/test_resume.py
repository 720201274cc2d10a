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
from spinalprep.execution import run_graph
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


def run(tmp_path, truth, toolbox, policy=None, *, work='work', plugin='linear', **changes):
    """Run the graph; which commands it called, and which nodes MultiProc started."""
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
    wf.base_dir = str(tmp_path / work)
    started = []
    outcome = run_graph(
        wf,
        crash_dir=tmp_path / 'crashes',
        log=tmp_path / 'nipype.log',
        plugin=plugin,
        nprocs=2,
        listener=lambda name, status: started.append(name) if status == 'start' else None,
    )
    assert not outcome.crashes
    assert outcome.error is None
    return calls(tmp_path), started


@pytest.mark.slow
def test_only_what_is_concerned_runs_again(tmp_path, truth, toolbox):
    def again(toolbox=toolbox, policy=None, **changes):
        return run(tmp_path, truth, toolbox, policy, **changes)[0]

    assert len(again()) == COMMANDS
    assert again() == [], 'unchanged'
    assert again(omp_nthreads=2) == [], 'threads'
    os.utime(truth['anat'])
    assert again() == [], "an input's time stamp"
    limits = dataclasses.replace(Policy().time_limits, spine=99)
    patient = dataclasses.replace(Policy(), time_limits=limits)
    assert again(policy=patient) == [], 'time limits'

    strict = dataclasses.replace(Policy().verdict, cord_dice=Bound(0.99, 0.9))
    assert again(policy=dataclasses.replace(Policy(), verdict=strict)) == []
    registration = dataclasses.replace(Policy().registration, discs='pair')
    called = again(policy=dataclasses.replace(Policy(), registration=registration))
    assert set(called) <= {
        'sct_register_to_template -i',
        'sct_apply_transfo -i',
    }, 'other discs concern the registration alone'

    updated = dataclasses.replace(toolbox, version='embedded-newer')
    assert len(again(updated)) == COMMANDS, 'another SCT'


@pytest.mark.slow
def test_no_node_runs_again_where_nothing_that_counts_has_changed(tmp_path, truth, toolbox):
    _, nodes = run(tmp_path, truth, toolbox, plugin='multiproc')
    assert len(nodes) > COMMANDS
    (tmp_path / 'work').rename(tmp_path / 'moved')
    os.utime(truth['anat'])
    with_gpu = dataclasses.replace(toolbox, gpu=True)
    changes = {'work': 'moved', 'plugin': 'multiproc', 'omp_nthreads': 2}
    assert run(tmp_path, truth, with_gpu, **changes) == ([], [])
    (tmp_path / 'moved').rename(tmp_path / 'again')
    assert run(tmp_path, truth, toolbox, work='again')[0] == [], 'another plugin'


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
    rest, _ = run(tmp_path, truth, toolbox)
    assert 0 < len(rest) < COMMANDS
    # at most the one that was under way had to start again
    assert len(started) + len(rest) <= COMMANDS + 1
    assert run(tmp_path, truth, toolbox)[0] == []
