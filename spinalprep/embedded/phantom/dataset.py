# SPDX-License-Identifier: Apache-2.0
"""A BIDS dataset of two phantoms, for the demo."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib

from spinalprep.embedded.phantom.generate import make_phantom
from spinalprep.embedded.phantom.params import PhantomParams

SUBJECTS = {'01': (21, ('T2w', 'T1w')), '02': (22, ('T1w',))}
"""Participant label → seed and contrasts."""

_README = """Phantom dataset

Two computed necks with known geometry, written by spinalprep's phantom generator:
sub-01 has a T2w and a T1w image, sub-02 a T1w image alone. No person was scanned.
"""


def write_dataset(
    folder: Path | str, voxel_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> Path:
    """Write the dataset.

    Parameters
    ----------
    folder : Path
        Created if missing; files of the same names are replaced.
    voxel_mm : tuple of float
        Right–left, anterior–posterior, superior–inferior (mm).

    Returns
    -------
    Path
        `folder`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    description = {
        'Name': 'spinalprep phantom',
        'BIDSVersion': '1.10.0',
        'DatasetType': 'raw',
        'License': 'CC0',
        'Authors': ['The spinalprep developers'],
        'GeneratedBy': [{'Name': 'spinalprep.embedded.phantom'}],
    }
    _write_json(folder / 'dataset_description.json', description)
    (folder / 'README').write_text(_README, encoding='utf-8')
    rows = ['participant_id\tspecies', *(f'sub-{label}\tphantom' for label in SUBJECTS)]
    (folder / 'participants.tsv').write_text('\n'.join(rows) + '\n', encoding='utf-8')
    _write_json(
        folder / 'participants.json', {'species': {'Description': 'A computed phantom, no person'}}
    )
    for label, (seed, contrasts) in SUBJECTS.items():
        anat = folder / f'sub-{label}' / 'anat'
        anat.mkdir(parents=True, exist_ok=True)
        for contrast in contrasts:
            # stored as sagittal scans are, so that reorientation is seen to work
            params = PhantomParams(
                seed=seed, contrast=contrast, voxel_mm=voxel_mm, orientation='PSR'
            )
            stem = anat / f'sub-{label}_{contrast}'
            nib.save(make_phantom(params).image, f'{stem}.nii.gz')
            _write_json(Path(f'{stem}.json'), {'Modality': 'MR', 'Manufacturer': 'none (phantom)'})
    return folder


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
