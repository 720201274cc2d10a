# SPDX-License-Identifier: Apache-2.0
"""Where a run's derivatives, logs and working files lie, in both ways of calling it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spinalprep import atomic
from spinalprep.errors import NothingToRunError
from spinalprep.products import STEP
from spinalprep.record import FAILED

PIPELINE_FOLDER = 'spinalfmriprep'
"""Folder below ``derivatives/`` that the steps of the pipeline share."""


@dataclass(frozen=True)
class Layout:
    """Folders of one dataset in one output folder."""

    out: Path
    dataset: str
    kind: Literal['run', 'bids-app']
    """``run --out OUT``, or ``BIDS_DIR OUT_DIR participant``."""
    work_dir: Path | None = None
    """Working folder, where it was named."""

    @property
    def derivatives(self) -> Path:
        """Root of the dataset's derivatives, the parent of ``sub-*``."""
        if self.kind == 'bids-app':
            return self.out
        return self.out / 'derivatives' / PIPELINE_FOLDER / self.dataset

    @property
    def logs(self) -> Path:
        """Records of this step for this dataset."""
        return self.out / 'logs' / STEP / self.dataset

    @property
    def work(self) -> Path:
        """Nipype's working folder for this dataset."""
        if self.work_dir is not None:
            return self.work_dir / STEP / self.dataset
        root = Path('work') if self.kind == 'bids-app' else self.out / 'work'
        return root.absolute() / STEP / self.dataset

    @property
    def templateflow(self) -> Path:
        """Root for TemplateFlow's client: links to the template that this dataset was run with."""
        return self.work / 'templateflow'

    @property
    def inventory(self) -> Path:
        """Inventory of step S1, whose exclusions are honoured where it is there."""
        return self.out / 'logs' / 'S1_input_verify' / self.dataset / 'inventory.json'

    @property
    def runs(self) -> Path:
        """One file per call: which subjects and sessions it selected."""
        return self.logs / 'runs'

    @property
    def citation(self) -> Path:
        """Method in words and what to cite; beside it ``.bib``."""
        return self.logs / 'CITATION.md'

    def record(self, label: str) -> Path:
        """Record of a subject and session, such as ``sub-01_ses-a``."""
        return self.logs / f'{label}.json'

    def crashes(self, label: str) -> Path:
        """Crash files of a subject and session."""
        return self.logs / label / 'crashes'

    def lock(self, label: str) -> Path:
        """Held while a subject and session is run."""
        return self.logs / label / 'lock'

    def state(self, label: str) -> Path:
        """What is being done for a subject and session, while it is run."""
        return self.logs / label / 'state.json'

    def last_status(self, label: str) -> str | None:
        """How the last run of a subject and session ended; None where that can't be read.

        One that was killed left its state behind, beside the record of a run before it: it failed.
        """
        if self.state(label).exists():
            return FAILED
        return atomic.read_json(self.record(label)).get('status')

    def crash_report(self, label: str) -> Path:
        """What failed and what to do, in words, where a subject failed."""
        return self.logs / label / 'crash.txt'

    def crash_log(self, label: str) -> Path:
        """What the command printed that failed, where a subject failed by one."""
        return self.logs / label / 'crash_command.log'

    def log(self, label: str) -> Path:
        """Nipype's log of a subject and session."""
        return self.logs / label / 'nipype.log'


def dataset_name(folder: Path) -> str:
    """Name of a dataset that is given by its folder: the folder's name, reduced.

    Examples
    --------
    >>> dataset_name(Path('/data/ds 004_big'))
    'ds004big'
    """
    return re.sub(r'[^A-Za-z0-9-]', '', folder.resolve().name) or 'dataset'


def folders_of_records(out: Path, datasets: Sequence[str] = ()) -> dict[str, Path]:
    """Where the records of each dataset lie that this step ran on.

    Parameters
    ----------
    out : Path
        The folder given as ``--out``, or as ``OUT_DIR``.
    datasets : sequence of str
        Names of those asked for; all if none is given.

    Returns
    -------
    dict
        Name of the dataset → `Layout.logs`.

    Raises
    ------
    NothingToRunError
        If the step never ran there, or not on a dataset that is asked for.
    """
    logs = out / 'logs' / STEP
    folders = {path.name: path for path in sorted(logs.glob('*')) if path.is_dir()}
    if not folders:
        raise NothingToRunError(
            f'{out}: no run of {STEP} found there (no {logs}); '
            'give the folder that the run got as --out'
        )
    for name in datasets:
        if name not in folders:
            raise NothingToRunError(
                f'{logs / name}: no run of dataset {name} found there; there are '
                f'{", ".join(folders)}'
            )
    return {name: folders[name] for name in datasets or folders}
