# SPDX-License-Identifier: Apache-2.0
"""``sct_deepseg``: the four tasks that spinalprep asks for, from intensities alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from spinalprep.embedded import files
from spinalprep.embedded.shell import VERSION, CommandParser

_SUFFIXES = {'spinalcord': '_seg', 'canal': '_canal_seg_seg', 'rootlets': '_rootlets'}
_SPINE_SUFFIXES = {'discs': '_totalspineseg_discs', 'all': '_totalspineseg_all'}
_C1, _ANY_VERTEBRA = 11, 50  # without -label-vert all vertebrae but C1 share one value


def sct_deepseg(argv: list[str]) -> None:
    """``sct_deepseg TASK -i IMAGE -o OUTPUT``, and ``sct_deepseg TASK -install``."""
    if argv and argv[0] == '-task':
        # SCT 7 prints advice and ends with exit code 0 without doing anything
        print("The '-task' flag has been deprecated as of SCT version 7.0; give the task first.")
        return
    parser = _parser()
    options = parser.parse_args(argv)
    if options.install:
        print(f'The embedded SCT needs no model for {options.task}: nothing to install.')
        return
    if not options.i:
        parser.error("You must specify a task name + '-install' or a task name + an image ('-i').")
    for path in options.i:
        if not Path(path).is_file():
            parser.error(f'This file does not exist: {path}')
    if len(options.i) > 1:
        parser.error('one image per call')
    data, image = files.load_volume(options.i[0])
    turned = files.reorient(files.like(data, image), 'RPI')
    arrays = _predict(np.asarray(turned.dataobj, dtype=np.float32), turned.affine, options)
    for path, labels in zip(_outputs(options), arrays, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        labels = files.like(labels.astype(np.uint8), turned)
        labels = np.asarray(files.reorient(labels, files.orientation(image)).dataobj)
        files.write(files.like(labels, image), path)
        _write_sidecar(path, argv)


def _parser() -> CommandParser:
    parser = CommandParser('sct_deepseg')
    tasks = parser.add_subparsers(dest='task', required=True, metavar='TASK', parser_class=_Task)
    for name in (*_SUFFIXES, 'spine'):
        task = tasks.add_parser(name)
        task.add_argument('-i', nargs='+', metavar='<file>', help='image')
        task.add_argument('-o', metavar='<str>', help='output')
        task.add_argument('-install', action='store_true', help='nothing to install')
        task.add_argument('-r', type=int, choices=(0, 1), default=1, help='no temporary files')
        task.set_defaults(init_discs=None)
        if name == 'spine':
            task.add_argument('-label-vert', type=int, choices=(0, 1), default=0)
            # not SCT's: a network needs no help, but a field of view without landmark does here
            task.add_argument('-init-discs', metavar='<file>', help='discs that are known')
    return parser


class _Task(CommandParser):
    """Options of one task; argparse names it after the command and the task."""

    def __init__(self, prog: str, **_):
        super().__init__(prog)


def _predict(image: np.ndarray, affine: np.ndarray, options) -> list[np.ndarray]:
    """Label arrays in the order of :func:`_outputs`."""
    from spinalprep.anatomy.finder import find_cord

    cord = find_cord(image, affine)
    if options.task == 'spinalcord':
        return [cord.mask]
    from spinalprep.anatomy.canal import segment_canal

    canal = segment_canal(image, affine, cord.mask)
    if options.task == 'canal':
        return [canal]
    from spinalprep.embedded.spine import segment_spine

    spine = segment_spine(image, affine, cord, canal, _anchor(options.init_discs))
    if options.task == 'rootlets':
        from spinalprep.embedded.rootlets import segment_rootlets

        rootlets = segment_rootlets(image, affine, cord, canal, spine)
        print(rootlets.why or 'Rootlets found.')
        # like a network that sees nothing: an empty image, exit code 0
        return [rootlets.map]
    if not spine.numbered:
        # TotalSpineSeg ends in the same way when no disc can be numbered
        raise ValueError(f'the discs can not be numbered: {spine.why}')
    labels = spine.map
    if not options.label_vert:
        anonymous = (labels > _C1) & (labels < _ANY_VERTEBRA)
        labels = np.where(anonymous, _ANY_VERTEBRA, labels)
    return [_disc_image(spine.points, image.shape, affine), labels]


def _anchor(path: str | None) -> tuple[int, np.ndarray] | None:
    """Uppermost of the discs that are known and can be seen: those above C2/C3 are points only."""
    if path is None:
        return None
    from spinalprep.anatomy.labels import label_points
    from spinalprep.embedded.discs import FIRST, LAST

    data, image = files.load_volume(path)
    points = label_points(np.rint(data).astype(int), image.affine)
    return next((item for item in points.items() if FIRST <= item[0] <= LAST), None)


def _disc_image(points: dict[int, np.ndarray], shape: tuple, affine: np.ndarray) -> np.ndarray:
    inverse = np.linalg.inv(affine)
    discs = np.zeros(shape, dtype=np.uint8)
    for value, point in points.items():
        voxel = np.rint(inverse[:3, :3] @ point + inverse[:3, 3]).astype(int)
        if (voxel >= 0).all() and (voxel < shape).all():
            discs[tuple(voxel)] = value
    return discs


def _outputs(options) -> list[Path]:
    """SCT's names: ``-o`` itself for one output, a suffix before the extension for two."""
    source = Path(options.i[0])
    if options.task == 'spine':
        chosen = Path(options.o or source.with_name(f'{files.stem(source)}.nii.gz'))
        name = files.stem(chosen)
        extension = chosen.name[len(name) :]
        return [chosen.with_name(f'{name}{s}{extension}') for s in _SPINE_SUFFIXES.values()]
    default = source.with_name(f'{files.stem(source)}{_SUFFIXES[options.task]}.nii.gz')
    return [Path(options.o or default)]


def _write_sidecar(path: Path, argv: list[str]) -> None:
    command = ' '.join(['sct_deepseg', *(Path(argument).name for argument in argv)])
    origin = {'Name': f'spinalprep.embedded: {command}', 'Version': VERSION}
    sidecar = path.with_name(f'{files.stem(path)}.json')
    sidecar.write_text(json.dumps({'GeneratedBy': [origin]}, indent=4) + '\n')
