# SPDX-License-Identifier: Apache-2.0
"""Write pages and tables, each whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spinalprep import __version__, atomic
from spinalprep.layout import Layout
from spinalprep.pages import dataset, subject
from spinalprep.pages.method import citation_files
from spinalprep.record import label_of, problems_of

INDEX, GROUP = 'index.html', 'group_S2'


def write_subject_page(layout: Layout, record: Mapping[str, Any]) -> Path:
    """The page of a subject and session, beside its folder.

    Parameters
    ----------
    layout : Layout
    record : mapping
        Plain JSON types, schema-valid.

    Returns
    -------
    Path
    """
    path = layout.derivatives / f'{label_of(record["subject"], record["session"])}.html'
    _write(path, 'subject.html', subject.content(record, layout.derivatives))
    return path


def write_dataset_page(layout: Layout) -> Path:
    """Page, table, and method text of a dataset, from all records that are there.

    Several runs may do this at once: each writes what all records say then, and the last one
    sees them all.

    Parameters
    ----------
    layout : Layout

    Returns
    -------
    Path
        Of the page.
    """
    records = read_records(layout)
    root = layout.derivatives
    atomic.write_text(root / f'{GROUP}.tsv', dataset.table(records))
    atomic.write_json(root / f'{GROUP}.json', dataset.descriptions())
    _write(root / INDEX, 'dataset.html', dataset.content(records, layout.dataset))
    text, entries = citation_files(records, layout.dataset)
    atomic.write_text(layout.citation, text)
    atomic.write_text(layout.citation.with_suffix('.bib'), entries)
    return root / INDEX


def read_records(layout: Layout) -> list[dict[str, Any]]:
    """Records of a dataset in this layout; those that can't be read are left to ``check``."""
    found = []
    for path in sorted(layout.logs.glob('*.json')):
        try:
            record = json.loads(path.read_text(encoding='utf-8'))
        except (OSError, ValueError):
            continue
        if not problems_of(record) and record['layout'] == layout.kind:
            found.append(record)
    return found


def _write(path: Path, template: str, content: Mapping[str, Any]) -> None:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from spinalprep.data import load

    environment = Environment(
        loader=FileSystemLoader(load('pages')),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    text = environment.get_template(template).render(content, version=__version__)
    atomic.write_text(path, text)
