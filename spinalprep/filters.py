# SPDX-License-Identifier: Apache-2.0
"""What narrows the choice of images: a PyBIDS filter file, ``--acq`` and ``--run``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinalprep.candidates import SUFFIXES, Candidate, normalise
from spinalprep.errors import UsageError

ENTITIES = {
    'subject': 'sub', 'session': 'ses', 'sample': 'sample', 'task': 'task',
    'tracksys': 'tracksys', 'acquisition': 'acq', 'ceagent': 'ce', 'tracer': 'trc',
    'staining': 'stain', 'reconstruction': 'rec', 'direction': 'dir', 'run': 'run',
    'modality': 'mod', 'echo': 'echo', 'flip': 'flip', 'inv': 'inv', 'mt': 'mt', 'part': 'part',
    'proc': 'proc', 'chunk': 'chunk', 'suffix': 'suffix', 'datatype': 'datatype',
    'extension': 'extension',
}  # fmt: skip
"""Name that PyBIDS gives an entity → its key in file names."""

_ABSENT, _ANY, _EITHER = 'Query.NONE', 'Query.ANY', 'Query.OPTIONAL'
_WORDS = {None: _ABSENT, '*': _ANY} | {word: word for word in (_ABSENT, _ANY, _EITHER)}
_NUMBERS = ('run', 'echo', 'flip', 'inv', 'chunk')


@dataclass(frozen=True)
class Filter:
    """What an entity must be for an image to be taken."""

    origin: str
    """Who asks for it, such as ``--acq``."""
    entity: str
    """As PyBIDS names it."""
    values: tuple[str, ...]
    """One of them must fit: a value, or PyBIDS's ``Query.NONE``, ``.ANY`` or ``.OPTIONAL``."""
    modality: str | None = None
    """The suffix that it is for; None for all."""
    is_pattern: bool = False
    """Values are regular expressions, searched anywhere in the value."""

    def complaint(self, candidate: Candidate) -> str | None:
        """Why an image is not taken; None if it is."""
        if self.modality not in (None, candidate.modality):
            return None
        value = _value(candidate, self.entity)
        if any(self._fits(value, wanted) for wanted in self.values):
            return None
        key = ENTITIES[self.entity]
        has = f'{key}-{value}' if value is not None else f'no {key}-'
        wanted = ' or '.join(_in_words(wanted) for wanted in self.values)
        return f'{has}, but {self.origin} asks for {wanted}'

    def _fits(self, value: str | None, wanted: str) -> bool:
        if wanted == _EITHER:
            return True
        if value is None or wanted in (_ABSENT, _ANY):
            return wanted == (_ABSENT if value is None else _ANY)
        if self.is_pattern:
            return re.search(wanted, value) is not None
        if self.entity in _NUMBERS and value.isdecimal() and wanted.isdecimal():
            return int(value) == int(wanted)
        return value == wanted


def _value(candidate: Candidate, entity: str) -> str | None:
    special = {
        'suffix': candidate.modality,
        'datatype': 'anat',
        'extension': candidate.path.name.removeprefix(candidate.stem),
    }
    return special.get(entity) or dict(candidate.entities).get(ENTITIES[entity])


def _in_words(wanted: str) -> str:
    return {_ABSENT: 'none', _ANY: 'any'}.get(wanted, wanted)


def by_options(acq: Iterable[str] | None, run: Iterable[int] | None) -> tuple[Filter, ...]:
    """Filters of ``--acq`` and ``--run``; none where they were not given."""
    found = []
    if acq:
        labels = tuple(normalise(label, 'acq-') for label in acq)
        found.append(Filter('--acq', 'acquisition', labels))
    if run:
        found.append(Filter('--run', 'run', tuple(map(str, run))))
    return tuple(found)


def read_filters(path: Path) -> tuple[Filter, ...]:
    """Filters of a PyBIDS filter file.

    Parameters
    ----------
    path : Path
        JSON, as other BIDS Apps take it: under ``t2w`` and ``t1w``, entities as PyBIDS names
        them, each with a value, a list of values, null for "has none", or ``"*"`` for "has
        any"; ``"regex_search": true`` makes regular expressions of all values beside it.

    Raises
    ------
    UsageError
        If the file can't be read, or a key of it is not known.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise UsageError(f'--bids-filter-file {path}: can not be read ({error})') from error
    if not isinstance(content, dict):
        raise UsageError(f'--bids-filter-file {path}: an object with t2w and t1w expected')
    modalities = {suffix.lower(): suffix for suffix in SUFFIXES}
    found: list[Filter] = []
    for key, entities in content.items():
        where = f'--bids-filter-file {path}: {key}'
        if key not in modalities:
            raise UsageError(f'{where}: unknown; known are {", ".join(modalities)}')
        if not isinstance(entities, dict):
            raise UsageError(f'{where}: entities with their values expected')
        found += _filters(entities, modalities[key], where, f'the filter file ({key})')
    return tuple(found)


def _filters(
    entities: Mapping[str, Any], modality: str, where: str, origin: str
) -> Iterable[Filter]:
    is_pattern = entities.get('regex_search', False)
    if not isinstance(is_pattern, bool):
        raise UsageError(f'{where}: regex_search: true or false expected')
    for entity, value in entities.items():
        if entity == 'regex_search':
            continue
        if entity not in ENTITIES:
            raise UsageError(f'{where}: {entity}: unknown; known are {", ".join(ENTITIES)}')
        values = value if isinstance(value, list) else [value]
        words = tuple(_word(item, entity, f'{where}: {entity}') for item in values)
        if not words:
            raise UsageError(f'{where}: {entity}: the list is empty, so no image would do')
        if is_pattern:
            _check_patterns(words, f'{where}: {entity}')
        yield Filter(origin, entity, words, modality, is_pattern)


def _word(value: Any, entity: str, where: str) -> str:
    if value is None or (isinstance(value, str) and value in _WORDS):
        return _WORDS[value]
    if isinstance(value, bool) or not isinstance(value, str | int) or value == '':
        raise UsageError(f'{where}: a label, a list of labels, null or "*" expected')
    return normalise(value, f'{ENTITIES[entity]}-')


def _check_patterns(words: Iterable[str], where: str) -> None:
    for word in words:
        try:
            re.compile(word)
        except re.error as error:
            raise UsageError(f'{where}: {word!r} is no regular expression ({error})') from error
