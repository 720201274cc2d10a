# SPDX-License-Identifier: Apache-2.0
"""The method in words, from what was really run: for pages and for papers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spinalprep import __version__
from spinalprep.pages.references import bibtex, cited, references, table
from spinalprep.record import COMPLETED, label_of

_BY = {'disc': 'discs', 'rootlet': 'rootlets'}


def method_of(record: Mapping[str, Any]) -> list[str]:
    """The method of one subject.

    Parameters
    ----------
    record : mapping

    Returns
    -------
    list of str
        Paragraphs: what the graph does, then what became of it in this subject, then versions.
        Equal for subjects that were treated alike.
    """
    planned = ' '.join(record.get('method', '').split())
    paragraphs = [planned, ' '.join(_happened(record)), _versions(record['versions'])]
    return [text for text in paragraphs if text]


def citation_files(records: Iterable[Mapping[str, Any]], dataset: str) -> tuple[str, str]:
    """Method and references of a dataset, as Markdown and BibTeX.

    Parameters
    ----------
    records : iterable of mapping
        Of all subjects and sessions.
    dataset : str
        Its name.

    Returns
    -------
    markdown, bibtex : str
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    others: list[str] = []
    keys: set[str] = set()
    for record in records:
        label = label_of(record['subject'], record['session'])
        if record['status'] == COMPLETED:
            groups.setdefault(tuple(method_of(record)), []).append(label)
            keys |= set(cited(record))
        else:
            others.append(f'{label} ({record["status"]})')
    lines = [
        f'# Anatomical cord reference of {dataset}: method, and what to cite',
        f'Written by spinalprep {__version__} from the records of what was run.',
    ]
    for paragraphs, labels in groups.items():
        lines += [f'## {", ".join(labels)}', *paragraphs]
    if others:
        lines += ['## Without a result', ', '.join(others)]
    ordered = [key for key in table() if key in keys]
    if ordered:
        found = references(ordered)
        items = [f'- {item["text"]} <https://doi.org/{item["doi"]}>' for item in found]
        lines += ['## References', '\n'.join(items)]
    return '\n\n'.join(lines) + '\n', bibtex(ordered)


def _happened(record: Mapping[str, Any]) -> list[str]:
    """What the graph left open, and the record knows."""
    sentences = []
    if record['rootlets']['status'] in ('not eligible', 'failed'):
        sentences.append(f'There were no rootlets: {record["rootlets"]["reason"]}.')
    path, other = (record['registration'].get(key) for key in ('path', 'other'))
    if path:
        too = f'; that by {_BY[other]} gave a result, too' if other else ''
        sentences.append(f'The registration by {_BY[path]} was taken{too}.')
    without: dict[str, list[str]] = {}
    for name, stage in record.get('template_maps', {}).items():
        if stage['status'] == 'absent':
            without.setdefault(stage['reason'], []).append(name)
    sentences += [f'Absent: {", ".join(names)} ({why}).' for why, names in without.items()]
    return sentences


def _versions(versions: Mapping[str, Any]) -> str:
    """Everything that decides about the numbers."""
    toolbox = f'SCT {versions.get("sct")}'
    models = [identity for identity in (versions.get('models') or {}).values() if identity]
    if models:
        toolbox += f' with the networks {", ".join(models)}'
    text = (
        f'Software: spinalprep {versions.get("spinalprep")}, {toolbox}, '
        f'Nipype {versions.get("nipype")}; template {versions.get("template")}.'
    )
    if versions.get('sct_kind') == 'embedded':
        text += ' The embedded stand-in for SCT was used: these results are not for a study.'
    return text
