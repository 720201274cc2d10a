# SPDX-License-Identifier: Apache-2.0
"""``spinalprep find-cord``: the cord of one image, within seconds and without SCT."""

from __future__ import annotations

import gzip
import time
import zlib
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from spinalprep.errors import CordReferenceRejected, ExitCode, InputImageError, UsageError

if TYPE_CHECKING:
    import nibabel as nb

    from spinalprep.anatomy.finder import CordResult


def main(arguments: Namespace) -> int:
    """Find the cord, write mask and centreline, and say what was found.

    Raises
    ------
    UsageError
        If the image is not there, or a name to write to makes no sense.
    InputImageError
        If it is not a three-dimensional image.
    CordReferenceRejected
        If no cord is found, with the reason; nothing is written then.
    """
    source, target = arguments.image, arguments.out
    if not source.is_file():
        raise UsageError(f'{source}: no such file')
    if not target.name.endswith(('.nii', '.nii.gz')):
        raise UsageError(f'{target}: a mask is written as .nii or .nii.gz')
    if source.resolve() in {path.resolve() for path in (target, arguments.csv) if path}:
        raise UsageError(f'{source}: would be overwritten; choose another name to write to')
    image = _read(source)
    start = time.perf_counter()
    cord = _find(image, source, arguments.contrast)
    seconds = time.perf_counter() - start
    _write_mask(cord, image, target)
    if arguments.csv:
        _write_centerline(cord, arguments.csv)
    print(f'{target}: {describe(cord)} ({seconds:.1f} s)')
    return ExitCode.OK


def describe(cord: CordResult) -> str:
    """What was found, in one line."""
    check = cord.check
    below, above = check.at_field_end
    lower = 'the end of the field of view' if below else 'where it can no longer be followed'
    upper = 'the end of the field of view' if above else 'where it can no longer be followed'
    if check.brainstem:
        upper = 'the brainstem'
    return (
        f'{check.length_mm:.0f} mm of cord in an image that looks {cord.contrast}, median area '
        f'{check.area_mm2[1]:.0f} mm², from {lower} to {upper}'
    )


def _read(path: Path) -> nb.Nifti1Image:
    """Image with three axes; others of length 1 are dropped."""
    import nibabel as nb

    try:
        image = nb.load(path)
    except (nb.filebasedimages.ImageFileError, OSError) as error:
        raise InputImageError(f'{path}: can not be read as an image: {error}') from error
    extra = image.shape[3:]
    if len(image.shape) < 3 or any(size != 1 for size in extra):
        raise InputImageError(f'{path}: one volume is needed, found shape {image.shape}')
    return image.slicer[(..., *[0] * len(extra))] if extra else image


def _find(image: nb.Nifti1Image, path: Path, contrast: str | None) -> CordResult:
    import numpy as np

    from spinalprep.anatomy.finder import CordNotFound, find_cord

    try:
        data = np.asarray(image.dataobj, dtype=np.float32)
    except (OSError, EOFError, zlib.error) as error:
        raise InputImageError(f'{path}: damaged or cut short: {error}') from error
    try:
        return find_cord(data, image.affine, contrast=contrast)
    except CordNotFound as error:
        raise CordReferenceRejected(f'{path}: no cord found: {error}') from error


def _write_mask(cord: CordResult, image: nb.Nifti1Image, path: Path) -> None:
    """The mask on the grid of the image, with its forms."""
    import nibabel as nb
    import numpy as np

    from spinalprep.atomic import replacing

    mask = nb.Nifti1Image(cord.mask.astype(np.uint8), image.affine)
    if isinstance(image, nb.Nifti1Pair):
        mask.set_qform(*image.get_qform(coded=True))
        mask.set_sform(*image.get_sform(coded=True))
        mask.header.set_xyzt_units(*image.header.get_xyzt_units())
    content = mask.to_bytes()
    with replacing(path) as temporary:
        # without a time stamp the same mask is the same file
        temporary.write_bytes(
            gzip.compress(content, 6, mtime=0) if path.name.endswith('.gz') else content
        )


def _write_centerline(cord: CordResult, path: Path) -> None:
    """One line per point, from the lower to the upper end."""
    from spinalprep.atomic import write_text

    line = cord.centerline
    lines = ['arc_mm,x_mm,y_mm,z_mm,area_mm2']
    lines += [
        f'{arc:.2f},{x:.3f},{y:.3f},{z:.3f},{area:.2f}'
        for arc, (x, y, z), area in zip(line.arc, line.points, cord.area_mm2, strict=True)
    ]
    write_text(path, '\n'.join(lines) + '\n')
