# SPDX-License-Identifier: Apache-2.0
"""What step S1, or a person, excluded."""

import json

import pytest

from spinalprep.errors import NothingToRunError, UsageError
from spinalprep.exclusions import Exclusion, read_exclusions, read_reviews
from spinalprep.selection import select
from tests.datasets import found, write


def test_exclusions_of_the_inventory(tmp_path):
    names = [f'sub-{n}/anat/sub-{n}_T2w.nii.gz' for n in ('01', '02')]
    root = write(tmp_path / 'ds', *names)
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
