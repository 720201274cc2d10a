# SPDX-License-Identifier: Apache-2.0
"""The sink: names, sidecars, staleness, atomicity, and what Nipype's cache must not break."""

import json
import os
from pathlib import Path

import pytest

from spinalprep.errors import SCTOutputError
from spinalprep.interfaces.derivatives import SaveDerivatives
from spinalprep.lookup import label_table
from spinalprep.naming import SCHEMES, sidecar_name
from spinalprep.products import LABEL_TABLES, PRODUCTS, WRITTEN, names, product
from spinalprep.sidecars import provenance

FACTS = provenance(
    source='bids:raw:sub-01/ses-a/anat/sub-01_ses-a_acq-sag_T2w.nii.gz',
    toolbox={'kind': 'installed', 'version': '7.2', 'models': {'spinalcord': 'sc@1'}},
    template={'name': 'PAM50', 'identity': 'PAM50@abc', 'reference': 'bids:template:t2.nii.gz'},
    policy_digest='0123',
    precomputed={
        'disc_labels': {
            'path': '/given/discs.nii.gz',
            'origin': 'given',
            'uri': 'file:///given/discs.nii.gz',
        }
    },
)
ANAT = FACTS['source']


COMMANDS = ('cordref', 'cord_dseg', 'totalspineseg_dseg', 'warp_cordref2template', 'disc_labels')
"""Products whose node is one of a command."""


@pytest.fixture
def files(tmp_path):
    """One small file per product, with the product's name in it."""
    made = {}
    for item in PRODUCTS:
        path = tmp_path / 'work' / item.name / f'{item.name}{item.extension}'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(item.name)
        made[item.name] = str(path)
        if item.name in COMMANDS:
            argv = ['sct_make', '-o', f'{item.name} 1.nii.gz']
            path.with_name('command.json').write_text(json.dumps({'argv': argv}))
    return made


def sidecar(tmp_path, summary, name):
    path = tmp_path / 'out' / summary['products'][name]
    return json.loads(path.with_name(path.name.split('.')[0] + '.json').read_text())


def content(name):
    """What the fixture wrote for a product, or the sink by itself."""
    item = product(name)
    return label_table(item) if item in LABEL_TABLES else name


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
    assert list(summary['products']) == list(names(WRITTEN))
    assert len(outputs.out_files) == len(WRITTEN)
    for name, relative in summary['products'].items():
        path = tmp_path / 'out' / relative
        assert path.read_text() == content(name)
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


@pytest.mark.parametrize('scheme', SCHEMES)
def test_sidecars_say_where_things_come_from(scheme, files, make_sink, tmp_path):
    _, summary = run(make_sink(**files, output_names=scheme), tmp_path)
    told = {name: sidecar(tmp_path, summary, name) for name in summary['products']}
    uris = {name: f'bids::{relative}' for name, relative in summary['products'].items()}
    sources = {name: content['Sources'] for name, content in told.items()}
    template = FACTS['template']['reference']
    assert sources['cordref'] == [ANAT]
    assert sources['cord_dseg'] == [uris['cordref']]
    assert sources['canal_dseg'] == [uris['totalspineseg_dseg']]
    assert sources['disc_labels'] == [uris['cordref'], 'file:///given/discs.nii.gz']
    assert sources['csa_per_level'] == [uris['cord_dseg'], uris['vertebral_levels']]
    both = [uris['cordref'], uris['cord_dseg']]
    assert sources['warp_cordref2template'] == [*both, uris['rootlets_dseg'], template]
    assert sources['warp_cordref2template_other'] == [*both, uris['disc_labels'], template]
    for item in WRITTEN:
        content = told[item.name]
        reference = {'cordref': uris['cordref'], 'template': template}[item.space]
        if item.kind in ('table', 'label table'):
            assert set(item.columns) <= content.keys()
        else:
            expected = ANAT if item.name == 'cordref' else reference
            assert content['SpatialReference'] == expected
        assert content.get('SkullStripped', True) is (item.kind not in ('image', 'warp'))
        assert (content['Verdict'], content['VerdictReasons']) == ('WARN', ['few discs'])
        assert content['PolicyDigest'] == '0123'
        assert content['EmbeddedToolbox'] is False
        assert content['GeneratedBy'][1]['Version'] == '7.2'
        assert content['Models'] == {'spinalcord': 'sc@1'}
        assert content['Template']['identity'] == 'PAM50@abc'
    assert told['cord_dseg']['Labels'] == {'1': 'cord'}
    assert told['cord_dseg']['Type'] == 'ROI'
    assert (told['cord_dseg']['Origin'], told['cord_dseg']['Manual']) == ('computed', False)
    assert told['disc_labels']['Origin'] == 'given'
    assert 'Manual' not in told['disc_labels']
    assert told['warp_cordref2template']['RegistrationPath'] == 'rootlet'
    assert told['warp_cordref2template_other']['RegistrationPath'] == 'disc'
    assert told['csa_per_level']['area_mm2']['Units'] == 'mm^2'
    assert told['vertebral_levels_table']['index']['Format'] == 'integer'


def test_sidecars_show_the_command(files, make_sink, tmp_path):
    _, summary = run(make_sink(**files), tmp_path)
    commands = {
        name: content['Command'].split("'")[1].split()[0]
        for name in summary['products']
        if 'Command' in (content := sidecar(tmp_path, summary, name))
    }
    assert commands == {
        **{name: name for name in COMMANDS if name != 'disc_labels'},  # that was given
        'canal_dseg': 'totalspineseg_dseg',
        'vertebral_labels': 'totalspineseg_dseg',
        'valid_in_template': 'warp_cordref2template',
    }


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
    assert all(path.read_text() == content(name) for name, path in paths.items())


@pytest.mark.parametrize('scheme', SCHEMES)
def test_another_scheme_of_names_leaves_no_mix(scheme, files, make_sink, tmp_path):
    other = next(name for name in SCHEMES if name != scheme)
    run(make_sink(**files, output_names=other), tmp_path)
    outputs, _ = run(make_sink(**files, output_names=scheme), tmp_path)
    left = {path for path in (tmp_path / 'out').rglob('*') if path.is_file()}
    written = {Path(path) for path in outputs.out_files}
    assert left == written | {path.with_name(sidecar_name(path.name)) for path in written}
    assert (tmp_path / 'out/sub-01/ses-a/xfm').exists() == (scheme == 'seed')


def test_an_image_and_its_table_share_a_sidecar_in_bids(files, make_sink, tmp_path):
    _, summary = run(make_sink(**files, output_names='bids'), tmp_path)
    told = sidecar(tmp_path, summary, 'vertebral_labels')
    assert told == sidecar(tmp_path, summary, 'vertebral_labels_table')
    assert told['Description'] == product('vertebral_labels').description
    assert told['color']['Description']


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
    bad.parent.mkdir(exist_ok=True)
    bad.write_text('x')
    with pytest.raises(SCTOutputError, match=r'cordref\.nii'):
        run(make_sink(cordref=str(bad)), tmp_path)


def test_examples():
    import doctest

    from spinalprep.interfaces import derivatives

    assert doctest.testmod(derivatives).failed == 0
