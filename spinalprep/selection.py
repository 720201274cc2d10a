# SPDX-License-Identifier: Apache-2.0
"""Which images of a BIDS dataset serve, best first, and why each other one does not."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from spinalprep.candidates import (
    SUFFIXES,
    Candidate,
    Dropped,
    Target,
    is_label,
    judge,
    match_label,
    normalise,
)
from spinalprep.errors import NothingToRunError
from spinalprep.exclusions import Exclusion
from spinalprep.filters import Filter
from spinalprep.ranking import rank

_Key = tuple[str, str | None]
"""Subject and session."""


def select(
    bids_dir: Path,
    *,
    subjects: Iterable[str | int] | None = None,
    sessions: Iterable[str | int] | None = None,
    modalities: Sequence[str] = SUFFIXES,
    exclusions: Sequence[Exclusion] = (),
    filters: Sequence[Filter] = (),
    min_slices: int = 1,
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
    filters : sequence of Filter
        What else an image must fulfil.
    min_slices : int
        Slices with cord below which an image would be rejected.

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
    sessions = None if sessions is None else list(sessions)
    files = anat_files(bids_dir, [label for label in wanted if label in known])
    targets: list[Target] = []
    for subject in sorted(wanted):
        found = []
        for target in _targets(bids_dir, subject, sessions):
            images = [] if target.note else files[subject, target.session]
            candidates, dropped = [], []
            for path in images:
                result = _judge(target, path, bids_dir, modalities, exclusions, filters)
                (candidates if isinstance(result, Candidate) else dropped).append(result)
            ranked = rank(candidates, modalities, min_slices)
            found.append(replace(target, candidates=ranked, dropped=tuple(dropped)))
        if wanted[subject] and not any(target.candidates for target in found):
            found = [replace(target, asked=True) for target in found]
        targets += found
    return tuple(targets)


def anat_files(bids_dir: Path, subjects: Sequence[str]) -> Mapping[_Key, list[Path]]:
    """Images in the ``anat`` folders of subjects, as PyBIDS finds them.

    Parameters
    ----------
    bids_dir : Path
        Absolute.
    subjects : sequence of str
        Labels as their folders have them; nothing else is looked through.

    Returns
    -------
    mapping
        Subject and session (None outside session folders) → paths, sorted; a list that is empty
        where there are none.
    """
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    found: dict[_Key, list[Path]] = defaultdict(list)
    if not subjects:
        return found
    # walk through nothing but the anat folders of the subjects asked for
    labels = '|'.join(re.escape(label) for label in subjects)
    others = re.compile(rf'^/(?!sub-(?:{labels})(?:/|$))')
    not_anat = re.compile(r'^/sub-[^/]+/(?:ses-[^/]+/)?(?!anat(?:/|$)|ses-)[^/]')
    indexer = BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=[others, not_anat])
    layout = BIDSLayout(bids_dir, validate=False, derivatives=False, indexer=indexer)
    for name in sorted(layout.files):
        # PyBIDS reads entities from the folders above the dataset, too: only ours count
        parts = Path(name).relative_to(bids_dir).parts
        if not name.endswith(('.nii', '.nii.gz')) or parts[-2] != 'anat':
            continue
        session = parts[1][4:] if parts[1].startswith('ses-') else None
        found[parts[0][4:], session].append(Path(name))
    return found


def _judge(
    target: Target,
    path: Path,
    bids_dir: Path,
    modalities: Sequence[str],
    exclusions: Sequence[Exclusion],
    filters: Sequence[Filter],
) -> Candidate | Dropped:
    """A file as a candidate, unless something or somebody speaks against it."""
    result = judge(target, path, modalities)
    if isinstance(result, Dropped):
        return result
    relative = path.relative_to(bids_dir).as_posix()
    for exclusion in exclusions:
        if exclusion.covers(target.subject, target.session, relative):
            return Dropped(path, exclusion.reason)
    for item in filters:
        if complaint := item.complaint(result):
            return Dropped(path, complaint)
    return result


def _subjects(bids_dir: Path) -> list[str]:
    if not bids_dir.is_dir():
        raise NothingToRunError(f'{bids_dir}: no such folder; name the dataset with --bids-dir')
    found = sorted(path.name[4:] for path in bids_dir.glob('sub-*') if path.is_dir())
    if not found:
        raise NothingToRunError(f'{bids_dir}: no sub-* folder in it; is it a BIDS dataset?')
    return found


def _targets(bids_dir: Path, subject: str, asked: Sequence[str | int] | None) -> list[Target]:
    """Sessions of a subject to look at; None stands for files outside session folders."""
    folder = bids_dir / f'sub-{subject}'
    if not folder.is_dir():
        return [Target(subject, None, (), note='it is not in the dataset')]
    if not is_label(subject):
        return [Target(subject, None, (), note='its label is not of letters and digits only')]
    if not any(folder.iterdir()):
        note = 'its folder is empty (a subdataset of DataLad that is to be got?)'
        return [Target(subject, None, (), note=note)]
    found = sorted(path.name[4:] for path in folder.glob('ses-*') if path.is_dir())
    if asked is None:
        alone = [None] if not found or (folder / 'anat').is_dir() else []
        return [Target(subject, label, ()) for label in [*alone, *found]]
    targets: dict[str, Target] = {}
    for label in asked:
        matched = match_label(label, found, 'ses-')
        name = matched or normalise(label, 'ses-')
        note = '' if matched else f'it has no such session, only {", ".join(found) or "none"}'
        targets[name] = Target(subject, name, (), note=note)
    return [targets[name] for name in sorted(targets)]
