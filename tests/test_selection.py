# SPDX-License-Identifier: Apache-2.0
"""Selection: the right images, in order, and a reason for each other one."""

from pathlib import Path

import pytest

from spinalprep.candidates import match_label
from spinalprep.errors import NothingToRunError
from spinalprep.selection import select
from tests import datasets
from tests.datasets import found


@pytest.fixture
def make_dataset(tmp_path):
    def make(*names: str) -> Path:
        return datasets.write(tmp_path / 'ds', *names)

    return make


def test_t2w_before_t1w_and_masks_never(make_dataset):
    root = make_dataset(
        'sub-01/anat/sub-01_T1w.nii.gz',
        'sub-01/anat/sub-01_T2w.nii.gz',
        'sub-01/anat/sub-01_T2w_label-SC_seg.nii.gz',
        'sub-01/anat/sub-01_desc-t2wmask_T2w.nii.gz',
        'sub-01/anat/sub-01_space-PAM50_T2w.nii.gz',
        'sub-01/anat/sub-01_acq-localizer_T2w.nii.gz',
        'sub-01/anat/sub-01_part-phase_T2w.nii.gz',
        'sub-01/anat/sub-02_T2w.nii.gz',
        'sub-01/func/sub-01_task-rest_T2w.nii.gz',
        'derivatives/x/sub-01/anat/sub-01_T2w.nii.gz',
    )
    (target,) = select(root)
    assert found([target]) == {'sub-01': ['sub-01_T2w.nii.gz', 'sub-01_T1w.nii.gz']}
    reasons = {item.path.name: item.reason for item in target.dropped}
    assert reasons == {
        'sub-01_T2w_label-SC_seg.nii.gz': 'suffix seg is not T2w or T1w',
        'sub-01_desc-t2wmask_T2w.nii.gz': 'a derived image (desc-t2wmask)',
        'sub-01_space-PAM50_T2w.nii.gz': 'a derived image (space-PAM50)',
        'sub-01_acq-localizer_T2w.nii.gz': 'a localiser (acq-localizer)',
        'sub-01_part-phase_T2w.nii.gz': 'not a magnitude image (part-phase)',
        'sub-02_T2w.nii.gz': 'its name and its folder differ in subject or session',
    }


def test_entities_keep_their_spelling_and_order(make_dataset):
    root = make_dataset('sub-01/ses-a/anat/sub-01_ses-a_run-01_acq-sag_T2w.nii.gz')
    (target,) = select(root)
    (candidate,) = target.candidates
    assert candidate.entities == (('sub', '01'), ('ses', 'a'), ('acq', 'sag'), ('run', '01'))
    assert candidate.stem == 'sub-01_ses-a_run-01_acq-sag_T2w'


def test_policy_decides_on_modalities(make_dataset):
    root = make_dataset('sub-01/anat/sub-01_T1w.nii.gz', 'sub-01/anat/sub-01_T2w.nii.gz')
    assert found(select(root, modalities=('T1w', 'T2w')))['sub-01'][0] == 'sub-01_T1w.nii.gz'
    (only,) = select(root, modalities=('T1w',))
    assert [item.path.name for item in only.candidates] == ['sub-01_T1w.nii.gz']
    assert 'selection.modalities' in only.dropped[0].reason


def test_one_subject_does_not_match_its_neighbours(make_dataset):
    root = make_dataset(*(f'sub-{n}/anat/sub-{n}_T2w.nii.gz' for n in ('01', '011', '11', '1')))
    assert list(found(select(root, subjects=['sub-01']))) == ['sub-01']
    assert list(found(select(root, subjects=['1']))) == ['sub-1']
    assert list(found(select(root, subjects=['011', 11]))) == ['sub-011', 'sub-11']


@pytest.mark.parametrize('asked', ['2', '02', 'sub-02', 2])
def test_a_subject_may_be_written_in_many_ways(asked):
    assert match_label(asked, ['01', '02', '12']) == '02'


def test_sessions_without_anatomy_have_no_candidates(make_dataset):
    root = make_dataset(
        'sub-01/ses-a/anat/sub-01_ses-a_T2w.nii.gz',
        'sub-01/ses-b/func/sub-01_ses-b_task-rest_bold.nii.gz',
        'sub-01/sub-01_sessions.tsv',
    )
    targets = select(root, subjects=['01'])
    assert found(targets) == {'sub-01_ses-a': ['sub-01_ses-a_T2w.nii.gz'], 'sub-01_ses-b': []}
    assert not any(target.asked for target in targets)
    assert list(found(select(root, sessions=['ses-a']))) == ['sub-01_ses-a']


def test_a_subject_asked_for_and_absent_is_not_forgotten(make_dataset):
    root = make_dataset('sub-01/anat/sub-01_T2w.nii.gz')
    targets = select(root, subjects=['01', '7'])
    assert found(targets) == {'sub-01': ['sub-01_T2w.nii.gz'], 'sub-7': []}
    assert [target.asked for target in targets] == [False, True]


def test_no_dataset_is_an_error_with_its_path(tmp_path):
    with pytest.raises(NothingToRunError, match='no such folder'):
        select(tmp_path / 'nowhere')
    with pytest.raises(NothingToRunError, match='BIDS'):
        select(tmp_path)


def test_an_empty_file_and_a_dangling_link_are_dropped(make_dataset):
    root = make_dataset('sub-01/anat/sub-01_T1w.nii.gz')
    (root / 'sub-01/anat/sub-01_T2w.nii.gz').symlink_to(root / 'annexed-away')
    (root / 'sub-01/anat/sub-01_run-2_T2w.nii.gz').touch()
    (target,) = select(root)
    assert [item.path.name for item in target.candidates] == ['sub-01_T1w.nii.gz']
    assert {item.reason for item in target.dropped} == {'empty, or a link to nothing'}
