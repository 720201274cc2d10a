# SPDX-License-Identifier: Apache-2.0
"""``sct_register_to_template``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spinalprep.anatomy.labels import label_points
from spinalprep.embedded import files, template
from spinalprep.embedded.shell import CommandFailed, CommandParser, format_numbers

# the landmarks that SCT looks for first come first; file of the template that answers each
_LANDMARKS = {
    'lrootlet': template.ROOTLETS_MIDPOINTS,
    'ldisc': template.DISCS,
    'lspinal': template.SPINAL,
}


def sct_register_to_template(argv: list[str]) -> None:
    """``sct_register_to_template``: warps both ways and both images in the other space."""
    parser = _parser()
    options = parser.parse_args(argv)
    folder = Path(options.ofolder)
    folder.mkdir(parents=True, exist_ok=True)
    kind = next((name for name in _LANDMARKS if getattr(options, name)), None)
    if kind is None:
        raise CommandFailed('Labels should be provided.')
    known = template.template_files(options.t)
    wanted = (_LANDMARKS[kind], template.CONTRASTS[options.c], options.s_template_id)
    for number in wanted:
        if number not in known:
            raise ValueError(f'label ID {number} not found in {options.t}/template/info_label.txt')
    landmarks_file, image_file, cord_file = (known[number] for number in wanted)

    points = _subject_points(kind, getattr(options, kind))
    if len(points) > 2 and options.ref == 'subject':
        parser.error("'-ref subject' is not compatible with 3+ labels; select at most 2 labels")
    anat, anat_image = files.load_volume(options.i)
    cord, cord_image = files.load_volume(options.s)
    if not (cord > 0.5).any():
        raise ValueError(f'the segmentation {options.s} is empty')
    targets = _template_points(landmarks_file)
    if set(points) - set(targets):
        raise CommandFailed(
            'Wrong landmarks input. Labels must have correspondence in template space.\n'
            f'Wrong labels provided: {format_numbers(list(set(points) - set(targets)))}\n'
            f'Available labels from template: {format_numbers(list(targets))}'
        )
    if len(points) == 1:
        print('WARNING: Only one label is present. Forcing initial transformation to: Tx_Ty_Tz')
    from spinalprep.embedded.registration import CordFrame, map_cords

    template_cord, template_cord_image = files.load_volume(cord_file)
    mapping = map_cords(
        CordFrame.from_mask(cord > 0.5, cord_image.affine),
        CordFrame.from_mask(template_cord > 0.5, template_cord_image.affine),
        points,
        targets,
    )
    _write(mapping, folder, (anat, anat_image), files.load_volume(image_file))


def _write(mapping, folder: Path, anat: tuple, model: tuple) -> None:
    """The two fields, and the two images (array, NIfTI image) in each other's space."""
    to_anat = mapping.field_on_subject(anat[0].shape, anat[1].affine)
    files.write(to_anat.to_nifti(), folder / 'warp_template2anat.nii.gz')
    image = to_anat.resample(model[0], model[1].affine)
    files.write(files.like(image, anat[1]), folder / 'template2anat.nii.gz')
    to_template = mapping.field_on_template(model[0].shape, model[1].affine)
    files.write(to_template.to_nifti(), folder / 'warp_anat2template.nii.gz')
    image = to_template.resample(anat[0], anat[1].affine)
    files.write(files.like(image, model[1]), folder / 'anat2template.nii.gz')


def _parser() -> CommandParser:
    parser = CommandParser('sct_register_to_template', temporary=True)
    parser.add_argument('-i', required=True, metavar='<file>', help='anatomical image')
    parser.add_argument('-s', required=True, metavar='<file>', help='cord segmentation')
    parser.add_argument('-ldisc', metavar='<file>', help='disc points')
    parser.add_argument('-lrootlet', metavar='<file>', help='rootlets, valued by spinal level')
    parser.add_argument('-lspinal', metavar='<file>', help='spinal-level points')
    parser.add_argument('-s-template-id', type=int, default=template.CORD, metavar='<int>')
    parser.add_argument('-ofolder', default='.', metavar='<folder>', help='made if missing')
    parser.add_argument('-t', required=True, metavar='<folder>', help='template')
    parser.add_argument('-c', choices=tuple(template.CONTRASTS), default='t2', help='contrast')
    parser.add_argument('-ref', choices=('template', 'subject'), default='template')
    return parser


def _subject_points(kind: str, path: str) -> dict[int, np.ndarray]:
    """Landmarks of the subject by value, with SCT's checks."""
    labels, image = files.load_volume(path)
    if kind == 'lrootlet':
        labels, image = _midpoints(labels, image)
        # SCT leaves this file in the current folder, also when it fails afterwards
        files.write(image, 'rootlets_mid.nii.gz')
    values = labels[labels > 0]
    if not len(values):
        raise ValueError(f'{path} holds no label')
    if not np.array_equal(values, np.rint(values)):
        raise CommandFailed(f'Label file {path} has a value that is not an integer.')
    if len(np.unique(values)) != len(values):
        raise CommandFailed('Found two labels with same value.')
    return label_points(labels, image.affine)


def _midpoints(labels: np.ndarray, image) -> tuple[np.ndarray, object]:
    """One voxel per spinal level, at the centre of mass of its rootlets."""
    points = np.zeros(labels.shape, dtype=np.uint8)
    inverse = np.linalg.inv(image.affine)
    for value, point in label_points(labels, image.affine).items():
        voxel = np.rint(inverse[:3, :3] @ point + inverse[:3, 3]).astype(int)
        points[tuple(voxel)] = value
    return points, files.like(points, image)


def _template_points(path: Path) -> dict[int, np.ndarray]:
    labels, image = files.load_volume(path)
    return label_points(labels, image.affine)
