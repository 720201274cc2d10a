# SPDX-License-Identifier: Apache-2.0
"""What the BIDS validator says of the derivatives; needs the extra ``bids``."""

import dataclasses

import pytest

from spinalprep.driver import run_targets
from spinalprep.layout import Layout
from spinalprep.naming import SCHEMES
from spinalprep.policy import Policy
from spinalprep.runs import Run
from spinalprep.selection import select
from spinalprep.toolbox import Toolbox
from tests.standins import standin_wf, write_template
from tests.validator import MISSING, VALIDATOR, complaints

pytestmark = [
    pytest.mark.bids,
    pytest.mark.skipif(VALIDATOR is None, reason=MISSING),
]

IMAGES = (
    'sub-01/anat/sub-01_acq-sag_run-2_chunk-1_T2w.nii.gz',
    'sub-02/ses-a/anat/sub-02_ses-a_T1w.nii.gz',
    'sub-02/ses-b/anat/sub-02_ses-b_ce-x_rec-y_T2w.nii.gz',
)
"""With all entities that BIDS allows such images, so that their order is seen."""


@pytest.fixture(scope='module', params=SCHEMES)
def layout(request, tmp_path_factory):
    """A finished BIDS-App run of the stand-in graph, with its logs inside."""
    root = tmp_path_factory.mktemp(request.param)
    for image in IMAGES:
        path = root / 'ds' / image
        path.parent.mkdir(parents=True)
        path.write_text('{}')
    run = Run(
        layout=Layout(root / 'out', 'ds', 'bids-app', root / 'work'),
        bids_dir=root / 'ds',
        policy=Policy(),
        toolbox=dataclasses.replace(
            Toolbox.example('7.2'), template=write_template(root / 'template')
        ),
        output_names=request.param,
        factory=standin_wf,
    )
    assert all(record.good for record in run_targets(select(root / 'ds'), run))
    return run.layout


def test_all_that_is_not_ignored_is_valid(layout):
    assert complaints(layout.derivatives) == []


def test_a_wrong_name_is_seen(layout):
    wrong = layout.derivatives / 'sub-01' / 'wrong_name.nii.gz'
    wrong.touch()
    try:
        assert ('NOT_INCLUDED', '/sub-01/wrong_name.nii.gz') in complaints(layout.derivatives)
    finally:
        wrong.unlink()


def test_nothing_is_ignored_that_a_rule_covers(layout):
    """Each line of the list is needed: without it the validator complains."""
    path = layout.derivatives / '.bidsignore'
    lines = path.read_text().splitlines()
    try:
        for line in lines:
            if line == 'work':
                continue  # only where a run was started in this folder
            path.write_text('\n'.join(other for other in lines if other != line) + '\n')
            assert complaints(layout.derivatives), f'{line} is not needed'
    finally:
        path.write_text('\n'.join(lines) + '\n')
