# SPDX-License-Identifier: Apache-2.0
"""Sizes of the figures and the time to draw them, for a whole neck at 0.8 mm.

Draws all five figures of a phantom of 64 × 320 × 320 voxels, with the template drawn by
two paths, and prints bytes and CPU seconds beside the limits, and the time of one pass
over the volume. Ends with 1 where a limit is not kept.

    python benchmarks/figures.py [FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from spinalprep.anatomy.coverage import crop_box
from spinalprep.anatomy.labels import label_points
from spinalprep.anatomy.warps import DisplacementField
from spinalprep.embedded.phantom import PhantomParams, make_phantom
from spinalprep.policy import Policy
from spinalprep.reports.cord_mask import cord_mask_figure
from spinalprep.reports.crop_box import crop_box_figure
from spinalprep.reports.overlay import Path as Registration
from spinalprep.reports.overlay import Template, overlay_animation
from spinalprep.reports.rootlets import rootlets_animation
from spinalprep.reports.save import save_gif, save_png
from spinalprep.reports.spine import spine_figure

VOXEL_MM, SHAPE = 0.8, (64, 320, 320)
LIMITS = {'.png': 600_000, '.gif': 1_500_000}
LIMIT_S = 8.0


def whole_neck():
    """Phantom on the grid of the benchmark: its own, filled up with noise."""
    made = make_phantom(
        PhantomParams(
            voxel_mm=(VOXEL_MM,) * 3,
            orientation='RAS',
            field_mm=(SHAPE[0] * VOXEL_MM, 150.0),
            top_mm=40.0,
            bottom_level=13.0,
        )
    )
    volumes = {
        'image': np.asanyarray(made.image.dataobj),
        'cord': np.asarray(made.cord).astype(np.uint8),
        'spine': np.asarray(made.totalspineseg),
        'levels': np.asarray(made.levels),
        'rootlets': np.asarray(made.rootlets),
    }
    have = volumes['image'].shape
    first = [max((n - m) // 2, 0) for n, m in zip(SHAPE, have, strict=True)]
    cut = [max((m - n) // 2, 0) for n, m in zip(SHAPE, have, strict=True)]
    target = tuple(slice(a, a + min(m, n)) for a, m, n in zip(first, have, SHAPE, strict=True))
    source = tuple(slice(c, c + min(m, n)) for c, m, n in zip(cut, have, SHAPE, strict=True))
    affine = made.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ (np.array(cut) - first)
    noise = np.random.default_rng(0).normal(0, 0.05 * volumes['image'].max(), SHAPE)
    placed = {}
    for name, volume in volumes.items():
        whole = np.abs(noise).astype(volume.dtype) if name == 'image' else np.zeros(SHAPE, int)
        whole[target] = volume[source]
        placed[name] = whole
    return placed, affine


def timed(draw, save, path: Path) -> float:
    """CPU seconds of drawing and saving."""
    begin = time.process_time()
    save(draw(), path)
    return time.process_time() - begin


def main(folder: Path) -> int:
    """Draw all, print the table, say whether the limits are kept."""
    volumes, affine = whole_neck()
    image, cord = volumes['image'], volumes['cord'] > 0
    vectors = np.zeros((*SHAPE, 3), np.float32)
    field = DisplacementField(vectors, affine, np.ones(SHAPE, bool))
    other = DisplacementField(vectors + np.float32([2, 0, 3]), affine, np.ones(SHAPE, bool))
    template = Template(image, cord, affine)
    landmarks = {str(v): (p, 1.0) for v, p in label_points(volumes['levels'], affine).items()}
    bounds = {'cord_dice': (0.85, 0.7), 'centre_distance_mm': (2.0, 5.0)}
    margins = {
        name: getattr(Policy().crop, name)
        for name in (
            'left_right_mm', 'anterior_mm', 'posterior_mm', 'superior_mm', 'inferior_mm',
        )
    }  # fmt: skip
    title = {'title': 'sub-01_T2w'}
    figures = {
        'crop_box.png': lambda: crop_box_figure(
            image, affine, cord, crop_box(cord, affine, **margins), **title
        ),
        'cord_mask.png': lambda: cord_mask_figure(
            image, affine, cord, levels=volumes['levels'], **title
        ),
        'spine.png': lambda: spine_figure(
            image, affine, cord, labels=volumes['spine'], **title
        ),
        'rootlets.gif': lambda: rootlets_animation(
            image, affine, cord, volumes['rootlets'], **title
        ),
        'overlay.gif': lambda: overlay_animation(
            image, affine, cord, template, Registration('disc', field, landmarks),
            Registration('rootlet', other), levels=volumes['levels'], bounds=bounds, **title,
        ),
    }  # fmt: skip
    kept, total = True, 0.0
    print(f'{"figure":16s} {"bytes":>9s} {"limit":>9s} {"CPU s":>6s}')
    for name, draw in figures.items():
        path = folder / name
        save = save_png if path.suffix == '.png' else save_gif
        seconds = timed(draw, save, path)
        size = path.stat().st_size
        kept &= size <= LIMITS[path.suffix]
        total += seconds
        print(f'{name:16s} {size:9d} {LIMITS[path.suffix]:9d} {seconds:6.2f}')
    begin = time.process_time()
    np.sqrt(image.astype(np.float64)).sum()
    once = time.process_time() - begin
    print(f'all five: {total:.2f} s of CPU, limit {LIMIT_S:g} s')
    print(f'one pass over the volume: {once:.3f} s')
    return 0 if kept and total <= LIMIT_S else 1


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as scratch:
        where = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)
        where.mkdir(parents=True, exist_ok=True)
        sys.exit(main(where))
