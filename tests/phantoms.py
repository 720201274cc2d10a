# SPDX-License-Identifier: Apache-2.0
"""Whole datasets of coarse phantoms with their template, and what a run made of them."""

import hashlib
import json
import os
from pathlib import Path

import nibabel as nb

import spinalprep
from spinalprep.embedded.phantom import PhantomParams, make_phantom, write_template
from spinalprep.products import STEP

COARSE = (1.5, 1.5, 2.0)

RUN = (
    'run', STEP, '--bids-dir', 'ds', '--sct', 'embedded', '--template', 'template',
)  # fmt: skip
"""Arguments of a run within such a folder; ``--out`` is missing."""


def write_world(root: Path, subjects: int) -> Path:
    """A dataset ``ds`` of so many subjects, and ``template``."""
    write_template(root / 'template', voxel_mm=COARSE)
    for seed in range(1, subjects + 1):
        path = root / 'ds' / f'sub-0{seed}' / 'anat' / f'sub-0{seed}_T2w.nii.gz'
        path.parent.mkdir(parents=True)
        made = make_phantom(PhantomParams(seed=seed, voxel_mm=COARSE, bottom_level=11.0))
        nb.save(made.image, path)
    return root


def environment(**more: str) -> dict[str, str]:
    """For a run in another folder than the checkout's."""
    package = str(Path(spinalprep.__file__).parents[1])
    return os.environ | {'PYTHONPATH': package, 'OMP_NUM_THREADS': '1'} | more


def contents(out: Path) -> dict[str, str]:
    """Digest of every image and table."""
    root = out / 'derivatives'
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for pattern in ('*.nii.gz', '*_csa_*.tsv')
        for path in sorted(root.rglob(pattern))
    }


def record_of(out: Path, label: str) -> dict:
    """Record of a subject."""
    return json.loads((out / 'logs' / STEP / 'ds' / f'{label}.json').read_text())


def processes_with(variable: str) -> list[int]:
    """Processes that live, and have this ``NAME=value`` in their environment, on Linux."""
    found = []
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            if variable.encode() in (folder / 'environ').read_bytes().split(b'\0'):
                state = (folder / 'stat').read_text().rpartition(')')[2].split()[0]
                found += [int(folder.name)] if state != 'Z' else []
        except OSError:
            continue
    return found
