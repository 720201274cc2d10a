# SPDX-License-Identifier: Apache-2.0
"""What the page and the table of a dataset show, from its records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from spinalprep.bounds import NUMBERS
from spinalprep.pages.subject import TITLES, grade_of
from spinalprep.record import label_of

METRICS = {
    'cord_length_mm': ('Length of cord in the crop.', 'mm'),
    'cord_volume_mm3': ('Volume of the cord mask.', 'mm³'),
    'csa_mean_mm2': ('Mean cross-sectional area of the cord.', 'mm²'),
    'csa_c2c3_mean_mm2': ('The same, at the levels C2 and C3.', 'mm²'),
    'canal_volume_mm3': ('Volume of the canal, the cord included.', 'mm³'),
}
"""Metrics of the record that stand beside the evidence: description and unit."""

MAIN = (
    'cord_length_mm', 'csa_mean_mm2', 'csa_c2c3_mean_mm2', 'cord_snr', 'disc_spacing',
    'edge_shift_mm', 'cord_dice', 'centre_distance_mm', 'leave_one_out_mm', 'offset_levels',
)  # fmt: skip
"""Columns that are always shown; others where one of them is not PASS."""

THUMBNAILS = ('figure_cord_mask', 'figure_overlay')
FIRST_FIGURE = 'figure_crop_box'
"""Thumbnail of a subject that has not come as far as those."""

PLAIN = ('participant_id', 'session_id', 'status', 'verdict', 'source', 'path', 'reasons')
"""Columns of the table before the numbers."""


def numbers_of(record: Mapping[str, Any]) -> dict[str, float | None]:
    """One value per number: of a registration path, that of the path taken."""
    chosen = record['registration'].get('path')
    values = {name: record['metrics'].get(name) for name in METRICS}
    for item in record['evidence'].get('numbers', ()):
        if item['where'] in ('', chosen):
            values[item['name']] = item['value']
    return values


def content(records: Sequence[Mapping[str, Any]], dataset: str) -> dict[str, Any]:
    """Everything that the template of the page asks for, but for the software's version.

    Parameters
    ----------
    records : sequence of mapping
        Schema-valid.
    dataset : str

    Returns
    -------
    dict
    """
    rows = [_row(record) for record in records]
    odd = {
        item['name']
        for record in records
        for item in record['evidence'].get('numbers', ())
        if item['verdict'] in ('WARN', 'FAIL')
    }
    counts = Counter(row['grade'] for row in rows)
    order = ('FAIL', 'failed', 'rejected', 'WARN', 'PASS', 'none')
    return {
        'dataset': dataset,
        'embedded': any(r['versions'].get('sct_kind') == 'embedded' for r in records),
        'counts': [(grade, counts[grade]) for grade in order if counts[grade]],
        'data': {
            'dataset': dataset,
            'columns': [
                {'name': name, 'doc': doc, 'unit': unit, 'main': name in MAIN or name in odd}
                for name, (doc, unit) in columns().items()
            ],
            'rows': rows,
        },
    }


def columns() -> dict[str, tuple[str, str]]:
    """Name of each number to its description and unit."""
    return METRICS | {number.name: (number.doc, number.unit) for number in NUMBERS}


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    label, figures = label_of(record['subject'], record['session']), record['figures']
    shown = [name for name in THUMBNAILS if figures.get(name)] or [FIRST_FIGURE]
    return {
        'label': label,
        'participant': f'sub-{record["subject"]}',
        'session': f'ses-{record["session"]}' if record['session'] else None,
        'grade': grade_of(record),
        'reasons': record['reasons'],
        'page': f'{label}.html',
        'figures': [
            {'name': name, 'title': TITLES[name], 'path': path}
            for name in shown
            for path in figures.get(name, ())[:1]
        ],
        'numbers': numbers_of(record),
    }


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """``group_S2.tsv``: one row per subject and session."""
    names = list(columns())
    lines = ['\t'.join([*PLAIN, *names])]
    for record in records:
        values = numbers_of(record)
        cells = [
            f'sub-{record["subject"]}',
            f'ses-{record["session"]}' if record['session'] else None,
            record['status'],
            record['verdict'],
            (record['source'] or {}).get('path'),
            record['registration'].get('path'),
            '; '.join(record['reasons']),
            *(values.get(name) for name in names),
        ]
        lines.append('\t'.join(_cell(cell) for cell in cells))
    return '\n'.join(lines) + '\n'


def _cell(value: Any) -> str:
    if value is None or value == '':
        return 'n/a'
    if isinstance(value, float):
        return f'{value:.6g}'
    return ' '.join(str(value).split())


def descriptions() -> dict[str, Any]:
    """``group_S2.json``: what the columns of the table hold."""
    plain = {
        'participant_id': 'Subject',
        'session_id': 'Session',
        'status': 'Did it run: completed, rejected or failed',
        'verdict': 'Is it good: PASS, WARN or FAIL',
        'source': 'Image taken, relative to the dataset',
        'path': 'Registration path taken; numbers of S2.4 are of this path',
        'reasons': 'Why the verdict is not PASS, or the status not completed',
    }
    described = {name: {'Description': plain[name]} for name in PLAIN}
    for name, (doc, unit) in columns().items():
        described[name] = {'Description': doc} | ({'Units': unit} if unit else {})
    return described
