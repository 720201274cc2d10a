# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and a cluster's SIGTERM: a record, one line, and no process that goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spinalprep.processes import WHY
from spinalprep.record import problems_of
from tests.standins import dataset, write_template

SCRIPT = """
import os
import sys
import nipype.interfaces.utility as niu
import nipype.pipeline.engine as pe
import spinalprep.toolbox.preflight
import spinalprep.workflows
from spinalprep.cli.main import main

def nap(folder):
    import os, time
    open(f'{folder}/{os.getpid()}', 'w').close()
    time.sleep(60)

def factory(**settings):
    workflow = pe.Workflow(name='single_subject_wf')
    node = pe.Node(niu.Function(function=nap, input_names=['folder']), name='nap')
    node.inputs.folder = os.path.abspath('workers')
    workflow.add_nodes([node, node.clone('other')])
    return workflow

spinalprep.toolbox.preflight.TEMP_SPACE_GB = 0
spinalprep.workflows.init_single_subject_wf = factory
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize('plugin', ['linear', 'multiproc'])
@pytest.mark.parametrize(
    ('number', 'send'),
    [
        (signal.SIGTERM, os.kill),
        (signal.SIGTERM, os.killpg),
        (signal.SIGINT, os.killpg),
        (signal.SIGUSR1, os.kill),
    ],
    ids=['SIGTERM', 'SIGTERM to the group', 'SIGINT to the group', 'SIGUSR1'],
)
def test_an_interrupted_run_is_recorded_and_leaves_no_process(tmp_path, plugin, number, send):
    dataset(tmp_path / 'ds', sub_01_T2w={}, sub_02_T2w={})
    write_template(tmp_path / 'tpl')
    workers = tmp_path / 'workers'
    workers.mkdir()
    script = tmp_path / 'interrupted.py'
    script.write_text(SCRIPT)
    argv = ['run', 'S2_anat_cordref', '--bids-dir', 'ds', '--out', 'out', '--sct', 'embedded']
    argv += ['--template', 'tpl', '--nprocs', '2', '--omp-nthreads', '1', '--plugin', plugin]
    process = subprocess.Popen(
        [sys.executable, str(script), *argv],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # with two processors two subjects run side by side
    begun = ['sub-01', 'sub-02'] if plugin == 'multiproc' else ['sub-01']
    deadline = time.monotonic() + 60
    while len(list(workers.iterdir())) < (2 if plugin == 'multiproc' else 1):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    send(process.pid, number)
    try:
        _, stderr = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 1
    assert stderr.splitlines() == [
        'spinalprep: interrupted; the same command goes on with what is not finished'
    ]
    for label in begun:
        record = json.loads((tmp_path / f'out/logs/S2_anat_cordref/ds/{label}.json').read_text())
        # subjects side by side are told by their parent, which alone knows why
        why = WHY[number] if plugin == 'linear' else 'interrupted'
        assert (record['status'], record['failure']['message']) == ('failed', why)
        assert problems_of(record) == []
    found = {path.stem for path in (tmp_path / 'out/logs/S2_anat_cordref/ds').glob('sub-*.json')}
    assert found == set(begun)
    for worker in workers.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(worker.name), 0)
