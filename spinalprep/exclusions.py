# SPDX-License-Identifier: Apache-2.0
"""What step S1, or a person, excluded: from the inventory and from reviews."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinalprep.candidates import normalise
from spinalprep.errors import NothingToRunError, UsageError


@dataclass(frozen=True)
class Exclusion:
    """A subject, session or file that step S1, or a person, excluded."""

    subject: str
    session: str | None
    path: str | None
    """Relative to the dataset; None excludes the subject or session whole."""
    reason: str
    """With who excluded it."""

    def covers(self, subject: str, session: str | None, path: str) -> bool:
        """Whether an image, by its path below the dataset's root, falls under this exclusion."""
        if subject != self.subject or self.session not in (None, session):
            return False
        return self.path in (None, path)


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
