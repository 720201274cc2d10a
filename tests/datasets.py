# SPDX-License-Identifier: Apache-2.0
"""Small BIDS datasets, made as they are needed."""

import gzip
from pathlib import Path

import nibabel as nb
import numpy as np

SPINE = ((64, 320, 320), (0.8, 0.8, 0.8))
"""Voxels and their size (mm), left–right, front–back, head–foot: a sagittal slab of the spine."""

BRAIN = ((192, 256, 256), (1.0, 1.0, 1.0))
"""A whole head."""


def write(root: Path, *names: str) -> Path:
    """Dataset of files that are no images: whatever the names alone decide."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'x')
    return root


def image(
    path: Path,
    voxels: tuple[int, ...] = SPINE[0],
    mm: tuple[float, ...] = SPINE[1],
    orientation: str = 'PSR',
) -> Path:
    """Header of an image without the image; `voxels` and `mm` as in `SPINE`."""
    ornt = nb.orientations.axcodes2ornt(orientation)
    order = [int(axis) for axis in ornt[:, 0]]
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (anatomical, sign) in enumerate(ornt):
        affine[int(anatomical), axis] = sign * mm[int(anatomical)]
    path.parent.mkdir(parents=True, exist_ok=True)
    header = nb.Nifti1Header()
    header.set_data_shape([voxels[axis] for axis in order])
    header.set_sform(affine, 1)
    with gzip.open(path, 'wb') as stream:
        header.write_to(stream)
    return path


def found(targets):
    """Names of the candidates, by subject and session."""
    return {
        target.label: [candidate.path.name for candidate in target.candidates]
        for target in targets
    }
