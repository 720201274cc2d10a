# SPDX-License-Identifier: Apache-2.0
"""SCT's CSV read, our TSV written."""

import csv

import pytest

from spinalprep.anatomy.tables import (
    csa_metrics,
    read_slice_table,
    write_level_table,
    write_slice_table,
)

HEADER = (
    'Timestamp,SCT Version,Filename,Slice (I->S),VertLevel,DistancePMJ,MEAN(area),STD(area),'
    'MEAN(angle_AP),MEAN(angle_RL),MEAN(diameter_AP),MEAN(diameter_RL),MEAN(eccentricity),'
    'MEAN(orientation),MEAN(solidity),SUM(length)\n'
)


def table(tmp_path, rows):
    """CSV of (slice, level, area), as SCT quotes it."""
    file = tmp_path / 'csa.csv'
    file.write_text(
        HEADER
        + ''.join(
            f'"t","7.3","/a/seg.nii.gz","{index}","{level}","",{area},0.0,1.0,2.0,7.0,12.0,0.8,0.1,'
            '0.95,2.5\n'
            for index, level, area in rows
        )
    )
    return read_slice_table(file)


ROWS = [(4, 4, 10), (5, 4, 70), (6, 3, 80), (7, 3, 82), (8, 2, 84), (9, 2, 99)]


def read(path):
    with path.open(newline='') as file:
        return list(csv.DictReader(file, delimiter='\t'))


def test_level_table_is_that_of_recorded_sct(real_data, tmp_path):
    """Of the manual mask: ours, from the rows per slice, and SCT's own ``-perlevel``."""
    runs = real_data / 'sct_runs'
    rows = read_slice_table(
        runs / '22_sct_process_segmentation_perslice_discfile' / 'out' / 'csa.csv'
    )
    assert csa_metrics(rows)['csa_mean_mm2'] == pytest.approx(78, abs=1)
    write_level_table(rows, tmp_path / 'levels.tsv')
    ours = list(csv.DictReader((tmp_path / 'levels.tsv').open(), delimiter='\t'))
    whole = {row['level']: float(row['area_mm2']) for row in ours}
    sct = runs / '23_sct_process_segmentation_perlevel_discfile' / 'out' / 'csa.csv'
    compared = 0
    for row in csv.DictReader(sct.open()):
        level = f'C{row["VertLevel"]}'
        if level in ('C3', 'C4'):  # without an end slice
            assert whole[level] == pytest.approx(float(row['MEAN(area)']), abs=1e-3)
            compared += 1
    assert compared == 2


def test_end_slices_do_not_count(tmp_path):
    assert csa_metrics(table(tmp_path, ROWS)) == {
        'csa_mean_mm2': 79.0,
        'csa_min_mm2': 70.0,
        'csa_max_mm2': 84.0,
        'csa_c2c3_mean_mm2': 82.0,
    }


def test_rows_come_bottom_up_whatever_their_order(tmp_path):
    rows = table(tmp_path, ROWS[::-1])
    assert [row['slice'] for row in rows] == [4, 5, 6, 7, 8, 9]


def test_unknown_levels_and_areas(tmp_path):
    rows = table(tmp_path, [(1, '', 70), (2, '', ''), (3, '', 72), (4, '', 74)])
    metrics = csa_metrics(rows)
    assert metrics['csa_c2c3_mean_mm2'] is None
    assert metrics['csa_mean_mm2'] == 72.0
    write_slice_table(rows, tmp_path / 'slices.tsv')
    written = read(tmp_path / 'slices.tsv')
    assert written[1]['area_mm2'] == 'n/a'
    assert {row['level'] for row in written} == {'n/a'}


def test_levels_are_named_in_both_tables(tmp_path):
    rows = table(tmp_path, ROWS)
    write_slice_table(rows, tmp_path / 'slices.tsv')
    write_level_table(rows, tmp_path / 'levels.tsv')
    assert [row['level'] for row in read(tmp_path / 'slices.tsv')] == [
        'C4', 'C4', 'C3', 'C3', 'C2', 'C2',
    ]  # fmt: skip
    levels = {row['level']: row for row in read(tmp_path / 'levels.tsv')}
    assert float(levels['C3']['area_mm2']) == 81
    assert float(levels['C2']['area_mm2']) == 84
    assert levels['C3']['slices'] == '2'
    assert float(levels['C3']['length_mm']) == 5


def test_recorded_table(real_data):
    (case,) = (real_data / 'sct_runs').glob('22_*')
    rows = read_slice_table(next((case / 'out').glob('*.csv')))
    assert rows[0]['slice'] == 0
    assert rows[0]['area_mm2'] == pytest.approx(67.927, abs=1e-3)
    assert rows[0]['level'] == 5
    assert 70 < csa_metrics(rows)['csa_mean_mm2'] < 90
