# SPDX-License-Identifier: Apache-2.0
"""Where the template holds in a subject, and what is made of it."""

import nibabel as nb
import numpy as np
import pytest

from spinalprep.anatomy.tables import read_areas, write_level_table, write_slice_table
from spinalprep.anatomy.template_maps import covered_region, horn_labels, levels_of_slices

SHAPE = (4, 5, 6)


def affine(code):
    """Affine of an orientation, 1 mm."""
    turn = nb.orientations.ornt_transform(
        nb.orientations.axcodes2ornt('RAS'), nb.orientations.axcodes2ornt(code)
    )
    return nb.orientations.inv_ornt_aff(turn, SHAPE)


@pytest.mark.parametrize(('code', 'axis'), [('RAS', 2), ('LAS', 2), ('LAI', 2), ('PSR', 1)])
def test_region_is_covered_slices_where_the_field_is_valid(code, axis):
    valid = np.ones(SHAPE, bool)
    valid[0] = False
    region = covered_region(valid, affine(code), [1, 2])
    expected = np.zeros(SHAPE, bool)
    expected[(slice(None),) * axis + (slice(1, 3),)] = True
    expected[0] = False
    np.testing.assert_array_equal(region, expected)
    assert not covered_region(valid, affine(code), []).any()


def test_a_voxel_belongs_to_the_horn_that_has_at_least_half_of_it():
    shares = {
        30: np.array([0.6, 0.5, 0.3, 0.0, 0.49]),
        35: np.array([0.4, 0.2, 0.7, 0.0, 0.49]),
    }
    assert horn_labels(shares).tolist() == [30, 30, 35, 0, 0]


@pytest.mark.parametrize(('code', 'expected'), [('RAS', {0: 9, 2: 8}), ('RAI', {3: 8, 5: 9})])
def test_levels_of_slices_count_from_the_bottom(code, expected):
    levels = np.zeros(SHAPE, int)
    levels[1, 1:4, 0] = 9, 9, 8
    levels[1, 1, 2] = 8
    assert levels_of_slices(levels, affine(code)) == expected


def test_areas_come_back_from_the_table(tmp_path):
    from spinalprep.anatomy.tables import SLICE_COLUMNS

    rows = [
        dict.fromkeys(SLICE_COLUMNS, 1.0)
        | {'slice': k, 'level': 3, 'area_mm2': area, 'length_mm': 1.0}
        for k, area in enumerate([50.0, 60.0, float('nan'), 80.0, 90.0])
    ]
    write_slice_table(rows, tmp_path / 'slices.tsv')
    areas = read_areas(tmp_path / 'slices.tsv')
    assert [row['slice'] for row in areas] == [0, 1, 2, 3, 4]
    assert areas[3] == {'slice': 3, 'area_mm2': 80.0, 'length_mm': 1.0}
    assert np.isnan(areas[2]['area_mm2'])
    spinal = [row | {'spinal_level': 9 if row['slice'] < 3 else 8} for row in areas]
    write_level_table(
        spinal, tmp_path / 'levels.tsv', column='spinal_level', name={8: 'C8', 9: 'T1'}.get
    )
    # the end slices and the one without an area do not count
    assert (tmp_path / 'levels.tsv').read_text().splitlines() == [
        'spinal_level\tarea_mm2\tslices\tlength_mm',
        'C8\t80.0000\t2\t2.0000',
        'T1\t60.0000\t3\t3.0000',
    ]
