# SPDX-License-Identifier: Apache-2.0
"""Where each subject of an output folder stands, also while a run goes on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spinalprep.atomic import read_json
from spinalprep.layout import Layout, folders_of_records
from spinalprep.locks import is_held, owner_of
from spinalprep.record import COMPLETED, FAILED

RUNNING, WAITING = 'running', 'waiting'
UNSURE = 'running or killed'
"""Where the file system has no locks."""


@dataclass(frozen=True)
class Standing:
    """Where one subject and session stands."""

    dataset: str
    label: str
    state: str
    """`RUNNING`, `WAITING`, `UNSURE`, or the status of its record."""
    verdict: str | None
    told: str
    """Reason, or what is being done."""

    def __str__(self) -> str:
        verdict = f' {self.verdict}' if self.verdict else ''
        told = f'  {self.told}' if self.told else ''
        return f'{self.dataset} {self.label}: {self.state}{verdict}{told}'

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def standings(out: Path) -> list[Standing]:
    """Where each subject stands that a run has selected, or has a record of.

    Parameters
    ----------
    out : Path
        The folder given as ``--out``, or as ``OUT_DIR``.

    Raises
    ------
    NothingToRunError
        If the step never ran there.
    """
    found = []
    for folder in folders_of_records(out).values():
        layout = Layout(out, folder.name, 'run')
        labels = {path.stem for path in folder.glob('*.json')}
        for path in (folder / 'runs').glob('*.json'):
            labels |= set(read_json(path).get('selected', ()))
        found += [_standing(layout, label) for label in sorted(labels)]
    return found


def _standing(layout: Layout, label: str) -> Standing:
    running = is_held(layout.lock(label))
    doing = read_json(layout.state(label))  # only then: it may end between two questions
    if doing and not running:
        running = is_held(layout.lock(label))  # it may have begun between them
    if running:
        told = f'{doing["substep"]}, since {doing["since"]}; ' if doing else ''
        return Standing(
            layout.dataset, label, RUNNING, None, f'{told}{owner_of(layout.lock(label))}'
        )
    if doing:  # whoever ends in order takes it away
        told = f'{doing["substep"]}, since {doing["since"]}'
        if running is None:
            return Standing(layout.dataset, label, UNSURE, None, told)
        told += ': its run was killed'
        return Standing(layout.dataset, label, FAILED, None, told)
    record = read_json(layout.record(label))
    if not record:
        return Standing(layout.dataset, label, WAITING, None, '')
    reasons = '; '.join(str(reason).partition('\n')[0] for reason in record.get('reasons', ()))
    verdict = record.get('verdict') if record.get('status') == COMPLETED else None
    return Standing(layout.dataset, label, record.get('status', '?'), verdict, reasons)
