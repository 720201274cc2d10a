# SPDX-License-Identifier: Apache-2.0
"""The whole step with SCT in an image."""

import json
import shutil
from pathlib import Path

import pytest

from spinalprep.cli.main import main
from spinalprep.embedded.phantom import write_dataset, write_template
from spinalprep.errors import ExitCode
from spinalprep.toolbox import TASKS, dialect_for
from tests.toolbox.conftest import CORD_URL, SPINE_URLS, Installation
from tests.toolbox.runtimes import write_runtime

STEP = 'S2_anat_cordref'


@pytest.mark.slow
def test_a_run_with_an_image_gives_every_command_to_it(tmp_path, monkeypatch):
    inside = Installation(tmp_path / 'inside' / 'sct', '7.2')
    for task in TASKS:
        name = dialect_for('7.2').task(task).model
        inside.add_model(name, SPINE_URLS if task == 'spine' else CORD_URL, custom=True)
    write_template(inside.root / 'data' / 'PAM50')
    write_dataset(tmp_path / 'bids')
    shutil.rmtree(tmp_path / 'bids' / 'sub-02')
    (tmp_path / 'sct.sif').write_bytes(b'image')
    write_runtime(tmp_path / 'bin', 'apptainer', inside.root, tmp_path / 'calls')
    monkeypatch.setenv('PATH', f'{tmp_path / "bin"}:/usr/bin:/bin')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr('spinalprep.toolbox.preflight.TEMP_SPACE_GB', 0)
    out = tmp_path / 'out'
    command = ['run', STEP, '--bids-dir', str(tmp_path / 'bids'), '--out', str(out)]
    code = main([*command, '--sct', str(tmp_path / 'sct.sif')])
    record = json.loads((out / 'logs' / STEP / 'bids' / 'sub-01.json').read_text())
    assert code == ExitCode.OK, record['reasons']
    assert record['versions']['sct_kind'] == 'container'
    assert record['versions']['sct'] == '7.2'
    assert len(record['commands']) > 10
    assert {Path(command['argv'][0]).name for command in record['commands']} == {'apptainer'}
    sidecar = out / 'derivatives/spinalfmriprep/bids/sub-01/anat/sub-01_desc-cordref_T2w.json'
    (_, toolbox) = json.loads(sidecar.read_text())['GeneratedBy']
    assert toolbox['Container'] == {'Type': 'apptainer', 'URI': str(tmp_path / 'sct.sif')}
    assert main(['check', STEP, '--out', str(out)]) == ExitCode.OK
