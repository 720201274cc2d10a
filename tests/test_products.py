# SPDX-License-Identifier: Apache-2.0
"""The product table: what it says of each product, and what must exist when."""

import doctest
import re

import pytest

from spinalprep import description, layout, lookup, products, selection, sidecars
from spinalprep.anatomy.labels import HORNS
from spinalprep.anatomy.tables import SLICE_COLUMNS
from spinalprep.products import (
    FIGURES,
    LABEL_TABLES,
    PRODUCTS,
    WRITTEN,
    Product,
    expected,
    label_names,
    product,
)


@pytest.mark.parametrize('module', [products, layout, selection, lookup, description])
def test_examples(module):
    assert doctest.testmod(module).failed == 0


def test_conditions_and_sources_are_known():
    assert {item.when for item in (*PRODUCTS, *FIGURES)} == set(products.CONDITIONS)
    assert set(products.PRECOMPUTABLE) <= set(products.names())
    known = {*products.names(), 'anat', 'template', '{path}'}
    assert all(set(item.sources) <= known for item in WRITTEN)


@pytest.mark.parametrize(
    'bids', ['mask', '{source}_label-SC_mask.tsv', 'sub-01_label-SC_mask.nii.gz']
)
def test_a_product_without_a_second_name_is_refused(bids):
    rest = ('mask', 'cordref', 'always', 'Something.')
    with pytest.raises(ValueError, match='is no pattern of a file name'):
        Product('x', 'anat', '{source}_desc-x_{modality}.nii.gz', bids, *rest)
    with pytest.raises(TypeError):
        Product('x', 'anat', '{source}_desc-x_{modality}.nii.gz', *rest)


def test_every_column_of_a_table_is_described():
    for item in WRITTEN:
        assert bool(item.columns) == (item.kind in ('table', 'label table'))
        for column in item.columns:
            told = sidecars.COLUMNS[column]
            assert told['Description']
            assert told.keys() <= {'Description', 'Units', 'Levels', 'Format'}
            unit = {'mm2': 'mm^2', 'mm': 'mm', 'deg': 'degree'}.get(column.rpartition('_')[2])
            assert told.get('Units') == unit
    assert sidecars.COLUMNS['level']['Levels']['C3'] == 'Vertebral level C3'
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


def test_every_image_of_labels_has_a_table_of_its_values():
    assert {item.sources[0] for item in LABEL_TABLES} == {
        item.name for item in PRODUCTS if item.kind in ('labels', 'points')
    }
    for item in LABEL_TABLES:
        header, *rows = (line.split('\t') for line in lookup.label_table(item).splitlines())
        assert header == ['index', 'name', 'color']
        assert {int(index): name for index, name, _ in rows} == label_names(item)
        assert all(re.fullmatch('#[0-9a-f]{6}', colour) for _, _, colour in rows)
        # neighbours can be told apart
        assert all(rows[i][2] != rows[i + 1][2] for i in range(min(len(rows) - 1, 10)))


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
    assert set(products.names(WRITTEN)) - set(got) == {
        'rootlets_dseg',
        'rootlets_dseg_table',
        'warp_cordref2template_other',
        'warp_template2cordref_other',
    }
    record['rootlets'] = {'status': 'computed'}
    record['registration']['other'] = 'disc'
    assert products.names(expected(record)) == products.names(WRITTEN)
    record['template_maps']['horn_left_dorsal'] = {'status': 'absent', 'reason': 'no atlas'}
    left_out = set(products.names(WRITTEN)) - set(products.names(expected(record)))
    assert left_out == {'horn_left_dorsal'}
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
