# SPDX-License-Identifier: Apache-2.0
"""``sct_image``, ``sct_crop_image``, ``sct_create_mask``."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from spinalprep.embedded import files
from spinalprep.embedded.shell import CommandFailed, CommandParser

_CODES = [
    ''.join(code)
    for axes in itertools.permutations(('RL', 'AP', 'IS'))
    for code in itertools.product(*axes)
]
_TYPES = ('uint8', 'int16', 'int32', 'float32', 'float64', 'int8', 'uint16', 'uint32')


def sct_image(argv: list[str]) -> None:
    """``sct_image``: orientation, headers, data type. Without ``-o`` the input is replaced."""
    parser = CommandParser('sct_image')
    parser.add_argument('-i', required=True, nargs='+', metavar='<file>', help='image')
    parser.add_argument('-o', metavar='<file>', help='output; default: the input itself')
    operation = parser.add_mutually_exclusive_group(required=True)
    operation.add_argument('-getorient', action='store_true', help='print the orientation')
    operation.add_argument(
        '-setorient', choices=_CODES, metavar='<code>', help='permute and flip the axes'
    )
    operation.add_argument('-set-sform-to-qform', action='store_true', help='qform counts')
    operation.add_argument('-set-qform-to-sform', action='store_true', help='sform counts')
    operation.add_argument('-copy-header', metavar='<file>', help='give this image the header')
    operation.add_argument('-type', choices=_TYPES, help='data type')
    options = parser.parse_args(argv)
    if len(options.i) != 1:
        parser.error('this operation takes one image')
    image = files.load(options.i[0])
    if options.getorient:
        print(files.orientation(image))
        return
    if options.copy_header and not options.o:
        parser.error("'-copy-header' needs '-o'")
    files.write(_changed(image, options), options.o or options.i[0])


def _changed(image, options):
    if options.setorient:
        return files.reorient(image, options.setorient)
    if options.copy_header:
        return files.like(np.asanyarray(files.load(options.copy_header).dataobj), image)
    if options.type:
        kind = np.dtype(options.type)
        data = np.asanyarray(image.dataobj)
        if kind.kind in 'iu':
            limits = np.iinfo(kind)
            data = np.clip(np.rint(data), limits.min, limits.max)
        return files.like(data.astype(kind), image)
    changed = files.like(np.asanyarray(image.dataobj), image)
    if options.set_sform_to_qform:
        changed.set_sform(image.header.get_qform(), int(image.header['qform_code']))
    else:
        changed.set_qform(image.header.get_sform(), int(image.header['sform_code']))
    return changed


def sct_crop_image(argv: list[str]) -> None:
    """``sct_crop_image``: box of a mask, of a reference image, or from index ranges."""
    parser = CommandParser('sct_crop_image')
    parser.add_argument('-i', required=True, metavar='<file>', help='image')
    parser.add_argument('-o', metavar='<str>', help='output; default: <input>_crop beside it')
    parser.add_argument('-m', metavar='<file>', help='mask whose bounding box is kept')
    parser.add_argument('-ref', metavar='<file>', help='image whose field of view is kept')
    for axis in 'xyz':
        parser.add_argument(f'-{axis}min', type=int, default=0, metavar='<int>', help='first')
        parser.add_argument(f'-{axis}max', type=int, default=-1, metavar='<int>', help='last')
    parser.add_argument('-dilate', metavar='<list>', help='voxels added on each side: N or NxNxN')
    parser.add_argument('-b', type=int, metavar='<int>', help='keep the size, fill outside')
    options = parser.parse_args(argv)
    image = files.load(options.i)
    low, high = _box(image, options)
    if options.dilate:
        margin = [int(n) for n in options.dilate.split('x')]
        if len(margin) not in (1, 3):
            parser.error('argument -dilate: one number or three, as in 2x2x5')
        low = np.maximum(low - margin, 0)
        high = np.minimum(high + margin, np.array(image.shape[:3]) - 1)
    inside = tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))
    data = np.asanyarray(image.dataobj)
    if options.b is None:
        cropped = files.moved_grid(data[inside], image, _shift(low))
    else:
        filled = np.full_like(data, options.b)
        filled[inside] = data[inside]
        cropped = files.like(filled, image)
    output = Path(options.i).parent / f'{files.stem(options.i)}_crop.nii.gz'
    files.write(cropped, options.o or output)


def _box(image, options) -> tuple[np.ndarray, np.ndarray]:
    """First and last voxel of the box along each axis of the file."""
    shape = np.array(image.shape[:3])
    if options.m:
        # as in SCT the mask counts by voxel index, whatever its header says
        voxels = np.argwhere(np.asanyarray(files.load(options.m).dataobj))
        if not len(voxels):
            raise ValueError(f'the mask {options.m} is empty')
        return voxels.min(axis=0)[:3], np.minimum(voxels.max(axis=0)[:3], shape - 1)
    if options.ref:
        reference = files.load(options.ref)
        corners = np.array(
            list(itertools.product(*([-0.5, n - 0.5] for n in reference.shape[:3])))
        )
        to_voxel = np.linalg.inv(image.affine) @ reference.affine
        corners = corners @ to_voxel[:3, :3].T + to_voxel[:3, 3]
        low = np.maximum(np.ceil(corners.min(axis=0) - 1e-3), 0).astype(int)
        high = np.minimum(np.floor(corners.max(axis=0) + 1e-3), shape - 1).astype(int)
        if (high < low).any():
            raise ValueError(f'{options.ref} lies outside {options.i}')
        return low, high
    low = np.array([options.xmin, options.ymin, options.zmin])
    high = np.array([options.xmax, options.ymax, options.zmax])
    high = np.where(high < 0, high + shape, high)
    if (high < low).any() or (low < 0).any() or (high >= shape).any():
        raise ValueError(f'the ranges {low}–{high} do not fit an image of shape {tuple(shape)}')
    return low, high


def _shift(voxel: np.ndarray) -> np.ndarray:
    shift = np.eye(4)
    shift[:3, 3] = voxel
    return shift


def sct_create_mask(argv: list[str]) -> None:
    """``sct_create_mask``: cylinder or box about a centreline, a point or the middle."""
    parser = CommandParser('sct_create_mask', temporary=True)
    parser.add_argument('-i', required=True, metavar='<file>', help='image that gives the grid')
    parser.add_argument(
        '-p',
        required=True,
        metavar='<str>',
        help='center | coord,XxY | point,FILE | centerline,FILE',
    )
    parser.add_argument('-size', default='41', metavar='<str>', help='pixels, or mm: 35mm')
    parser.add_argument('-f', choices=('cylinder', 'box'), default='cylinder', help='shape')
    parser.add_argument('-o', metavar='<str>', help='output; default: mask_<input>')
    options = parser.parse_args(argv)
    process, _, value = options.p.partition(',')
    if process not in ('center', 'coord', 'point', 'centerline'):
        parser.error(f'Process {process} is not recognized.')
    original = files.load(options.i)
    image = files.reorient(original, 'RPI')
    centers = _centers(process, value, image.shape)
    radii = [_radius(options.size, zoom) for zoom in image.header.get_zooms()[:2]]
    x, y = np.mgrid[: image.shape[0], : image.shape[1]]
    mask = np.zeros(image.shape[:3], dtype=np.uint8)
    for z, (cx, cy) in centers.items():
        across, along = (x - cx) / radii[0], (y - cy) / radii[1]
        if options.f == 'box':
            mask[:, :, z] = (np.abs(across) <= 1) & (np.abs(along) <= 1)
        else:
            mask[:, :, z] = across**2 + along**2 <= 1
    mask = files.reorient(files.like(mask, image), files.orientation(original))
    files.write(
        files.like(np.asanyarray(mask.dataobj), original),
        options.o or f'mask_{files.stem(options.i)}.nii.gz',
    )


def _centers(process: str, value: str, shape: tuple) -> dict[int, tuple[float, float]]:
    """Centre (x, y) of the mask in each slice of the RPI image; SCT's rules."""
    if process == 'centerline':
        if not Path(value).is_file():
            raise CommandFailed(f'The file {value} does not exist. Exit program.')
        line = np.asanyarray(files.reorient(files.load(value), 'RPI').dataobj)
        if line.shape[:3] != shape[:3]:
            raise ValueError(f'{value} is not on the grid of the image: {line.shape}, {shape}')
        centers = {}
        for z in np.flatnonzero(line.any(axis=(0, 1))):
            plane = line[:, :, z].astype(float)
            x, y = np.nonzero(plane)
            weight = plane[x, y]
            centers[int(z)] = (np.average(x, weights=weight), np.average(y, weights=weight))
        return centers
    if process == 'coord':
        center = tuple(float(n) for n in value.split('x'))
        if len(center) != 2:
            raise ValueError(f'coord,{value}: two numbers are needed, as in coord,30x40')
    elif process == 'point':
        points = np.argwhere(np.asanyarray(files.reorient(files.load(value), 'RPI').dataobj))
        if not len(points):
            raise ValueError(f'{value} holds no point')
        center = tuple(points[0][:2].astype(float))
    else:
        center = (round(shape[0] / 2), round(shape[1] / 2))
    return dict.fromkeys(range(shape[2]), center)


def _radius(size: str, zoom: float) -> float:
    pixels = round(float(size[:-2]) / zoom) if size.endswith('mm') else int(size)
    if pixels < 2:
        raise ValueError(f'-size {size}: less than two pixels')
    return float(np.ceil((pixels - 1) / 2))
