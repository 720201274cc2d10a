# SPDX-License-Identifier: Apache-2.0
"""Names in both schemes: the seed's, BIDS's, unique, and recognised again."""

import doctest
import re

import pytest

from spinalprep import naming
from spinalprep.naming import (
    SCHEMES,
    figure_of,
    file_name,
    location,
    product_of,
    sidecar_name,
)
from spinalprep.products import FIGURES, PATHS, WRITTEN, product

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

BIDS_NAMES = {
    'cordref': 'anat/sub-01_desc-cordref_T2w.nii.gz',
    'cord_dseg': 'anat/sub-01_space-T2w_label-SC_mask.nii.gz',
    'canal_dseg': 'anat/sub-01_space-T2w_label-canal_mask.nii.gz',
    'totalspineseg_dseg': 'anat/sub-01_space-T2w_seg-totalspineseg_dseg.nii.gz',
    'vertebral_labels': 'anat/sub-01_space-T2w_seg-vertebrae_dseg.nii.gz',
    'vertebral_labels_table': 'anat/sub-01_space-T2w_seg-vertebrae_dseg.tsv',
    'disc_labels': 'anat/sub-01_space-T2w_seg-discs_dseg.nii.gz',
    'rootlets_dseg': 'anat/sub-01_space-T2w_seg-rootlets_dseg.nii.gz',
    'csa_per_slice': 'anat/sub-01_space-T2w_label-SC_desc-perslice_morph.tsv',
    'warp_cordref2template': 'anat/sub-01_from-T2w_to-PAM50_mode-image_xfm.nii.gz',
    'figure_overlay': 'figures/sub-01_desc-overlay_T2w.gif',
}

EVERYTHING = {key: 'x1' for key in naming.ENTITY_ORDER if key not in naming._NEVER_OF_ANATOMY} | {
    'sub': '01',
    'ses': 'a',
}
SUBJECTS = [{'sub': '01'}, {'sub': '01', 'ses': 'a', 'acq': 'sag', 'run': '1'}, EVERYTHING]
ALL = (*WRITTEN, *FIGURES)


def test_examples():
    assert doctest.testmod(naming).failed == 0


@pytest.mark.parametrize(
    ('scheme', 'name', 'path'),
    [('seed', *pair) for pair in SEED_NAMES.items()]
    + [('bids', *pair) for pair in BIDS_NAMES.items()],
)
def test_names_are_as_documented(scheme, name, path):
    assert location(product(name), {'sub': '01'}, 'T2w', scheme=scheme) == f'sub-01/{path}'


@pytest.mark.parametrize('entities', SUBJECTS, ids=['least', 'some', 'all'])
@pytest.mark.parametrize('scheme', SCHEMES)
def test_names_are_unique(scheme, entities):
    for path in PATHS:
        files = {location(item, entities, 'T1w', scheme=scheme, path=path) for item in ALL}
        assert len(files) == len(ALL)


def test_images_of_both_contrasts_do_not_share_a_bids_name():
    for item in ALL:
        names = {file_name(item, {'sub': '01'}, contrast, scheme='bids') for contrast in
                 ('T1w', 'T2w')}  # fmt: skip
        assert len(names) == 2, item.name


@pytest.mark.parametrize('item', ALL, ids=lambda item: item.name)
def test_bids_names_are_entities_in_order_and_a_suffix(item):
    *entities, last = file_name(item, EVERYTHING, 'T2w', scheme='bids').split('_')
    keys = [re.fullmatch('([a-z]+)-[A-Za-z0-9]+', entity).group(1) for entity in entities]
    assert keys == sorted(set(keys), key=naming._BIDS_ORDER.index)
    assert set(EVERYTHING) <= set(keys)
    assert last.partition('.')[0] in ('T2w', 'mask', 'dseg', 'probseg', 'morph', 'xfm')
    if last.startswith('dseg'):
        assert 'seg' in keys
        assert 'label' not in keys


@pytest.mark.parametrize('entities', SUBJECTS, ids=['least', 'some', 'all'])
@pytest.mark.parametrize('scheme', SCHEMES)
@pytest.mark.parametrize('contrast', ['T1w', 'T2w'])
def test_names_lead_back_to_their_products(scheme, entities, contrast):
    here = {key: entities[key] for key in ('sub', 'ses') if key in entities}
    for path in PATHS:
        for item in WRITTEN:
            name = file_name(item, entities, contrast, scheme=scheme, path=path)
            assert product_of(name, here) is item
            assert product_of(sidecar_name(name), here)
            assert figure_of(name, here) is None
        for item in FIGURES:
            name = file_name(item, entities, contrast, scheme=scheme)
            assert figure_of(name, here) is item
            assert figure_of(f'{name}.json', here) is None
            assert product_of(name, here) is None


@pytest.mark.parametrize('scheme', SCHEMES)
@pytest.mark.parametrize('item', ALL, ids=lambda item: item.name)
def test_names_are_recognised_only_for_their_subject(item, scheme):
    entities = {'sub': '01', 'ses': 'a', 'acq': 'sag', 'run': '1'}
    name = file_name(item, entities, 'T2w', scheme=scheme)
    recognised = figure_of if item in FIGURES else product_of
    assert recognised(name, {'sub': '01', 'ses': 'a'}) is item
    assert recognised(name, {'sub': '1'}) is None
    assert recognised(name, {'sub': '01', 'ses': 'b'}) is None
    assert recognised(name.replace('sub-01', 'sub-011'), {'sub': '01', 'ses': 'a'}) is None


@pytest.mark.parametrize(
    'name',
    [
        'sub-01_T2w.nii.gz',
        'sub-01_desc-mine_T2w.nii.gz',
        'sub-01_desc-cord_dseg_T2w.nii',
        'sub-01_desc-cord_dseg_T2w.txt',
        'sub-01_desc-cord_dseg_T2w_manual.nii.gz',
        'sub-01_space-T2w_label-SC_desc-manual_mask.nii.gz',
        'sub-01_label-SC_mask.nii.gz',
        'sub-01_space-T2w_seg-mine_dseg.nii.gz',
        'sub-01_space-PAM50_seg-vertebrae_dseg.nii.gz',
        'sub-01_from-bold_to-cordref_warp.nii.gz',
        'sub-01_task-rest_run-1_from-boldref_to-cordref_warp.nii.gz',
        'sub-01_task-rest_from-cordref_to-PAM50_warp.nii.gz',
        'sub-01_from-MNI152NLin2009cAsym_to-T1w_mode-image_xfm.nii.gz',
        'sub-01_from-fsnative_to-T1w_mode-image_xfm.json',
        'sub-01_space-MNI_desc-cordref_T2w.nii.gz',
    ],
)
def test_other_files_are_not_ours(name):
    assert product_of(name, {'sub': '01'}) is None
