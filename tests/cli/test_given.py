# SPDX-License-Identifier: Apache-2.0
"""Corrected files and earlier results on the command line: taken, told, refused."""

import json
import os

import pytest

from spinalprep.cli.main import main
from spinalprep.errors import ExitCode
from tests.datasets import write
from tests.standins import dataset, standin_wf, write_template

STEP = 'S2_anat_cordref'
RUN = [
    'run', STEP, '--bids-dir', 'ds', '--out', 'out', '--sct', 'embedded', '--template', 'tpl',
    '--nprocs', '1',
]  # fmt: skip
LABELS = 'ds/derivatives/labels/sub-01/anat'


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A dataset, a template, and the stand-in graph."""
    monkeypatch.setattr('spinalprep.workflows.init_single_subject_wf', standin_wf)
    monkeypatch.setattr('spinalprep.toolbox.preflight.TEMP_SPACE_GB', 0)
    monkeypatch.chdir(tmp_path)
    write_template(tmp_path / 'tpl')
    dataset(tmp_path / 'ds', sub_01_T2w={}, sub_01_T1w={})
    return tmp_path.resolve()


def record(world, label='sub-01'):
    return json.loads((world / f'out/logs/{STEP}/ds/{label}.json').read_text())


def derivative(world, name):
    return json.loads((world / f'out/derivatives/spinalfmriprep/ds/{name}').read_text())


def test_corrected_files_are_used_and_marked(world):
    write(world / LABELS, 'sub-01_T2w_labels-disc.nii.gz')
    assert main(RUN) == ExitCode.OK
    relative = 'derivatives/labels/sub-01/anat/sub-01_T2w_labels-disc.nii.gz'
    assert record(world)['precomputed'] == {
        'disc_labels': {
            'path': str(world / 'ds' / relative),
            'origin': 'manual',
            'uri': f'bids:raw:{relative}',
        }
    }
    sidecar = derivative(world, 'sub-01/anat/sub-01_desc-disc_labels_T2w.json')
    assert (sidecar['Origin'], sidecar['Manual']) == ('manual', True)
    assert f'bids:raw:{relative}' in sidecar['Sources']
    page = (world / 'out/derivatives/spinalfmriprep/ds/sub-01.html').read_text()
    assert 'manual: disc_labels' in page
    cord = derivative(world, 'sub-01/anat/sub-01_desc-cord_dseg_T2w.json')
    assert cord['Origin'] == 'computed'


def test_an_unchanged_subject_runs_again_when_a_file_appears_changes_or_vanishes(world, capsys):
    def ran():
        capsys.readouterr()
        assert main(RUN) == ExitCode.OK
        return '(unchanged)' not in capsys.readouterr().out

    assert ran()
    assert not ran()
    write(world / LABELS, 'sub-01_T2w_seg.nii.gz')
    assert ran()
    assert not ran()
    os.utime(world / LABELS / 'sub-01_T2w_seg.nii.gz', (1, 1))
    assert not ran(), 'a time stamp alone changes nothing'
    (world / LABELS / 'sub-01_T2w_seg.nii.gz').write_bytes(b'y')
    assert ran()
    (world / LABELS / 'sub-01_T2w_seg.nii.gz').unlink()
    assert ran()
    assert record(world)['precomputed'] == {}
    assert not ran()


def test_the_policy_says_whether_and_what(world):
    write(world / LABELS, 'sub-01_T2w_seg.nii.gz', 'sub-01_T2w_labels-disc.nii.gz')
    policy = world / 'policy.yaml'
    policy.write_text('given: {labels_folder: false}')
    assert main([*RUN, '--policy', 'policy.yaml']) == ExitCode.OK
    assert record(world)['precomputed'] == {}
    named = [*RUN, '--policy', 'policy.yaml', '--manual-dir', 'ds/derivatives/labels']
    assert main(named) == ExitCode.OK
    assert list(record(world)['precomputed']) == ['cord_dseg', 'disc_labels']
    policy.write_text('given: {manual: [disc_labels]}')
    assert main([*RUN, '--policy', 'policy.yaml']) == ExitCode.OK
    assert list(record(world)['precomputed']) == ['disc_labels']


def test_an_image_that_comes_next_has_its_own_files(world):
    dataset(world / 'ds', sub_01_T2w={'reject': 'too little cord'})
    write(world / LABELS, 'sub-01_T2w_seg.nii.gz', 'sub-01_T1w_label-canal_seg.nii.gz')
    assert main(RUN) == ExitCode.OK
    assert record(world)['source']['modality'] == 'T1w'
    assert list(record(world)['precomputed']) == ['canal_dseg']
    # the result rests on what was given for the image that was rejected, too
    assert {path.rpartition('/')[2] for path in record(world)['inputs']['files']} == {
        'sub-01_T2w.nii.gz', 'sub-01_T2w_seg.nii.gz', 'sub-01_T1w.nii.gz',
        'sub-01_T1w_label-canal_seg.nii.gz',
    }  # fmt: skip


def test_two_files_for_one_product_fail_their_subject_only(world, capsys):
    dataset(world / 'ds', sub_02_T2w={})
    write(world / LABELS, 'sub-01_T2w_seg.nii.gz', 'sub-01_T2w_seg-manual.nii.gz')
    assert main([*RUN, '--dry-run']) == ExitCode.OK
    assert 'would fail: ' in capsys.readouterr().out
    assert main(RUN) == ExitCode.SUBJECT
    assert record(world)['status'] == 'failed'
    assert 'both can be the cord_dseg of sub-01_T2w.nii.gz' in record(world)['reasons'][0]
    assert record(world, 'sub-02')['status'] == 'completed'


def test_dry_run_names_them(world, capsys):
    write(world / LABELS, 'sub-01_T2w_seg.nii.gz', 'sub-01_T1w_labels-disc.nii.gz')
    write(world / 'old/sub-01/anat', 'sub-01_desc-rootlets_dseg_T2w.nii.gz')
    assert main([*RUN, '--derivatives', 'old=old', '--dry-run']) == ExitCode.OK
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    first, second = (
        next(n for n, line in enumerate(lines) if line.startswith(word))
        for word in ('takes ', 'then ')
    )
    cord = f'manual cord_dseg: {world / LABELS}/sub-01_T2w_seg.nii.gz'
    earlier = world / 'old/sub-01/anat/sub-01_desc-rootlets_dseg_T2w.nii.gz'
    assert first < lines.index(cord) < lines.index(f'derivative rootlets_dseg: {earlier}') < second
    discs = f'manual disc_labels: {world / LABELS}/sub-01_T1w_labels-disc.nii.gz'
    assert second < lines.index(discs)


def test_earlier_results_are_used_and_linked(world):
    write(world / 'old results/sub-01/anat', 'sub-01_desc-cord_dseg_T2w.nii.gz')
    assert main([*RUN, '--derivatives', 'v0=old results']) == ExitCode.OK
    sidecar = derivative(world, 'sub-01/anat/sub-01_desc-cord_dseg_T2w.json')
    assert sidecar['Origin'] == 'derivative'
    assert 'bids:v0:sub-01/anat/sub-01_desc-cord_dseg_T2w.nii.gz' in sidecar['Sources']
    links = derivative(world, 'dataset_description.json')['DatasetLinks']
    assert links['v0'] == (world / 'old results').as_uri()
    assert set(links) == {'raw', 'template', 'v0'}


@pytest.mark.parametrize(
    ('argv', 'told'),
    [
        (['--manual-dir', 'nowhere'], 'nowhere: no such folder'),
        (['--derivatives', 'old=nowhere'], 'nowhere: no such folder'),
        (['--derivatives', 'old=ds', '--derivatives', 'old=tpl'], 'a name is given twice'),
        (['--derivatives', 'old=ds/sub-01'], 'holds no sub-*'),
        (
            ['--derivatives', 'own=out/derivatives/spinalfmriprep/ds'],
            'the results of this run go there',
        ),
    ],
)
def test_folders_that_can_not_serve(world, capsys, argv, told):
    (world / 'out/derivatives/spinalfmriprep/ds/sub-01').mkdir(parents=True)
    assert main([*RUN, *argv]) == ExitCode.USAGE
    assert told in capsys.readouterr().err


def test_folders_that_were_named_and_give_nothing_are_told(world, capsys):
    dry = [*RUN, '--dry-run']
    write(world / 'labels/deeper/sub-01/anat', 'sub-01_T1w_seg.nii.gz')
    write(world / 'old/sub-02/anat', 'sub-02_desc-cord_dseg_T2w.nii.gz')

    def told(*options):
        assert main([*dry, *options]) == ExitCode.OK
        lines = capsys.readouterr().err.splitlines()
        assert all('none of its files is used' in line for line in lines)
        return [line.split(': ')[1] for line in lines]

    assert told() == []
    both = told('--manual-dir', 'labels', '--derivatives', 'old=old')
    assert both == [str(world / 'old'), str(world / 'labels')]
    assert told('--manual-dir', 'labels/deeper', '--derivatives', 'old=old') == both[:1]
    write(world / 'labels/deeper/sub-01/anat', 'sub-01_T1w_seg-manual.nii.gz')
    assert told('--manual-dir', 'labels/deeper') == []


def test_an_output_where_corrected_files_are_looked_for(world, capsys):
    app = ['ds', 'ds/derivatives/labels', 'participant', *RUN[6:]]
    assert main(app) == ExitCode.USAGE
    assert 'name another output folder' in capsys.readouterr().err
    (world / 'policy.yaml').write_text('given: {labels_folder: false}')
    assert main([*app, '--policy', 'policy.yaml', '--dry-run']) == ExitCode.OK


def test_an_output_beside_corrected_files(world):
    write(world / LABELS, 'sub-01_T2w_seg.nii.gz')
    app = ['ds', 'ds/derivatives', 'participant', *RUN[6:]]
    assert main(app) == ExitCode.OK
    assert main(app) == ExitCode.OK
    found = json.loads((world / f'ds/derivatives/logs/{STEP}/ds/sub-01.json').read_text())
    assert list(found['precomputed']) == ['cord_dseg']


def test_our_own_product_edited_in_place_is_refused_and_stays(world):
    assert main(RUN) == ExitCode.OK
    folder = world / 'out/derivatives/spinalfmriprep/ds/sub-01/anat'
    edited = folder / 'sub-01_desc-cord_dseg_T2w.nii.gz'
    edited.write_bytes(b'edited')
    assert main([*RUN, '--manual-dir', str(folder)]) == ExitCode.SUBJECT
    assert 'Copy it elsewhere' in record(world)['reasons'][0]
    assert edited.read_bytes() == b'edited'


@pytest.mark.parametrize(
    'options',
    [
        ['--manual-dir', 'ds'],
        ['--derivatives', 'old=ds'],
        ['--precomputed', 'cord_dseg=sub-{subject}_cord.nii.gz'],
    ],
)
def test_folders_go_with_one_dataset(world, capsys, options):
    """Files are found by subject, and each dataset may have a sub-01."""
    dataset(world / 'other', sub_01_T2w={})
    (world / 'datasets.yaml').write_text(
        'datasets:\n'
        '  - {key: one, intended_use: [regression, single]}\n'
        '  - {key: two, intended_use: [regression]}\n'
    )
    (world / 'local.yaml').write_text(f'one: {world}/ds\ntwo: {world}/other\n')
    write(world, 'sub-01_cord.nii.gz')
    start = ['run', STEP, '--datasets-local', 'local.yaml', '--out', 'out', *RUN[6:], '--dry-run']
    assert main([*start, '--scope', 'regression', *options]) == ExitCode.USAGE
    assert 'run each with --dataset-key' in capsys.readouterr().err
    assert main([*start, '--scope', 'regression']) == ExitCode.OK
    assert main([*start, '--scope', 'single', *options]) == ExitCode.OK
    assert main([*start, '--dataset-key', 'one', *options]) == ExitCode.OK


def test_a_subject_that_lacks_what_the_policy_needs_fails_alone(world, monkeypatch, capsys):
    from spinalprep.workflows.base import init_single_subject_wf as real_wf

    def either(**settings):
        return (standin_wf if settings['precomputed'] else real_wf)(**settings)

    monkeypatch.setattr('spinalprep.workflows.init_single_subject_wf', either)
    dataset(world / 'ds', sub_02_T2w={})
    (world / 'policy.yaml').write_text('labelling: {method: given}')
    argv = [*RUN, '--policy', 'policy.yaml']
    assert main(argv) == ExitCode.USAGE
    assert 'disc_labels' in capsys.readouterr().err
    write(world / LABELS, 'sub-01_T2w_labels-disc.nii.gz')
    assert main(argv) == ExitCode.SUBJECT
    assert record(world)['status'] == 'completed'
    assert record(world, 'sub-02')['failure']['error'] == 'PolicyError'


@pytest.mark.parametrize('value', ['old', '=old', 'a b=old', 'raw=old', 'template=old'])
def test_earlier_results_need_a_name(world, capsys, value):
    with pytest.raises(SystemExit) as end:
        main([*RUN, '--derivatives', value])
    assert end.value.code == ExitCode.USAGE
    assert 'NAME=PATH expected' in capsys.readouterr().err


def test_discs_corrected_by_hand_serve_an_sct_without_totalspineseg(world):
    """The preflight asks for what each image needs, with what is given for it."""
    from spinalprep.given import GivenFiles
    from spinalprep.policy import Policy
    from spinalprep.preflight import needs
    from spinalprep.selection import select
    from spinalprep.toolbox import Toolbox

    write(world / LABELS, 'sub-01_T2w_labels-disc.nii.gz')
    (target,) = select(world / 'ds')
    files = GivenFiles(manual_dir=world / 'ds/derivatives/labels')
    first = target.candidates[0]
    asked = needs(Policy(), Toolbox.example('6.3'), [('T2w', files.of(target, first))])
    assert 'spine' not in asked
