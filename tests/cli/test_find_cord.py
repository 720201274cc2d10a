# SPDX-License-Identifier: Apache-2.0
"""``spinalprep find-cord``: mask and centreline, or a reason and nothing."""

import csv

import nibabel as nb
import numpy as np
import pytest

from spinalprep.cli.main import main
from spinalprep.errors import ExitCode

AFFINE = np.array([[0, 0, -1.0, 20], [-1, 0, 0, 30], [0, 1, 0, -40], [0, 0, 0, 1]])


@pytest.fixture
def neck(tmp_path):
    """A dark tube in bright fluid, stored P-S-L, 80 mm high."""
    depth, _, width = np.mgrid[:60, :80, :50]
    off = np.hypot((width - 25) / 6.0, (depth - 30) / 4.5)
    image = np.select([off < 1, off < 1.9], [400.0, 900.0], 250.0)
    image += np.random.default_rng(3).normal(0, 15, image.shape)
    path = tmp_path / 'sub-01_T2w.nii.gz'
    nb.save(nb.Nifti1Image(image.astype(np.float32), AFFINE), path)
    return path, off < 1


def test_writes_mask_and_centreline(neck, tmp_path, capsys):
    path, truth = neck
    mask, table = tmp_path / 'new' / 'cord.nii.gz', tmp_path / 'line.csv'
    assert main(['find-cord', str(path), '-o', str(mask), '--csv', str(table)]) == ExitCode.OK
    image = nb.load(mask)
    found = np.asanyarray(image.dataobj)
    assert found.dtype == np.uint8
    assert np.array_equal(image.affine, nb.load(path).affine)
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.95
    with table.open() as lines:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]
    assert [rows[0]['z_mm'], rows[-1]['z_mm']] == pytest.approx([-40.5, 39.5], abs=1.0)
    assert rows[-1]['arc_mm'] == pytest.approx(80, abs=1)
    assert all(abs(row['x_mm'] + 5) < 0.5 and abs(row['y_mm']) < 0.5 for row in rows)
    assert np.mean([row['area_mm2'] for row in rows]) == pytest.approx(np.pi * 27, rel=0.05)
    assert 'looks T2w' in capsys.readouterr().out


def test_the_same_image_gives_the_same_file(neck, tmp_path):
    path, _ = neck
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        assert main(['find-cord', str(path), '-o', str(tmp_path / name / 'cord.nii.gz')]) == 0
    first, second = (tmp_path / name / 'cord.nii.gz' for name in ('a', 'b'))
    assert first.read_bytes() == second.read_bytes()


def test_refusal_is_exit_1_with_the_reason_and_writes_nothing(tmp_path, capsys):
    noise = np.random.default_rng(0).rayleigh(100, (50, 60, 80)).astype(np.float32)
    path, mask = tmp_path / 'noise.nii.gz', tmp_path / 'cord.nii.gz'
    nb.save(nb.Nifti1Image(noise, np.eye(4)), path)
    mask.write_text('of an earlier run')
    before = sorted(tmp_path.iterdir())
    code = main(['find-cord', str(path), '-o', str(mask), '--csv', str(tmp_path / 'line.csv')])
    assert code == ExitCode.SUBJECT
    assert 'noise.nii.gz: no cord found: nothing in the image' in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before
    assert mask.read_text() == 'of an earlier run'


def test_the_wrong_contrast_is_refused(neck, tmp_path):
    path, _ = neck
    argv = ['find-cord', str(path), '-o', str(tmp_path / 'c.nii'), '--contrast', 'T1w']
    assert main(argv) == ExitCode.SUBJECT
    assert not (tmp_path / 'c.nii').exists()


@pytest.mark.parametrize(
    ('image', 'mask', 'said'),
    [
        ('absent.nii.gz', 'cord.nii.gz', 'absent.nii.gz: no such file'),
        ('sub-01_T2w.nii.gz', 'cord.mgz', 'cord.mgz: a mask is written as .nii'),
        ('sub-01_T2w.nii.gz', 'sub-01_T2w.nii.gz', 'would be overwritten'),
    ],
)
def test_usage_errors_are_exit_2(neck, tmp_path, capsys, image, mask, said):
    before = neck[0].read_bytes()
    argv = ['find-cord', str(tmp_path / image), '-o', str(tmp_path / mask)]
    assert main(argv) == ExitCode.USAGE
    assert said in capsys.readouterr().err
    assert neck[0].read_bytes() == before


def test_what_is_no_volume_is_exit_1(neck, tmp_path, capsys):
    text, series, cut = (tmp_path / name for name in ('text.nii.gz', '4d.nii.gz', 'cut.nii.gz'))
    text.write_text('no image')
    nb.save(nb.Nifti1Image(np.zeros((5, 5, 5, 2), np.float32), np.eye(4)), series)
    cut.write_bytes(neck[0].read_bytes()[:50_000])
    for path, said in ((text, 'can not be read'), (series, 'one volume'), (cut, 'cut short')):
        assert main(['find-cord', str(path), '-o', str(tmp_path / 'c.nii')]) == ExitCode.SUBJECT
        assert f'{path}: {said}' in capsys.readouterr().err.replace('damaged or ', '')


def test_a_fourth_axis_of_one_volume_is_fine(neck, tmp_path):
    image = nb.load(neck[0])
    nb.save(nb.Nifti1Image(image.get_fdata()[..., None], image.affine), tmp_path / 'one.nii')
    assert main(['find-cord', str(tmp_path / 'one.nii'), '-o', str(tmp_path / 'c.nii')]) == 0
    assert nb.load(tmp_path / 'c.nii').shape == image.shape
