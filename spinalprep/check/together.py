# SPDX-License-Identifier: Apache-2.0
"""Do the products of a subject belong together?

Each file may be sound by itself and still not be the one that belongs there: copied from
another subject, left from another run, or changed by hand after its neighbours were made.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from spinalprep.products import LABEL_TABLES, label_names, product

ORDERED = (
    'disc_labels', 'vertebral_levels', 'vertebral_labels', 'rootlets_dseg',
    'vertebral_levels_of_template', 'spinal_levels_of_template',
)  # fmt: skip
"""Products whose values count downwards along the cord."""

WITHIN = {'vertebral_levels': 'cord_dseg', 'cord_dseg': 'canal_dseg'}
"""Product → the one that it lies in."""

MAX_OUTSIDE = 0.2
"""Share of a product's voxels that may lie outside the one that it lies in: two networks
draw the edge of the cord and that of the canal differently."""

MAX_INVALID_DIFFERENCE = 1e-3
"""Share of a grid on which a mask of validity may differ from its field."""

MAX_ROUND_TRIP_MM = 4.0
"""Median distance of a cord voxel from itself after there and back. Good registrations
have up to 2 mm on a template of 2 mm voxels; the fields of two different paths or
subjects differ by centimetres."""

MAX_POINTS = 2000
"""Cord voxels that are sent there and back."""


def judge_together(files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """What is wrong between the products of one subject.

    Parameters
    ----------
    files : mapping
        Product to path, of files that are sound by themselves.

    Yields
    ------
    name : str
        Of the product that does not fit.
    text : str
        Why not.
    """

    @cache
    def load(name: str) -> tuple[Any, Any]:
        import nibabel as nb
        import numpy as np

        image = nb.load(files[name])
        return np.asanyarray(image.dataobj), image.affine

    for name in ORDERED:
        if name in files:
            yield from ((name, text) for text in _order(name, *load(name)))
    for inner, outer in WITHIN.items():
        if inner in files and outer in files:
            inside, around = load(inner)[0] > 0, load(outer)[0] > 0
            share = (inside & ~around).sum() / inside.sum()
            if share > MAX_OUTSIDE:
                yield inner, f'{share:.0%} of it lies outside {outer}: they do not belong together'
    for table in LABEL_TABLES:
        if table.name in files and table.sources[0] in files:
            yield from _untold(table.name, files[table.name], *load(table.sources[0]))
    if 'horns_dseg' in files:
        yield from (('horns_dseg', text) for text in _sides(*load('horns_dseg')))
    if 'csa_per_slice' in files and 'cord_dseg' in files:
        yield from _table(files['csa_per_slice'], *load('cord_dseg'))
    yield from _fields(files, load)


def _order(name: str, labels: Any, affine: Any) -> Iterator[str]:
    """Labels that stand the wrong way round along the body."""
    import numpy as np

    from spinalprep.anatomy.labels import LAST_DISC, label_points, order_breaks

    names = label_names(product(name))
    # the brainstem's points and the conus have values of their own
    heights = {
        value: float(point[2])
        for value, point in label_points(np.asarray(labels), affine).items()
        if name != 'disc_labels' or value <= LAST_DISC
    }
    for upper, lower in order_breaks(heights):
        yield f'out of order: {names[lower]} lies above {names[upper]}'


def _untold(name: str, path: Path, labels: Any, _: Any) -> Iterator[tuple[str, str]]:
    """Values of an image of labels that its table does not have."""
    import numpy as np

    with path.open(encoding='utf-8', newline='') as stream:
        indices = [row['index'] for row in csv.DictReader(stream, delimiter='\t')]
    told = {float(index) for index in indices if index != 'n/a'}
    missing = [f'{value:g}' for value in np.unique(labels) if value and value not in told]
    if missing:
        yield name, f'does not tell what {", ".join(missing)} means, which the image has'


def _sides(labels: Any, affine: Any) -> Iterator[str]:
    """Horns that lie on the wrong side of their counterpart, in the slices that have both."""
    import numpy as np

    from spinalprep.anatomy.centerline import slice_centroids

    centres = {
        name: dict(zip(*slice_centroids(labels == value, affine), strict=True))
        for value, name in label_names(product('horns_dseg')).items()
    }
    # x grows to the right, y to the front
    for axis, low, high in ((0, 'left', 'right'), (1, 'dorsal', 'ventral')):
        for name in [name for name in centres if low in name]:
            other = name.replace(low, high)
            away = [
                centres[other][k][axis] - point[axis]
                for k, point in centres[name].items()
                if k in centres[other]
            ]
            if away and np.mean(away) <= 0:
                yield f'{name} and {other} lie the wrong way round'


def _table(path: Path, cord: Any, affine: Any) -> Iterator[tuple[str, str]]:
    """Slices of the table that the mask does not have."""
    from spinalprep.anatomy.centerline import superior_axis

    axis, sign = superior_axis(affine)
    others = tuple(other for other in range(3) if other != axis)
    has_cord = (cord > 0).any(axis=others)
    if sign < 0:
        has_cord = has_cord[::-1]
    with path.open(encoding='utf-8', newline='') as stream:
        rows = [row for row in csv.DictReader(stream, delimiter='\t') if row['area_mm2'] != 'n/a']
    slices = {int(float(row['slice'])) for row in rows}
    alien = sorted(n for n in slices if not 0 <= n < len(has_cord) or not has_cord[n])
    if alien:
        text = f'has an area for {len(alien)} slices without cord, such as {alien[0]}'
        yield 'csa_per_slice', f'{text}: it is not that of this cord_dseg'


def _fields(files: Mapping[str, Path], load: Any) -> Iterator[tuple[str, str]]:
    """The warps against their masks, and against each other."""
    from spinalprep.anatomy.warps import DisplacementField

    fields = {}
    for name, mask in (
        ('warp_cordref2template', 'valid_in_template'),
        ('warp_template2cordref', 'valid_in_cordref'),
    ):
        if name not in files:
            return
        fields[name] = DisplacementField.load(files[name])
        if mask in files:
            share = ((load(mask)[0] > 0) != fields[name].valid).mean()
            if share > MAX_INVALID_DIFFERENCE:
                yield mask, f'differs from where {name} is defined in {share:.1%} of the grid'
    if 'cord_dseg' in files:
        yield from _round_trip(fields, *load('cord_dseg'))


def _round_trip(fields: Mapping[str, Any], cord: Any, affine: Any) -> Iterator[tuple[str, str]]:
    import numpy as np

    voxels = np.argwhere(cord > 0)
    voxels = voxels[:: max(1, len(voxels) // MAX_POINTS)]
    points = voxels @ affine[:3, :3].T + affine[:3, 3]
    there, valid = fields['warp_template2cordref'].map_points(points)
    back, valid_back = fields['warp_cordref2template'].map_points(there[valid])
    if not valid_back.any():
        yield 'warp_template2cordref', 'leads no part of the cord there and back'
        return
    away = np.linalg.norm(back - points[valid], axis=1)[valid_back]
    if np.median(away) > MAX_ROUND_TRIP_MM:
        text = f'is not the inverse of warp_cordref2template: {np.median(away):.1f} mm off'
        yield 'warp_template2cordref', f'{text} after there and back'
