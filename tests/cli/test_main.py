# SPDX-License-Identifier: Apache-2.0
"""The command line: light to start, strict on usage, exit codes as the one table has them."""

import errno
import json
import os
import subprocess
import sys

import pytest

from spinalprep.cli.main import main
from spinalprep.errors import ExitCode
from tests.standins import dataset, standin_wf, write_template

STEP = 'S2_anat_cordref'


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A dataset folder, a template, the stand-in graph, and no SCT."""
    monkeypatch.setattr('spinalprep.workflows.init_single_subject_wf', standin_wf)
    monkeypatch.setenv('PATH', '/usr/bin')
    monkeypatch.delenv('SCT_DIR', raising=False)
    monkeypatch.setattr('spinalprep.toolbox.preflight.TEMP_SPACE_GB', 0)
    monkeypatch.chdir(tmp_path)
    write_template(tmp_path / 'tpl')
    return tmp_path


SCT = ['--sct', 'embedded', '--template', 'tpl', '--nprocs', '1']
RUN = ['run', STEP, '--bids-dir', 'ds', '--out', 'out', *SCT]


def record_of(world, label='sub-01', name='ds'):
    return json.loads((world / f'out/logs/{STEP}/{name}/{label}.json').read_text())


@pytest.mark.parametrize('argv', [['--help'], ['run', '--help'], ['ds', 'out', '--help']])
def test_help_imports_nothing_heavy(argv):
    code = (
        'import sys\n'
        'from spinalprep.cli.main import main\n'
        'try:\n'
        f'    main({argv!r})\n'
        'except SystemExit as end:\n'
        '    assert end.code == 0\n'
        "heavy = {'numpy', 'nibabel', 'nipype', 'niworkflows', 'bids', 'scipy', 'yaml'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert 'HEAVY []' in done.stdout
    assert 'participant' in done.stdout or 'run' in argv


def test_importing_the_package_changes_nothing():
    code = (
        'import os, sys\n'
        'before = dict(os.environ)\n'
        'import spinalprep, spinalprep.errors, spinalprep.cli.main\n'
        'assert dict(os.environ) == before\n'
        "assert 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, '-c', code], check=True)


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(['--version'])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith('spinalprep ')


@pytest.mark.parametrize(
    'argv',
    [
        ['run', STEP],
        ['run', 'S3_other', '--bids-dir', 'ds', '--out', 'out'],
        ['run', STEP, '--bids-dir', 'ds', '--scope', 'reg', '--out', 'out'],
        [*RUN, '--nprocs', '0'],
        [*RUN, '--precomputed', 'cord_dseg'],
        ['ds', 'out', 'group'],
        ['ds', 'out'],
        ['check', STEP],
    ],
)
def test_what_cannot_be_parsed_is_usage(world, argv):
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == ExitCode.USAGE


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (['--precomputed', 'vertebral_levels=x'], 'vertebral_levels'),
        (['--precomputed', 'cord_dseg=a', '--precomputed', 'cord_dseg=b'], 'twice'),
        (['--policy', 'policy.yaml'], 'min_slices'),
        (['--policy', 'nowhere.yaml'], 'nowhere.yaml'),
        (['--sct', 'nowhere', '--slurm-args', '--mem=3G'], '--slurm-args goes with'),
    ],
)
def test_what_makes_no_sense_is_usage(world, capsys, more, message):
    dataset(world / 'ds', sub_01_T2w={})
    (world / 'policy.yaml').write_text('discover: {min_slices: 3}')
    assert main([*RUN, *more]) == ExitCode.USAGE
    assert message in capsys.readouterr().err
    assert not (world / 'out').exists()


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        ([*RUN, '--out', 'notes'], 'output folder notes: notes is a file'),
        ([*RUN, '--out', 'notes/x', '--dry-run'], 'output folder notes/x: notes is a file'),
        ([*RUN, '--work-dir', 'notes'], 'working folder notes: notes is a file'),
        ([*RUN, '--array-script', 'tpl'], '--array-script tpl: is a folder'),
        ([*RUN, '--array-script', 'notes/x.sh'], 'script notes: notes is a file'),
        ([*RUN, '--array-script', 'x.sh', '--array-scratch', '"$TMPDIR"'], 'without quotes'),
        (['ds', 'notes', 'participant', *SCT], 'output folder notes: notes is a file'),
        (['demo', '--out', 'notes'], 'output folder notes: notes is a file'),
    ],
)
def test_places_that_can_not_be_written_are_usage(world, capsys, argv, message):
    dataset(world / 'ds', sub_01_T2w={})
    (world / 'notes').write_text('kept')
    before = sorted(world.rglob('*'))
    assert main(argv) == ExitCode.USAGE
    assert message in capsys.readouterr().err
    assert sorted(world.rglob('*')) == before


def test_nothing_to_run(world, capsys):
    assert main(RUN) == ExitCode.NOTHING_TO_RUN
    assert 'no such folder' in capsys.readouterr().err
    (world / 'ds' / 'sub-01' / 'func').mkdir(parents=True)
    assert main(RUN) == ExitCode.NOTHING_TO_RUN
    assert 'sub-01: no T2w or T1w image' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('sct', 'message'),
    [
        (['--sct', 'auto'], 'SCT was not found'),
        (['--sct', 'nowhere'], 'nowhere'),
        (['--sct', 'embedded'], '--template'),
        (['--sct', 'embedded', '--template', 'nowhere'], 'nowhere'),
    ],
)
def test_the_environment_is_checked_before_anything_runs(world, capsys, sct, message):
    dataset(world / 'ds', sub_01_T2w={})
    argv = ['run', STEP, '--bids-dir', 'ds', '--out', 'out', *sct]
    assert main(argv) == ExitCode.ENVIRONMENT
    assert message in capsys.readouterr().err
    assert not (world / 'out').exists()


def test_a_run_and_its_check(world, capsys):
    dataset(world / 'ds', sub_01_T2w={}, sub_02_T1w={'verdict': 'WARN', 'reasons': ['few discs']})
    assert main(RUN) == ExitCode.OK
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith('ds sub-01: completed PASS  ')
    assert lines[1].startswith('ds sub-02: completed WARN (few discs)  ')
    assert err == ''
    assert (world / 'out/derivatives/spinalfmriprep/ds/sub-01/anat').is_dir()
    assert (world / f'out/work/{STEP}/ds/sub-01').is_dir()
    assert record_of(world)['versions']['sct_kind'] == 'embedded'
    assert main(['check', STEP, '--out', 'out']) == ExitCode.OK
    assert 'verdict WARN: few discs' in capsys.readouterr().out
    lost = next((world / 'out').rglob('sub-01_desc-cord_dseg_T2w.nii.gz'))
    lost.unlink()
    assert main(['check', STEP, '--out', 'out']) == ExitCode.SUBJECT
    assert 'sub-01_desc-cord_dseg_T2w.nii.gz: cord_dseg is missing' in capsys.readouterr().out
    assert main(RUN) == ExitCode.OK
    assert lost.is_file()


@pytest.mark.parametrize(
    'order', [{'reject': 'short'}, {'fail': 'no'}, {'verdict': 'FAIL', 'reasons': ['x']}]
)
def test_one_bad_subject_is_exit_one(world, capsys, order):
    dataset(world / 'ds', sub_01_T2w=order, sub_02_T2w={})
    assert main(RUN) == ExitCode.SUBJECT
    out = capsys.readouterr().out
    assert ('sub-01/crash.txt' if 'fail' in order else 'sub-01.json') in out.splitlines()[0]
    assert 'sub-02: completed PASS' in out
    assert main(['check', STEP, '--out', 'out']) == ExitCode.SUBJECT


def test_check_without_a_run(world, capsys):
    assert main(['check', STEP, '--out', 'out']) == ExitCode.NOTHING_TO_RUN
    assert 'no run' in capsys.readouterr().err


def test_as_a_bids_app(world):
    dataset(world / 'ds', sub_01_T2w={}, sub_02_T2w={}, sub_03_T2w={})
    argv = ['ds', 'out', 'participant', '--participant-label', '1', 'sub-03', *SCT]
    assert main(argv) == ExitCode.OK
    made = sorted(path.name for path in (world / 'out').glob('sub-*'))
    assert made == ['sub-01', 'sub-01.html', 'sub-03', 'sub-03.html']
    assert (world / 'out' / 'index.html').is_file()
    assert (world / f'work/{STEP}/ds/sub-01').is_dir()
    assert record_of(world, 'sub-03')['layout'] == 'bids-app'
    assert main(['check', STEP, '--out', 'out']) == ExitCode.OK
    assert main(['ds', 'ds', 'participant', *SCT]) == ExitCode.USAGE


def test_what_is_complete_and_unchanged_is_not_run_again(world, capsys, monkeypatch):
    from spinalprep import driver

    ran = []
    whole = driver.run_target
    monkeypatch.setattr(
        driver,
        'run_target',
        lambda target, *rest: ran.append(target.label) or whole(target, *rest),
    )
    dataset(world / 'ds', sub_01_T2w={}, sub_02_T2w={'fail': 'no'}, sub_03_T2w={})

    def run_again(*options):
        ran.clear()
        main([*RUN, *options])
        return list(ran)

    assert run_again() == ['sub-01', 'sub-02', 'sub-03']
    assert run_again() == ['sub-02']
    assert 'ds sub-01: completed PASS (unchanged)' in capsys.readouterr().out
    os.utime(world / 'ds/sub-01/anat/sub-01_T2w.nii.gz', (1, 1))  # the same content
    assert run_again() == ['sub-02']
    (world / 'ds/sub-01/anat/sub-01_T2w.nii.gz').write_text('{"verdict": "PASS"}')
    assert run_again() == ['sub-01', 'sub-02']
    lost = 'out/derivatives/spinalfmriprep/ds/sub-03/anat/sub-03_desc-cord_dseg_T2w.nii.gz'
    (world / lost).unlink()
    assert run_again('--rerun-failed') == ['sub-02']
    assert run_again() == ['sub-02', 'sub-03']
    (world / 'policy.yaml').write_text('crop: {anterior_mm: 50}\n')
    assert run_again('--policy', 'policy.yaml') == ['sub-01', 'sub-02', 'sub-03']
    assert run_again('--policy', 'policy.yaml', '--force') == ['sub-01', 'sub-02', 'sub-03']
    killed = world / f'out/logs/{STEP}/ds/sub-01/state.json'
    for options in ([], ['--rerun-failed']):
        killed.write_text('{"substep": "S2.4", "since": "then"}')
        assert run_again('--policy', 'policy.yaml', *options) == ['sub-01', 'sub-02']
        assert not killed.exists()


def test_working_files_are_removed_where_it_is_asked_for(world):
    dataset(world / 'ds', sub_01_T2w={}, sub_02_T2w={'fail': 'no'})
    main([*RUN, '--clean-work'])
    assert not (world / f'out/work/{STEP}/ds/sub-01').exists()
    assert (world / f'out/work/{STEP}/ds/sub-02').is_dir()


def test_what_another_version_computed_is_not_reused(world, monkeypatch):
    dataset(world / 'ds', sub_01_T2w={})
    main(RUN)
    marker = world / f'out/work/{STEP}/ds/sub-01/version'
    old = marker.parent / 'of an older version'
    old.touch()
    main([*RUN, '--force'])
    assert old.exists()
    marker.write_text('0.0.9')
    main([*RUN, '--force'])
    assert not old.exists()


def test_a_failure_is_told_with_what_to_do(world, capsys):
    dataset(world / 'ds', sub_01_T2w={'fail': 'No space left on device'})
    assert main(RUN) == ExitCode.SUBJECT
    out = capsys.readouterr().out
    text = (world / f'out/logs/{STEP}/ds/sub-01/crash.txt').read_text()
    for words in ('sub-01 failed in S2.4 registration', 'Make room on the disk'):
        assert words in text
        assert words in out
    assert record_of(world)['failure']['advice'].startswith('Make room')
    # the working files may be gone by the time somebody looks
    kept = world / f'out/logs/{STEP}/ds/sub-01/crash_command.log'
    assert kept.read_text() == '...\nTraceback\nMemoryError\n'
    told = record_of(world)['failure']['log']
    assert kept.samefile(told)
    assert f'Whole log: {told}' in text
    (world / 'ds/sub-01/anat/sub-01_T2w.nii.gz').write_text('{}')
    assert main(RUN) == ExitCode.OK
    assert not (world / f'out/logs/{STEP}/ds/sub-01/crash.txt').exists()
    assert not kept.exists()


def test_status_says_where_each_subject_stands(world, capsys):
    from spinalprep.locks import held

    assert main(['status', '--out', 'out']) == ExitCode.NOTHING_TO_RUN
    dataset(world / 'ds', sub_01_T2w={}, sub_02_T2w={'fail': 'no'}, sub_03_T2w={})
    main(RUN)
    logs = world / f'out/logs/{STEP}/ds'
    (logs / 'sub-03.json').unlink()
    capsys.readouterr()
    assert main(['status', '--out', 'out']) == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == [
        'ds sub-01: completed PASS',
        'ds sub-02: failed  S2.4 registration: no',
        'ds sub-03: waiting',
        '1 completed PASS, 1 failed, 1 waiting',
    ]
    (logs / 'sub-03' / 'state.json').write_text(
        '{"substep": "S2.3 rootlets", "node": "x", "since": "12:00"}'
    )
    with held(logs / 'sub-03' / 'lock'):
        main(['status', '--out', 'out', '--json'])
        told = json.loads(capsys.readouterr().out)[2]
    assert (told['label'], told['state']) == ('sub-03', 'running')
    assert told['told'].startswith(f'S2.3 rootlets, since 12:00; process {os.getpid()} on ')
    main(['status', '--out', 'out'])
    line = 'ds sub-03: failed  S2.3 rootlets, since 12:00: its run was killed'
    assert line in capsys.readouterr().out.splitlines()


def test_a_subject_that_is_not_there_is_exit_one(world):
    dataset(world / 'ds', sub_01_T2w={})
    assert main([*RUN, '--participant-label', '01', '9']) == ExitCode.SUBJECT
    assert record_of(world)['status'] == 'completed'
    assert record_of(world, 'sub-9')['status'] == 'rejected'


def test_scopes_and_keys(world, capsys):
    dataset(world / 'first', sub_01_T2w={}, sub_02_T2w={})
    (world / 'config').mkdir()
    (world / 'config/datasets.yaml').write_text(
        'datasets:\n'
        '  - {key: one, intended_use: [regression], selection: {mode: subset, subjects: ["02"]}}\n'
        '  - {key: two, intended_use: [regression]}\n'
    )
    (world / 'config/datasets_local.yaml').write_text('one: first\n')
    local = ['--datasets-local', 'config/datasets_local.yaml', '--out', 'out', *SCT]
    assert main(['run', STEP, '--scope', 'reg', *local]) == ExitCode.SUBJECT
    captured = capsys.readouterr()
    assert 'one sub-02: completed' in captured.out
    assert 'two: no local path' in captured.err
    assert main(['run', STEP, '--dataset-key', 'one', *local]) == ExitCode.OK
    assert record_of(world, 'sub-02', 'one')['dataset'] == 'one'
    assert not (world / f'out/logs/{STEP}/one/sub-01.json').exists()
    assert main(['run', STEP, '--dataset-key', 'two', *local]) == ExitCode.NOTHING_TO_RUN
    assert main(['run', STEP, '--dataset-key', 'six', *local]) == ExitCode.USAGE
    assert main(['run', STEP, '--scope', 'reg', '--out', 'out']) == ExitCode.USAGE
    assert main(['run', STEP, '--scope', 'reg', '--participant-label', '1', *local]) == 2


def test_two_datasets_of_one_name_do_not_share_their_results(world, capsys):
    first = dataset(world / 'a' / 'my ds', sub_01_T2w={})
    dataset(world / 'b' / 'myds', sub_01_T2w={'verdict': 'FAIL', 'reasons': ['x']})
    run = ['run', STEP, '--out', 'out', *SCT, '--bids-dir']
    assert main([*run, 'a/my ds']) == ExitCode.OK
    files = {path: path.stat().st_mtime_ns for path in (world / 'out').rglob('*')}
    capsys.readouterr()
    for more in ([], ['--dry-run'], ['--array-script', 'job.sh']):
        assert main([*run, 'b/myds', *more]) == ExitCode.USAGE
        told = capsys.readouterr()
        root = 'out/derivatives/spinalfmriprep/myds'
        assert f'{root}: holds results of {first}, which those of {world}/b/myds' in told.err
        assert 'Name another output folder' in told.err
    assert {path: path.stat().st_mtime_ns for path in (world / 'out').rglob('*')} == files
    assert main([*run, 'b/myds', '--out', 'other']) == ExitCode.SUBJECT
    # the same dataset by another name, and one that was moved
    (world / 'link').symlink_to(first)
    (world / 'c').mkdir()
    (world / 'c' / 'myds').symlink_to(world / 'link')
    assert main([*run, 'c/myds']) == ExitCode.OK
    first.rename(world / 'c' / 'my-ds')
    (world / 'c' / 'myds').unlink()
    (world / 'c' / 'my-ds').rename(world / 'c' / 'myds')
    assert main([*run, 'c/myds']) == ExitCode.OK
    assert 'ds sub-01: completed PASS (unchanged)' in capsys.readouterr().out


def test_two_datasets_as_a_bids_app_do_not_share_their_results(world, capsys):
    dataset(world / 'a' / 'ds', sub_01_T2w={})
    dataset(world / 'b' / 'other', sub_01_T2w={})
    assert main(['a/ds', 'out', 'participant', *SCT]) == ExitCode.OK
    assert main(['b/other', 'out', 'participant', *SCT]) == ExitCode.USAGE
    assert f'holds results of {world}/a/ds' in capsys.readouterr().err


def test_a_key_that_leads_to_another_folder_now(world, capsys):
    dataset(world / 'first', sub_01_T2w={})
    dataset(world / 'second', sub_01_T2w={})
    run = ['run', STEP, '--datasets-local', 'local.yaml', '--out', 'out', *SCT, '--dataset-key']
    (world / 'local.yaml').write_text('one: first\n')
    assert main([*run, 'one']) == ExitCode.OK
    (world / 'local.yaml').write_text('one: second\ntwo: second\n')
    assert main([*run, 'one']) == ExitCode.USAGE
    assert 'give the dataset another key' in capsys.readouterr().err
    assert main([*run, 'two']) == ExitCode.OK


def test_exclusions_of_the_inventory_are_honoured(world):
    dataset(world / 'ds', sub_01_T2w={}, sub_01_T1w={})
    inventory = world / 'out/logs/S1_input_verify/ds/inventory.json'
    inventory.parent.mkdir(parents=True)
    item = {'subject': '01', 'path': 'sub-01/anat/sub-01_T2w.nii.gz', 'reason': 'motion'}
    inventory.write_text(json.dumps({'exclusions': [item]}))
    assert main(RUN) == ExitCode.OK
    record = record_of(world)
    assert record['source']['modality'] == 'T1w'
    assert record['dropped'][0]['reason'] == 'excluded by S1: motion'


def test_the_policy_decides_and_is_recorded(world):
    dataset(world / 'ds', sub_01_T2w={}, sub_01_T1w={})
    (world / 'policy.yaml').write_text('selection: {modalities: [T1w]}')
    assert main([*RUN, '--policy', 'policy.yaml']) == ExitCode.OK
    record = record_of(world)
    assert record['source']['modality'] == 'T1w'
    assert record['policy']['values']['selection'] == {'modalities': ['T1w']}
    (world / 'policy.yaml').write_text('registration: {template: tpl}')
    argv = ['run', STEP, '--bids-dir', 'ds', '--out', 'out', '--sct', 'embedded', '--nprocs', '1']
    assert main([*argv, '--policy', 'policy.yaml']) == ExitCode.OK


def test_given_files_are_recorded(world):
    dataset(world / 'ds', sub_01_T2w={})
    (world / 'discs_01.nii.gz').touch()
    assert main([*RUN, '--precomputed', 'disc_labels=discs_{subject}.nii.gz']) == ExitCode.OK
    path = str(world / 'discs_01.nii.gz')
    told = {'path': path, 'origin': 'given', 'uri': f'file://{path}'}
    assert record_of(world)['precomputed'] == {'disc_labels': told}
    assert record_of(world)['discs']['status'] == 'given'


def test_an_interruption_is_told_and_recorded(world, capsys):
    dataset(world / 'ds', sub_01_T2w={'interrupt': True}, sub_02_T2w={})
    assert main(RUN) == ExitCode.SUBJECT
    assert 'interrupted' in capsys.readouterr().err
    assert record_of(world)['failure']['message'] == 'interrupted'
    assert main(['check', STEP, '--out', 'out']) == ExitCode.SUBJECT
    assert 'sub-02 was selected and has no record' in capsys.readouterr().out


def test_a_full_disk_is_told_in_one_line(world, capsys, monkeypatch):
    dataset(world / 'ds', sub_01_T2w={})
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(path, text, **_):
        raise full

    monkeypatch.setattr('pathlib.Path.write_text', write)
    assert main(RUN) == ExitCode.ENVIRONMENT
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('spinalprep: No space left on device: ')
    assert str(world) in line or 'out/' in line


def test_the_doctor(world, capsys):
    assert main(['doctor']) == ExitCode.ENVIRONMENT
    assert 'SCT was not found' in capsys.readouterr().err
    assert main(['doctor', '--sct', 'embedded', '--template', 'tpl']) == ExitCode.OK
    out = capsys.readouterr().out
    assert all(line.startswith('ok   ') for line in out.splitlines())
    assert main(['doctor', '--sct', 'embedded']) == ExitCode.ENVIRONMENT
    assert 'FAIL template' in capsys.readouterr().out
