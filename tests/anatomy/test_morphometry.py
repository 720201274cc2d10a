# SPDX-License-Identifier: Apache-2.0
"""Morphometry against cylinders of known size and against recorded results of SCT."""

import csv

import nibabel as nib
import numpy as np
import pytest

from spinalprep.anatomy.morphometry import (
    FIELDS,
    slice_morphometry,
    summarise_csa,
    volume_mm3,
)


def cylinder(
    tilt_deg=0.0, azimuth_deg=90.0, semi=(6.0, 4.0), zooms=(0.8, 0.8, 0.8), length=48.0, sub=3
):
    """Soft mask of an elliptic cylinder; 'LAS' array, tilted towards an azimuth (90 anterior)."""
    shape = (round(64 / zooms[0]), round(64 / zooms[1]), round(length / zooms[2]))
    affine = np.diag([-zooms[0], zooms[1], zooms[2], 1.0])
    affine[:3, 3] = [31.3, -31.6, 7.0]
    centre = nib.affines.apply_affine(affine, (np.array(shape) - 1) / 2)
    tilt, azimuth = np.radians([tilt_deg, azimuth_deg])
    axis = np.array([np.sin(tilt) * np.cos(azimuth), np.sin(tilt) * np.sin(azimuth), np.cos(tilt)])
    right = np.array([1.0, 0, 0]) - axis[0] * axis
    right /= np.linalg.norm(right)
    anterior = np.cross(axis, right)
    soft = np.zeros(shape)
    offsets = (np.arange(sub) + 0.5) / sub - 0.5
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing='ij'), -1)
    for dx in offsets:
        for dy in offsets:
            world = nib.affines.apply_affine(affine, np.add(grid, [dx, dy, 0])) - centre
            soft += (world @ right / semi[0]) ** 2 + (world @ anterior / semi[1]) ** 2 <= 1
    return soft / sub**2, affine


@pytest.mark.parametrize('azimuth', [0.0, 90.0, 215.0])
@pytest.mark.parametrize('tilt', [0.0, 10.0, 20.0, 30.0])
def test_tilted_cylinder_has_its_true_area_and_angle(tilt, azimuth):
    mask, affine = cylinder(tilt, azimuth)
    table = slice_morphometry(mask, affine)
    inner = table[3:-3]
    np.testing.assert_allclose(inner['area'], np.pi * 24, rtol=0.02)
    # towards the right is the negative direction of the angle about anterior–posterior
    slope = np.tan(np.radians(tilt)) * np.array(
        [-np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth))]
    )
    np.testing.assert_allclose(inner['angle_AP'], np.degrees(np.arctan(slope[0])), atol=1)
    np.testing.assert_allclose(inner['angle_RL'], np.degrees(np.arctan(slope[1])), atol=1)
    np.testing.assert_allclose(table['length'].sum(), 48 / np.cos(np.radians(tilt)), rtol=0.01)


def test_ellipse_is_described():
    mask, affine = cylinder()
    table = slice_morphometry(mask, affine)
    # thresholding the refined slice at one half rounds the narrow ends, as in SCT
    np.testing.assert_allclose(table['diameter_RL'], 12, atol=0.35)
    np.testing.assert_allclose(table['diameter_AP_ellipse'], 8, atol=0.2)
    # mean chord over the middle 3 mm of an ellipse with half axes 6 and 4
    u = np.linspace(-1.5, 1.5, 301)
    np.testing.assert_allclose(
        table['diameter_AP'], np.mean(8 * np.sqrt(1 - (u / 6) ** 2)), atol=0.15
    )
    np.testing.assert_allclose(
        table['length_anterior'] + table['length_posterior'], table['diameter_AP']
    )
    np.testing.assert_allclose(table['eccentricity'], np.sqrt(1 - 16 / 36), atol=0.03)
    assert np.abs(table['orientation']).max() < 2
    assert table['solidity'].min() > 0.95


def test_orientation_of_the_array_does_not_matter():
    mask, affine = cylinder(15.0)
    image = nib.Nifti1Image(mask, affine)
    reference = slice_morphometry(mask, affine)
    for codes in ('PSR', 'RAS', 'ILA'):
        turn = nib.orientations.ornt_transform(
            nib.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(codes))
        )
        turned = image.as_reoriented(turn)
        table = slice_morphometry(np.asarray(turned.dataobj), turned.affine)
        for name in ('slice', *FIELDS):
            np.testing.assert_allclose(table[name], reference[name], rtol=1e-4, atol=1e-4)


def test_slices_are_numbered_from_below_and_gaps_are_left_out():
    mask, affine = cylinder()
    mask[:, :, :5] = 0
    mask[:, :, 20] = 0
    slices = slice_morphometry(mask, affine)['slice']
    assert slices[0] == 5
    assert 20 not in slices
    assert (np.diff(slices) > 0).all()


def test_without_angle_correction_the_area_is_that_of_the_slice():
    mask, affine = cylinder(30.0)
    table = slice_morphometry(mask, affine, angle_correction=False)
    np.testing.assert_allclose(table['area'][3:-3], np.pi * 24 / np.cos(np.radians(30)), rtol=0.02)
    assert (table['angle_RL'] == 0).all()


def test_areas_are_the_same_without_shapes():
    mask, affine = cylinder(tilt_deg=20)
    whole, short = slice_morphometry(mask, affine), slice_morphometry(mask, affine, shapes=False)
    for name in ('slice', 'area', 'angle_AP', 'angle_RL', 'length'):
        assert np.array_equal(whole[name], short[name])
    assert not short['diameter_AP'].any()


@pytest.mark.parametrize('filled', [0, 4])
def test_too_little_mask_is_an_error(filled):
    mask = np.zeros((20, 20, 20))
    mask[8:12, 8:12, :filled] = 1
    with pytest.raises(ValueError, match='at least 5 slices'):
        slice_morphometry(mask, np.eye(4))


def test_volume_and_length():
    mask, affine = cylinder(25.0)
    assert volume_mm3(mask, affine) == pytest.approx(
        np.pi * 24 * 48 / np.cos(np.radians(25)), rel=0.01
    )
    length = slice_morphometry(mask, affine)['length'].sum()
    assert length == pytest.approx(48 / np.cos(np.radians(25)), rel=0.01)


def test_summary_leaves_the_end_slices_out():
    slices = np.arange(10, 20)
    areas = np.array([1.0, 70, 72, 74, 76, 78, 80, 82, 84, 999])
    levels = np.array([4, 4, 4, 3, 3, 2, 2, 2, 1, 1])
    shuffled = np.random.default_rng(0).permutation(10)
    summary = summarise_csa(slices[shuffled], areas[shuffled], levels[shuffled])
    assert summary['mean'] == pytest.approx(areas[1:-1].mean())
    assert (summary['min'], summary['max'], summary['n_slices']) == (70, 84, 8)
    assert summary['c2c3'] == pytest.approx(areas[3:8].mean())
    assert summary['per_level'] == pytest.approx({4: 71, 3: 75, 2: 80, 1: 84})


def test_summary_without_levels_or_areas():
    assert summarise_csa([1, 2, 3], [50, 60, 70])['c2c3'] is None
    summary = summarise_csa([1, 2, 3, 4], [50, np.nan, 60, 70], [9, 9, np.nan, 0])
    assert summary['mean'] == 60
    assert summary['per_level'] == {}
    with pytest.raises(ValueError, match='no slice'):
        summarise_csa([1, 2], [50, 60])


def test_agrees_with_recorded_sct(real_data):
    """Case 21 of the recorded runs: one row per slice of the manual mask."""
    image = nib.load(real_data / 't2_cervical' / 't2_seg-manual.nii.gz')
    table = slice_morphometry(image.get_fdata(), image.affine)
    folder = real_data / 'sct_runs' / '21_sct_process_segmentation_perslice' / 'out'
    with (folder / 'csa.csv').open() as stream:
        rows = list(csv.DictReader(stream))
    sct = {n: np.array([float(row[f'MEAN({n})']) for row in rows]) for n in FIELDS[:-1]}
    sct['length'] = np.array([float(row['SUM(length)']) for row in rows])
    assert table['slice'].tolist() == [int(row['Slice (I->S)']) for row in rows]
    assert table['area'].mean() == pytest.approx(sct['area'].mean(), rel=0.005)
    assert table['length'].sum() == pytest.approx(sct['length'].sum(), rel=0.002)
    tolerance = {'area': 0.8, 'angle_AP': 1.2, 'angle_RL': 1.6, 'orientation': 0.5}
    for name in FIELDS:
        np.testing.assert_allclose(
            table[name], sct[name], atol=tolerance.get(name, 0.12), err_msg=name
        )
