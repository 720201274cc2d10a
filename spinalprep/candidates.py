# SPDX-License-Identifier: Apache-2.0
"""Which files may serve as anatomy, told by name and by what lies on the disk."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from spinalprep.naming import ENTITY_ORDER, subject_folder

SUFFIXES = ('T2w', 'T1w')

DERIVATIVE_ENTITIES = ('space', 'desc', 'label', 'seg', 'res', 'den', 'hemi', 'from', 'to')
"""Entities that only derived images have."""

LOCALISER = re.compile(r'loc|\d*pl(ane)?loc\w*|\w*(locali[sz]er|scout|survey)\w*', re.IGNORECASE)
"""Values of ``acq-`` that say: made to plan the other scans."""

_ANNEX = '/annex/objects/'
"""In the target of an annexed file's link, and in the text that stands for an unlocked one."""


@dataclass(frozen=True)
class Candidate:
    """An image that may serve as anatomy."""

    path: Path
    subject: str
    session: str | None
    modality: str
    """``T2w`` or ``T1w``."""
    entities: tuple[tuple[str, str], ...]
    """Entities by their short keys, in BIDS order, as written in the file name."""
    why: str = ''
    """What its place among the candidates rests on, in words."""

    @property
    def stem(self) -> str:
        """File name without extension."""
        return stem_of(self.path)


@dataclass(frozen=True)
class Dropped:
    """A file that does not serve."""

    path: Path
    reason: str
    absent: bool = False
    """Annexed, and its content is not on this machine: it might serve once it is."""


@dataclass(frozen=True)
class Target:
    """A subject, or a session of a subject, with the images it has."""

    subject: str
    session: str | None
    candidates: tuple[Candidate, ...]
    """Best first."""
    dropped: tuple[Dropped, ...] = ()
    asked: bool = False
    """Of a subject that the user named and that has no image at all: more than a note."""
    note: str = ''
    """Why there is nothing to look at, where the reason is not that of a file."""

    @property
    def label(self) -> str:
        """Such as ``sub-01_ses-a``."""
        return subject_folder(self.entities).replace('/', '_')

    @property
    def entities(self) -> dict[str, str]:
        """``sub`` and, where there is one, ``ses``."""
        return {'sub': self.subject} | ({'ses': self.session} if self.session else {})

    @property
    def selected(self) -> bool:
        """Whether it gets a record: it has images to try, or the user named it."""
        return bool(self.candidates) or self.asked

    @property
    def absent(self) -> tuple[Path, ...]:
        """Annexed images whose content is not on this machine."""
        return tuple(item.path for item in self.dropped if item.absent)

    @property
    def why_skipped(self) -> str:
        """Why there is no candidate, in words."""
        if self.candidates:
            return ''
        files = '; '.join(f'{item.path.name}: {item.reason}' for item in self.dropped)
        return self.note or 'no T2w or T1w image' + (f' ({files})' if files else '')


def stem_of(path: Path) -> str:
    """File name of an image without its extension."""
    return path.name.removesuffix('.gz').removesuffix('.nii')


def normalise(label: str | int, prefix: str = 'sub-') -> str:
    """Label without its prefix.

    Examples
    --------
    >>> normalise('sub-02'), normalise(2), normalise('ses-a', 'ses-')
    ('02', '2', 'a')
    """
    return str(label).strip().removeprefix(prefix)


def match_label(asked: str | int, known: Collection[str], prefix: str = 'sub-') -> str | None:
    """The label in the dataset that a user means.

    The very label wins; otherwise numbers match without regard to leading zeros, and
    letters without regard to how their accents are stored, if only one does.

    Examples
    --------
    >>> match_label('2', ['01', '02', '12']), match_label('sub-1', ['1', '01'])
    ('02', '1')
    >>> match_label('3', ['03', '003']) is None
    True
    """
    label = normalise(asked, prefix)
    if label in known:
        return label
    alike = [item for item in known if _plain(item) == _plain(label)]
    return alike[0] if len(alike) == 1 else None


def _plain(label: str) -> str | int:
    return int(label) if label.isdecimal() else unicodedata.normalize('NFC', label)


def is_label(text: str) -> bool:
    """Whether a subject or session may be called so: letters, of any script, and digits.

    Examples
    --------
    >>> is_label('01'), is_label('Zoë'), is_label('01 copy'), is_label('a_b')
    (True, True, False, False)
    """
    return unicodedata.normalize('NFC', text).replace('+', '').isalnum()


def judge(target: Target, path: Path, modalities: Sequence[str]) -> Candidate | Dropped:
    """The file as a candidate, or the reason why it is none.

    Parameters
    ----------
    target : Target
        The subject and session in whose folder the file lies.
    path : Path
    modalities : sequence of str
        Suffixes that the policy uses.
    """
    *tokens, suffix = stem_of(path).split('_')
    pairs = [token.partition('-') for token in tokens]
    entities = {key: value for key, _, value in pairs if value}
    reason = _why_not(target, suffix, entities, modalities)
    if reason is None and len(entities) != len(tokens):
        reason = 'not a BIDS file name'
    if reason:
        return Dropped(path, reason)
    if is_absent(path):
        return Dropped(path, 'annexed, and not on this machine (datalad get)', absent=True)
    if not path.is_file() or not path.stat().st_size:
        return Dropped(path, 'empty, or a link to nothing')
    ordered = tuple((key, entities[key]) for key in ENTITY_ORDER if key in entities)
    return Candidate(path, entities['sub'], entities.get('ses'), suffix, ordered)


def _why_not(
    target: Target, suffix: str, entities: dict[str, str], modalities: Sequence[str]
) -> str | None:
    """What in its name keeps a file from serving."""
    if suffix not in SUFFIXES:
        return f'suffix {suffix} is not T2w or T1w'
    if suffix not in modalities:
        return f'the policy (selection.modalities) does not use {suffix}'
    if list(entities)[:1] != ['sub']:
        return 'not a BIDS file name'
    if (entities['sub'], entities.get('ses')) != (target.subject, target.session):
        return 'its name and its folder differ in subject or session'
    for key, value in entities.items():
        if key in DERIVATIVE_ENTITIES:
            return f'a derived image ({key}-{value})'
        if key not in ENTITY_ORDER:
            return f'unknown entity {key}-'
        if key not in ('sub', 'ses') and not re.fullmatch('[A-Za-z0-9+]+', value):
            return f'not a BIDS file name ({key}-{value})'
    if LOCALISER.fullmatch(entities.get('acq', '')):
        return f'a localiser (acq-{entities["acq"]})'
    if entities.get('part', 'mag') != 'mag':
        return f'not a magnitude image (part-{entities["part"]})'
    return None


def is_absent(path: Path) -> bool:
    """Whether a file is managed by git-annex (DataLad) and its content is elsewhere."""
    if path.is_symlink():
        target = os.readlink(path).replace(os.sep, '/')
        return _ANNEX in f'/{target}' and not path.exists()
    try:
        if path.stat().st_size > 1024:
            return False
        with path.open('rb') as stream:
            return stream.read(len(_ANNEX)) == _ANNEX.encode()
    except OSError:
        return False
