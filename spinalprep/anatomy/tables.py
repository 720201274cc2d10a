# SPDX-License-Identifier: Apache-2.0
"""Morphometry tables: reading SCT's CSV, writing ours as TSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from spinalprep.anatomy.labels import level_name
from spinalprep.anatomy.morphometry import summarise_csa

SLICE_COLUMNS = {
    'area_mm2': 'MEAN(area)',
    'angle_ap_deg': 'MEAN(angle_AP)',
    'angle_rl_deg': 'MEAN(angle_RL)',
    'diameter_ap_mm': 'MEAN(diameter_AP)',
    'diameter_rl_mm': 'MEAN(diameter_RL)',
    'eccentricity': 'MEAN(eccentricity)',
    'orientation_deg': 'MEAN(orientation)',
    'solidity': 'MEAN(solidity)',
    'length_mm': 'SUM(length)',
}
"""Our column → column of ``sct_process_segmentation``."""


def read_slice_table(path: str | Path) -> list[dict[str, Any]]:
    """Rows of a CSV that ``sct_process_segmentation -perslice 1`` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    list of dict
        ``slice`` (int, from inferior), ``level`` (int or None), and the numbers named
        in :data:`SLICE_COLUMNS` (NaN where SCT left a cell empty); bottom-up.
    """
    with Path(path).open(newline='', encoding='utf-8') as file:
        rows = [
            {
                'slice': int(float(row['Slice (I->S)'])),
                'level': int(float(row['VertLevel'])) if row.get('VertLevel') else None,
                **{ours: _number(row.get(theirs)) for ours, theirs in SLICE_COLUMNS.items()},
            }
            for row in csv.DictReader(file)
        ]
    return sorted(rows, key=lambda row: row['slice'])


def csa_metrics(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """Cross-sectional area in four numbers, without the two end slices.

    Parameters
    ----------
    rows : list of dict
        See :func:`read_slice_table`.

    Returns
    -------
    dict
        ``csa_mean_mm2``, ``csa_min_mm2``, ``csa_max_mm2``, and ``csa_c2c3_mean_mm2``
        (None where neither level is in view).
    """
    summary = _summary(rows)
    numbers = {
        'csa_mean_mm2': summary['mean'],
        'csa_min_mm2': summary['min'],
        'csa_max_mm2': summary['max'],
        'csa_c2c3_mean_mm2': summary['c2c3'],
    }
    return {name: None if v is None else round(v, 3) for name, v in numbers.items()}


def write_slice_table(rows: list[dict[str, Any]], path: str | Path) -> None:
    """TSV with one row per slice; levels by name, ``n/a`` where not known."""
    named = [row | {'level': level_name(row['level']) if row['level'] else None} for row in rows]
    _write(path, ['slice', 'level', *SLICE_COLUMNS], named)


def read_areas(path: str | Path) -> list[dict[str, Any]]:
    """Slice, area and length of the rows that :func:`write_slice_table` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    list of dict
        ``slice`` (int), ``area_mm2`` and ``length_mm`` (NaN where not known).
    """
    with Path(path).open(newline='', encoding='utf-8') as file:
        return [
            {
                'slice': int(row['slice']),
                **{
                    name: math.nan if row[name] == 'n/a' else float(row[name])
                    for name in ('area_mm2', 'length_mm')
                },
            }
            for row in csv.DictReader(file, delimiter='\t')
        ]


def write_level_table(
    rows: list[dict[str, Any]],
    path: str | Path,
    *,
    column: str = 'level',
    name: Callable[[int], str] = level_name,
) -> None:
    """TSV with one row per level, the end slices left out of the means.

    Parameters
    ----------
    rows : list of dict
        One per slice, with ``slice``, ``area_mm2``, ``length_mm`` and, as an int or None,
        the level.
    path : path-like
    column : str
        What the level is called, in `rows` and in the table.
    name : callable
        Level → its name.
    """
    per_level = _summary(rows, column)['per_level']
    table = []
    for level, area in per_level.items():
        own = [row for row in rows if row[column] == level]
        table.append(
            {
                column: name(level),
                'area_mm2': area,
                'slices': len(own),
                'length_mm': sum(row['length_mm'] for row in own),
            }
        )
    _write(path, [column, 'area_mm2', 'slices', 'length_mm'], table)


def _summary(rows: list[dict[str, Any]], column: str = 'level') -> dict[str, Any]:
    return summarise_csa(
        np.array([row['slice'] for row in rows]),
        np.array([row['area_mm2'] for row in rows]),
        np.array([row[column] or 0 for row in rows]),
    )


def _number(cell: str | None) -> float:
    return float(cell) if cell else math.nan


def _write(path: str | Path, columns: list[str], rows: list[dict[str, Any]]) -> None:
    with Path(path).open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file, delimiter='\t', lineterminator='\n')
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_cell(row[column]) for column in columns])


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return 'n/a'
    return f'{value:.4f}' if isinstance(value, float) else value
