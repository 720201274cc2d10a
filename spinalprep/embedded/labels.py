# SPDX-License-Identifier: Apache-2.0
"""``sct_label_utils`` and ``sct_label_vertebrae``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spinalprep.embedded import files
from spinalprep.embedded.shell import CommandParser


def sct_label_utils(argv: list[str]) -> None:
    """``sct_label_utils``: keep, remove, make, shift, display label points."""
    parser = CommandParser('sct_label_utils')
    parser.add_argument('-i', required=True, metavar='<file>', help='label image')
    parser.add_argument('-o', default='labels.nii.gz', metavar='<file>', help='output')
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument('-keep', type=_values, metavar='<list>', help='only these, as in 3,9')
    action.add_argument('-remove', type=_values, metavar='<list>', help='all but these')
    action.add_argument('-create', type=_points, metavar='<list>', help='x,y,z,value:…')
    action.add_argument('-create-add', type=_points, metavar='<list>', help='added to the input')
    action.add_argument('-add', type=int, metavar='<int>', help='number added to every label')
    action.add_argument('-cubic-to-point', action='store_true', help='centre of each label')
    action.add_argument('-remove-reference', metavar='<file>', help='drop what this lacks')
    action.add_argument('-display', action='store_true', help='print all points')
    options = parser.parse_args(argv)
    labels, image = files.load_volume(options.i)
    if options.display:
        _display(labels)
        return
    print('Generating output files...')
    changed = _changed(labels, options)
    files.write(files.like(changed.astype(labels.dtype), image), options.o)


def _changed(labels: np.ndarray, options) -> np.ndarray:
    if options.keep:
        _warn_absent(options.keep, labels)
        return np.where(np.isin(labels, options.keep), labels, 0)
    if options.remove:
        _warn_absent(options.remove, labels)
        return np.where(np.isin(labels, options.remove), 0, labels)
    if options.remove_reference:
        reference, _ = files.load_volume(options.remove_reference)
        return np.where(np.isin(labels, np.unique(reference)), labels, 0)
    if options.add is not None:
        return np.where(labels != 0, labels + options.add, 0)
    if options.cubic_to_point:
        return to_points(labels)
    changed = labels.copy() if options.create_add else np.zeros_like(labels)
    for x, y, z, value in options.create or options.create_add:
        if not all(0 <= n < size for n, size in zip((x, y, z), labels.shape, strict=True)):
            raise ValueError(f'voxel {x},{y},{z} lies outside the image {labels.shape}')
        changed[x, y, z] = value
    return changed


def to_points(labels: np.ndarray) -> np.ndarray:
    """One voxel per label value, at the centre of mass of its voxels."""
    points = np.zeros_like(labels)
    voxels = np.argwhere(labels)
    values = labels[tuple(voxels.T)]
    for value in np.unique(values):
        points[tuple(np.rint(voxels[values == value].mean(axis=0)).astype(int))] = value
    return points


def _display(labels: np.ndarray) -> None:
    voxels = np.argwhere(labels)
    values = labels[tuple(voxels.T)]
    voxels, values = voxels[np.argsort(values, kind='stable')], np.sort(values)
    for (x, y, z), value in zip(voxels, values, strict=True):
        print(f'Position=({x},{y},{z}) -- Value= {value:g}')
    listed = (f'{x},{y},{z},{v:g}' for (x, y, z), v in zip(voxels, values, strict=True))
    print(f'All labels (useful syntax):\n{":".join(listed)}')


def _warn_absent(wanted: list[int], labels: np.ndarray) -> None:
    for value in sorted(set(wanted) - set(np.unique(labels).tolist())):
        print(f'Label {value} not found in input image!')


def _values(text: str) -> list[int]:
    return [int(value) for value in text.split(',')]


def _points(text: str) -> list[tuple[int, ...]]:
    points = [tuple(int(n) for n in point.split(',')) for point in text.split(':')]
    if any(len(point) != 4 for point in points):
        raise ValueError('x,y,z,value for each point')
    return points


def sct_label_vertebrae(argv: list[str]) -> None:
    """``sct_label_vertebrae -discfile``: levels on the cord from points of the discs."""
    parser = CommandParser('sct_label_vertebrae', temporary=True)
    parser.add_argument('-i', required=True, metavar='<file>', help='image; not used')
    parser.add_argument('-s', required=True, metavar='<file>', help='cord segmentation')
    parser.add_argument('-c', required=True, choices=('t1', 't2'), help='contrast; not used')
    parser.add_argument('-discfile', required=True, metavar='<file>', help='disc points')
    parser.add_argument('-t', metavar='<folder>', help='template; not used')
    parser.add_argument('-ofolder', default='', metavar='<folder>', help='made if missing')
    options = parser.parse_args(argv)
    folder = Path(options.ofolder)
    folder.mkdir(parents=True, exist_ok=True)
    files.load(options.i)
    cord, image = files.load_volume(options.s)
    discs, disc_image = files.load_volume(options.discfile)
    levels, points = project_levels(cord, image.affine, discs, disc_image.affine)
    name = files.stem(options.s)
    files.write(files.like(levels, image), folder / f'{name}_labeled.nii.gz')
    files.write(files.like(points, image), folder / f'{name}_labeled_discs.nii.gz')


def project_levels(
    cord: np.ndarray, affine: np.ndarray, discs: np.ndarray, disc_affine: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Vertebral levels on the cord: level n lies between disc n and the next one below.

    Parameters
    ----------
    cord : ndarray, shape (i, j, k)
        Non-zero inside.
    affine, disc_affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    discs : ndarray, shape (x, y, z)
        Disc points, on the cord or beside it, on any grid.

    Returns
    -------
    levels : ndarray of uint8, shape (i, j, k)
        Above the top disc its value less one, below the lowest disc that disc's value.
    points : ndarray of uint8, shape (i, j, k)
        The discs moved to the cord's centreline.

    Raises
    ------
    ValueError
        Without discs, or with fewer than five slices of cord.
    """
    from spinalprep.anatomy.centerline import Centerline

    line = Centerline.from_mask(cord, affine)
    labelled = np.argwhere(discs)
    if not len(labelled):
        raise ValueError('there is no disc label')
    values = discs[tuple(labelled.T)].astype(int)
    arcs, _ = line.project(labelled @ disc_affine[:3, :3].T + disc_affine[:3, 3])
    order = np.argsort(arcs)
    values, arcs = values[order], arcs[order]
    regions = np.append(values, values[-1] - 1)

    voxels = np.argwhere(cord)
    along, _ = line.project(voxels @ affine[:3, :3].T + affine[:3, 3])
    levels = np.zeros(cord.shape, dtype=np.uint8)
    levels[tuple(voxels.T)] = regions[np.searchsorted(arcs, along)]

    inverse = np.linalg.inv(affine)
    feet = line.at(np.clip(arcs, 0, line.length)) @ inverse[:3, :3].T + inverse[:3, 3]
    feet = np.clip(np.rint(feet).astype(int), 0, np.array(cord.shape) - 1)
    points = np.zeros(cord.shape, dtype=np.uint8)
    points[tuple(feet.T)] = values
    return levels, points
