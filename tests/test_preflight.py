# SPDX-License-Identifier: Apache-2.0
"""What a run asks of SCT follows from policy, version, and what is given."""

import pytest

from spinalprep.errors import PolicyError, ToolboxError
from spinalprep.policy import policy_from_dict
from spinalprep.preflight import needs
from spinalprep.toolbox import Toolbox

ALL = {'spinalcord', 'spine', 'rootlets', 'registration', 'lrootlet'}
EVERYTHING = ('cord_dseg', 'totalspineseg_dseg', 'disc_labels', 'rootlets_dseg')


@pytest.mark.parametrize(
    ('policy', 'version', 'modalities', 'given', 'expected'),
    [
        ({}, '7.2', ['T2w'], (), ALL),
        ({}, '7.2', ['T1w'], (), ALL - {'rootlets', 'lrootlet'}),
        ({}, '7.2', ['T1w', 'T2w'], (), ALL),
        ({}, '6.5', ['T2w'], (), ALL - {'lrootlet'}),
        ({}, '6.3', ['T2w'], ['disc_labels'], ALL - {'lrootlet', 'spine'}),
        ({}, '7.2', ['T2w'], EVERYTHING, {'registration', 'lrootlet'}),
        ({}, '7.2', ['T2w'], ['cord_dseg'], ALL - {'spinalcord'}),
        ({'rootlets': {'enabled': False}}, '7.2', ['T2w'], (), ALL - {'rootlets', 'lrootlet'}),
        (
            {
                'discover': {'method': 'totalspineseg'},
                'segmentation': {'cord_method': 'totalspineseg'},
            },
            '7.2',
            ['T2w'],
            (),
            ALL - {'spinalcord'},
        ),
    ],
)
def test_needs(policy, version, modalities, given, expected):
    toolbox = Toolbox.example(version)
    assert needs(policy_from_dict(policy), toolbox, [(m, given) for m in modalities]) == expected


def test_what_cannot_go_together_is_refused_before_anything_runs():
    with pytest.raises(ToolboxError, match='spine needs SCT'):
        needs(policy_from_dict({}), Toolbox.example('6.3'), [('T2w', ())])
    policy = policy_from_dict({'labelling': {'method': 'given'}})
    with pytest.raises(PolicyError, match='disc_labels'):
        needs(policy, Toolbox.example('7.2'), [('T2w', ())])


def test_an_image_that_can_not_be_run_stops_no_other():
    given = policy_from_dict({'labelling': {'method': 'given'}})
    with_discs, without = ('T2w', ['disc_labels']), ('T2w', ())
    toolbox = Toolbox.example('7.2')
    alone = needs(given, toolbox, [with_discs])
    assert needs(given, toolbox, [without, with_discs]) == alone
    assert needs(given, toolbox, [with_discs, without]) == alone
    old = Toolbox.example('6.3')
    assert needs(policy_from_dict({}), old, [without, with_discs]) == ALL - {'lrootlet', 'spine'}
    with pytest.raises(PolicyError, match='disc_labels'):
        needs(given, toolbox, [without, ('T1w', ())])
