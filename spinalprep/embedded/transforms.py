# SPDX-License-Identifier: Apache-2.0
"""``sct_apply_transfo``, ``sct_concat_transfo``, ``sct_warp_template``."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from nibabel.affines import voxel_sizes

from spinalprep.anatomy.grids import same_affine
from spinalprep.anatomy.warps import DisplacementField, compose, grid_points, sample
from spinalprep.embedded import files
from spinalprep.embedded.shell import CommandParser
from spinalprep.embedded.template import template_files

_ORDERS = {'nn': 0, 'linear': 1, 'spline': 3}


def sct_apply_transfo(argv: list[str]) -> None:
    """``sct_apply_transfo``: an image through displacement fields onto another grid."""
    parser = CommandParser('sct_apply_transfo', temporary=True)
    parser.add_argument('-i', required=True, metavar='<file>', help='image to move')
    parser.add_argument('-d', required=True, metavar='<file>', help='image that gives the grid')
    parser.add_argument('-w', required=True, nargs='+', metavar='<file>', help='fields, in order')
    parser.add_argument('-o', metavar='<file>', help='output; default: <input>_reg')
    parser.add_argument('-crop', type=int, choices=(0,), default=0, help='grid as it is')
    parser.add_argument('-x', choices=(*_ORDERS, 'label'), default='spline', help='interpolation')
    options = parser.parse_args(argv)
    data, image = files.load_volume(options.i)
    destination = files.load(options.d)
    fields = [DisplacementField.load(path) for path in options.w]
    moved = transform(data, image.affine, destination, fields, options.x)
    output = options.o or f'{files.stem(options.i)}_reg.nii.gz'
    files.write(files.like(moved, destination), output)


def transform(
    data: np.ndarray, affine: np.ndarray, destination, fields: list, interpolation: str
) -> np.ndarray:
    """Image through fields listed in order of application, onto a grid.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel to world of `data`.
    destination : SpatialImage
        Gives the grid.
    fields : list of DisplacementField
        As for ``-w``: the first one leads away from the image's space.
    interpolation : {'nn', 'linear', 'spline', 'label'}

    Returns
    -------
    ndarray
        0 where a field is not defined or leads outside the image.
    """
    shape = destination.shape[:3]
    points, index = _first_step(fields[-1], shape, destination.affine)
    # fields pull: a point of the destination goes through the last one first
    for field in reversed(fields[:-1]):
        points, valid = field.map_points(points)
        points, index = points[valid], index[valid]
    if interpolation == 'label':
        source = np.full((np.prod(shape), 3), np.nan)
        source[index] = points
        return _move_labels(data, affine, source.reshape(*shape, 3))
    values = sample(data, affine, points, _ORDERS[interpolation])
    moved = np.zeros(np.prod(shape), dtype=values.dtype)
    moved[index] = values
    return moved.reshape(shape)


def _first_step(
    field: DisplacementField, shape: tuple[int, ...], affine: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where a field leads from the voxels of a grid, and which voxels (flat) these are."""
    if field.shape == shape and same_affine(field.affine, affine):
        # the usual case, and a fast one: on its own grid a field needs no interpolation
        points = np.argwhere(field.valid) @ affine[:3, :3].T + affine[:3, 3]
        return points + field.vectors[field.valid], np.flatnonzero(field.valid)
    points, valid = field.map_points(grid_points(shape, affine).reshape(-1, 3))
    return points[valid], np.flatnonzero(valid)


def _move_labels(labels: np.ndarray, affine: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Each labelled voxel to the voxel whose place in the source space is nearest to it.

    One whose nearest voxel lies more than the diagonal of a source voxel away has left
    the field of view, or the range that the fields cover.
    """
    from scipy.spatial import cKDTree

    valid = np.isfinite(source[..., 0])
    moved = np.zeros(valid.shape, dtype=labels.dtype)
    voxels = np.argwhere(labels)
    if not len(voxels) or not valid.any():
        return moved
    places = np.argwhere(valid)
    distance, nearest = cKDTree(source[valid], balanced_tree=False).query(
        voxels @ affine[:3, :3].T + affine[:3, 3]
    )
    reach = np.linalg.norm(voxel_sizes(affine))
    close = distance <= reach
    moved[tuple(places[nearest[close]].T)] = labels[tuple(voxels[close].T)]
    return moved


def sct_concat_transfo(argv: list[str]) -> None:
    """``sct_concat_transfo``: fields A→B, B→C … as one."""
    parser = CommandParser('sct_concat_transfo')
    parser.add_argument('-d', required=True, metavar='<file>', help='image that gives the grid')
    parser.add_argument('-w', required=True, nargs='+', metavar='<file>', help='fields, in order')
    parser.add_argument('-o', default='warp_final.nii.gz', metavar='<str>', help='output')
    options = parser.parse_args(argv)
    destination = files.load(options.d)
    fields = [DisplacementField.load(path) for path in options.w]
    whole = fields[-1]
    for field in reversed(fields[:-1]):
        whole = compose(whole, field)
    shape = destination.shape[:3]
    if whole.shape != shape or not np.allclose(whole.affine, destination.affine, atol=1e-3):
        points, valid = whole.map_points(grid_points(shape, destination.affine))
        whole = DisplacementField.from_points(points, destination.affine, valid)
    files.write(whole.to_nifti(), options.o)


def sct_warp_template(argv: list[str]) -> None:
    """``sct_warp_template``: all files of the template on the grid of an image."""
    parser = CommandParser('sct_warp_template')
    parser.add_argument('-d', required=True, metavar='<file>', help='image that gives the grid')
    parser.add_argument('-w', required=True, metavar='<file>', help='warp_template2anat')
    parser.add_argument('-a', type=int, choices=(0, 1), default=1, help='atlas as well')
    parser.add_argument('-ofolder', default='label', metavar='<folder>', help='made if missing')
    parser.add_argument('-t', required=True, metavar='<folder>', help='template')
    options = parser.parse_args(argv)
    destination = files.load(options.d)
    field = DisplacementField.load(options.w)
    folder = Path(options.ofolder) / 'template'
    folder.mkdir(parents=True, exist_ok=True)
    for path in template_files(options.t).values():
        data, image = files.load_volume(path)
        moved = transform(data, image.affine, destination, [field], _interpolation(path.name))
        files.write(files.like(moved, destination), folder / path.name)
    shutil.copyfile(Path(options.t) / 'template' / 'info_label.txt', folder / 'info_label.txt')
    if options.a:
        raise ValueError('the atlas (-a 1) is not covered by the embedded SCT; use -a 0')


def _interpolation(name: str) -> str:
    """SCT's choice by file name."""
    if any(part in name for part in ('_levels.', '_csf.', '_cord.')):
        return 'nn'
    if any(part in name for part in ('_label_', '_midpoint.')):
        return 'label'
    return 'linear'
