# SPDX-License-Identifier: Apache-2.0
"""A worker killed in each heavy node of the real graph: named, and never a hang."""

import time

import pytest

from spinalprep.execution import run_graph
from spinalprep.policy import Policy
from spinalprep.workflows.anat import init_anat_cordref_wf
from tests.workflows.oracle import KILL, oracle

HEAVY = {
    'sct_deepseg spinalcord': 'S2.1 discovery + crop',
    'sct_crop_image': 'S2.1 discovery + crop',
    'sct_deepseg spine': 'S2.2 segmentation + labels',
    'sct_process_segmentation': 'S2.2 segmentation + labels',
    'sct_deepseg rootlets': 'S2.3 rootlets',
    'sct_register_to_template -ldisc': 'S2.4 registration',
    'sct_register_to_template -lrootlet': 'S2.4 registration',
}
"""Words of a command → substep of its node."""


@pytest.mark.slow
@pytest.mark.parametrize('words', HEAVY)
def test_a_worker_killed_in_a_heavy_node_is_named(words, tmp_path, template, truth):
    known = {
        'spinalcord': truth['cord_dseg'],
        'rootlets': truth['rootlets_dseg'],
        'spine': {'discs': truth['disc_labels'], 'all': truth['totalspineseg_dseg']},
    }
    workflow = init_anat_cordref_wf(
        modality='T2w',
        policy=Policy(),
        toolbox=oracle(tmp_path, template, known, {words: KILL}),
        omp_nthreads=1,
    )
    workflow.inputs.inputnode.anat = str(truth['anat'])
    workflow.base_dir = str(tmp_path / 'work')
    start = time.monotonic()
    outcome = run_graph(
        workflow,
        crash_dir=tmp_path / 'crashes',
        log=tmp_path / 'nipype.log',
        plugin='multiproc',
        nprocs=2,
    )
    assert time.monotonic() - start < 300
    (crash,) = (
        item for item in outcome.crashes if 'probably because memory ran out' in item.message
    )
    assert crash.substep == HEAVY[words]
    assert 'Raise --mem' in crash.message
