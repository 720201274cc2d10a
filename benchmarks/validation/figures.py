# SPDX-License-Identifier: Apache-2.0
"""The worst slices, drawn."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from validation.common import Drawing, dice, slices

mpl.use('Agg')
import matplotlib.pyplot as plt

WORST = 3
APART_MM = 15.0
"""The worst slices drawn lie at least this far apart."""
HALF_MM = 18.0
"""Half the width of a slice's drawing."""
TRUTH, FOUND = '#00a0ff', '#ffb000'


def draw(drawing: Drawing, folder: Path) -> Path:
    """Write ``NAME.png``: the middle of the cord from the side, and the worst slices.

    Slices where only one of the masks is count as well, but not before those of both.
    """
    worst = worst_slices(drawing)
    figure, axes = plt.subplots(
        1, 1 + WORST, figsize=(10, 4.2), width_ratios=[1.3, *[1] * WORST], layout='constrained'
    )
    zooms = np.linalg.norm(drawing.affine[:3, :3], axis=0)
    both = drawing.truth | drawing.found
    middle = round(np.argwhere(both)[:, 0].mean())
    _panel(axes[0], drawing, np.s_[middle], zooms[2] / zooms[1])
    for z in worst:
        axes[0].axhline(z, color='white', linewidth=0.5, linestyle=':')
    axes[0].set_title(f'{drawing.name}, middle', fontsize=9)
    for axis, z in zip(axes[1:], worst, strict=False):
        centre = np.argwhere(both[..., z]).mean(axis=0)
        _panel(axis, drawing, np.s_[..., z], zooms[1] / zooms[0])
        for limit, place, size in zip(
            (axis.set_xlim, axis.set_ylim), centre, zooms[:2], strict=True
        ):
            limit(place - HALF_MM / size, place + HALF_MM / size)
        overlap = dice(drawing.truth[..., z], drawing.found[..., z])
        axis.set_title(f'slice {z}: Dice {overlap:.2f}', fontsize=9)
    for axis in axes:
        axis.set_axis_off()
    figure.text(0.5, 0.0, 'blue: truth, orange: found', ha='center', fontsize=8)
    path = folder / f'{drawing.name}.png'
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90, metadata={'Software': None})
    plt.close(figure)
    return path


def worst_slices(drawing: Drawing) -> list[int]:
    """Slices of both masks with the least overlap, apart from each other."""
    step = abs(drawing.affine[2, 2])
    shared = np.intersect1d(slices(drawing.truth), slices(drawing.found))
    shared = sorted(shared, key=lambda z: dice(drawing.truth[..., z], drawing.found[..., z]))
    chosen: list[int] = []
    for z in shared:
        if len(chosen) < WORST and all(abs(z - other) * step >= APART_MM for other in chosen):
            chosen.append(int(z))
    return chosen


def _panel(axis, drawing: Drawing, where, aspect: float) -> None:
    plane = drawing.image[where].T
    top = np.percentile(plane, 99.5)
    axis.imshow(plane, cmap='gray', origin='lower', aspect=aspect, vmin=0, vmax=top)
    for mask, color in ((drawing.truth, TRUTH), (drawing.found, FOUND)):
        if mask[where].any():
            axis.contour(mask[where].T, [0.5], colors=color, linewidths=0.9)
