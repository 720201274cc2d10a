# SPDX-License-Identifier: Apache-2.0
"""Command lines whose outcome with the real SCT is on record give the same here."""

import csv
import re

import nibabel as nb
import numpy as np
import pytest

from spinalprep.anatomy.warps import DisplacementField
from tests.embedded.recorded import Case


@pytest.fixture
def case(real_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda number: Case(real_data, number, tmp_path)


@pytest.mark.parametrize(
    ('number', 'output'),
    [
        ('04', 't2_rpi.nii.gz'),
        ('07', 'mask.nii.gz'),
        ('08', 'crop.nii.gz'),
        ('09', 'sub/t2_crop.nii.gz'),
        ('10', 'crop.nii.gz'),
        ('12', 'bin.nii.gz'),
        ('13', 'kept.nii.gz'),
        ('14', 'kept.nii.gz'),
        ('15', 'kept.nii.gz'),
        ('16', 'kept.nii.gz'),
        ('32', 'rootlets_mid.nii.gz'),
        ('47', 'cord_reg.nii.gz'),
        ('50', 'cord_reg.nii.gz'),
        ('51', 'levels_reg.nii.gz'),
        ('53', 'rootlets_reg.nii.gz'),
        ('54', 'cord_reg.nii.gz'),
        ('55', 'levels_reg.nii.gz'),
        ('57', 'rootlets_reg.nii.gz'),
    ],
)
def test_same_voxels(case, number, output):
    repeated = case(number)
    assert repeated.repeat() == repeated.run['exit_code'] == 0
    repeated.check_same(output)


def test_orientation_changed_in_place(case):
    repeated = case('05')
    assert repeated.repeat() == 0
    assert nb.aff2axcodes(nb.load(repeated.folder / 't2.nii.gz').affine) == ('L', 'A', 'S')


def test_spline_is_itks(case):
    repeated = case('59')
    assert repeated.repeat() == 0
    repeated.check_same('PAM50_small_cord_reg.nii.gz', tolerance=1e-3)


@pytest.mark.parametrize('number', ['06', '17', '19'])
def test_same_words(case, number, capsys):
    repeated = case(number)
    assert repeated.repeat() == 0
    recorded = (repeated.stored / 'stdout.txt').read_text()
    recorded = re.sub('\x1b\\[[0-9;]*m', '', recorded).split('--\n')[-1]
    said = capsys.readouterr().out.split('--\n')[-1]
    assert said.split() == recorded.split('Total runtime')[0].split()


@pytest.mark.parametrize(
    'number',
    [
        *('11', '24', '26', '29', '35', '36', '37', '38', '39', '40', '41', '42', '43', '44'),
        *('45', '46', '60', '61', '64', '70', '71', '72', '73', '74', '82', '83', '96'),
    ],
)
def test_same_failures(case, number, capsys):
    repeated = case(number)
    before = {path for path in repeated.folder.rglob('*') if path.is_file()}
    assert repeated.repeat() == repeated.run['exit_code']
    after = {path for path in repeated.folder.rglob('*') if path.is_file()}
    created = {str(path.relative_to(repeated.folder)) for path in after - before}
    assert created == {item['path'] for item in repeated.run['created']}
    captured = capsys.readouterr()
    assert (captured.out.split('--\n')[-1] + captured.err).strip()


def test_levels_projected_on_the_cord(case):
    repeated = case('18')
    assert repeated.repeat() == 0
    repeated.check_same('lv/t2_seg_labeled_discs.nii.gz')
    ours, theirs = repeated.pair('lv/t2_seg_labeled.nii.gz')
    assert np.mean(ours.get_fdata() != theirs.get_fdata()) < 1e-3
    assert np.array_equal(ours.get_fdata() > 0, theirs.get_fdata() > 0)


def test_centreline(case):
    repeated = case('28')
    assert repeated.repeat() == 0
    ours = np.loadtxt(repeated.folder / 'centerline.csv', delimiter=',')
    theirs = np.loadtxt(repeated.stored / 'out' / 'centerline.csv', delimiter=',')
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 0.3
    image, _ = repeated.pair('centerline.nii.gz')
    assert np.count_nonzero(image.get_fdata()) == len(ours)


def read_table(path):
    with path.open() as stream:
        return list(csv.DictReader(stream)), path.read_text().splitlines()[0]


@pytest.mark.parametrize('number', ['20', '21', '22', '23', '25', '27'])
def test_morphometry(case, number):
    repeated = case(number)
    assert repeated.repeat() == 0
    ours, header = read_table(repeated.folder / 'csa.csv')
    theirs, expected = read_table(repeated.stored / 'out' / 'csa.csv')
    assert header == expected
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        for key in ('Slice (I->S)', 'VertLevel', 'DistancePMJ'):
            assert mine[key] == other[key]
        for key, tolerance in (
            ('MEAN(area)', 0.5),
            ('MEAN(diameter_AP)', 0.15),
            ('MEAN(diameter_RL)', 0.15),
            ('SUM(length)', 0.1),
            ('MEAN(solidity)', 0.02),
        ):
            assert float(mine[key]) == pytest.approx(float(other[key]), abs=tolerance)


def test_points_moved_through_a_field(case):
    """Ours are not pulled towards the middle, as SCT's are at the ends of the mapped range."""
    repeated = case('48')
    assert repeated.repeat() == 0
    ours, _ = repeated.pair('discs_reg.nii.gz')
    found = {int(ours.get_fdata()[tuple(v)]): v for v in np.argwhere(ours.get_fdata())}
    truth = {3: (31, 44, 25), 4: (31, 26, 25), 5: (32, 9, 25)}
    assert set(found) == set(truth)
    for value, voxel in truth.items():
        assert np.abs(found[value] - voxel).max() <= 1


def test_whole_template(case):
    repeated = case('63')
    assert repeated.repeat() == 0
    repeated.check_same('label/template/PAM50_small_cord.nii.gz')
    repeated.check_same('label/template/PAM50_small_levels.nii.gz')
    repeated.check_same('label/template/PAM50_small_rootlets.nii.gz', tolerance=1e-3)
    created = {item['path'] for item in repeated.run['created']}
    assert all((repeated.folder / path).is_file() for path in created)


def test_fields_there_and_back(case):
    repeated = case('62')
    assert repeated.repeat() == 0
    field = DisplacementField.load(repeated.folder / 'warp_roundtrip.nii.gz')
    assert field.shape == (60, 55, 52)
    moved = np.linalg.norm(field.vectors[field.valid], axis=1)
    assert field.valid.mean() > 0.3
    assert np.median(moved) < 0.6  # what the two recorded fields leave of each other
