# SPDX-License-Identifier: Apache-2.0
"""What the page of one subject shows, from its record, figures and tables."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spinalprep.bounds import BY_NAME
from spinalprep.pages.method import method_of
from spinalprep.pages.pictures import frames
from spinalprep.pages.references import cited, references
from spinalprep.products import FIGURES
from spinalprep.record import COMPLETED, label_of

TITLES = {
    'figure_crop_box': 'Crop box',
    'figure_cord_mask': 'Cord mask',
    'figure_spine': 'Vertebrae and discs',
    'figure_rootlets': 'Rootlets',
    'figure_overlay': 'Subject and template',
}

_WORST_FIRST = {'FAIL': 0, 'WARN': 1, 'PASS': 2, 'n/a': 3}
_PLOT = {'left': 50, 'right': 620, 'top': 10, 'bottom': 124}


def content(record: Mapping[str, Any], derivatives: Path) -> dict[str, Any]:
    """Everything that the template of the page asks for, but for the software's version.

    Parameters
    ----------
    record : mapping
        Schema-valid.
    derivatives : Path
        Root that paths in the record are relative to.

    Returns
    -------
    dict
    """
    completed = record['status'] == COMPLETED
    grade = grade_of(record)
    levels = _levels(record, derivatives)
    page = {
        'label': label_of(record['subject'], record['session']),
        'dataset': record['dataset'],
        'embedded': record['versions'].get('sct_kind') == 'embedded',
        'grade': grade,
        'headline': grade if completed else record['status'],
        'reasons': record['reasons'],
        'facts': _facts(record),
        'failure': _failure(record),
        'figures': _figures(record, derivatives),
        'evidence': _evidence(record),
        'levels': levels,
        'plot': _plot(levels),
        'candidates': record['candidates'] + [
            {'path': item['path'], 'outcome': 'dropped', 'reason': item['reason']}
            for item in record['dropped']
        ],
        'commands': _commands(record),
        'method': method_of(record),
        'references': references(cited(record)),
        'versions': [(key, _text(value)) for key, value in record['versions'].items()],
    }  # fmt: skip
    names = {
        'failure': 'what failed', 'figures': 'figures', 'evidence': 'evidence', 'levels': 'area',
        'candidates': 'images', 'commands': 'commands', 'method': 'method',
    }  # fmt: skip
    page['sections'] = [
        {'id': 'area' if key == 'levels' else key, 'name': name}
        for key, name in names.items()
        if page[key]
    ]
    return page


def grade_of(record: Mapping[str, Any]) -> str:
    """PASS, WARN, FAIL, failed or rejected; ``none`` for what was never judged."""
    if record['status'] != COMPLETED:
        return record['status']
    return record['verdict'] or 'none'


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ', '.join(f'{key}: {item}' for key, item in value.items()) or '–'
    return str(value)


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = []
    if record['source']:
        facts.append(('image', record['source']['path']))
    if record['registration'].get('path'):
        other = record['registration'].get('other')
        paths = record['registration']['path'] + (f' (also: {other})' if other else '')
        facts.append(('registration by', f'{paths}s' if not other else paths))
    for stage in ('spine', 'rootlets'):
        item = record[stage]
        reason = f' ({item["reason"]})' if item.get('reason') else ''
        facts.append((stage, f'{item["status"]}{reason}'))
    for product, item in record['precomputed'].items():
        facts.append((f'{item["origin"]}: {product}', item['path']))
    facts += [('note', note) for note in record['evidence'].get('given', ())]
    if record['times']:
        facts.append(('run', f'{record["times"]["start"]}, {record["times"]["duration_s"]:g} s'))
    return facts


def _failure(record: Mapping[str, Any]) -> dict[str, Any] | None:
    failure = record['failure']
    if not failure:
        return None
    return {'node': None, 'log': None, 'details': '', 'advice': '', **failure}


def _figures(record: Mapping[str, Any], derivatives: Path) -> list[dict[str, Any]]:
    found = []
    for item in FIGURES:
        for path in record['figures'].get(item.name, ()):
            figure = {
                'name': item.name, 'title': TITLES[item.name], 'caption': item.description,
                'frames': [], 'problem': '',
            }  # fmt: skip
            try:
                figure['frames'] = frames(derivatives / path)
            except (OSError, SyntaxError, ValueError) as error:  # SyntaxError: a broken PNG
                figure['problem'] = f'{path} can not be shown: {error}'
            found.append(figure)
    return found


def _evidence(record: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = []
    for item in record['evidence'].get('numbers', ()):
        known = BY_NAME.get(item['name'])
        unit = f' {item["unit"]}' if item['unit'] else ''
        rows.append(
            {
                **{key: item[key] for key in ('substep', 'name', 'where', 'verdict', 'source')},
                'shown': '–' if item['value'] is None else f'{item["value"]:.4g}{unit}',
                'warn': _limit(item['warn'], known),
                'fail': _limit(item['fail'], known),
                'grade': 'none' if item['verdict'] == 'n/a' else item['verdict'],
                'doc': known.doc if known else '',
            }
        )
    return sorted(rows, key=lambda row: _WORST_FIRST.get(row['verdict'], 2))


def _limit(value: float | None, known: Any) -> str:
    if value is None:
        return '–'
    return f'{"<" if known and known.low_is_bad else ">"} {value:g}'


def _levels(record: Mapping[str, Any], derivatives: Path) -> list[dict[str, str]]:
    path = record['products'].get('csa_per_level')
    if path is None:
        return []
    try:
        with (derivatives / path).open(encoding='utf-8', newline='') as stream:
            return list(csv.DictReader(stream, delimiter='\t'))
    except OSError:
        return []


def _plot(levels: list[dict[str, str]]) -> dict[str, Any]:
    """Places of dots and ticks in the drawing of the area per level."""
    values = []
    for row in levels:
        try:
            values.append((row['level'], float(row['area_mm2'])))
        except (KeyError, ValueError):
            continue  # n/a
    if not values:
        return {'ticks': [], 'dots': []}
    top = max(area for _, area in values) * 1.15

    def height(area: float) -> float:
        return round(_PLOT['bottom'] - area / top * (_PLOT['bottom'] - _PLOT['top']), 1)

    step = (_PLOT['right'] - _PLOT['left']) / max(len(values) - 1, 1)
    ticks = range(0, int(top) + 1, 20 if top < 160 else 50)
    return {
        'ticks': [{'y': height(area), 'text': f'{area} mm²' if area else '0'} for area in ticks],
        'dots': [
            {
                'x': round(_PLOT['left'] + number * step, 1),
                'y': height(area),
                'level': level,
                'text': f'{level}: {area:.1f} mm²',
            }
            for number, (level, area) in enumerate(values)
        ],
    }


def _commands(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for item in record['commands']:
        note = 'reused' if item.get('cached') else ''
        if item.get('timed_out'):
            note = 'stopped at its time limit'
        elif item.get('exit_code'):
            note = f'exit code {item["exit_code"]}'
        rows.append(
            {
                'substep': item['substep'],
                'command': item['command'],
                'line': shlex.join(item['argv']),
                'version': item['version'],
                'seconds': f'{item["duration_s"]:.1f}',
                'note': note,
            }
        )
    return rows
