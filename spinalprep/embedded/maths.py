# SPDX-License-Identifier: Apache-2.0
"""``sct_maths``: arithmetic and morphology on images."""

from __future__ import annotations

import argparse

import numpy as np

from spinalprep.embedded import files
from spinalprep.embedded.shell import CommandParser


class _InOrder(argparse.Action):
    """Collect operations as they come: SCT applies them in that order."""

    def __call__(self, parser, namespace, values, option_string=None):
        namespace.todo = [*(namespace.todo or []), (option_string.lstrip('-'), values)]


def sct_maths(argv: list[str]) -> None:
    """``sct_maths``: operations applied in the order of the command line."""
    parser = CommandParser('sct_maths')
    parser.add_argument('-i', required=True, metavar='<file>', help='image')
    parser.add_argument('-o', required=True, metavar='<file>', help='output')
    parser.set_defaults(todo=None)
    for name in ('bin', 'thr', 'uthr'):
        parser.add_argument(f'-{name}', type=float, action=_InOrder, metavar='<float>')
    for name in ('add', 'sub', 'mul', 'div'):
        parser.add_argument(f'-{name}', nargs='+', action=_InOrder, metavar='<number|file>')
    for name in ('dilate', 'erode'):
        parser.add_argument(f'-{name}', type=int, action=_InOrder, metavar='<int>')
    parser.add_argument('-smooth', action=_InOrder, metavar='<mm|mm,mm,mm>')
    parser.add_argument('-shape', choices=('cube', 'ball'), default='ball')
    parser.add_argument('-type', choices=('uint8', 'int16', 'int32', 'float32', 'float64'))
    options = parser.parse_args(argv)
    if not options.todo:
        parser.error('no operation given')
    image = files.load(options.i)
    data = np.asanyarray(image.dataobj)
    for name, value in options.todo:
        data = _apply(name, value, data, image, options)
    files.write(files.like(data.astype(options.type or _stored(data)), image), options.o)


def _apply(name: str, value, data: np.ndarray, image, options) -> np.ndarray:
    if name == 'bin':
        return (data > value).astype(np.uint8)
    if name == 'thr':
        return np.where(data < value, 0, data)
    if name == 'uthr':
        return np.where(data > value, 0, data)
    if name == 'smooth':
        from scipy import ndimage

        widths = np.array([float(n) for n in value.split(',')])
        pixels = widths / image.header.get_zooms()[:3]
        return ndimage.gaussian_filter(data.astype(np.float32), pixels)
    if name in ('dilate', 'erode'):
        return _morphology(name, value, data, options.shape)
    operation = {'add': np.add, 'sub': np.subtract, 'mul': np.multiply, 'div': np.divide}[name]
    result = data.astype(float)
    for operand in value:
        result = operation(result, _operand(operand, data.shape))
    return result


def _morphology(name: str, size: int, data: np.ndarray, shape: str) -> np.ndarray:
    from scipy import ndimage

    if shape == 'cube':
        element = np.ones((size,) * 3, dtype=bool)
    else:
        offsets = np.mgrid[-size : size + 1, -size : size + 1, -size : size + 1]
        element = (offsets**2).sum(axis=0) <= size**2
    method = ndimage.grey_dilation if name == 'dilate' else ndimage.grey_erosion
    return method(data, footprint=element)


def _operand(text: str, shape: tuple) -> float | np.ndarray:
    try:
        return float(text)
    except ValueError:
        operand = np.asanyarray(files.load(text).dataobj)
    if operand.shape != shape:
        raise ValueError(f'{text}: shape {operand.shape} instead of {shape}')
    return operand


def _stored(data: np.ndarray) -> np.dtype:
    """Whole numbers stay whole where the result allows it."""
    if data.dtype.kind != 'f':
        return data.dtype
    whole = np.isfinite(data).all() and np.array_equal(data, np.rint(data))
    return np.dtype(np.int16 if whole and np.abs(data).max() < 2**15 else np.float32)
