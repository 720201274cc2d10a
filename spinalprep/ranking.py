# SPDX-License-Identifier: Apache-2.0
"""Which of several images shows the cord best, as far as name and header tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from spinalprep.candidates import Candidate
from spinalprep.geometry import Geometry, read_geometry

HEAD_FIELD_MM = (140.0, 190.0)
"""Field of view, left–right and front–back, from which on a whole head fits in. Adult heads are
about 150 mm wide and 190 mm long; the sagittal slab of a spine is narrower, and the axial field of
a cord shorter."""

HEAD_MM = 160.0
"""Of such a field, taken from its upper end: a head from the vertex to the foramen magnum, and
the air above it."""

CORD_MM = 450.0
"""Length of an adult's cord: a longer field of view shows no more of it."""

SAME_COVERAGE = 0.1
"""Coverages that are this fraction of the best one apart count as the same."""

_SPINE = re.compile(r'spin(e|al)|cord|cerv|thorac|lumb|neck|medulla|^sc$', re.IGNORECASE)
_BRAIN = re.compile(r'brain|head|crani|cereb', re.IGNORECASE)


def hint(candidate: Candidate) -> str:
    """What ``acq-`` says that the image was made of: ``spine``, ``brain``, or nothing.

    Examples
    --------
    >>> from pathlib import Path
    >>> names = ('cspine', 'spinalCord', 'brain', 'headneck', 'mprage')
    >>> [hint(Candidate(Path(), '1', None, 'T2w', (('acq', name),))) for name in names]
    ['spine', 'spine', 'brain', '', '']
    """
    acquisition = dict(candidate.entities).get('acq', '')
    spine, brain = bool(_SPINE.search(acquisition)), bool(_BRAIN.search(acquisition))
    if spine == brain:
        return ''
    return 'spine' if spine else 'brain'


def plausible_cord_mm(geometry: Geometry, said: str = '') -> float:
    """Length of cord that may be in the field of view, by its size alone.

    Parameters
    ----------
    geometry : Geometry
    said : str
        See :func:`hint`. A field that holds a whole head, or is said to be a brain's, loses
        `HEAD_MM` of its height, unless it is said to be a spine's.

    Returns
    -------
    float
        In mm; at most `CORD_MM`.

    Examples
    --------
    >>> plausible_cord_mm(Geometry((176, 256, 256), (1, 1, 1)))
    96.0
    >>> plausible_cord_mm(Geometry((64, 320, 320), (0.8, 0.8, 0.8)))
    256.0
    """
    width, depth, height = geometry.field_mm
    whole_head = width >= HEAD_FIELD_MM[0] and depth >= HEAD_FIELD_MM[1]
    if said == 'brain' or (whole_head and said != 'spine'):
        height -= HEAD_MM
    return float(min(max(height, 0.0), CORD_MM))


def rank(
    candidates: Iterable[Candidate], modalities: Sequence[str], min_slices: int = 1
) -> tuple[Candidate, ...]:
    """Candidates, best first, each with the reason for its place.

    Parameters
    ----------
    candidates : iterable of Candidate
    modalities : sequence of str
        Suffixes, best first.
    min_slices : int
        Slices with cord below which an image would be rejected.

    Returns
    -------
    tuple of Candidate
        First those whose header can be read and may show enough cord. Then by modality (but no
        brain before a spine), by what ``acq-`` says, by the length of cord that may be in view
        (in steps of `SAME_COVERAGE`), by slice thickness (the longest edge of a voxel),
        isotropy, in-plane resolution, run, and name. Headers are not read where there is
        nothing to choose.
    """
    candidates = list(candidates)
    if len(candidates) < 2:
        return tuple(replace(item, why=f'{item.modality}; the only image') for item in candidates)
    facts = [_facts(item, min_slices) for item in candidates]
    spines = [modalities.index(fact.candidate.modality) for fact in facts if fact.said == 'spine']

    def first_key(fact: _Facts) -> tuple[int, ...]:
        """What counts before any measure."""
        modality = modalities.index(fact.candidate.modality)
        if fact.said == 'brain':
            modality = max(modality, *spines, 0)
        return fact.doubt, modality, ('spine', '', 'brain').index(fact.said)

    found: list[Candidate] = []
    for _, group in groupby(sorted(facts, key=first_key), key=first_key):
        members = list(group)
        best_mm = max(fact.cord_mm for fact in members)
        members.sort(key=lambda fact, best_mm=best_mm: fact.second_key(best_mm))
        found += [replace(fact.candidate, why=fact.why) for fact in members]
    return tuple(found)


def describe(candidate: Candidate, min_slices: int = 1) -> str:
    """What name and header of an image tell, in words; see :func:`rank`."""
    return _facts(candidate, min_slices).why


@dataclass(frozen=True)
class _Facts:
    """What a candidate's place rests on."""

    candidate: Candidate
    geometry: Geometry | None
    said: str
    cord_mm: float = 0.0
    doubt: int = 0
    """0 may serve; 1 hardly any cord in view; 2 its header can't be read."""
    why: str = ''

    def second_key(self, best_mm: float) -> tuple[Any, ...]:
        """Measures; `best_mm` is the longest cord of those that are equal so far."""
        run = dict(self.candidate.entities).get('run', '0')
        last = (int(run) if run.isdecimal() else 0, self.candidate.path.name)
        if self.geometry is None:
            return last
        lost = 1 - self.cord_mm / best_mm if best_mm else 0.0
        fine, middle, thick = sorted(self.geometry.voxel_mm)
        return (
            int(lost / SAME_COVERAGE + 1e-6),
            round(thick, 1),
            round(thick / fine, 1),
            round(fine * middle, 2),
            *last,
        )


def _facts(candidate: Candidate, min_slices: int) -> _Facts:
    geometry, said = read_geometry(candidate.path), hint(candidate)
    words = [candidate.modality]
    if said:
        words.append(f'acq- says {said}')
    if geometry is None:
        why = '; '.join([*words, 'its header can not be read'])
        return _Facts(candidate, None, said, doubt=2, why=why)
    cord_mm = plausible_cord_mm(geometry, said)
    slices = int(cord_mm / geometry.voxel_mm[2] + 1e-6)
    words.append(f'up to {cord_mm:.0f} mm of cord in view, in {slices} slices')
    if slices < min_slices:
        words[-1] += f' (the policy asks for {min_slices})'
    words.append('voxels of ' + ' × '.join(f'{mm:.3g}' for mm in geometry.voxel_mm) + ' mm')
    return _Facts(candidate, geometry, said, cord_mm, int(slices < min_slices), '; '.join(words))
