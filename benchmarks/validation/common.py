# SPDX-License-Identifier: Apache-2.0
"""Rows, drawings and measures that the parts of the validation share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np

from spinalprep.anatomy.canal import segment_canal
from spinalprep.anatomy.finder import CordResult
from spinalprep.anatomy.labels import label_points
from spinalprep.embedded.spine import SpineLabels, segment_spine


@dataclass(frozen=True)
class Row:
    """A line of the table: what was measured on which image, and what must be reached."""

    image: str
    measure: str
    value: float | str
    bar: str = ''
    missed: bool = False


def least(image: str, measure: str, value: float, bar: float) -> Row:
    """Row of a measure that should be high."""
    return Row(image, measure, value, f'≥ {bar:g}', not value >= bar)


def most(image: str, measure: str, value: float, bar: float) -> Row:
    """Row of a measure that should be low."""
    return Row(image, measure, value, f'≤ {bar:g}', not value <= bar)


@dataclass(frozen=True, eq=False)
class Drawing:
    """An image with the cord's truth and what was found, for a figure."""

    name: str
    image: np.ndarray
    affine: np.ndarray
    truth: np.ndarray
    found: np.ndarray


@dataclass(frozen=True, eq=False)
class Template:
    """``pam50_small``."""

    image: np.ndarray
    affine: np.ndarray
    cord: np.ndarray
    discs: dict[int, np.ndarray]
    posterior: dict[int, np.ndarray]

    @classmethod
    @cache
    def of(cls, data: Path) -> Template:
        """Read it."""
        prefix = str(data / 'pam50_small' / 'template' / 'PAM50_small_')
        image, affine = load(f'{prefix}t2.nii.gz')
        cord = load(f'{prefix}cord.nii.gz')[0] > 0.5
        discs, posterior = (
            label_points(*labels(f'{prefix}{name}.nii.gz'))
            for name in ('label_disc', 'label_discPosterior')
        )
        return cls(image, affine, cord, discs, posterior)


def load(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Image in LAS orientation, as the commands read it, and its affine."""
    image = nib.load(path)
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), nib.orientations.axcodes2ornt('LAS')
    )
    image = image.as_reoriented(turn)
    return image.get_fdata(dtype=np.float32), image.affine


def labels(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Integer labels and their affine."""
    array, affine = load(path)
    return np.rint(array).astype(int), affine


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Overlap of two masks."""
    return float(2 * (first & second).sum() / max(first.sum() + second.sum(), 1))


def slices(mask: np.ndarray) -> np.ndarray:
    """Indices of the axial slices that hold any of a mask."""
    return np.flatnonzero(mask.any(axis=(0, 1)))


def centre_error(first: np.ndarray, second: np.ndarray, affine: np.ndarray) -> float:
    """Largest in-plane distance (mm) of the centres of two masks in slices of both."""
    zooms = np.linalg.norm(affine[:3, :2], axis=0)
    worst = 0.0
    for z in np.intersect1d(slices(first), slices(second)):
        centres = [np.argwhere(mask[..., z]).mean(axis=0) for mask in (first, second)]
        worst = max(worst, float(np.linalg.norm((centres[0] - centres[1]) * zooms)))
    return worst


def spine_of(
    image: np.ndarray, affine: np.ndarray, cord: CordResult, anchor: tuple | None = None
) -> SpineLabels:
    """Discs of an image."""
    return segment_spine(image, affine, cord, segment_canal(image, affine, cord.mask), anchor)


def away(spine: SpineLabels, cord: CordResult, truth: dict[int, np.ndarray]) -> dict[int, float]:
    """Distance along the cord (mm) of each numbered disc from the truth of its number."""
    found = {value: point for value, point in spine.points.items() if value in truth}
    arc = {value: cord.centerline.project(point)[0][0] for value, point in found.items()}
    return {v: abs(arc[v] - cord.centerline.project(truth[v])[0][0]) for v in found if v >= 3}
