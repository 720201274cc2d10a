# SPDX-License-Identifier: Apache-2.0
"""The sink: names, sidecars, staleness, atomicity, and what Nipype's cache must not break."""

import json
import os

import pytest

from spinalprep.errors import SCTOutputError
from spinalprep.interfaces.derivatives import SaveDerivatives
from spinalprep.products import PRODUCTS, names
from spinalprep.sidecars import provenance

FACTS = provenance(
    source='bids:raw:sub-01/ses-a/anat/sub-01_ses-a_acq-sag_T2w.nii.gz',
    toolbox={'kind': 'installed', 'version': '7.2', 'models': {'spinalcord': 'sc@1'}},
    template={'name': 'PAM50', 'identity': 'PAM50@abc'},
    policy_digest='0123',
    precomputed={
        'disc_labels': {
            'path': '/given/discs.nii.gz',
            'origin': 'given',
            'uri': '/given/discs.nii.gz',
        }
    },
)


@pytest.fixture
def files(tmp_path):
    """One small file per product, with the product's name in it."""
    made = {}
    for item in PRODUCTS:
        path = tmp_path / 'work' / f'{item.name}{item.extension}'
        path.parent.mkdir(exist_ok=True)
        path.write_text(item.name)
        made[item.name] = str(path)
    return made


@pytest.fixture
def make_sink(tmp_path):
    def make(**inputs):
        defaults = {
            'derivatives_dir': str(tmp_path / 'out'),
            'entities': {'sub': '01', 'ses': 'a', 'acq': 'sag'},
            'modality': 'T2w',
            'provenance': FACTS,
            'registration_path': 'rootlet',
            'evidence': {'verdict': 'WARN', 'reasons': ['few discs']},
        }
        (tmp_path / 'out').mkdir(exist_ok=True)
        return SaveDerivatives(**(defaults | inputs))

    return make


def run(sink, tmp_path):
    cwd = tmp_path / 'cwd'
    cwd.mkdir(exist_ok=True)
    outputs = sink.run(cwd=str(cwd)).outputs
    with open(outputs.summary) as stream:
        return outputs, json.load(stream)


def test_every_product_arrives_under_its_name_with_a_sidecar(files, make_sink, tmp_path):
    outputs, summary = run(make_sink(**files), tmp_path)
    assert list(summary['products']) == list(names())
    assert len(outputs.out_files) == len(PRODUCTS)
    for name, relative in summary['products'].items():
        path = tmp_path / 'out' / relative
        assert path.read_text() == name
        assert relative.startswith('sub-01/ses-a/')
        assert path.with_name(path.name.split('.')[0] + '.json').is_file()
    assert summary['products']['warp_cordref2template_other'].endswith(
        'sub-01_ses-a_acq-sag_from-cordref_to-PAM50_desc-disc_warp.nii.gz'
    )
    assert not list((tmp_path / 'out').rglob('.*'))


def test_the_summary_tells_what_there_is(files, make_sink, tmp_path):
    del files['rootlets_dseg'], files['warp_cordref2template_other']
    evidence = {
        'verdict': 'PASS',
        'reasons': [],
        'rootlets': {'status': 'absent', 'reason': 'the policy says no'},
    }
    _, summary = run(
        make_sink(
            **files, evidence=evidence, metrics={'volume_mm3': 1.5}, registration_path='disc'
        ),
        tmp_path,
    )
    assert summary['verdict'] == 'PASS'
    assert summary['spine'] == {'status': 'computed', 'reason': ''}
    assert summary['discs'] == {'status': 'given', 'reason': ''}
    assert summary['rootlets'] == {'status': 'absent', 'reason': 'the policy says no'}
    assert summary['registration'] == {'path': 'disc', 'other': None}
    assert summary['metrics'] == {'volume_mm3': 1.5}


def test_sidecars_say_where_things_come_from(files, make_sink, tmp_path):
    _, summary = run(make_sink(**files), tmp_path)

    def sidecar(name):
        path = tmp_path / 'out' / summary['products'][name]
        return json.loads(path.with_name(path.name.split('.')[0] + '.json').read_text())

    cordref = f'bids::{summary["products"]["cordref"]}'
    assert sidecar('cordref')['Sources'] == [FACTS['source']]
    assert sidecar('cordref')['SkullStripped'] is False
    assert sidecar('cord_dseg')['SpatialReference'] == cordref
    assert sidecar('cord_dseg')['Labels'] == {'1': 'cord'}
    assert sidecar('cord_dseg')['Origin'] == 'computed'
    assert sidecar('disc_labels')['Origin'] == 'given'
    assert sidecar('disc_labels')['Sources'] == [cordref, '/given/discs.nii.gz']
    assert sidecar('warp_cordref2template')['SpatialReference'] == 'PAM50@abc'
    assert sidecar('warp_cordref2template')['RegistrationPath'] == 'rootlet'
    assert sidecar('warp_cordref2template_other')['RegistrationPath'] == 'disc'
    assert sidecar('csa_per_level')['area_mm2']['Units'] == 'mm^2'
    assert 'SpatialReference' not in sidecar('csa_per_level')
    for name in summary['products']:
        content = sidecar(name)
        assert (content['Verdict'], content['VerdictReasons']) == ('WARN', ['few discs'])
        assert content['PolicyDigest'] == '0123'
        assert content['EmbeddedToolbox'] is False
        assert content['GeneratedBy'][1]['Version'] == '7.2'
        assert content['Models'] == {'spinalcord': 'sc@1'}


def test_embedded_results_are_marked(files, make_sink, tmp_path):
    facts = FACTS | {'toolbox': {'kind': 'embedded', 'version': 'embedded-1'}}
    _, summary = run(make_sink(cordref=files['cordref'], provenance=facts), tmp_path)
    path = tmp_path / 'out' / summary['products']['cordref']
    content = json.loads(path.with_name(path.name.split('.')[0] + '.json').read_text())
    assert content['EmbeddedToolbox'] is True
    assert 'stand-in' in content['GeneratedBy'][1]['Name']


def test_stale_products_go_and_other_files_stay(files, make_sink, tmp_path):
    run(make_sink(**files), tmp_path)
    anat = tmp_path / 'out' / 'sub-01' / 'ses-a' / 'anat'
    mine = anat / 'sub-01_ses-a_acq-sag_T2w_notes.txt'
    mine.write_text('keep')
    other = tmp_path / 'out' / 'sub-01' / 'ses-b' / 'anat' / 'sub-01_ses-b_desc-cordref_T2w.nii.gz'
    other.parent.mkdir(parents=True)
    other.write_text('keep')
    entities = {'sub': '01', 'ses': 'a'}
    run(make_sink(cordref=files['cordref'], modality='T1w', entities=entities), tmp_path)
    left = sorted(path.name for path in (tmp_path / 'out').rglob('*') if path.is_file())
    assert left == sorted(
        [
            'sub-01_ses-a_desc-cordref_T1w.nii.gz',
            'sub-01_ses-a_desc-cordref_T1w.json',
            mine.name,
            other.name,
        ]
    )


def test_files_already_there_are_left_alone_and_lost_ones_come_back(files, make_sink, tmp_path):
    _, summary = run(make_sink(**files), tmp_path)
    paths = {name: tmp_path / 'out' / path for name, path in summary['products'].items()}
    before = {name: path.stat().st_ino for name, path in paths.items()}
    paths['cord_dseg'].unlink()
    os.truncate(paths['canal_dseg'], 2)
    run(make_sink(**files), tmp_path)
    changed = {name for name, path in paths.items() if path.stat().st_ino != before[name]}
    assert {'canal_dseg'} <= changed <= {'cord_dseg', 'canal_dseg'}
    assert all(path.read_text() == name for name, path in paths.items())


def test_a_cached_node_writes_deleted_derivatives_again(files, make_sink, tmp_path):
    import nipype.pipeline.engine as pe

    def work():
        workflow = pe.Workflow(name='wf', base_dir=str(tmp_path / 'nipype'))
        workflow.add_nodes([pe.Node(make_sink(**files), name='sink')])
        workflow.config['execution'] = {'create_report': False, 'hash_method': 'content'}
        workflow.run()

    work()
    lost = next((tmp_path / 'out').rglob('*desc-cord_dseg*.nii.gz'))
    lost.unlink()
    work()
    assert lost.read_text() == 'cord_dseg'


def test_a_wrong_kind_of_file_is_refused(files, make_sink, tmp_path):
    bad = tmp_path / 'work' / 'cordref.nii'
    bad.write_text('x')
    with pytest.raises(SCTOutputError, match=r'cordref\.nii'):
        run(make_sink(cordref=str(bad)), tmp_path)


def test_examples():
    import doctest

    from spinalprep.interfaces import derivatives

    assert doctest.testmod(derivatives).failed == 0
