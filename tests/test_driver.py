# SPDX-License-Identifier: Apache-2.0
"""The driver: candidates in turn, failures told, the record written whatever happens."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from spinalprep.check import check
from spinalprep.driver import Listeners, run_targets
from spinalprep.errors import InputImageError, PolicyError, UsageError
from spinalprep.given import GivenFiles, check_precomputed, resolve_precomputed
from spinalprep.layout import Layout
from spinalprep.naming import sidecar_name
from spinalprep.policy import Policy
from spinalprep.products import FIGURES, names
from spinalprep.record import problems_of
from spinalprep.runs import Run
from spinalprep.selection import Target, select
from spinalprep.subject import run_target
from spinalprep.toolbox import Toolbox
from tests.standins import dataset, standin_wf, write_template

PLUGINS = ['linear', 'multiproc']
TOOL_TAIL = 'It ends with:\nTraceback (most recent call last):\n  File "sct_x.py", line 1\n'


@pytest.fixture
def make_run(tmp_path):
    def make(plugin='linear', factory=standin_wf, **settings):
        toolbox = dataclasses.replace(
            Toolbox.example('7.2'), template=write_template(tmp_path / 'template')
        )
        return Run(
            layout=Layout(tmp_path / 'out', 'ds', 'run'),
            bids_dir=tmp_path / 'ds',
            policy=Policy(),
            toolbox=toolbox,
            plugin=plugin,
            nprocs=2,
            factory=factory,
            **settings,
        )

    return make


def go(run, **orders):
    dataset(run.bids_dir, **orders)
    found = run_targets(select(run.bids_dir), run)
    for record in found:
        written = json.loads(run.layout.record(record.label).read_text())
        assert written == record.to_dict()
        assert problems_of(written) == []
    return found


def test_files_within_the_dataset_and_elsewhere_have_uris(make_run, tmp_path):
    run = make_run()
    run.bids_dir.mkdir()
    assert run.uri(run.bids_dir / 'derivatives/my labels/x.nii.gz') == (
        'bids:raw:derivatives/my%20labels/x.nii.gz'
    )
    assert run.uri(tmp_path / 'x.nii.gz') == (tmp_path / 'x.nii.gz').as_uri()


def test_names_of_another_scheme_replace_those_of_the_last_run(make_run):
    for names_, modality in (('seed', 'T2w'), ('bids', 'T1w'), ('seed', 'T1w')):
        run = make_run(output_names=names_)
        shutil.rmtree(run.bids_dir, ignore_errors=True)
        (record,) = go(run, **{f'sub_01_{modality}': {}})
        assert (record.status, record.output_names) == ('completed', names_)
        assert not record.reused
        root = run.layout.derivatives
        written = {root / path for path in record.products.values()}
        written |= {path.with_name(sidecar_name(path.name)) for path in written}
        written |= {root / path for paths in record.figures.values() for path in paths}
        assert {path for path in (root / 'sub-01').rglob('*') if path.is_file()} == written
        findings = check(run.layout.out)
        assert (findings.problems, findings.warnings) == ([], [])
        (again,) = go(run, **{f'sub_01_{modality}': {}})
        assert again.reused


@pytest.mark.parametrize('plugin', PLUGINS)
def test_a_subject_that_completes(make_run, plugin):
    run = make_run(plugin)
    (record,) = go(run, sub_01_T2w={'without': ['two_paths', 'rootlets']}, sub_01_T1w={})
    assert (record.status, record.verdict, record.failure) == ('completed', 'PASS', None)
    assert record.source['path'] == 'sub-01/anat/sub-01_T2w.nii.gz'
    assert [entry['outcome'] for entry in record.candidates] == ['used', 'not tried']
    assert record.metrics == {'cord_volume_mm3': 1234.5}
    assert record.registration == {'path': 'disc', 'other': None}
    assert record.rootlets['status'] == 'absent'
    assert record.template_grid['shape'] == [5, 6, 7]
    for path in record.products.values():
        assert (run.layout.derivatives / path).is_file()
    (command,) = record.commands
    assert command['node'] == 'single_subject_wf.anat_cordref_wf.discovery_wf.find_cord'
    assert command['substep'] == 'S2.1 discovery + crop'
    assert command['cached'] is False
    description = json.loads((run.layout.derivatives / 'dataset_description.json').read_text())
    assert description['DatasetType'] == 'derivative'
    link = run.layout.templateflow / 'tpl-PAM50' / 'tpl-PAM50_res-01_label-SC_mask.nii.gz'
    assert link.resolve() == (run.toolbox.template / 'template' / 'cord.nii.gz').resolve()
    assert '## sub-01\n' in run.layout.citation.read_text()


def test_a_template_that_can_not_be_linked_stops_nothing(make_run):
    run = make_run()
    run.layout.templateflow.parent.mkdir(parents=True)
    run.layout.templateflow.write_text('a file where the folder should be')
    with pytest.warns(UserWarning, match='not linked for TemplateFlow'):
        (record,) = go(run, sub_01_T2w={})
    assert record.status == 'completed'


def test_maps_that_the_template_lacks_are_told(make_run):
    (record,) = go(make_run(), sub_01_T2w={'without': ['horn_left_dorsal', 'horns_dseg']})
    assert record.status == 'completed'
    assert record.template_maps['horn_left_dorsal'] == {'status': 'absent', 'reason': ''}
    assert record.template_maps['horn_left_ventral']['status'] == 'computed'


@pytest.mark.parametrize('plugin', PLUGINS)
def test_a_second_run_takes_what_was_finished(make_run, plugin):
    run = make_run(plugin)
    go(run, sub_01_T2w={})
    started = []
    record = run_target(
        select(run.bids_dir)[0], run, lambda name, status: started.append((name, status))
    )
    assert record.status == 'completed'
    assert [command['cached'] for command in record.commands] == [True]


def test_a_subject_of_another_dataset_is_another_subject(make_run, tmp_path):
    run = make_run()
    go(run, sub_01_T2w={})
    other = dataclasses.replace(run, bids_dir=tmp_path / 'elsewhere' / 'ds')
    (record,) = go(other, sub_01_T2w={'verdict': 'WARN', 'reasons': ['odd']})
    assert (record.reused, record.verdict) == (False, 'WARN')


def test_a_working_folder_that_a_kill_left_is_removed_by_the_next_run(make_run):
    run = make_run()
    go(run, sub_01_T2w={})
    work = run.layout.work / 'sub-01'
    (record,) = run_targets(select(run.bids_dir), run)
    assert (record.reused, work.is_dir()) == (True, True)
    (record,) = run_targets(select(run.bids_dir), dataclasses.replace(run, clean_work=True))
    assert (record.reused, work.exists()) == (True, False)


def test_what_a_kill_left_half_written_is_removed(make_run):
    run = make_run()
    go(run, sub_01_T2w={}, sub_02_T2w={})
    root, logs = run.layout.derivatives, run.layout.logs
    mine = [
        root / 'sub-01/anat/.sub-01_x.nii.gz.12.part', root / 'sub-01/figures/.x.png.3.part',
        logs / '.sub-01.json.4.part', logs / 'sub-01/.crash.txt.5.part',
    ]  # fmt: skip
    others = [root / 'sub-02/anat/.sub-02_x.nii.gz.6.part', logs / '.sub-011.json.7.part']
    for path in [*mine, *others]:
        path.touch()
    run_target(select(run.bids_dir)[0], run)
    assert not any(path.exists() for path in mine)
    assert all(path.exists() for path in others)


def test_the_smallest_part_of_the_memory_does_for_any_subject(make_run):
    need = make_run().memory_of(Target('01', None, (), ()))
    targets = [Target(f'{number:02d}', None, (), ()) for number in range(8)]
    for nprocs, room, expected in ((3, 2.2, 1), (3, 3.0, 3), (4, 3.5, 2), (2, 9.0, 2)):
        run = dataclasses.replace(
            make_run('multiproc'), nprocs=nprocs, memory_gb=room * need
        )  # fmt: skip
        assert run.at_once(targets) == expected
        assert run.share(nprocs // expected).memory_gb >= need


@pytest.mark.parametrize('plugin', PLUGINS)
def test_a_rejected_image_gives_way_to_the_next(make_run, plugin):
    run = make_run(plugin)
    (record,) = go(run, sub_01_T2w={'reject': 'cord in 19 slices\nof 20'}, sub_01_T1w={})
    assert record.status == 'completed'
    assert record.source['modality'] == 'T1w'
    first, second = record.candidates
    assert (first['outcome'], second['outcome']) == ('rejected', 'used')
    assert first['reason'] == 'cord in 19 slices\nof 20'
    assert len(record.commands) == 2


@pytest.mark.parametrize('plugin', PLUGINS)
def test_when_all_images_are_rejected_so_is_the_subject(make_run, plugin):
    (record,) = go(make_run(plugin), sub_01_T2w={'reject': 'short'}, sub_01_T1w={'reject': 'no'})
    assert (record.status, record.verdict) == ('rejected', None)
    assert record.reasons == [
        'sub-01/anat/sub-01_T2w.nii.gz: short',
        'sub-01/anat/sub-01_T1w.nii.gz: no',
    ]
    assert record.failure is None


@pytest.mark.parametrize('plugin', PLUGINS)
def test_a_failure_is_told_with_class_place_and_message(make_run, plugin):
    run = make_run(plugin)
    failing, fine = go(run, sub_01_T2w={'fail': 'exit code 1'}, sub_01_T1w={}, sub_02_T2w={})
    assert (failing.status, fine.status) == ('failed', 'completed')
    failure = failing.failure
    assert failure['error'] == 'SCTCommandError'
    assert failure['message'] == 'exit code 1'
    assert failure['details'] == f'{TOOL_TAIL}MemoryError: in the tool'
    assert failure['substep'] == 'S2.4 registration'
    assert failure['node'].endswith('registration_wf.register_disc')
    assert 'MemoryError' in Path(failure['log']).read_text()
    assert Path(failure['crash_file']).is_file()
    assert failing.reasons == ['S2.4 registration: exit code 1']
    assert [entry['outcome'] for entry in failing.candidates] == ['failed', 'not tried']


@pytest.mark.parametrize('plugin', PLUGINS)
def test_a_bug_is_a_failure_too(make_run, plugin):
    (record,) = go(make_run(plugin), sub_01_T2w={'bug': 'shapes (3,) and (4,)'})
    assert (record.failure['error'], record.failure['message']) == (
        'ValueError',
        'shapes (3,) and (4,)',
    )


def test_a_subject_whose_process_is_killed_has_a_record_and_a_page(make_run):
    run = make_run('multiproc')
    fine, lost = go(run, sub_01_T2w={}, sub_02_T2w={'kill': True})
    assert (fine.status, lost.status) == ('completed', 'failed')
    assert lost.failure['error'] == 'WorkerKilled'
    assert lost.failure['substep'] == 'S2.1 discovery + crop'
    assert lost.times['start'] <= lost.times['end']
    assert lost.times['duration_s'] > 0
    assert not run.layout.state('sub-02').exists()
    told = run.layout.crash_report('sub-02').read_text()
    assert 'ended without a word' in told
    assert 'find_cord && sct_deepseg spinalcord\n' in told
    assert 'looking for the cord\n' in told
    assert run.layout.crash_log('sub-02').read_text() == 'looking for the cord\n'
    assert lost.commands == []
    assert 'failed' in (run.layout.derivatives / 'sub-02.html').read_text()


def test_a_failed_rerun_does_not_take_the_earlier_summary(make_run):
    run = make_run()
    go(run, sub_01_T2w={})
    (record,) = go(run, sub_01_T2w={'fail': 'now'})
    assert record.status == 'failed'
    assert record.products == {}
    assert 'sub-01/anat/sub-01_desc-cordref_T2w.nii.gz' in record.leftovers
    (record,) = go(run, sub_01_T2w={})
    assert record.status == 'completed'
    assert record.leftovers == []


def test_a_missing_figure_is_a_warning(make_run):
    (record,) = go(make_run(), sub_01_T2w={'no_figure': True})
    assert (record.status, record.verdict) == ('completed', 'WARN')
    assert record.reasons == ['a figure is missing: nothing to draw']
    assert record.figures == {}


def test_figures_are_listed_and_those_of_an_earlier_run_are_gone(make_run):
    run = make_run()
    (record,) = go(run, sub_01_T2w={})
    folder = run.layout.derivatives / 'sub-01' / 'figures'
    shown = sorted(path for paths in record.figures.values() for path in paths)
    assert shown == sorted(f'sub-01/figures/{path.name}' for path in folder.iterdir())
    assert list(record.figures) == list(names(FIGURES))
    (record,) = go(run, sub_01_T2w={'no_figure': True})
    assert (record.figures, list(folder.iterdir())) == ({}, [])


def test_a_subject_that_failed_keeps_the_figures_up_to_there(make_run):
    (record,) = go(make_run(), sub_01_T2w={'fail': 'no memory'})
    assert record.status == 'failed'
    assert list(record.figures) == list(names(FIGURES))
    assert record.products == {}
    assert record.leftovers == []


def test_a_fail_verdict_is_kept_with_its_derivatives(make_run):
    run = make_run()
    (record,) = go(run, sub_01_T2w={'verdict': 'FAIL', 'reasons': ['folded']})
    assert (record.status, record.verdict, record.good) == ('completed', 'FAIL', False)
    sidecar = run.layout.derivatives / 'sub-01/anat/sub-01_desc-cordref_T2w.json'
    assert json.loads(sidecar.read_text())['VerdictReasons'] == ['folded']


def test_a_product_that_should_be_there_and_is_not_is_a_failure(make_run):
    (record,) = go(make_run(), sub_01_T2w={'without': ['warp_template2cordref', 'spine']})
    assert record.status == 'failed'
    assert record.failure['message'] == 'the graph ended without warp_template2cordref'
    evidence = {'rootlets': {'status': 'computed', 'reason': ''}}
    order = {'without': ['rootlets', 'two_paths'], 'evidence': evidence}
    (record,) = go(make_run(), sub_01_T2w=order)
    assert record.failure['message'] == 'the graph ended without rootlets_dseg'


def test_a_graph_that_cannot_be_built_is_told(make_run):
    def refuse(**settings):
        raise PolicyError('labelling.method: given needs disc labels')

    def break_down(**settings):
        raise TypeError('unexpected keyword')

    (record,) = go(make_run(factory=refuse), sub_01_T2w={})
    assert record.reasons == ['S2: labelling.method: given needs disc labels']
    (record,) = go(make_run(factory=break_down), sub_01_T2w={})
    assert record.failure['error'] == 'TypeError'
    assert 'break_down' in record.failure['details']


def test_sessions_without_anatomy_are_skipped_and_subjects_asked_for_are_not(make_run):
    run = make_run()
    dataset(run.bids_dir, sub_01_a_T2w={}, sub_02_b_bold={})
    (run.bids_dir / 'sub-01' / 'ses-c' / 'anat').mkdir(parents=True)
    found = run_targets(select(run.bids_dir), run)
    assert [record.label for record in found] == ['sub-01_ses-a']
    (selection,) = (json.loads(path.read_text()) for path in run.layout.runs.glob('*.json'))
    assert selection['selected'] == ['sub-01_ses-a']
    assert [item['label'] for item in selection['skipped']] == ['sub-01_ses-c', 'sub-02_ses-b']
    (record,) = run_targets(select(run.bids_dir, subjects=['7']), run)
    assert (record.label, record.status) == ('sub-7', 'rejected')
    assert 'not in the dataset' in record.reasons[0]


def test_listeners_hear_of_subjects_and_nodes(make_run):
    run = make_run()
    dataset(run.bids_dir, sub_01_T2w={})
    heard = []
    listeners = Listeners(
        started=lambda target: heard.append(target.label),
        node=lambda target, name, status: heard.append(f'{name.split(".")[-1]} {status}'),
        ended=lambda record: heard.append(record.status),
    )
    run_targets(select(run.bids_dir), run, listeners)
    assert heard[:3] == ['sub-01', 'find_cord start', 'find_cord end']
    assert heard[-1] == 'completed'
    assert 'ds_anat end' in heard


def test_nipypes_log_goes_to_a_file_only(make_run, capfd):
    run = make_run()
    go(run, sub_01_T2w={})
    assert 'ds_anat' in run.layout.log('sub-01').read_text()
    out, err = capfd.readouterr()
    assert 'nipype' not in out + err


def test_precomputed_files_are_found_per_subject(tmp_path):
    (tmp_path / '01_a.nii.gz').touch()
    pattern = {'disc_labels': f'{tmp_path}/{{subject}}_{{session}}.nii.gz'}
    assert resolve_precomputed(pattern, Target('01', 'a', ())) == {
        'disc_labels': tmp_path / '01_a.nii.gz'
    }
    with pytest.raises(InputImageError, match=r'02_a\.nii\.gz'):
        resolve_precomputed(pattern, Target('02', 'a', ()))
    with pytest.raises(InputImageError, match='no session'):
        resolve_precomputed(pattern, Target('01', None, ()))
    check_precomputed(pattern)
    with pytest.raises(UsageError, match='vertebral_levels'):
        check_precomputed({'vertebral_levels': 'x'})
    with pytest.raises(UsageError, match='replaced'):
        check_precomputed({'cord_dseg': '{sub}.nii.gz'})


def test_a_given_file_that_is_missing_fails_its_subject_only(make_run, tmp_path):
    (tmp_path / '01.nii.gz').touch()
    named = {'cord_dseg': f'{tmp_path}/{{subject}}.nii.gz'}
    run = make_run(given=GivenFiles(precomputed=named))
    first, second = go(run, sub_01_T2w={}, sub_02_T2w={})
    assert first.status == 'completed'
    path = tmp_path / '01.nii.gz'
    facts = {'path': str(path), 'origin': 'given', 'uri': path.as_uri()}
    assert first.precomputed == {'cord_dseg': facts}
    assert (second.status, second.failure['error']) == ('failed', 'InputImageError')


@pytest.mark.parametrize('saved', ['appears', 'changes', 'competes', 'image'])
def test_what_is_saved_while_the_graph_runs_is_taken_by_the_next_run(make_run, tmp_path, saved):
    """The result rests on what was read before, and says so."""
    folder = tmp_path / 'labels'
    mine, other = folder / 'sub-01_T2w_seg.nii.gz', folder / 'sub-01_T2w_seg-manual.nii.gz'
    image = tmp_path / 'ds' / 'sub-01' / 'anat' / 'sub-01_T2w.nii.gz'

    def saving(**settings):
        path = {'competes': other, 'image': image}.get(saved, mine)
        path.write_text('{ }')
        return standin_wf(**settings)

    folder.mkdir()
    if saved in ('changes', 'competes'):
        mine.write_text('x')
    given = GivenFiles(manual_dir=folder)
    (first,) = go(make_run(factory=saving, given=given), sub_01_T2w={})
    assert (first.status, first.reasons) == ('completed', [])
    assert list(first.precomputed) == (['cord_dseg'] if saved in ('changes', 'competes') else [])
    (again,) = run_targets(select(tmp_path / 'ds'), make_run(given=given))
    assert not again.reused
    assert again.status == ('failed' if saved == 'competes' else 'completed')
