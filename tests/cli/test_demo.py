# SPDX-License-Identifier: Apache-2.0
"""The demo: dataset and template written once, the whole run, where to look."""

import json

import pytest

from spinalprep.cli.main import main
from spinalprep.errors import ExitCode
from spinalprep.naming import SCHEMES
from spinalprep.pages.redraw import NOT_KEPT
from spinalprep.products import FIGURES
from tests.standins import dataset, standin_wf, write_template
from tests.validator import MISSING, VALIDATOR, complaints

STEP = 'S2_anat_cordref'


@pytest.fixture
def no_sct(monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', '/usr/bin')
    monkeypatch.delenv('SCT_DIR', raising=False)
    monkeypatch.setattr('spinalprep.toolbox.preflight.TEMP_SPACE_GB', 0)
    monkeypatch.chdir(tmp_path)


def test_the_demo_says_what_it_uses_and_where_to_look(no_sct, monkeypatch, capsys, tmp_path):
    written = []

    def write_dataset(folder):
        written.append(folder)
        dataset(folder, sub_01_T2w={})

    monkeypatch.setattr('spinalprep.workflows.init_single_subject_wf', standin_wf)
    monkeypatch.setattr('spinalprep.embedded.phantom.write_dataset', write_dataset)
    monkeypatch.setattr('spinalprep.embedded.phantom.write_template', write_template)
    assert main(['demo', '--nprocs', '1']) == ExitCode.OK
    out = capsys.readouterr().out
    assert 'embedded stand-in' in out
    assert f'spinalprep check {STEP} --out spinalprep-demo' in out
    derivatives = tmp_path / 'spinalprep-demo/derivatives/spinalfmriprep/demo'
    assert (derivatives / 'sub-01/anat/sub-01_desc-cordref_T2w.nii.gz').is_file()
    assert main(['demo', '--nprocs', '1']) == ExitCode.OK
    assert len(written) == 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize('scheme', SCHEMES)
def test_the_whole_demo(scheme, no_sct, monkeypatch, capsys, tmp_path):
    out = tmp_path / 'demo'
    demo = ['demo', '--out', str(out), '--sct', 'embedded', '--output-names', scheme]
    assert main(demo) == ExitCode.OK
    assert main(['check', STEP, '--out', str(out), '--strict']) == ExitCode.OK
    records = {
        label: json.loads((out / f'logs/{STEP}/demo/{label}.json').read_text())
        for label in ('sub-01', 'sub-02')
    }
    assert 'rootlets_dseg' in records['sub-01']['products']
    assert records['sub-02']['rootlets']['status'] == 'not eligible'
    assert 'T1w' in records['sub-02']['rootlets']['reason']
    root = out / 'derivatives/spinalfmriprep/demo'
    figures = set((root / 'sub-01/figures').iterdir())
    stay = {root / paths[0] for paths in records['sub-01']['figures'].values()}
    assert figures == stay
    assert len(stay) == len(FIGURES)
    monkeypatch.chdir(out)  # as people do: relative paths
    assert main(['report', '--out', '.', '--template', 'template']) == ExitCode.OK
    told = capsys.readouterr().out
    assert [line for line in told.splitlines() if 'stays as it is' in line] == [
        f'demo {label}: figure_crop_box stays as it is: {NOT_KEPT}' for label in records
    ]
    lost = root / records['sub-01']['products']['cord_dseg']
    lost.unlink()
    capsys.readouterr()
    assert main(['check', STEP, '--out', str(out)]) == ExitCode.SUBJECT
    assert str(lost) in capsys.readouterr().out
    assert main(demo) == ExitCode.OK
    again = json.loads((out / f'logs/{STEP}/demo/sub-01.json').read_text())
    assert all(command['cached'] for command in again['commands'])
    assert lost.is_file()
    if VALIDATOR is None:
        pytest.skip(f'all but the last held; {MISSING}')
    assert complaints(root) == []
