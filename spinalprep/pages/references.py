# SPDX-License-Identifier: Apache-2.0
"""What to cite for what was run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

_NETWORKS = {
    'spinalcord': 'contrast_agnostic',
    'contrast_agnostic': 'contrast_agnostic',
    'spine': 'totalspineseg',
    'rootlet': 'rootlets',
}
"""Word in the name of a task of ``sct_deepseg`` → key of its paper."""


@cache
def table() -> Mapping[str, Mapping[str, Any]]:
    """All references by their keys, in the order in which they are told."""
    import yaml

    from spinalprep.data import load

    return yaml.safe_load(load('references.yaml').read_text(encoding='utf-8'))


def cited(record: Mapping[str, Any]) -> list[str]:
    """Keys of what the run of a subject rests on, in the order of the table.

    Parameters
    ----------
    record : mapping

    Returns
    -------
    list of str
    """
    keys = {'nipype'}
    if record['versions'].get('sct_kind') == 'embedded':
        return list(keys)
    keys.add('sct')
    tasks = {
        _task(command['argv'])
        for command in record['commands']
        if command.get('command') == 'sct_deepseg' and command.get('argv')
    }
    keys |= {key for word, key in _NETWORKS.items() if any(word in task for task in tasks)}
    path = record['registration'].get('path')
    if path:
        keys.add('pam50')
    if path == 'rootlet':
        keys.add('rootlet_registration')
    levels = record.get('template_maps', {}).get('spinal_levels_of_template', {})
    if levels.get('status') == 'computed':
        keys.add('spinal_levels')
    return [key for key in table() if key in keys]


def _task(argv: Sequence[str]) -> str:
    """Task of a command line of ``sct_deepseg``, in the form of any version.

    Examples
    --------
    >>> _task(['/opt/spinalcordtoolbox/bin/sct_deepseg', '-task', 'totalspineseg', '-i', 'x'])
    'totalspineseg'
    >>> _task(['apptainer', 'exec', 'sct.sif', 'sct_deepseg', 'rootlets', '-i', 'spine/x'])
    'rootlets'
    """
    names = [word.rpartition('/')[2] for word in argv]
    rest = [word for word in argv[names.index('sct_deepseg') + 1 :] if word != '-task']
    return rest[0] if rest else ''


def references(keys: Iterable[str]) -> list[dict[str, str]]:
    """References in words.

    Parameters
    ----------
    keys : iterable of str

    Returns
    -------
    list of dict
        ``text`` and ``doi``.

    Examples
    --------
    >>> references(['sct'])[0]['text']  # doctest: +NORMALIZE_WHITESPACE
    'De Leener et al. (2017). SCT: Spinal Cord Toolbox, an open-source software for processing
    spinal cord MRI data. NeuroImage 145, 24–43.'
    """
    return [{'text': _in_words(table()[key]), 'doi': table()[key]['doi']} for key in keys]


def bibtex(keys: Iterable[str]) -> str:
    """References as entries of BibTeX.

    Parameters
    ----------
    keys : iterable of str

    Examples
    --------
    >>> print(bibtex(['rootlets']))
    @article{rootlets,
      author = {Valošek, Jan and others},
      title = {{Automatic segmentation of the spinal cord nerve rootlets}},
      journal = {Imaging Neuroscience},
      year = {2024},
      volume = {2},
      doi = {10.1162/imag_a_00218},
    }
    <BLANKLINE>
    """
    entries = []
    for key in keys:
        fields = table()[key] | {'title': f'{{{table()[key]["title"]}}}'}
        lines = [f'  {name} = {{{value}}},' for name, value in fields.items()]
        entries.append('\n'.join([f'@article{{{key},', *lines, '}', '']))
    return '\n'.join(entries)


def _in_words(item: Mapping[str, Any]) -> str:
    first, *others = item['author'].split(' and ')
    names = first.partition(',')[0] + (' et al.' if others else '')
    place = ' '.join(str(item[name]) for name in ('journal', 'volume') if name in item)
    pages = f', {item["pages"]}' if 'pages' in item else ''
    return f'{names} ({item["year"]}). {item["title"]}. {place}{pages}.'
