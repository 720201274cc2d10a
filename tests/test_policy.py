# SPDX-License-Identifier: Apache-2.0
"""The policy: defaults, overrides, and errors that name the key."""

import dataclasses

import pytest

from spinalprep.bounds import Bound
from spinalprep.errors import ExitCode, PolicyError
from spinalprep.policy import Policy, load_policy, policy_from_dict


def test_packaged_file_spells_out_every_default():
    import yaml

    from spinalprep.data import load

    assert yaml.safe_load(load('policy.yaml').read_text()) == Policy().to_dict()
    assert load_policy() == Policy()


def test_file_overrides_single_keys(tmp_path):
    file = tmp_path / 'mine.yaml'
    file.write_text('discover: {min_z_slices: 12}\nverdict: {cord_dice: {warn: 0.9}}\n')
    policy = load_policy(file)
    assert policy.discover.min_z_slices == 12
    assert policy.verdict.cord_dice == Bound(0.9, 0.70)
    assert (
        dataclasses.replace(policy, discover=Policy().discover, verdict=Policy().verdict)
        == Policy()
    )
    assert policy.digest() != Policy().digest()


def test_empty_file_changes_nothing(tmp_path):
    file = tmp_path / 'empty.yaml'
    file.write_text('')
    assert load_policy(file) == Policy()


@pytest.mark.parametrize(
    ('values', 'named'),
    [
        ({'discovery': {}}, 'discovery: unknown key'),
        ({'discover': {'min_slices': 3}}, 'discover.min_slices: unknown key'),
        ({'discover': {'min_z_slices': '20'}}, 'discover.min_z_slices: whole number expected'),
        ({'discover': {'min_z_slices': True}}, 'discover.min_z_slices: whole number expected'),
        ({'discover': {'min_z_slices': 0}}, 'discover.min_z_slices: at least 1'),
        ({'discover': 20}, 'discover: a mapping'),
        ({'orientation': 'RPL'}, 'orientation: a code such as RPI expected'),
        ({'selection': {'modalities': ['T2star']}}, 'selection.modalities: T2w or T1w expected'),
        ({'selection': {'modalities': []}}, 'selection.modalities: name T2w'),
        ({'crop': {'anterior_mm': -1}}, 'crop.anterior_mm: not below 0'),
        ({'labelling': {'init_disc': [3]}}, 'labelling.init_disc: value and height'),
        ({'labelling': {'init_disc': [2, 0]}}, 'labelling.init_disc: value and height'),
        ({'labelling': {'init_disc': [3.5, 0]}}, 'labelling.init_disc: value and height'),
        ({'labelling': {'init_disc': 3}}, 'labelling.init_disc: list of number or null'),
        (
            {'labelling': {'init_disc': [3, 0], 'method': 'given'}},
            'labelling.init_disc: has no effect',
        ),
        ({'registration': {'discs': [3]}}, 'registration.discs: a list names at least two'),
        ({'registration': {'discs': 'some'}}, 'registration.discs: all or pair or list'),
        ({'registration': {'reference': 'subject'}}, "registration.reference: 'subject' needs"),
        ({'registration': {'required_levels': [0]}}, 'registration.required_levels: C1 = 1'),
        ({'verdict': {'cord_dice': {'warn': 0.5}}}, 'verdict.cord_dice: fail must not be'),
        ({'verdict': {'offset_levels': {'fail': 0.5}}}, 'verdict.offset_levels: fail must not'),
        ({'time_limits': {'spine': 0}}, 'time_limits.spine: at least 1'),
    ],
)
def test_errors_name_the_key(values, named):
    with pytest.raises(PolicyError, match=named) as caught:
        policy_from_dict(values, source='mine.yaml')
    assert str(caught.value).startswith('mine.yaml: ')
    assert caught.value.exit_code == ExitCode.USAGE


def test_unreadable_and_broken_files(tmp_path):
    with pytest.raises(PolicyError, match=r'absent\.yaml'):
        load_policy(tmp_path / 'absent.yaml')
    broken = tmp_path / 'broken.yaml'
    broken.write_text('discover: [1, 2\n')
    with pytest.raises(PolicyError, match='not valid YAML'):
        load_policy(broken)


def test_values_that_differ_in_kind():
    registration = policy_from_dict(
        {
            'registration': {
                'discs': [3, 9],
                'reference': 'subject',
                'prefer_rootlets': None,
                'required_levels': [5, 6],
                'param': 'step=1,type=seg,algo=centermass',
            }
        }
    ).registration
    assert registration.discs == (3, 9)
    assert registration.prefer_rootlets is None
    assert policy_from_dict({'registration': {'discs': 'pair'}}).registration.discs == 'pair'


def test_every_key_has_a_sentence():
    for section in dataclasses.fields(Policy):
        default = getattr(Policy(), section.name)
        if dataclasses.is_dataclass(default):
            for key in dataclasses.fields(default):
                assert key.metadata['doc'].endswith('.'), f'{section.name}.{key.name}'
