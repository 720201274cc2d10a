# SPDX-License-Identifier: Apache-2.0
"""``--dry-run``: all is told, nothing is done."""

import pytest

from spinalprep.cli.main import main
from spinalprep.errors import ExitCode
from tests import datasets, standins
from tests.cli.test_main import RUN, world  # noqa: F401 - a fixture

DRY = [*RUN, '--dry-run']


@pytest.fixture
def told(world, capsys):  # noqa: F811
    """What a dry run prints; it must leave no trace."""

    def tell(*more, code=ExitCode.OK):
        before = sorted(world.rglob('*'))
        assert main([*DRY, *more]) == code
        assert sorted(world.rglob('*')) == before
        printed = capsys.readouterr()
        tell.error = printed.err
        return printed.out

    tell.world = world
    return tell


def test_images_taken_and_dropped_with_reasons(told):
    folder = told.world / 'ds/sub-01/anat'
    datasets.image(folder / 'sub-01_acq-cspine_T2w.nii.gz')
    datasets.image(folder / 'sub-01_acq-brain_T2w.nii.gz', *datasets.BRAIN)
    datasets.write(told.world / 'ds', 'sub-01/anat/sub-01_acq-localizer_T2w.nii.gz')
    (told.world / 'ds/sub-02/func').mkdir(parents=True)
    lines = told().splitlines()
    start = lines.index('sub-01: runs, it has no record yet')
    assert lines[start + 1 : start + 6] == [
        '    takes  sub-01/anat/sub-01_acq-cspine_T2w.nii.gz',
        (
            '           T2w; acq- says spine; up to 256 mm of cord in view, in 320 slices; '
            'voxels of 0.8 × 0.8 × 0.8 mm'
        ),
        '    then   sub-01/anat/sub-01_acq-brain_T2w.nii.gz',
        (
            '           T2w; acq- says brain; up to 96 mm of cord in view, in 96 slices; '
            'voxels of 1 × 1 × 1 mm'
        ),
        '    drops  sub-01/anat/sub-01_acq-localizer_T2w.nii.gz: a localiser (acq-localizer)',
    ]
    assert 'sub-02: skipped, no T2w or T1w image' in lines
    assert '    anat/sub-01_acq-cspine_desc-cord_dseg_T2w.nii.gz' in lines
    assert '1 subject or session would run, one after the other; in all' in lines


def test_files_have_the_names_of_the_scheme(told):
    standins.dataset(told.world / 'ds', sub_01_T1w={})
    lines = told('--output-names', 'bids').splitlines()
    assert '    anat/sub-01_space-T1w_label-SC_mask.nii.gz' in lines
    assert '    anat/sub-01_from-T1w_to-PAM50_mode-image_xfm.nii.gz' in lines
    assert not [line for line in lines if '_desc-cord_dseg_' in line or ' xfm/' in line]


def test_why_a_subject_would_run(told, capsys):
    standins.dataset(told.world / 'ds', sub_01_T2w={}, sub_02_T2w={'fail': 'exit code 1'})
    assert main(RUN) == ExitCode.SUBJECT
    capsys.readouterr()
    text = told()
    assert 'sub-01: taken as it is, it has completed and nothing has changed' in text
    assert 'sub-02: runs, its last run ended as failed' in text
    assert 'sub-01: runs again, although it has completed (--force)' in told('--force')
    assert 'sub-01: left out, it has completed (--rerun-failed)' in told('--rerun-failed')
    standins.dataset(told.world / 'ds', sub_01_T2w={'verdict': 'WARN'})
    assert 'sub-01: runs again, image, given files, policy or version changed' in told()
    assert 'sub-9: rejected, it is not in the dataset' in told('--participant-label', '1', '9')


def test_without_sct_the_images_are_told_all_the_same(told):
    standins.dataset(told.world / 'ds', sub_01_T2w={})
    text = told('--sct', 'auto', code=ExitCode.ENVIRONMENT)
    assert 'takes  sub-01/anat/sub-01_T2w.nii.gz' in text
    assert 'SCT was not found' in told.error


def test_what_can_not_be_run_is_told(told):
    assert told(code=ExitCode.NOTHING_TO_RUN) == ''
    standins.dataset(told.world / 'ds', sub_01_T2w={})
    annexed = told.world / 'ds/sub-02/anat/sub-02_T2w.nii.gz'
    annexed.parent.mkdir(parents=True)
    annexed.symlink_to('../../.git/annex/objects/aa/bb/MD5E-s9--c.nii.gz')
    text = told(code=ExitCode.SUBJECT)
    assert 'Can not be run: ds: 1 annexed images are not on this machine' in text
    assert 'datalad get -d ds sub-02/anat/sub-02_T2w.nii.gz' in text


def test_the_bids_app_form_too(told, capsys):
    standins.dataset(told.world / 'ds', sub_01_T2w={})
    sct = ['--sct', 'embedded', '--template', 'tpl']
    assert main(['ds', 'out', 'participant', '--dry-run', *sct]) == ExitCode.OK
    assert 'Writes into out/sub-01' in capsys.readouterr().out
    assert not (told.world / 'out').exists()
