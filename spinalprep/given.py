# SPDX-License-Identifier: Apache-2.0
"""Files that are used instead of being computed: which there are for an image, and whose.

In this order: a file that was named for a product, one that was corrected by hand, an earlier
result. What is in the files is judged later, when the graph runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from spinalprep.candidates import Candidate, Target, is_absent
from spinalprep.errors import InputImageError, UsageError
from spinalprep.givennames import given_names
from spinalprep.naming import source_uri, subject_folder
from spinalprep.products import PRECOMPUTABLE

MANUAL_FOLDER = Path('derivatives', 'labels')
"""Below a dataset: where labs keep what they corrected by hand."""

Origin = Literal['given', 'manual', 'derivative']
"""Named for its product, corrected by hand, or an earlier result."""


@dataclass(frozen=True)
class GivenFile:
    """A file that is used instead of being computed."""

    path: Path
    origin: Origin
    uri: str
    """A BIDS URI where the file lies in a dataset that sidecars have a name for."""

    def facts(self) -> dict[str, str]:
        """For record and sidecars."""
        return {'path': str(self.path), 'origin': self.origin, 'uri': self.uri}


@dataclass(frozen=True)
class GivenFiles:
    """Where files of one dataset may be taken from instead of being computed."""

    bids_dir: Path | None = None
    """The dataset."""
    precomputed: Mapping[str, str] = field(default_factory=dict)
    """Product to the path of its file; ``{subject}`` and ``{session}`` stand for labels."""
    manual_dir: Path | None = None
    """Folder of files corrected by hand."""
    manual: Sequence[str] = PRECOMPUTABLE
    """Products that are looked for there."""
    derivatives: Mapping[str, Path] = field(default_factory=dict)
    """Name to folder of earlier results, the parent of ``sub-*``."""
    from_derivatives: Sequence[str] = PRECOMPUTABLE
    """Products that are looked for there."""
    output: Path | None = None
    """Root of the derivatives that the run writes: a subject's own are never taken."""

    def of(self, target: Target, candidate: Candidate) -> dict[str, GivenFile]:
        """Files for one image, by product.

        Raises
        ------
        InputImageError
            If one that was named is not there, there are two for one product, or one is where
            the results of this image go.
        """
        named = resolve_precomputed(self.precomputed, target)
        found = {
            name: GivenFile(path, 'given', source_uri(path, self.bids_dir))
            for name, path in named.items()
        }
        if self.manual_dir is not None:
            folders = (self.manual_dir / _anat(candidate), self.manual_dir)
            for name, path in _find(folders, candidate, self.manual, found).items():
                found[name] = GivenFile(path, 'manual', source_uri(path, self.bids_dir))
        for label, root in self.derivatives.items():
            folders = (root / _anat(candidate),)
            earlier = _find(folders, candidate, self.from_derivatives, found, ('seed', 'bids'))
            for name, path in earlier.items():
                found[name] = GivenFile(path, 'derivative', source_uri(path, root, label))
        if self.output is not None:
            _refuse_own([item.path for item in found.values()], self.output, candidate)
        return {name: found[name] for name in PRECOMPUTABLE if name in found}


def _refuse_own(paths: Iterable[Path], output: Path, candidate: Candidate) -> None:
    """Refuse files that the run itself has made, or would replace."""
    folder = (output / subject_folder(dict(candidate.entities))).resolve()
    for path in paths:
        if path.resolve().is_relative_to(folder):
            raise InputImageError(
                f'{path}: lies in {folder}, where the results of this run go: it may be one of '
                'them, and would be replaced. Copy it elsewhere, and name that'
            )


def _anat(candidate: Candidate) -> str:
    return f'{subject_folder(dict(candidate.entities))}/anat'


def _find(
    folders: Sequence[Path],
    candidate: Candidate,
    wanted: Sequence[str],
    known: Mapping[str, GivenFile],
    schemes: tuple = ('seed', 'bids', 'lab'),
) -> dict[str, Path]:
    """Files in folders that bear a name of a product of this image; those known are not sought."""
    entities = dict(candidate.entities)
    folders = [folder for folder in folders if folder.is_dir()]
    found = {}
    for name in wanted:
        if name in known:
            continue
        paths = [
            folder / file
            for folder in folders
            for file in given_names(name, entities, candidate.modality, schemes)
            if os.path.lexists(folder / file)
        ]
        if len(paths) > 1:
            raise InputImageError(
                f'{paths[0]} and {paths[1].relative_to(folders[-1])}: both can be the {name} of '
                f'{candidate.path.name}. Take one away, or name the right one: --precomputed '
                f'{name}=PATH'
            )
        for path in paths:
            if is_absent(path):
                raise InputImageError(f'{path}: annexed, and not on this machine (datalad get)')
            if not path.is_file():
                raise InputImageError(f'{path}: a link to nothing. Mend it, or take it away.')
            found[name] = path
    return found


def check_precomputed(precomputed: Mapping[str, str]) -> None:
    """Refuse products that can't be given, and patterns that mean nothing.

    Raises
    ------
    UsageError
    """
    for name, pattern in precomputed.items():
        if name not in PRECOMPUTABLE:
            raise UsageError(f'--precomputed {name}: only {", ".join(PRECOMPUTABLE)} can be given')
        rest = pattern.replace('{subject}', '').replace('{session}', '')
        if not pattern or '{' in rest or '}' in rest:
            raise UsageError(
                f'--precomputed {name}={pattern}: a path expected, in which only {{subject}} and '
                '{session} are replaced'
            )


def resolve_precomputed(precomputed: Mapping[str, str], target: Target) -> dict[str, Path]:
    """Files given for a subject and session.

    Raises
    ------
    InputImageError
        If one is not there: computing it instead would not be what was asked for.
    """
    found = {}
    for name, pattern in precomputed.items():
        if '{session}' in pattern and target.session is None:
            raise InputImageError(
                f'--precomputed {name}={pattern}: {target.label} has no session to put in'
            )
        text = pattern.replace('{subject}', target.subject)
        path = Path(text.replace('{session}', target.session or '')).expanduser().absolute()
        if not path.is_file():
            raise InputImageError(f'{path}: given as {name} of {target.label}, but not there')
        found[name] = path
    return found
