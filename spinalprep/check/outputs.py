# SPDX-License-Identifier: Apache-2.0
"""All that the step wrote below an output folder: records first, then what they promise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spinalprep import naming, products
from spinalprep.check.figures import judge_figure
from spinalprep.check.files import Grids, judge_file
from spinalprep.check.findings import Findings, Problem
from spinalprep.check.together import judge_together
from spinalprep.layout import Layout, folders_of_records
from spinalprep.locks import is_held
from spinalprep.record import COMPLETED, FAIL, WARN, label_of, problems_of

DESCRIPTION = 'dataset_description.json'


def check(out: Path, datasets: Sequence[str] = ()) -> Findings:
    """Check all that step S2 wrote below an output folder.

    Parameters
    ----------
    out : Path
        The folder given as ``--out``, or as ``OUT_DIR``.
    datasets : sequence of str
        Names of the datasets to check; all if none is given.

    Returns
    -------
    Findings

    Raises
    ------
    NothingToRunError
        If the step never ran there, or not for a dataset that is named.
    """
    findings = Findings()
    for folder in folders_of_records(out, datasets).values():
        _check_dataset(out, folder, findings)
    return findings


def _check_dataset(out: Path, folder: Path, findings: Findings) -> None:
    selected: dict[str, None] = {}
    roots = set()
    for path in sorted((folder / 'runs').glob('*.json')):
        content = _read_json(path, findings) or {}
        selected |= dict.fromkeys(content.get('selected', ()))
        if content.get('layout') in ('run', 'bids-app'):
            roots.add(Layout(out, folder.name, content['layout']).derivatives)
    for root in sorted(roots):
        _check_description(root / DESCRIPTION, findings)
    found, schemes = set(), set()
    for path in sorted(folder.glob('*.json')):
        found.add(path.stem)
        content = _read_json(path, findings, path.stem)
        if content is not None:
            findings.subjects += 1
            _check_record(out, path, content, findings)
            if content.get('products'):
                schemes.add(content.get('output_names'))
    if len(schemes) > 1:
        text = (
            'its subjects have names of different schemes; run all of them with one --output-names'
        )
        findings.warnings.append(Problem(folder, text))
    layout = Layout(out, folder.name, 'run')
    for label in sorted(selected.keys() | found):
        # whoever ends in order takes it away
        if layout.state(label).exists() and not is_held(layout.lock(label)):
            text = 'its last run was killed, and may have touched anything: run it again'
            findings.problems.append(Problem(layout.state(label), text, label))
    for label in selected.keys() - found:
        text = f'{label} was selected and has no record: run it again'
        findings.problems.append(Problem(folder / f'{label}.json', text, label))


def _check_description(path: Path, findings: Findings) -> None:
    content = _read_json(path, findings)
    if content is not None and content.get('DatasetType') != 'derivative':
        findings.problems.append(Problem(path, 'does not describe a derivative dataset'))


def _read_json(
    path: Path, findings: Findings, subject: str | None = None
) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        if isinstance(content, dict):
            return content
        reason = 'not a JSON object'
    except OSError as error:
        reason = str(error.strerror)
    except ValueError as error:
        reason = str(error)
    findings.problems.append(Problem(path, f'can not be read: {reason}', subject))
    return None


def _check_record(out: Path, path: Path, record: Mapping[str, Any], findings: Findings) -> None:
    label = path.stem
    wrong = problems_of(record)
    if wrong:
        findings.problems += [
            Problem(path, f'not a valid record: {text}', label) for text in wrong
        ]
        return
    reasons = '; '.join(record['reasons']).replace('\n', ' ')
    if record['status'] != COMPLETED:
        findings.problems.append(Problem(path, f'{record["status"]}: {reasons}', label))
    elif record['verdict'] == FAIL:
        findings.problems.append(Problem(path, f'verdict FAIL: {reasons}', label))
    elif record['verdict'] == WARN:
        findings.warnings.append(Problem(path, f'verdict WARN: {reasons}', label))
    told = label_of(record['subject'], record['session'])
    if told != label:
        findings.problems.append(Problem(path, f'is the record of {told}', label))
        return
    root = Layout(out, record['dataset'], record['layout']).derivatives
    for problem in _product_problems(root, record, findings):
        findings.problems.append(Problem(*problem, subject=label))
    for warning in _figure_warnings(root, record, findings):
        findings.warnings.append(Problem(*warning, subject=label))
    for part in sorted((root / naming.subject_folder(_entities(record))).rglob('.*.part')):
        text = 'left behind by a run that was stopped; it can be removed'
        findings.warnings.append(Problem(part, text, label))


def _product_problems(
    root: Path, record: Mapping[str, Any], findings: Findings
) -> Iterator[tuple[Path, str]]:
    """Path and text of what is wrong with the products of a subject."""
    listed = record['products']
    for item in products.expected(record):
        if item.name not in listed:
            yield _place(root, item, record), f'{item.name} is not in the record'
    grids, sound = Grids(record), {}
    for item in products.WRITTEN:
        if item.name in listed:
            findings.files += 1
            path = root / listed[item.name]
            wrong = list(judge_file(item, path, grids))
            yield from ((path, text) for text in wrong)
            if not wrong:
                sound[item.name] = path
    yield from ((sound[name], text) for name, text in judge_together(sound))
    unlisted = list(_unlisted(root, record))
    if unlisted and record['status'] != COMPLETED:
        text = f'{len(unlisted)} files of products lie here, though the last run did not complete'
        yield root / naming.subject_folder(_entities(record)), text
    elif unlisted:
        yield from ((path, 'not in the record') for path in unlisted)


def _place(root: Path, item: products.Product, record: Mapping[str, Any]) -> Path:
    """Where a product or figure would lie."""
    source, scheme = record['source'], record['output_names']
    other = (record.get('registration') or {}).get('other') or products.PATHS[0]
    return root / naming.location(
        item, source['entities'], source['modality'], scheme=scheme, path=other
    )


def _unlisted(root: Path, record: Mapping[str, Any]) -> Iterator[Path]:
    """Products in the subject's folders that its record does not know."""
    entities = _entities(record)
    known = {root / relative for relative in record['products'].values()}
    known |= {naming.sidecar_of(path) for path in known}
    for folder in sorted({item.folder for item in products.WRITTEN}):
        for path in sorted((root / naming.subject_folder(entities) / folder).glob('*')):
            if path not in known and naming.product_of(path.name, entities):
                yield path


def _entities(record: Mapping[str, Any]) -> dict[str, str]:
    return {'sub': record['subject'], 'ses': record['session'] or ''}


def _figure_warnings(
    root: Path, record: Mapping[str, Any], findings: Findings
) -> Iterator[tuple[Path, str]]:
    """A figure that is missing or broken spoils no number: it is a warning."""
    listed = record['figures']
    for item in products.expected(record, products.FIGURES):
        if item.name not in listed:
            yield _place(root, item, record), f'{item.name} was not drawn'
    for item in products.FIGURES:
        for relative in listed.get(item.name, ()):
            findings.files += 1
            if wrong := judge_figure(root / relative):
                yield root / relative, f'{item.name} {wrong}'
