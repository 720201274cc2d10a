# SPDX-License-Identifier: Apache-2.0
"""``sct_process_segmentation`` and ``sct_get_centerline``."""

from __future__ import annotations

import csv
import os
from datetime import datetime
from pathlib import Path

import numpy as np

from spinalprep.embedded import files
from spinalprep.embedded.shell import VERSION, CommandParser, format_numbers, number_list

_KEYS = ('Timestamp', 'SCT Version', 'Filename', 'Slice (I->S)', 'VertLevel', 'DistancePMJ')


def sct_process_segmentation(argv: list[str]) -> None:
    """``sct_process_segmentation``: morphometry of a cord mask as CSV (columns of SCT 7.3)."""
    parser = CommandParser('sct_process_segmentation', temporary=True)
    parser.add_argument('-i', required=True, metavar='<file>', help='cord segmentation')
    parser.add_argument('-o', default='csa.csv', metavar='<file>', help='table')
    parser.add_argument('-z', type=number_list, default='', metavar='<list>', help='slices')
    parser.add_argument('-vert', type=number_list, default='', metavar='<list>', help='levels')
    parser.add_argument('-vertfile', metavar='<file>', help='levels on the cord')
    parser.add_argument('-discfile', metavar='<file>', help='disc points')
    parser.add_argument('-perslice', type=int, choices=(0, 1), default=0)
    parser.add_argument('-perlevel', type=int, choices=(0, 1), default=0)
    parser.add_argument('-angle-corr', type=int, choices=(0, 1), default=1)
    options = parser.parse_args(argv)
    if options.vertfile and options.discfile:
        parser.error("Both '-vertfile' and '-discfile' were specified.")
    level_file = options.vertfile or options.discfile
    if level_file and not Path(level_file).is_file():
        print(f'Vertebral level file {level_file} does not exist. Levels will not be shown.')
        level_file = None
    if options.vert and not level_file:
        parser.error("Option '-vert' requires a valid '-vertfile' or '-discfile'.")
    from spinalprep.anatomy.morphometry import slice_morphometry

    mask, image = files.load_volume(options.i)
    table = slice_morphometry(mask, image.affine, angle_correction=bool(options.angle_corr))
    levels = _levels(mask, image, level_file, options) if level_file else {}
    rows = _groups(table['slice'].tolist(), levels, options)
    _write(rows, table, os.path.realpath(options.i), options.o)
    print(f'\nDone! The table is {options.o}')


def _levels(mask: np.ndarray, image, level_file: str, options) -> dict[int, int]:
    """Vertebral level of each slice (numbered in RPI) that has one."""
    count = files.reorient(image, 'RPI').shape[2]
    if options.discfile:
        from spinalprep.embedded.labels import project_levels

        discs, disc_image = files.load_volume(level_file)
        _, points = project_levels(mask, image.affine, discs, disc_image.affine)
        points = np.asanyarray(files.reorient(files.like(points, image), 'RPI').dataobj)
        # the slice that a disc's point falls in belongs to the level below that disc
        ends = sorted((int(z), int(points[x, y, z])) for x, y, z in np.argwhere(points))
        regions = [value for _, value in ends] + [ends[-1][1] - 1]
        places = np.searchsorted([z for z, _ in ends], np.arange(count))
        return {z: regions[place] for z, place in enumerate(places)}
    slices = np.asanyarray(files.reorient(files.load(level_file), 'RPI').dataobj)
    if slices.shape[2] != count:
        raise ValueError(
            f'Shape mismatch between vertfile [{slices.shape[2]}] and metric [{count}]'
        )
    levels = {}
    for index in range(count):
        values = slices[:, :, index]
        values = values[values > 0]
        if len(values):
            levels[index] = int(np.median(values))
    return levels


def _groups(slices: list[int], levels: dict[int, int], options) -> list[tuple[list[int], list]]:
    """Slices and levels of each row of the table, from below."""
    if options.z:
        slices = [index for index in slices if index in options.z]
    if options.vert:
        slices = [index for index in slices if levels.get(index) in options.vert]
        for level in options.vert:
            if level not in levels.values():
                print(f'WARNING: No slices present in vertebral level {level}.')
        if options.perlevel:
            groups = [[i for i in slices if levels[i] == level] for level in options.vert]
            return [(g, [levels[g[0]]]) for g in sorted(filter(None, groups))]
    if options.perslice:
        return [([index], [levels[index]] if index in levels else []) for index in slices]
    return [(slices, options.vert)] if slices else []


def _write(rows: list, table: np.ndarray, filename: str, output: str) -> None:
    from spinalprep.anatomy.morphometry import FIELDS

    averaged = [name for name in FIELDS if name != 'length']
    header = list(_KEYS)
    if rows:
        header += [f'{part}({name})' for name in averaged for part in ('MEAN', 'STD')]
        header += ['SUM(length)']
    partial = Path(f'{output}.{os.getpid()}')
    with partial.open('w', newline='') as stream:
        stream.write(','.join(header) + '\n')
        writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator='\n')
        now = datetime.now().astimezone().strftime('%Y-%m-%d %H:%M:%S')
        for slices, levels in rows:
            part = table[np.isin(table['slice'], slices)]
            values = [float(f(part[name])) for name in averaged for f in (np.nanmean, np.nanstd)]
            place = [format_numbers(slices), format_numbers(levels), '']
            total = float(np.nansum(part['length']))
            writer.writerow([now, VERSION, filename, *place, *values, total])
    os.replace(partial, output)


def sct_get_centerline(argv: list[str]) -> None:
    """``sct_get_centerline -method fitseg``: one point per slice, as image and as CSV."""
    parser = CommandParser('sct_get_centerline', temporary=True)
    parser.add_argument('-i', required=True, metavar='<file>', help='cord segmentation')
    parser.add_argument('-method', required=True, choices=('fitseg',), help='from a segmentation')
    parser.add_argument('-space', choices=('pix', 'phys'), default='pix', help='of the CSV')
    parser.add_argument('-o', metavar='<file>', help='output; default: <input>_centerline')
    options = parser.parse_args(argv)
    from spinalprep.anatomy.centerline import Centerline, superior_axis

    mask, image = files.load_volume(options.i)
    line = Centerline.from_mask(mask, image.affine)
    axis, sign = superior_axis(image.affine)
    inverse = np.linalg.inv(image.affine)
    voxels = (line.points @ inverse[:3, :3].T + inverse[:3, 3])[::sign]
    used = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
    slices = np.arange(used[0], used[-1] + 1)
    points = np.stack([np.interp(slices, voxels[:, axis], v) for v in voxels.T], axis=-1)
    points[:, axis] = slices
    drawn = np.zeros(mask.shape, dtype=np.uint8)
    nearest = np.clip(np.rint(points).astype(int), 0, np.array(mask.shape) - 1)
    drawn[tuple(nearest.T)] = 1
    output = Path(
        options.o or Path(options.i).parent / f'{files.stem(options.i)}_centerline.nii.gz'
    )
    files.write(files.like(drawn, image), output)
    if options.space == 'phys':
        points = points @ image.affine[:3, :3].T + image.affine[:3, 3]
    # SCT lists from below, whatever the storage order
    np.savetxt(output.with_name(f'{files.stem(output)}.csv'), points[::sign], delimiter=',')
