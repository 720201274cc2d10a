# SPDX-License-Identifier: Apache-2.0
"""The phantom says the truth about itself."""

import json

import nibabel as nib
import numpy as np
import pytest

from spinalprep.embedded.phantom import (
    PhantomParams,
    make_phantom,
    make_template,
    template_landmarks,
    write_dataset,
    write_template,
)
from spinalprep.embedded.phantom.anatomy import draw_anatomy
from spinalprep.embedded.phantom.generate import blank_canvas
from spinalprep.embedded.phantom.spine import grey_matter
from spinalprep.toolbox.template import atlas_files

COARSE = {'voxel_mm': (1.5, 1.5, 1.5)}


@pytest.fixture(scope='module')
def phantom():
    return make_phantom(PhantomParams(seed=3))


def index(phantom, point):
    return nib.affines.apply_affine(np.linalg.inv(phantom.affine), point)


@pytest.mark.parametrize('seed', range(4))
def test_body_map_and_its_inverse_agree(seed):
    body = draw_anatomy(seed)
    rng = np.random.default_rng(seed)
    s, u, v = rng.uniform(-240, 40, 500), rng.uniform(-30, 30, 500), rng.uniform(-60, 50, 500)
    world = (body.to_world(s, u, v) - body.origin).T
    s2, v2, _ = body.sheet(world[1], world[2])
    np.testing.assert_allclose(s2, s, atol=0.02)
    np.testing.assert_allclose(v2, v, atol=0.02)
    np.testing.assert_allclose(world[0] - body.sway_at(s2)[0], u, atol=0.02)


@pytest.mark.parametrize('voxel', [(1.0, 1.0, 1.0), (0.6, 0.6, 2.0), (2.0, 0.6, 0.6)])
def test_cord_volume_is_area_times_length(voxel):
    made = make_phantom(PhantomParams(seed=1, voxel_mm=voxel))
    length = np.linalg.norm(np.diff(made.centerline, axis=0), axis=1).sum()
    volume = made.cord.sum() * np.prod(voxel)
    assert volume == pytest.approx(made.mean_csa_mm2 * length, rel=0.015)


def test_areas_are_a_persons(phantom):
    areas = [phantom.csa_mm2[level] for level in range(2, 14)]
    assert 45 < min(areas) < max(areas) < 95
    assert max(phantom.csa_mm2, key=phantom.csa_mm2.get) in (4, 5, 6)


@pytest.mark.parametrize('seed', range(8))
def test_area_passes_105_within_5_mm_of_the_top_of_c1(seed):
    s = np.arange(-60, 20, 0.25)
    area = draw_anatomy(seed).area(s)
    assert abs(s[np.argmax(area > 105)]) <= 5


def test_landmarks_lie_on_the_cord(phantom):
    for name, point in phantom.landmarks.items():
        level, place = name.split('_')
        if level in ('disc-1', 'disc-14') or place == 'centre':
            continue
        centre = phantom.landmarks[f'{level}_centre']
        outward = (point - centre) / np.linalg.norm(point - centre)
        inside, outside = (
            phantom.cord[tuple(np.round(index(phantom, point + d * outward)).astype(int))]
            for d in (-1.2, 1.2)
        )
        assert (inside, outside) == (1, 0), name
    assert phantom.landmarks['disc-4_right'][0] > phantom.landmarks['disc-4_left'][0]
    assert phantom.landmarks['disc-4_anterior'][1] > phantom.landmarks['disc-4_posterior'][1]


def test_labels_are_those_of_totalspineseg(phantom):
    allowed = {0, 1, 2, *range(11, 18), *range(21, 33), *range(63, 68), *range(71, 83)}
    present = set(np.unique(phantom.totalspineseg).tolist())
    assert present <= allowed
    assert {1, 2, 11, 12, 17, 21, 26, 63, 67, 71, 75} <= present
    assert set(np.unique(phantom.levels).tolist()) == set(range(15))
    np.testing.assert_array_equal(phantom.canal > 0, np.isin(phantom.totalspineseg, (1, 2)))
    assert not (phantom.rootlets[phantom.cord > 0]).any()


@pytest.mark.parametrize('value', range(3, 14))
def test_disc_points_are_at_the_back_of_the_disc(phantom, value):
    label = 60 + value if value <= 7 else 63 + value
    voxels = np.argwhere(phantom.totalspineseg == label)
    world = nib.affines.apply_affine(phantom.affine, voxels)
    point = phantom.disc_points[value]
    assert np.linalg.norm(world - point, axis=1).min() < 1.5
    assert point[1] < np.percentile(world[:, 1], 15)


def test_csf_is_bright_on_t2w_and_dark_on_t1w():
    for contrast, sign in (('T2w', 1), ('T1w', -1)):
        made = make_phantom(PhantomParams(seed=2, contrast=contrast, bias=0, **COARSE))
        signal = made.image.get_fdata()
        fluid = np.median(signal[(made.canal > 0) & (made.cord == 0) & (made.rootlets == 0)])
        assert sign * (fluid - np.median(signal[made.cord > 0])) > 100


def test_noise_and_contrast_are_as_asked():
    params = {'seed': 2, 'bias': 0, 'voxel_mm': (1, 1, 1), 'rootlet_contrast': 0}
    noisy = make_phantom(PhantomParams(snr=10, cnr=8, **params))
    clean = make_phantom(PhantomParams(snr=None, **params))
    difference = noisy.image.get_fdata() - clean.image.get_fdata()
    assert difference[noisy.cord > 0].std() == pytest.approx(40, rel=0.25)
    signal = noisy.image.get_fdata()
    shell = (noisy.canal > 0) & (noisy.cord == 0)
    assert (np.percentile(signal[shell], 60) - 400) / 40 == pytest.approx(8, rel=0.15)


def test_same_person_whatever_the_scan():
    first = make_phantom(PhantomParams(seed=5, **COARSE))
    second = make_phantom(
        PhantomParams(seed=5, contrast='T1w', voxel_mm=(2, 1, 1.2), orientation='PSR')
    )
    assert nib.aff2axcodes(second.affine) == ('P', 'S', 'R')
    np.testing.assert_allclose(second.image.header.get_zooms(), (1, 1.2, 2), atol=1e-5)
    for name, point in first.landmarks.items():
        np.testing.assert_allclose(second.landmarks[name], point)
    np.testing.assert_array_equal(first.image.dataobj, make_phantom(first.params).image.dataobj)
    other = make_phantom(PhantomParams(seed=6, **COARSE))
    assert np.abs(other.disc_points[9] - first.disc_points[9]).max() > 1


def test_marker_is_on_the_right():
    plain, marked = (
        make_phantom(PhantomParams(seed=1, marker=m, snr=None, **COARSE)) for m in (False, True)
    )
    changed = np.argwhere(marked.image.get_fdata() - plain.image.get_fdata() > 200)
    assert len(changed) > 20
    right = nib.affines.apply_affine(marked.affine, changed)[:, 0]
    assert right.min() > marked.landmarks['disc-5_centre'][0] + 10


def test_oblique_scan_turns_everything():
    straight, oblique = (
        make_phantom(PhantomParams(seed=4, oblique_deg=angle, **COARSE)) for angle in (0.0, 12.0)
    )
    np.testing.assert_array_equal(straight.cord, oblique.cord)
    for name in ('disc-3_centre', 'level-9_left'):
        np.testing.assert_allclose(
            index(oblique, oblique.landmarks[name]), index(straight, straight.landmarks[name])
        )


def test_spinal_levels_are_offset_from_vertebrae():
    offsets = [draw_anatomy(seed).spinal_offset.mean() for seed in range(200)]
    assert np.std(offsets) == pytest.approx(0.5, rel=0.2)
    assert not draw_anatomy(3, offset_sd=0.0).spinal_offset.any()


def test_rootlets_follow_the_order_of_levels(phantom):
    heights = [phantom.rootlet_points[k][2] for k in sorted(phantom.rootlet_points)]
    assert len(heights) >= 7
    assert np.all(np.diff(heights) < -5)


@pytest.mark.parametrize(
    ('choice', 'word'),
    [
        ({'contrast': 'T2star'}, 'contrast'),
        ({'orientation': 'LRS'}, 'orientation'),
        ({'voxel_mm': (1, 0, 1)}, 'voxel_mm'),
        ({'snr': None, 'cnr': 5.0}, 'snr'),
        ({'bottom_level': 40}, 'bottom_level'),
    ],
)
def test_impossible_choices_are_refused(choice, word):
    with pytest.raises(ValueError, match=word):
        PhantomParams(**choice)


def test_template_is_laid_out_as_sct_reads_it(tmp_path):
    folder = write_template(tmp_path / 'tpl', voxel_mm=(1, 1, 2)) / 'template'
    rows = [
        [field.strip() for field in line.split(',')]
        for line in (folder / 'info_label.txt').read_text().splitlines()
        if not line.startswith('#')
    ]
    images = {int(number): nib.load(folder / name) for number, _, name in rows}
    assert set(images) == {0, 1, 3, 7, 10, 11, 14, 15, 16, 17}
    assert {nib.aff2axcodes(i.affine) for i in images.values()} == {('L', 'A', 'S')}
    assert len({i.shape for i in images.values()}) == 1
    discs = np.asarray(images[10].dataobj)
    cord = np.asarray(images[3].dataobj)
    assert sorted(discs[discs > 0].tolist()) == list(range(1, 17))
    assert cord[(discs > 1)].all()
    middle = np.asarray(images[17].dataobj)
    assert sorted(middle[middle > 0].tolist()) == list(range(2, 10))


def test_template_shares_its_landmarks_with_the_phantom(phantom):
    landmarks = template_landmarks()
    made = make_template(voxel_mm=(2, 2, 2)).landmarks
    assert landmarks.keys() == made.keys()
    assert set(phantom.landmarks) <= set(landmarks)
    for name, point in made.items():
        np.testing.assert_allclose(point, landmarks[name])


def test_dataset_is_bids(tmp_path):
    folder = write_dataset(tmp_path / 'bids', voxel_mm=(2.5, 2.5, 2.5))
    assert json.loads((folder / 'dataset_description.json').read_text())['DatasetType'] == 'raw'
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob('*.nii.gz'))
    assert files == [
        'sub-01/anat/sub-01_T1w.nii.gz',
        'sub-01/anat/sub-01_T2w.nii.gz',
        'sub-02/anat/sub-02_T1w.nii.gz',
    ]
    assert nib.load(folder / files[0]).ndim == 3
    assert (folder / 'participants.tsv').read_text().count('\n') == 3


def test_atlas_of_the_template_is_laid_out_like_pam50(tmp_path):
    files = atlas_files(write_template(tmp_path / 'tpl'))
    assert list(files) == [
        f'GM {side} {part}'
        for part in ('ventral horn', 'intermediate zone', 'dorsal horn')
        for side in ('left', 'right')
    ]
    cord = nib.load(tmp_path / 'tpl' / 'template' / 'phantom_cord.nii.gz')
    whole = np.zeros(cord.shape)
    for name, path in files.items():
        image = nib.load(path)
        np.testing.assert_array_equal(image.affine, cord.affine)
        share = np.asarray(image.dataobj)
        assert share.dtype == np.float32
        assert share.min() == 0
        centre = nib.affines.apply_affine(image.affine, np.argwhere(share > 0.3)).mean(axis=0)
        assert (centre[0] < 0) == ('left' in name)  # x grows to the right
        if 'horn' in name:
            assert (centre[1] < 0) == ('dorsal' in name)  # y grows to the front
        whole += share
    assert whole.max() <= 1 + 1e-6
    assert not whole[np.asarray(cord.dataobj) == 0].any()


def test_grey_matter_is_what_was_painted():
    params = PhantomParams(seed=4, snr=None, bias=0, orientation='RAS')
    canvas = blank_canvas(params)
    grey = sum(canvas.volume(share, 'RAS')[0] for share in grey_matter(canvas).values())
    made = make_phantom(params)
    signal = np.asarray(made.image.dataobj)
    # 3 mm below the top of C1 the grey matter fades into the brainstem
    inside = (made.cord > 0) & (made.levels > 1)
    white, painted = (np.median(signal[inside & part]) for part in (grey == 0, grey > 0.9))
    assert painted / white == pytest.approx(1.14 / 0.94, rel=0.02)


def test_spinal_levels_lie_around_their_rootlets(phantom):
    body = phantom.anatomy
    for spinal in range(2, 10):
        assert body.spinal_level(body.entry(spinal)[0]) == spinal
    assert (np.diff(body.spinal_level(np.arange(-330.0, 0.0)).astype(int)) <= 0).all()
    assert set(range(3, 10)) <= set(np.unique(phantom.spinal_levels))
    np.testing.assert_array_equal(phantom.spinal_levels > 0, phantom.cord > 0)
