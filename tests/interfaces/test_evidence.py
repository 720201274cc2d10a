# SPDX-License-Identifier: Apache-2.0
"""Interfaces of the evidence: files in, numbers out; what can't be measured spoils nothing."""

import nibabel as nb
import numpy as np
import pytest

from spinalprep.bounds import NUMBERS, Verdict
from spinalprep.embedded.phantom import PhantomParams, make_phantom
from spinalprep.interfaces.evidence import (
    CordNumbers,
    NumberingNumbers,
    RootletNumbers,
    SpineNumbers,
    ViewNumbers,
)
from spinalprep.verdict import judge_numbers, verdict_of

AREA = [25.0, 130.0]


@pytest.fixture(scope='module')
def made():
    return make_phantom(PhantomParams(seed=3, bottom_level=8.2))


@pytest.fixture(scope='module')
def files(made, tmp_path_factory):
    """Products of a phantom by name, and one of each kind that is no use."""
    folder = tmp_path_factory.mktemp('products')
    shape = made.cord.shape
    arrays = {
        'image': np.asarray(made.image.dataobj, np.float32),
        'cord': made.cord.astype(np.uint8),
        'canal': made.canal.astype(np.uint8),
        'spine': made.totalspineseg.astype(np.int16),
        'discs': np.asarray(made.point_image(made.disc_points).dataobj),
        'rootlets': made.rootlets.astype(np.int16),
        'empty': np.zeros(shape, np.uint8),
        'small': np.ones((9, 9, 9), np.uint8),
    }
    paths = {name: folder / f'{name}.nii.gz' for name in [*arrays, 'torn']}
    for name, array in arrays.items():
        nb.save(nb.Nifti1Image(array, made.affine), paths[name])
    whole = paths['cord'].read_bytes()
    paths['torn'].write_bytes(whole[: len(whole) // 2])
    return {name: str(path) for name, path in paths.items()}


def box_of(made):
    return {'crop_box': [[0, size - 1] for size in made.cord.shape]}


def run(interface):
    outputs = interface.run().outputs
    return outputs.numbers, outputs.failure or ''


def view(made, files, **changes):
    inputs = {'whole_image': 'image', 'discovery_cord': 'cord'} | changes
    return ViewNumbers(
        discovery=box_of(made), **{name: files[value] for name, value in inputs.items()}
    )


def cord(files, products=(), **changes):
    inputs = {'cordref': 'image', 'cord_dseg': 'cord', 'canal_dseg': 'canal'} | changes
    return CordNumbers(
        products=[files[name] for name in products],
        area_mm2=AREA,
        modality='T2w',
        **{name: files[value] for name, value in inputs.items()},
    )


def spine(files, **changes):
    inputs = {'cord_dseg': 'cord', 'totalspineseg_dseg': 'spine', 'disc_labels': 'discs'}
    return SpineNumbers(**{name: files[value] for name, value in (inputs | changes).items()})


def rootlets(files, **changes):
    inputs = {'rootlets_dseg': 'rootlets', 'cord_dseg': 'cord', 'canal_dseg': 'canal'} | changes
    return RootletNumbers(
        dorsal_only=False, **{name: files[value] for name, value in inputs.items()}
    )


def numbering(files, **changes):
    inputs = {
        'rootlets_dseg': 'rootlets',
        'cord_dseg': 'cord',
        'disc_labels': 'discs',
        'template_cord': 'cord',
        'template_discs': 'discs',
        'template_rootlets_map': 'rootlets',
    }
    return NumberingNumbers(**{name: files[value] for name, value in (inputs | changes).items()})


def test_true_products_give_all_numbers_and_pass(made, files):
    values = {}
    interfaces = (view(made, files), cord(files), spine(files), rootlets(files), numbering(files))
    for interface in interfaces:
        numbers, failure = run(interface)
        assert not failure
        assert numbers
        values |= numbers
    own = {number.name for number in NUMBERS if number.substep != 'S2.4'}
    assert values.keys() == own
    assert {name for name in own if values[name] is None} <= {'rootlet_ventral_fraction'}
    judged = judge_numbers(values, Verdict())
    assert verdict_of(judged) == ('PASS', [])
    assert values['cord_slices'] == made.cord.any(axis=(0, 1)).sum()


def test_what_was_not_made_is_not_measured():
    for interface in (
        ViewNumbers(),
        CordNumbers(area_mm2=AREA, modality='T2w'),
        SpineNumbers(),
        RootletNumbers(dorsal_only=True),
        NumberingNumbers(),
    ):
        assert run(interface) == ({}, '')


@pytest.mark.parametrize('bad', ['torn', 'empty'])
def test_a_mask_that_can_not_be_measured_is_told(made, files, bad):
    for interface in (
        view(made, files, discovery_cord=bad),
        cord(files, cord_dseg=bad),
        spine(files, cord_dseg=bad),
    ):
        numbers, failure = run(interface)
        assert numbers == {}
        assert failure.startswith(type(interface).__name__ + ': ')


def test_empty_labels_are_nothing_to_measure(files):
    numbers, failure = run(spine(files, totalspineseg_dseg='empty', disc_labels='empty'))
    assert not failure
    assert set(numbers.values()) == {None}
    for interface in (
        rootlets(files, rootlets_dseg='empty'),
        numbering(files, rootlets_dseg='empty'),
        numbering(files, disc_labels='empty'),
        numbering(files, template_rootlets_map='empty'),
    ):
        numbers, failure = run(interface)
        assert not failure
        assert set(numbers.values()) == {None}


def test_rootlets_called_one_level_off_fail(made, files, tmp_path):
    for step in (1, -1):
        path = tmp_path / f'shifted{step}.nii.gz'
        shifted = np.where(made.rootlets > 0, made.rootlets.astype(np.int16) + step, 0)
        nb.save(nb.Nifti1Image(shifted, made.affine), path)
        numbers, failure = run(numbering({**files, 'shifted': str(path)}, rootlets_dseg='shifted'))
        assert not failure
        assert numbers['numbering_shift'] == pytest.approx(step, abs=0.2)
        verdict, reasons = verdict_of(judge_numbers(numbers, Verdict()))
        assert verdict == 'FAIL'
        assert reasons[0].startswith('by the descent of the rootlets, their numbers are')


def test_a_product_of_another_shape_fails(files):
    numbers, failure = run(cord(files, products=['spine', 'small']))
    assert not failure
    assert numbers == {'grid_mm': float('inf')}
    verdict, reasons = verdict_of(judge_numbers(numbers, Verdict()))
    assert verdict == 'FAIL'
    assert 'off the grid' in reasons[0]


def test_without_map_and_canal_the_rest_is_measured(made, files):
    interface = SpineNumbers(cord_dseg=files['cord'], disc_labels=files['discs'])
    numbers, failure = run(interface)
    assert not failure
    assert numbers['discs_missing'] == 0
    assert 'disc_map_mm' not in numbers
    interface = CordNumbers(
        cordref=files['image'], cord_dseg=files['cord'], area_mm2=AREA, modality='T2w'
    )
    numbers, failure = run(interface)
    assert not failure
    assert numbers['cord_gap_slices'] == 0
    assert 'canal_contact' not in numbers
