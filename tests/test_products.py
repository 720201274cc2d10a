# SPDX-License-Identifier: Apache-2.0
"""The product table: the seed's names, uniqueness, and what must exist when."""

import doctest
import re

import pytest

from spinalprep import layout, products, selection, sidecars
from spinalprep.anatomy.labels import HORNS
from spinalprep.anatomy.tables import SLICE_COLUMNS
from spinalprep.products import (
    FIGURES,
    PRODUCTS,
    expected,
    figure_of,
    file_name,
    is_product_file,
    product,
)

SEED_NAMES = {
    'cordref': 'anat/sub-01_desc-cordref_T2w.nii.gz',
    'cord_dseg': 'anat/sub-01_desc-cord_dseg_T2w.nii.gz',
    'canal_dseg': 'anat/sub-01_desc-canal_dseg_T2w.nii.gz',
    'totalspineseg_dseg': 'anat/sub-01_desc-totalspineseg_dseg_T2w.nii.gz',
    'vertebral_labels': 'anat/sub-01_desc-vertebral_labels_T2w.nii.gz',
    'disc_labels': 'anat/sub-01_desc-disc_labels_T2w.nii.gz',
    'rootlets_dseg': 'anat/sub-01_desc-rootlets_dseg_T2w.nii.gz',
    'warp_cordref2template': 'xfm/sub-01_from-cordref_to-PAM50_warp.nii.gz',
    'warp_template2cordref': 'xfm/sub-01_from-PAM50_to-cordref_warp.nii.gz',
}


@pytest.mark.parametrize('module', [products, layout, selection])
def test_examples(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(('name', 'path'), SEED_NAMES.items())
def test_names_are_those_of_the_seed(name, path):
    item = product(name)
    assert f'{item.folder}/{file_name(item, {"sub": "01"}, "T2w")}' == path


def test_names_are_unique_and_conditions_known():
    entities = {'sub': '01', 'ses': 'a'}
    for path in products.PATHS:
        files = [
            (item.folder, file_name(item, entities, 'T1w', path=path))
            for item in (*PRODUCTS, *FIGURES)
        ]
        assert len(set(files)) == len(PRODUCTS) + len(FIGURES)
    assert {item.when for item in (*PRODUCTS, *FIGURES)} == set(products.CONDITIONS)
    assert set(products.PRECOMPUTABLE) <= set(products.names())


def test_every_column_of_a_table_is_described():
    for item in PRODUCTS:
        assert bool(item.columns) == (item.kind == 'table')
        assert set(item.columns) <= set(sidecars.COLUMNS)
    assert set(SLICE_COLUMNS) | {'slice', 'level'} == set(product('csa_per_slice').columns)


def test_horns_have_the_numbers_of_the_atlas():
    assert products.label_names(product('horns_dseg')) == {
        30: 'left ventral horn',
        31: 'right ventral horn',
        34: 'left dorsal horn',
        35: 'right dorsal horn',
    }
    assert {f'horn_{"_".join(name.split()[:2])}' for name in HORNS.values()} == {
        item.name for item in PRODUCTS if item.kind == 'probability'
    }


def test_every_product_with_labels_says_what_they_mean():
    for item in PRODUCTS:
        meaning = products.label_names(item)
        assert bool(meaning) == (item.kind in ('mask', 'labels', 'points'))
        if meaning:
            assert all(re.fullmatch(r'[A-Za-z0-9 /]+', name) for name in meaning.values())
    spine = products.label_names(product('totalspineseg_dseg'))
    assert (spine[1], spine[17], spine[71], spine[100]) == ('cord', 'C7', 'C7/T1', 'L5/S1')


@pytest.mark.parametrize('item', PRODUCTS, ids=lambda item: item.name)
def test_a_product_is_recognised_by_its_name_and_only_for_its_subject(item):
    entities = {'sub': '01', 'ses': 'a', 'acq': 'sag', 'run': '1'}
    name = file_name(item, entities, 'T2w', path='rootlet')
    here = {'sub': '01', 'ses': 'a'}
    assert is_product_file(name, here)
    assert is_product_file(products.sidecar_name(name), here)
    assert not is_product_file(name, {'sub': '1'})
    assert not is_product_file(name, {'sub': '01', 'ses': 'b'})
    assert not is_product_file(name.replace('sub-01', 'sub-011'), here)


@pytest.mark.parametrize('item', FIGURES, ids=lambda item: item.name)
def test_a_figure_is_recognised_by_its_name_and_is_no_product(item):
    entities = {'sub': '01', 'ses': 'a', 'acq': 'sag', 'run': '1'}
    name = file_name(item, entities, 'T2w')
    assert name.startswith('sub-01_ses-a_acq-sag_run-1_desc-S2_')
    assert figure_of(name, {'sub': '01', 'ses': 'a'}) is item
    assert figure_of(name, {'sub': '01', 'ses': 'b'}) is None
    assert figure_of(f'{name}.json', {'sub': '01', 'ses': 'a'}) is None
    assert not is_product_file(name, {'sub': '01', 'ses': 'a'})


@pytest.mark.parametrize(
    'name',
    [
        'sub-01_T2w.nii.gz',
        'sub-01_desc-mine_T2w.nii.gz',
        'sub-01_desc-cord_dseg_T2w.nii',
        'sub-01_desc-cord_dseg_T2w.txt',
        'sub-01_desc-cord_dseg_T2w_manual.nii.gz',
    ],
)
def test_other_files_are_not_ours(name):
    assert not is_product_file(name, {'sub': '01'})


def test_expected_products_follow_the_record():
    record = {
        'status': 'completed',
        'spine': {'status': 'computed'},
        'discs': {'status': 'given'},
        'levels': {'status': 'computed'},
        'rootlets': {'status': 'absent', 'reason': 'T1w'},
        'registration': {'path': 'disc', 'other': None},
        'template_maps': {
            item.name: {'status': 'computed', 'reason': ''}
            for item in PRODUCTS
            if item.when == 'template_maps'
        },
    }
    got = products.names(expected(record))
    assert set(products.names()) - set(got) == {
        'rootlets_dseg',
        'warp_cordref2template_other',
        'warp_template2cordref_other',
    }
    record['rootlets'] = {'status': 'computed'}
    record['registration']['other'] = 'disc'
    assert products.names(expected(record)) == products.names()
    record['template_maps']['horn_left_dorsal'] = {'status': 'absent', 'reason': 'no atlas'}
    assert set(products.names()) - set(products.names(expected(record))) == {'horn_left_dorsal'}
    bare = {'status': 'completed', 'discs': {'status': 'absent'}}
    assert 'disc_labels' not in products.names(expected(bare))
    assert 'csa_per_level' not in products.names(expected(bare))
    assert expected({'status': 'failed'}) == ()


def test_expected_figures_follow_the_record():
    record = {'status': 'completed', 'spine': {'status': 'absent'}, 'discs': {'status': 'given'}}
    assert products.names(expected(record, FIGURES)) == (
        'figure_crop_box', 'figure_cord_mask', 'figure_spine', 'figure_overlay',
    )  # fmt: skip
    record['discs'] = {'status': 'absent'}
    assert 'figure_spine' not in products.names(expected(record, FIGURES))
    record['rootlets'] = {'status': 'computed'}
    assert 'figure_rootlets' in products.names(expected(record, FIGURES))
    assert expected(record | {'status': 'rejected'}, FIGURES) == ()
