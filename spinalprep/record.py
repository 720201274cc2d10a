# SPDX-License-Identifier: Apache-2.0
"""The record of one subject and session: what was asked, what ran, how it ended.

Later steps read it, so its schema (``data/record.schema.json``) has a version.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spinalprep import atomic
from spinalprep.products import STEP

SCHEMA_VERSION = '1.2'

COMPLETED, REJECTED, FAILED = 'completed', 'rejected', 'failed'
"""Status: did it run."""

PASS, WARN, FAIL = 'PASS', 'WARN', 'FAIL'
"""Verdict: is it good."""


def _stage() -> dict[str, Any]:
    return {'status': 'absent', 'reason': ''}


@dataclass
class Record:
    """Record of one subject and session, filled in while it runs."""

    dataset: str
    subject: str
    session: str | None
    layout: str
    """``run`` or ``bids-app``: where the derivatives lie below the output folder."""
    output_names: str = 'seed'
    """Scheme of the file names, of :data:`spinalprep.naming.SCHEMES`."""
    schema_version: str = SCHEMA_VERSION
    step: str = STEP
    status: str = FAILED
    verdict: str | None = None
    """None unless completed."""
    reasons: list[str] = field(default_factory=list)
    """For a status or verdict other than the best, in words."""
    source: dict[str, Any] | None = None
    """The anatomy taken: ``path`` relative to the dataset, ``uri``, ``modality``, ``entities``."""
    candidates: list[dict[str, Any]] = field(default_factory=list)
    """In the order tried: ``path``, ``modality``, ``why`` it stands there, ``outcome``,
    ``reason``."""
    dropped: list[dict[str, Any]] = field(default_factory=list)
    """Files that never were candidates: ``path``, ``reason``."""
    spine: dict[str, Any] = field(default_factory=_stage)
    discs: dict[str, Any] = field(default_factory=_stage)
    levels: dict[str, Any] = field(default_factory=_stage)
    rootlets: dict[str, Any] = field(default_factory=_stage)
    """Stages that may have no result: ``status`` (computed, given, absent,
    off, not eligible, failed) and ``reason``."""
    registration: dict[str, Any] = field(default_factory=lambda: {'path': None, 'other': None})
    """The path chosen, and the other one where it gave a result too."""
    template_maps: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the template gives to the subject: product to ``status`` and ``reason``."""
    metrics: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    products: dict[str, str] = field(default_factory=dict)
    """Product to its path below the derivatives' root."""
    figures: dict[str, list[str]] = field(default_factory=dict)
    """Figure to its files below the derivatives' root, also where the run did not complete:
    more than one where an image was rejected and another one taken."""
    leftovers: list[str] = field(default_factory=list)
    """Products of an earlier run that lie there although this one did not complete."""
    commands: list[dict[str, Any]] = field(default_factory=list)
    method: str = ''
    """What was planned for the image taken, in words."""
    versions: dict[str, Any] = field(default_factory=dict)
    template_grid: dict[str, Any] | None = None
    """``shape`` and ``affine`` of the template's image, as far as they were read."""
    policy: dict[str, Any] = field(default_factory=dict)
    precomputed: dict[str, dict[str, str]] = field(default_factory=dict)
    """Product to the file used instead of computing it: ``path``, ``origin`` (given, manual,
    derivative) and ``uri``."""
    inputs: dict[str, Any] = field(default_factory=dict)
    """What the result rests on, see :func:`spinalprep.unchanged.fingerprint`; empty unless
    completed."""
    times: dict[str, Any] = field(default_factory=dict)
    failure: dict[str, Any] | None = None
    reused: bool = field(default=False, compare=False)
    """Nothing ran now: an earlier result still holds. Not written."""

    @property
    def label(self) -> str:
        """Such as ``sub-01_ses-a``."""
        return label_of(self.subject, self.session)

    @property
    def good(self) -> bool:
        """Completed, and no FAIL: what exit code 0 asks for."""
        return self.status == COMPLETED and self.verdict in (PASS, WARN)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, in the order of the fields."""
        content = dataclasses.asdict(self)
        del content['reused']
        return atomic.plain(content)

    def write(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        atomic.write_json(path, self.to_dict())


def label_of(subject: str, session: str | None) -> str:
    """Such as ``sub-01_ses-a``."""
    return f'sub-{subject}' + (f'_ses-{session}' if session else '')


def problems_of(record: Any) -> list[str]:
    """What of a record's content does not fit the schema, in words.

    Parameters
    ----------
    record
        The JSON content.

    Returns
    -------
    list of str
        Each with the place in the record; empty when all is well.
    """
    import jsonschema

    from spinalprep.data import load

    schema = json.loads(load('record.schema.json').read_text(encoding='utf-8'))
    validator = jsonschema.Draft202012Validator(schema)
    return [
        f'{error.json_path}: {error.message}'
        for error in sorted(validator.iter_errors(record), key=lambda error: error.json_path)
    ]
