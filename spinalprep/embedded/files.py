# SPDX-License-Identifier: Apache-2.0
"""Images of the embedded SCT: read, written at one stroke, turned, and labelled."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nb
import numpy as np

_OPPOSITE = dict(zip('RLAPIS', 'LRPASI', strict=True))


def load(path: str | Path) -> nb.Nifti1Image:
    """NIfTI image.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no NIfTI image; the message names it.
    """
    try:
        image = nb.load(path)
    except nb.filebasedimages.ImageFileError as error:
        raise ValueError(f'{path}: {error}') from error
    if not isinstance(image, nb.Nifti1Pair):
        raise ValueError(f'{path}: not a NIfTI image')
    return image


def load_volume(path: str | Path) -> tuple[np.ndarray, nb.Nifti1Image]:
    """Array of a 3-D image (one volume along a fourth axis is dropped), and the image.

    Raises
    ------
    ValueError
        If there is more than one volume.
    """
    image = load(path)
    data = np.asanyarray(image.dataobj)
    if data.ndim < 3 or data.size != np.prod(data.shape[:3]):
        raise ValueError(f'{path}: a 3-D image is needed, found shape {image.shape}')
    return data.reshape(data.shape[:3]), image


def write(image: nb.Nifti1Image, path: str | Path) -> None:
    """Save so that a file of that name is always whole: write beside it, then rename."""
    path = Path(path)
    if not path.name.endswith(('.nii', '.nii.gz')):
        raise ValueError(f"{path}: can't save an image without .nii or .nii.gz")
    extension = '.nii.gz' if path.name.endswith('.gz') else '.nii'
    partial = path.with_name(f'.{stem(path)}.{os.getpid()}{extension}')
    try:
        nb.save(image, partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def stem(path: str | Path) -> str:
    """File name without ``.nii`` or ``.nii.gz``."""
    name = Path(path).name
    return name.removesuffix('.gz').removesuffix('.nii')


def like(data: np.ndarray, reference: nb.Nifti1Image) -> nb.Nifti1Image:
    """Image with the grid, form codes and units of a reference, and its own data type."""
    if data.dtype == bool:
        data = data.astype(np.uint8)
    header = reference.header.copy()
    header.set_data_dtype(data.dtype)
    header.set_slope_inter(1, 0)
    header['cal_min'] = header['cal_max'] = 0
    header.set_data_shape(data.shape)
    image = nb.Nifti1Image(data, None, header)
    _set_forms(image, np.eye(4), reference.header)
    return image


def moved_grid(data: np.ndarray, reference: nb.Nifti1Image, change: np.ndarray) -> nb.Nifti1Image:
    """Image whose voxel ``v`` is the voxel ``change @ v`` of the reference.

    Both forms move and keep their codes, also where they differ.
    """
    image = like(data, reference)
    _set_forms(image, change, reference.header)
    return image


def _set_forms(image: nb.Nifti1Image, change: np.ndarray, header: nb.Nifti1Header) -> None:
    sform, s_code = header.get_sform(coded=True)
    qform, q_code = header.get_qform(coded=True)
    if not s_code and not q_code:
        sform, s_code = header.get_best_affine(), 1
    image.set_qform(None if qform is None else qform @ change, int(q_code))
    image.set_sform(None if sform is None else sform @ change, int(s_code))


def orientation(image: nb.Nifti1Image) -> str:
    """SCT's orientation code: where the axes come *from* (nibabel's LAS is RPI)."""
    return ''.join(_OPPOSITE[letter] for letter in nb.aff2axcodes(image.affine))


def reorient(image: nb.Nifti1Image, code: str) -> nb.Nifti1Image:
    """Axes permuted and flipped to one of SCT's orientation codes; nothing resampled."""
    target = nb.orientations.axcodes2ornt(''.join(_OPPOSITE[letter] for letter in code))
    turn = nb.orientations.ornt_transform(nb.io_orientation(image.affine), target)
    data = nb.orientations.apply_orientation(np.asanyarray(image.dataobj), turn)
    change = nb.orientations.inv_ornt_aff(turn, image.shape[:3])
    return moved_grid(np.ascontiguousarray(data), image, change)
