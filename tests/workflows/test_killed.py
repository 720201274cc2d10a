# SPDX-License-Identifier: Apache-2.0
"""A worker killed in each heavy node of a run: named, nothing else lost, and never a hang."""

import json
import shutil
from pathlib import Path

import pytest

from spinalprep.cli.main import main
from spinalprep.errors import ExitCode
from tests.workflows.oracle import KILL, oracle

STEP = 'S2_anat_cordref'
PATIENCE_S = 600
"""Longer than anything takes that comes at all, also on a busy machine."""
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
def test_a_worker_killed_in_a_heavy_node_is_named(
    words, tmp_path, template, truth, monkeypatch, capsys
):
    known = {
        'spinalcord': truth['cord_dseg'],
        'rootlets': truth['rootlets_dseg'],
        'spine': {'discs': truth['disc_labels'], 'all': truth['totalspineseg_dseg']},
    }
    toolbox = oracle(tmp_path, template, known, {words: KILL})
    monkeypatch.setattr('spinalprep.toolbox.find_toolbox', lambda *_, **__: toolbox)
    image = tmp_path / 'ds' / 'sub-01' / 'anat' / 'sub-01_T2w.nii.gz'
    image.parent.mkdir(parents=True)
    shutil.copy(truth['anat'], image)
    out = tmp_path / 'out'
    argv = ['run', STEP, '--bids-dir', str(tmp_path / 'ds'), '--out', str(out), '--nprocs', '2']
    code = main([*argv, '--omp-nthreads', '1', '--sct', 'embedded', '--template', str(template)])

    assert code == ExitCode.SUBJECT
    told = capsys.readouterr().out
    assert 'the process of this node was killed, probably because memory ran out' in told
    assert 'Raise --mem, or lower --nprocs' in told
    logs = out / 'logs' / STEP / 'ds'
    record = json.loads((logs / 'sub-01.json').read_text())
    assert record['status'] == 'failed'
    assert record['failure']['substep'] == HEAVY[words]
    assert record['failure']['error'] == 'WorkerKilled'
    assert words.split()[0] in record['failure']['command']
    assert Path(record['failure']['log']).is_file()
    assert all(set(words.split()) - set(command['argv']) for command in record['commands'])
    results = [path.stat().st_mtime for path in (out / 'work').rglob('result_*.pklz')]
    graph_end = (logs / 'sub-01' / 'nipype.log').stat().st_mtime  # its last line
    assert graph_end - max(results) < PATIENCE_S  # after its other work
