# SPDX-License-Identifier: Apache-2.0
"""A small straight template of the phantom's kind, laid out like PAM50."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from spinalprep.embedded.phantom.anatomy import mean_anatomy
from spinalprep.embedded.phantom.canvas import Canvas
from spinalprep.embedded.phantom.generate import (
    Phantom,
    as_image,
    assemble,
    body_landmarks,
    paint,
)
from spinalprep.embedded.phantom.params import PhantomParams
from spinalprep.embedded.phantom.spine import grey_matter
from spinalprep.embedded.phantom.tissues import SIGNALS

_BOTTOM_LEVEL = 17.0
_TOP_MM = 14.0
_HALF_FIELD = 35.0

_FILES = (
    (0, 'T1-weighted template', 't1'),
    (1, 'T2-weighted template', 't2'),
    (3, 'spinal cord mask (binary)', 'cord'),
    (7, 'spinal cord mask with discrete vertebral levels', 'levels'),
    (10, 'point-wise intervertebral disc labels', 'label_disc'),
    (11, 'point-wise posterior intervertebral disc labels', 'label_discPosterior'),
    (14, 'point-wise spinal level labels', 'spinal_midpoint'),
    (15, 'spinal cord mask with discrete spinal levels', 'spinal_levels'),
    (16, 'spinal nerve rootlets with discrete spinal levels', 'rootlets'),
    (17, 'centre of the rootlets with discrete spinal levels', 'rootlets_midpoint'),
)
_ATLAS = (
    (30, 'GM left ventral horn'),
    (31, 'GM right ventral horn'),
    (32, 'GM left intermediate zone'),
    (33, 'GM right intermediate zone'),
    (34, 'GM left dorsal horn'),
    (35, 'GM right dorsal horn'),
)
_GROUPS = """
# Combined labels
# Keyword=CombinedLabels (Please DO NOT change this line)
# ID, name, IDgroup
52, gray matter, 30:35
"""


def make_template(
    contrast: str = 'T2w', voxel_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> Phantom:
    """The template as a phantom: the mean body, straight, without noise and bias field.

    Parameters
    ----------
    contrast : {'T2w', 'T1w'}
    voxel_mm : tuple of float
        Right–left, anterior–posterior, superior–inferior (mm).

    Returns
    -------
    Phantom
        In orientation LAS (SCT's RPI), like PAM50.
    """
    canvas = _canvas(voxel_mm)
    params = PhantomParams(contrast=contrast, marker=False)
    return assemble(canvas, paint(canvas, dict(SIGNALS[contrast]), params), 'LAS', None)


def _canvas(voxel_mm: tuple[float, float, float]) -> Canvas:
    body = mean_anatomy()
    bottom = float(body.s_of(_BOTTOM_LEVEL))
    return Canvas(
        body, voxel_mm, [-_HALF_FIELD, -_HALF_FIELD, bottom], [_HALF_FIELD, _HALF_FIELD, _TOP_MM]
    )


def template_landmarks() -> dict[str, np.ndarray]:
    """World coordinates (RAS+, mm) of the template's landmarks; see `Phantom.landmarks`."""
    return {
        name: point
        for name, point in body_landmarks(mean_anatomy()).items()
        if float(name.split('_')[0].split('-')[1]) < _BOTTOM_LEVEL
    }


def write_template(
    folder: Path | str, voxel_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> Path:
    """Write the template.

    Parameters
    ----------
    folder : Path
        Gets the folders ``template`` and ``atlas``, each with ``info_label.txt`` and
        ``phantom_*.nii.gz``.
    voxel_mm : tuple of float
        Right–left, anterior–posterior, superior–inferior (mm).

    Returns
    -------
    Path
        `folder`, to be given to ``sct_register_to_template -t``.
    """
    folder = Path(folder)
    inside = folder / 'template'
    inside.mkdir(parents=True, exist_ok=True)
    t1, t2 = (make_template(contrast, voxel_mm) for contrast in ('T1w', 'T2w'))
    on_cord = {
        k: t2.anatomy.to_world(s)
        for k, s in enumerate(t2.anatomy.discs, start=1)
        if k in t2.disc_points
    }
    images = {
        't1': t1.image,
        't2': t2.image,
        'cord': t2.label_image(t2.cord),
        'levels': t2.label_image(t2.levels),
        'label_disc': t2.point_image(on_cord),
        'label_discPosterior': t2.point_image(t2.disc_points),
        'spinal_midpoint': t2.point_image(_spinal_midpoints(t2)),
        'spinal_levels': t2.label_image(t2.spinal_levels),
        'rootlets': t2.label_image(t2.rootlets),
        'rootlets_midpoint': t2.point_image(t2.rootlet_points),
    }
    _write_listed(inside, 'Template labels', _FILES, images)
    _write_atlas(folder / 'atlas', voxel_mm)
    return folder


def _write_atlas(folder: Path, voxel_mm: tuple[float, float, float]) -> None:
    """Write the parts of the grey matter, as shares of each voxel."""
    folder.mkdir(exist_ok=True)
    canvas = _canvas(voxel_mm)
    images = {}
    for number, share in grey_matter(canvas).items():
        images[f'atlas_{number}'] = as_image(*canvas.volume(share, 'LAS'))
    listed = [(number, title, f'atlas_{number}') for number, title in _ATLAS]
    _write_listed(folder, 'Atlas of the grey matter', listed, images, _GROUPS)


def _write_listed(
    folder: Path, title: str, listed: Sequence[tuple], images: dict, more: str = ''
) -> None:
    """Write images, and the list of them as PAM50 has it."""
    lines = [
        f'# {title}',
        '# Keyword=IndivLabels (Please DO NOT change this line)',
        '# ID, name, file',
    ]
    for number, name, stem in listed:
        nib.save(images[stem], folder / f'phantom_{stem}.nii.gz')
        lines.append(f'{number}, {name}, phantom_{stem}.nii.gz')
    (folder / 'info_label.txt').write_text('\n'.join(lines) + '\n' + more, encoding='utf-8')


def _spinal_midpoints(template: Phantom) -> dict[int, np.ndarray]:
    """Middle of each spinal level, on the cord's centre."""
    line = template.centerline
    inside = nib.affines.apply_affine(np.linalg.inv(template.affine), line)
    index = np.round(inside).astype(int).clip(0, np.array(template.cord.shape) - 1)
    levels = template.spinal_levels[tuple(index.T)]
    return {int(n): line[levels == n].mean(axis=0) for n in np.unique(levels[levels > 0])}
