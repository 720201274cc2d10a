# SPDX-License-Identifier: Apache-2.0
"""Which files are used instead of being computed: names, places, order, what is refused."""

import itertools
from pathlib import Path

import pytest

from spinalprep.candidates import SUFFIXES, Candidate, Target, judge
from spinalprep.errors import InputImageError
from spinalprep.given import GivenFiles
from spinalprep.givennames import LAB_NAMES, given_names
from spinalprep.naming import file_name
from spinalprep.products import PRECOMPUTABLE, product
from tests.datasets import write

LAB_FILES = {
    'sub-01_T2w_label-SC_seg': 'cord_dseg',
    'sub-01_T2w_label-SC_mask': 'cord_dseg',
    'sub-01_label-SC_mask': 'cord_dseg',
    'sub-01_space-T2w_label-SC_mask': 'cord_dseg',
    'sub-01_T2w_seg-manual': 'cord_dseg',
    'sub-01_T2w_seg': 'cord_dseg',
    'sub-01_desc-cord_dseg_T2w': 'cord_dseg',
    'sub-01_label-canal_mask': 'canal_dseg',
    'sub-01_T2w_label-canal_seg': 'canal_dseg',
    'sub-01_desc-canal_dseg_T2w': 'canal_dseg',
    'sub-01_desc-totalspineseg_dseg_T2w': 'totalspineseg_dseg',
    'sub-01_T2w_labels-disc': 'disc_labels',
    'sub-01_T2w_labels-disc-manual': 'disc_labels',
    'sub-01_T2w_label-discs_dlabel': 'disc_labels',
    'sub-01_seg-discs_dseg': 'disc_labels',
    'sub-01_desc-disc_labels_T2w': 'disc_labels',
    'sub-01_T2w_label-rootlets_dseg': 'rootlets_dseg',
    'sub-01_seg-rootlets_dseg': 'rootlets_dseg',
    'sub-01_T2w_rootlets-manual': 'rootlets_dseg',
    'sub-01_desc-rootlets_dseg_T2w': 'rootlets_dseg',
}
"""Names as they are met, and what they are."""


@pytest.fixture
def world(tmp_path):
    """A dataset of one T2w and one T1w, and what is given for each."""
    write(tmp_path / 'ds', 'sub-01/anat/sub-01_T2w.nii.gz', 'sub-01/anat/sub-01_T1w.nii.gz')
    return tmp_path.resolve()


def images(bids_dir) -> list[tuple[Target, Candidate]]:
    """The images of a dataset, each with its subject and session."""
    found = []
    for path in sorted(bids_dir.glob('sub-*/**/anat/*.nii.gz')):
        entities = dict(part.split('-') for part in path.name.split('_')[:-1])
        target = Target(entities['sub'], entities.get('ses'), ())
        found.append((target, judge(target, path, SUFFIXES)))
    return found


def given(world, **settings):
    """Image → product → file, its origin in front."""
    bids_dir = world / 'ds'
    settings = {'manual_dir': bids_dir / 'derivatives' / 'labels'} | settings
    files = GivenFiles(bids_dir, **settings)
    return {
        candidate.stem: {
            name: f'{item.origin} {item.path.relative_to(world)}'
            for name, item in files.of(target, candidate).items()
        }
        for target, candidate in images(bids_dir)
    }


@pytest.mark.parametrize('place', ['sub-01/anat', '.'])
@pytest.mark.parametrize('extension', ['.nii.gz', '.nii'])
@pytest.mark.parametrize(('stem', 'name'), LAB_FILES.items())
def test_names_and_places(world, stem, name, place, extension):
    write(world / 'ds/derivatives/labels', f'{place}/{stem}{extension}')
    path = Path('ds/derivatives/labels', place, f'{stem}{extension}')
    found = given(world)
    assert found['sub-01_T2w'] == {name: f'manual {path}'}
    # what bears no suffix may belong to any image of these entities
    assert found['sub-01_T1w'] == ({} if 'T2w' in stem else found['sub-01_T2w'])


def test_no_name_stands_for_two_products():
    entities = {'sub': '01', 'acq': 'sag'}
    names = [n for name in PRECOMPUTABLE for n in given_names(name, entities, 'T2w')]
    assert len(names) == len(set(names))
    assert set(LAB_NAMES) <= set(PRECOMPUTABLE)


@pytest.mark.parametrize(
    'name',
    [
        'sub-01_acq-sag_T2w_seg.nii.gz',
        'sub-01_run-1_label-SC_mask.nii.gz',
        'sub-01_ses-a_T2w_label-SC_seg.nii.gz',
        'sub-02_T2w_label-SC_seg.nii.gz',
        'sub-01_T2star_label-SC_seg.nii.gz',
        'sub-01_T2w_label-SC_seg.json',
        'sub-01_T2w_label-lesion_seg.nii.gz',
        'sub-01_T2w_label-SC_softseg.nii.gz',
    ],
)
def test_files_of_other_images_and_products(world, name):
    write(world / 'ds/derivatives/labels/sub-01/anat', name)
    assert given(world) == {'sub-01_T2w': {}, 'sub-01_T1w': {}}


def test_each_image_has_its_own(tmp_path):
    """Sessions, acquisitions and runs."""
    stems = ['ses-a_acq-ax_run-1', 'ses-a_acq-ax_run-2', 'ses-b']
    images = [f'sub-01/{s[:5]}/anat/sub-01_{s}_T2w.nii.gz' for s in stems]
    write(tmp_path / 'ds', *images)
    labels = tmp_path / 'ds/derivatives/labels'
    write(labels, *(image.replace('.nii.gz', '_label-SC_seg.nii.gz') for image in images))
    found = given(tmp_path.resolve())
    assert len(found) == 3
    for stem, files in found.items():
        assert list(files) == ['cord_dseg']
        assert files['cord_dseg'].endswith(f'/{stem}_label-SC_seg.nii.gz')
        assert f'/ses-{stem[11]}/anat/' in files['cord_dseg']


@pytest.mark.parametrize(
    'names',
    [
        ('sub-01/anat/sub-01_T2w_seg.nii.gz', 'sub-01/anat/sub-01_T2w_seg-manual.nii.gz'),
        ('sub-01/anat/sub-01_T2w_seg.nii.gz', 'sub-01_T2w_seg.nii.gz'),
        ('sub-01/anat/sub-01_T2w_seg.nii.gz', 'sub-01/anat/sub-01_T2w_seg.nii'),
    ],
)
def test_two_files_for_one_product(world, names):
    labels = write(world / 'ds/derivatives/labels', *names)
    with pytest.raises(InputImageError, match='both can be the cord_dseg of sub-01_T2w') as caught:
        given(world)
    assert str(labels / names[0]) in str(caught.value) or str(labels / names[1]) in str(
        caught.value
    )
    assert '--precomputed cord_dseg=PATH' in str(caught.value)
    found = given(world, precomputed={'cord_dseg': str(labels / names[0])})
    assert found['sub-01_T2w'] == {'cord_dseg': f'given ds/derivatives/labels/{names[0]}'}


def test_a_file_whose_content_is_elsewhere(world):
    labels = write(world / 'ds/derivatives/labels', 'README')
    (labels / 'sub-01_T2w_seg.nii.gz').symlink_to('../.git/annex/objects/xx/yy/MD5E-s1--0')
    with pytest.raises(InputImageError, match='annexed, and not on this machine'):
        given(world)
    (labels / 'sub-01_T2w_seg.nii.gz').unlink()
    (labels / 'sub-01_T2w_seg.nii.gz').symlink_to('nowhere')
    with pytest.raises(InputImageError, match='a link to nothing'):
        given(world)


def test_whose_file_is_taken(world):
    """Named before corrected before earlier ones, and of these the first folder that has it."""
    entities = {'sub': '01'}
    own = {name: file_name(product(name), entities, 'T2w') for name in PRECOMPUTABLE}
    write(world / 'named', 'discs.nii.gz')
    write(world / 'ds/derivatives/labels', 'sub-01_T2w_seg.nii.gz', own['disc_labels'])
    for folder, names in {
        'first': ('cord_dseg', 'canal_dseg'),
        'second': ('cord_dseg', 'disc_labels', 'canal_dseg', 'rootlets_dseg'),
    }.items():
        write(world / folder / 'sub-01/anat', *(own[name] for name in names))
    settings = {
        'precomputed': {'disc_labels': f'{world}/named/discs.nii.gz'},
        'derivatives': {'one': world / 'first', 'two': world / 'second'},
    }
    assert given(world, **settings)['sub-01_T2w'] == {
        'cord_dseg': 'manual ds/derivatives/labels/sub-01_T2w_seg.nii.gz',
        'canal_dseg': f'derivative first/sub-01/anat/{own["canal_dseg"]}',
        'disc_labels': 'given named/discs.nii.gz',
        'rootlets_dseg': f'derivative second/sub-01/anat/{own["rootlets_dseg"]}',
    }
    narrowed = given(world, **settings, manual=(), from_derivatives=('rootlets_dseg',))
    assert list(narrowed['sub-01_T2w']) == ['disc_labels', 'rootlets_dseg']


def test_earlier_results_are_ours_only(world):
    write(world / 'old/sub-01/anat', 'sub-01_T2w_seg.nii.gz', 'sub-01_seg-discs_dseg.nii.gz')
    write(world / 'old', 'sub-01_desc-cord_dseg_T2w.nii.gz')
    found = given(world, derivatives={'old': world / 'old'})
    assert list(found['sub-01_T2w']) == ['disc_labels']


def test_what_sidecars_call_them(world):
    write(world / 'ds/derivatives/labels', 'sub-01_T2w_seg.nii.gz')
    write(world / 'old/sub-01/anat', 'sub-01_seg-discs_dseg.nii.gz')
    write(world / 'elsewhere', 'sub-01_T2w_label-canal_seg.nii.gz')
    target, candidate = images(world / 'ds')[-1]
    assert candidate.modality == 'T2w'
    labels, elsewhere = world / 'ds/derivatives/labels', world / 'elsewhere'
    uris = [
        item.uri
        for folder, derivatives in itertools.product(
            (labels, elsewhere), ({'old': world / 'old'},)
        )
        for item in GivenFiles(world / 'ds', manual_dir=folder, derivatives=derivatives)
        .of(target, candidate)
        .values()
    ]
    assert uris == [
        'bids:raw:derivatives/labels/sub-01_T2w_seg.nii.gz',
        'bids:old:sub-01/anat/sub-01_seg-discs_dseg.nii.gz',
        f'{elsewhere.as_uri()}/sub-01_T2w_label-canal_seg.nii.gz',
        'bids:old:sub-01/anat/sub-01_seg-discs_dseg.nii.gz',
    ]


@pytest.mark.parametrize('way', ['named', 'folder', 'earlier', 'link'])
def test_what_the_run_itself_writes_is_never_taken(world, way):
    """A result of this run is not a correction, and an edited one would be replaced."""
    output = world / 'out'
    name = 'sub-01_desc-cord_dseg_T2w.nii.gz'
    own = write(output / 'sub-01/anat', name) / name
    settings = {
        'named': {'precomputed': {'cord_dseg': str(own)}},
        'folder': {'manual_dir': own.parent},
        'earlier': {'derivatives': {'old': world / 'link'}},
        'link': {},
    }[way]
    (world / 'link').symlink_to(output)
    if way == 'link':
        labels = write(world / 'ds/derivatives/labels', 'README')
        (labels / 'sub-01_T2w_seg.nii.gz').symlink_to(own)
    with pytest.raises(InputImageError, match='the results of this run go') as caught:
        given(world, **settings, output=output)
    assert 'Copy it elsewhere' in str(caught.value)
    assert 'cord_dseg' in given(world, **settings, output=world / 'elsewhere')['sub-01_T2w']


def test_an_output_beside_the_corrected_files(world):
    """BIDS-App form with OUT_DIR=ds/derivatives: the subject folders are others."""
    write(world / 'ds/derivatives/labels/sub-01/anat', 'sub-01_T2w_seg.nii.gz')
    found = given(world, output=world / 'ds/derivatives')
    assert list(found['sub-01_T2w']) == ['cord_dseg']
