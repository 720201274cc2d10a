# SPDX-License-Identifier: Apache-2.0
"""Which image of each subject and session serves, and why each other one does not."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spinalprep.errors import NothingToRunError, UsageError
from spinalprep.products import ENTITY_ORDER, subject_folder

SUFFIXES = ('T2w', 'T1w')

DERIVATIVE_ENTITIES = ('space', 'desc', 'label', 'seg', 'res', 'den', 'hemi', 'from', 'to')
"""Entities that only derived images have."""

LOCALISER = re.compile(r'loc|localizer\w*|localiser\w*|scout\w*|survey\w*', re.IGNORECASE)
"""Values of ``acq-`` that say: made to plan the other scans."""


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

    @property
    def stem(self) -> str:
        """File name without extension."""
        return self.path.name.removesuffix('.gz').removesuffix('.nii')


@dataclass(frozen=True)
class Dropped:
    """A file that does not serve."""

    path: Path
    reason: str


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

    @property
    def label(self) -> str:
        """Such as ``sub-01_ses-a``."""
        return subject_folder(self.entities).replace('/', '_')

    @property
    def entities(self) -> dict[str, str]:
        """``sub`` and, where there is one, ``ses``."""
        return {'sub': self.subject} | ({'ses': self.session} if self.session else {})


@dataclass(frozen=True)
class Exclusion:
    """A subject, session or file that step S1, or a person, excluded."""

    subject: str
    session: str | None
    path: str | None
    """Relative to the dataset; None excludes the subject or session whole."""
    reason: str
    """With who excluded it."""

    def covers(self, candidate: Candidate, bids_dir: Path) -> bool:
        """Whether an image falls under this exclusion."""
        if candidate.subject != self.subject or self.session not in (None, candidate.session):
            return False
        return self.path is None or (bids_dir / self.path) == candidate.path


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

    The very label wins; otherwise numbers match without regard to leading zeros,
    if only one does.

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
    if not label.isdigit():
        return None
    alike = [item for item in known if item.isdigit() and int(item) == int(label)]
    return alike[0] if len(alike) == 1 else None


def select(
    bids_dir: Path,
    *,
    subjects: Iterable[str | int] | None = None,
    sessions: Iterable[str | int] | None = None,
    modalities: Sequence[str] = SUFFIXES,
    exclusions: Sequence[Exclusion] = (),
) -> tuple[Target, ...]:
    """Find the anatomies of a dataset.

    Parameters
    ----------
    bids_dir : Path
        Root of the dataset.
    subjects, sessions : iterable of str or int, optional
        Those to look at: ``2``, ``02`` or ``sub-02``; all if not given.
    modalities : sequence of str
        Suffixes that may serve, best first.
    exclusions : sequence of Exclusion
        What step S1, or a person, excluded.

    Returns
    -------
    tuple of Target
        By subject and session. A session without an anatomy is there without
        candidates; a subject that was asked for and is not in the dataset too.

    Raises
    ------
    NothingToRunError
        If there is no such folder, or no subject in it.
    """
    bids_dir = Path(bids_dir).resolve()
    known = _subjects(bids_dir)
    wanted: dict[str, bool] = dict.fromkeys(known, False)
    if subjects is not None:
        wanted = {match_label(label, known) or normalise(label): True for label in subjects}
    files = _files(bids_dir, [label for label in wanted if label in known])
    targets: list[Target] = []
    for subject in sorted(wanted):
        found = []
        for session in _sessions(bids_dir, subject, sessions):
            images = [path for key, path in files if key == (subject, session)]
            target = Target(subject, session, ())
            candidates, dropped = _sort_out(target, images, bids_dir, modalities, exclusions)
            found.append(
                replace(target, candidates=rank(candidates, modalities), dropped=tuple(dropped))
            )
        if wanted[subject] and not any(target.candidates for target in found):
            found = [replace(target, asked=True) for target in found]
        targets += found
    return tuple(targets)


def rank(candidates: Iterable[Candidate], modalities: Sequence[str]) -> tuple[Candidate, ...]:
    """Candidates, best first: by modality, then by file name."""
    return tuple(
        sorted(candidates, key=lambda item: (modalities.index(item.modality), item.path.name))
    )


def _subjects(bids_dir: Path) -> list[str]:
    if not bids_dir.is_dir():
        raise NothingToRunError(f'{bids_dir}: no such folder; name the dataset with --bids-dir')
    found = sorted(path.name[4:] for path in bids_dir.glob('sub-*') if path.is_dir())
    if not found:
        raise NothingToRunError(f'{bids_dir}: no sub-* folder in it; is it a BIDS dataset?')
    return found


def _sessions(bids_dir: Path, subject: str, asked: Iterable[str | int] | None) -> list[str | None]:
    """Sessions of a subject to look at; None stands for files outside session folders."""
    folder = bids_dir / f'sub-{subject}'
    if not folder.is_dir():
        return [None]
    found = sorted(path.name[4:] for path in folder.glob('ses-*') if path.is_dir())
    if asked is not None:
        wanted = [match_label(label, found, 'ses-') for label in asked]
        return [label for label in found if label in wanted]
    if not found or (folder / 'anat').is_dir():
        return [None, *found]
    return list(found)


def _files(bids_dir: Path, subjects: Sequence[str]) -> list[tuple[tuple[str, str | None], Path]]:
    """Images in the ``anat`` folders, each with its subject and session."""
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    if not subjects:
        return []
    # walk through nothing but the anat folders of the subjects asked for
    labels = '|'.join(re.escape(label) for label in subjects)
    others = re.compile(rf'^/(?!sub-(?:{labels})(?:/|$))')
    not_anat = re.compile(r'^/sub-[^/]+/(?:ses-[^/]+/)?(?!anat(?:/|$)|ses-)[^/]')
    indexer = BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=[others, not_anat])
    layout = BIDSLayout(bids_dir, validate=False, derivatives=False, indexer=indexer)
    found = layout.get(datatype='anat', extension=['.nii', '.nii.gz'])
    return [
        ((item.entities.get('subject'), item.entities.get('session')), Path(item.path))
        for item in sorted(found, key=lambda item: item.path)
    ]


def _sort_out(
    target: Target,
    images: Iterable[Path],
    bids_dir: Path,
    modalities: Sequence[str],
    exclusions: Sequence[Exclusion],
) -> tuple[list[Candidate], list[Dropped]]:
    candidates, dropped = [], []
    for path in images:
        result = _judge(target, path, modalities)
        if isinstance(result, Candidate):
            excluded = [item for item in exclusions if item.covers(result, bids_dir)]
            if excluded:
                result = Dropped(path, excluded[0].reason)
        (candidates if isinstance(result, Candidate) else dropped).append(result)
    return candidates, dropped


def _judge(target: Target, path: Path, modalities: Sequence[str]) -> Candidate | Dropped:
    """The file as a candidate, or the reason why it is none."""
    *tokens, suffix = path.name.removesuffix('.gz').removesuffix('.nii').split('_')
    pairs = [token.partition('-') for token in tokens]
    entities = {key: value for key, _, value in pairs if value}
    reason = None
    if suffix not in SUFFIXES:
        reason = f'suffix {suffix} is not T2w or T1w'
    elif suffix not in modalities:
        reason = f'the policy (selection.modalities) does not use {suffix}'
    elif len(entities) != len(tokens) or list(entities)[:1] != ['sub']:
        reason = 'not a BIDS file name'
    elif (entities['sub'], entities.get('ses')) != (target.subject, target.session):
        reason = 'its name and its folder differ in subject or session'
    elif derived := [key for key in DERIVATIVE_ENTITIES if key in entities]:
        reason = f'a derived image ({derived[0]}-{entities[derived[0]]})'
    elif unknown := [key for key in entities if key not in ENTITY_ORDER]:
        reason = f'unknown entity {unknown[0]}-'
    elif LOCALISER.fullmatch(entities.get('acq', '')):
        reason = f'a localiser (acq-{entities["acq"]})'
    elif entities.get('part', 'mag') != 'mag':
        reason = f'not a magnitude image (part-{entities["part"]})'
    elif not path.is_file() or not path.stat().st_size:
        reason = 'empty, or a link to nothing'
    if reason:
        return Dropped(path, reason)
    ordered = tuple((key, entities[key]) for key in ENTITY_ORDER if key in entities)
    return Candidate(path, entities['sub'], entities.get('ses'), suffix, ordered)


def read_exclusions(inventory: Path) -> tuple[Exclusion, ...]:
    """Exclusions in step S1's inventory, where there is one.

    The inventory is JSON with a list ``exclusions``; each item has ``subject``,
    ``reason``, and optionally ``session`` and ``path`` (relative to the dataset).

    Raises
    ------
    NothingToRunError
        If the file is there and can't be understood: guessing would let excluded
        images in.
    """
    import json

    if not inventory.is_file():
        return ()
    try:
        items: list[dict[str, Any]] = json.loads(inventory.read_text(encoding='utf-8'))[
            'exclusions'
        ]
        return tuple(
            Exclusion(
                normalise(item['subject']),
                normalise(item['session'], 'ses-') if item.get('session') else None,
                item.get('path'),
                f'excluded by S1: {item["reason"]}',
            )
            for item in items
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NothingToRunError(
            f"{inventory}: S1's inventory can not be understood ({error!r}); "
            'mend it or move it away'
        ) from error


REVIEW_COLUMNS = ('participant_id', 'session_id', 'decision', 'note')


def read_reviews(path: Path) -> tuple[Exclusion, ...]:
    """Subjects and sessions that were rejected on the dataset's page.

    Parameters
    ----------
    path : Path
        TSV as the page exports it: ``participant_id``, ``session_id``, ``decision``
        (accept, reject or n/a) and ``note``.

    Raises
    ------
    UsageError
        If it can't be read, or is no such table.
    """
    import csv

    try:
        with path.open(encoding='utf-8', newline='') as stream:
            table = csv.DictReader(stream, delimiter='\t')
            rows = list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f'--exclude-from {path}: can not be read ({error})') from error
    missing = [name for name in REVIEW_COLUMNS if name not in (table.fieldnames or ())]
    if missing:
        raise UsageError(
            f'--exclude-from {path}: no column {", ".join(missing)}; '
            f"give the file that the dataset's page exports ({', '.join(REVIEW_COLUMNS)})"
        )
    found = []
    for number, row in enumerate(rows, start=2):
        decision, note = ((row[name] or '').strip() for name in ('decision', 'note'))
        if decision not in ('accept', 'reject', 'n/a', ''):
            raise UsageError(
                f'--exclude-from {path}, line {number}: decision is {decision!r}; '
                'accept, reject or n/a expected'
            )
        if decision == 'reject':
            session = (row['session_id'] or 'n/a').strip()
            found.append(
                Exclusion(
                    normalise(row['participant_id']),
                    None if session == 'n/a' else normalise(session, 'ses-'),
                    None,
                    'rejected in review' + (f': {note}' if note not in ('', 'n/a') else ''),
                )
            )
    return tuple(found)
