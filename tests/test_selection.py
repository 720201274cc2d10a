# SPDX-License-Identifier: Apache-2.0
"""Selection: the right images, in order, and a reason for each other one."""

import json
from pathlib import Path

import pytest

from spinalprep.errors import NothingToRunError, UsageError
from spinalprep.selection import (
    Exclusion,
    match_label,
    read_exclusions,
    read_reviews,
    select,
)


@pytest.fixture
def make_dataset(tmp_path):
    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / 'ds' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b'x')
        return tmp_path / 'ds'

    return make


def found(targets):
    return {
        target.label: [candidate.path.name for candidate in target.candidates]
        for target in targets
    }


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


def test_exclusions_of_the_inventory(make_dataset, tmp_path):
    root = make_dataset('sub-01/anat/sub-01_T2w.nii.gz', 'sub-02/anat/sub-02_T2w.nii.gz')
    inventory = tmp_path / 'inventory.json'
    assert read_exclusions(inventory) == ()
    inventory.write_text(
        json.dumps(
            {
                'exclusions': [
                    {'subject': 'sub-01', 'reason': 'consent withdrawn'},
                    {
                        'subject': '02',
                        'path': 'sub-02/anat/sub-02_T1w.nii.gz',
                        'reason': 'motion',
                    },
                ]
            }
        )
    )
    exclusions = read_exclusions(inventory)
    assert exclusions[0] == Exclusion('01', None, None, 'excluded by S1: consent withdrawn')
    targets = select(root, exclusions=exclusions)
    assert found(targets) == {'sub-01': [], 'sub-02': ['sub-02_T2w.nii.gz']}
    assert targets[0].dropped[0].reason == 'excluded by S1: consent withdrawn'


def test_an_inventory_that_cannot_be_understood_is_an_error(tmp_path):
    inventory = tmp_path / 'inventory.json'
    inventory.write_text('{"exclusions": [{"subject": "01"}]}')
    with pytest.raises(NothingToRunError, match='inventory'):
        read_exclusions(inventory)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('participant_id\tdecision\n', 'no column session_id, note'),
        ('participant_id\tsession_id\tdecision\tnote\nsub-01\tn/a\tbad\t\n', 'line 2: decision'),
        (None, 'can not be read'),
    ],
)
def test_a_file_of_reviews_that_is_none_is_told(tmp_path, text, message):
    path = tmp_path / 'reviews.tsv'
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_reviews(path)
