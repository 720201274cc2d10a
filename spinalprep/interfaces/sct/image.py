# SPDX-License-Identifier: Apache-2.0
"""``sct_version``, ``sct_image``, ``sct_crop_image``, ``sct_create_mask``, ``sct_maths``."""

from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nipype.interfaces.base import File, InputMultiObject, isdefined, traits

from spinalprep.interfaces.sct.base import SCTCommand, SCTInputSpec, SCTOutputSpec, one_of
from spinalprep.interfaces.sct.outputs import (
    BadOutput,
    check_image,
    check_same_grid,
    check_within,
)
from spinalprep.interfaces.sct.process import tail

ORIENTATIONS = tuple(
    ''.join(letters) for axes in permutations(('LR', 'AP', 'SI')) for letters in product(*axes)
)
"""SCT's 48 orientation codes: the side that each axis comes *from* (RPI = nibabel's LAS)."""

DATA_TYPES = (
    *('uint8', 'int16', 'int32', 'float32', 'complex64', 'float64', 'int8', 'uint16', 'uint32'),
    *('int64', 'uint64'),
)

_OPPOSITE = str.maketrans('LRAPSI', 'RLPAIS')


class _VersionOutputSpec(SCTOutputSpec):
    version = traits.Str(desc='what sct_version says; may be a git commit')


class Version(SCTCommand):
    """Ask SCT for its version (``sct_version``); ``Toolbox.version`` is the one to compute with.

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> sct.Version(toolbox=Toolbox.example('7.2')).cmdline
    '/usr/local/sct_7.2/bin/sct_version'
    """

    output_spec = _VersionOutputSpec
    _command = 'sct_version'

    def _arguments(self) -> list[Any]:
        return []

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        said = tail(log, 1)
        if not said:
            raise BadOutput('it said nothing')
        return {'version': said}


_IMAGE_OPERATIONS = {
    'set_orientation': '-setorient',
    'set_sform_to_qform': '-set-sform-to-qform',
    'set_qform_to_sform': '-set-qform-to-sform',
    'copy_header': '-copy-header',
    'pad': '-pad',
    'pad_asymmetric': '-pad-asym',
    'keep_volumes': '-keep-vol',
    'remove_volumes': '-remove-vol',
    'flip': '-flip',
    'data_type': '-type',
}


class _ImageInputSpec(SCTInputSpec):
    in_file = File(resolve=True, input_file=True, desc='image')
    out_file = File('image.nii.gz', usedefault=True, desc='the result')
    set_orientation = traits.Enum(*ORIENTATIONS, desc="turn the axes (SCT's codes)")
    set_sform_to_qform = traits.Bool(desc='copy the qform into the sform')
    set_qform_to_sform = traits.Bool(desc='copy the sform into the qform')
    copy_header = File(
        resolve=True, input_file=True, desc='image whose voxels get the header of in_file'
    )
    pad = traits.Tuple(*[traits.Int()] * 3, desc='voxels to add on both sides of x, y, z')
    pad_asymmetric = traits.Tuple(
        *[traits.Int()] * 6, desc='voxels to add before and after x, y, z'
    )
    keep_volumes = traits.List(traits.Int(), desc='volumes of a 4-D image to keep, from 0')
    remove_volumes = traits.List(traits.Int(), desc='volumes of a 4-D image to leave out')
    flip = traits.Enum('x', 'y', 'z', 't', desc='mirror the voxels along an axis')
    data_type = traits.Enum(*DATA_TYPES, desc='store in another type')


class _ImageOutputSpec(SCTOutputSpec):
    out_file = File(desc='the result')


class Image(SCTCommand):
    """Do one thing to an image (``sct_image``). The input is never overwritten.

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> image = sct.Image(toolbox=Toolbox.example('7.2'), in_file='/data/my t2.nii.gz')
    >>> image.inputs.set_orientation = 'RPI'
    >>> image.cmdline
    "/usr/local/sct_7.2/bin/sct_image -i '/data/my t2.nii.gz' -setorient RPI -o image.nii.gz"
    """

    input_spec = _ImageInputSpec
    output_spec = _ImageOutputSpec
    _command = 'sct_image'
    _needs = ('in_file',)

    def _arguments(self) -> list[Any]:
        name = one_of(self, _IMAGE_OPERATIONS)
        value = getattr(self.inputs, name)
        arguments = ['-i', self.inputs.in_file, _IMAGE_OPERATIONS[name]]
        if isinstance(value, list | tuple):
            arguments.append(','.join(map(str, value)))
        elif value is not True:
            arguments.append(value)
        return [*arguments, '-o', self._output('out_file')]

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        inputs = self.inputs
        path = check_image(Path(self._output('out_file')), allow_empty=True)
        image = nib.load(path)
        if isdefined(inputs.set_orientation):
            wanted = inputs.set_orientation.translate(_OPPOSITE)
            found = ''.join(nib.aff2axcodes(image.affine))
            if found != wanted:
                raise BadOutput(f'{path} has the orientation {found} instead of {wanted}')
        if isdefined(inputs.set_sform_to_qform) or isdefined(inputs.set_qform_to_sform):
            qform, sform = image.get_qform(), image.get_sform()
            if not np.allclose(qform, sform, atol=1e-3):
                raise BadOutput(f'{path} still has a qform that differs from its sform')
        return {'out_file': path}


class _CropImageInputSpec(SCTInputSpec):
    in_file = File(resolve=True, input_file=True, desc='image')
    out_file = File('crop.nii.gz', usedefault=True, desc='the crop')
    mask_file = File(
        resolve=True, input_file=True, desc='crop to the box of its voxels; on the grid of in_file'
    )
    ref_file = File(resolve=True, input_file=True, desc='crop to the field of view of this image')
    xmin = traits.Int(desc='first voxel along the first axis')
    xmax = traits.Int(desc='last voxel; negative counts from the end, -1 is the last')
    ymin = traits.Int(desc='first voxel along the second axis')
    ymax = traits.Int(desc='last voxel')
    zmin = traits.Int(desc='first voxel along the third axis')
    zmax = traits.Int(desc='last voxel')
    dilate = traits.List(
        traits.Int(), minlen=1, maxlen=3, desc='voxels to add on both sides: one number or three'
    )
    background = traits.Int(desc='keep the size and write this value outside the box')


class _CropImageOutputSpec(SCTOutputSpec):
    out_file = File(desc='the crop')


class CropImage(SCTCommand):
    """Crop an image to a box of voxels (``sct_crop_image``).

    SCT compares voxel indices and nothing else, so a mask on another grid is refused here.

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> crop = sct.CropImage(toolbox=Toolbox.example('7.2'), in_file='/data/t2.nii.gz')
    >>> crop.inputs.mask_file = '/data/mask.nii.gz'
    >>> crop.inputs.dilate = [5, 5, 0]
    >>> crop.cmdline  # doctest: +NORMALIZE_WHITESPACE
    '/usr/local/sct_7.2/bin/sct_crop_image -i /data/t2.nii.gz -m /data/mask.nii.gz
    -dilate 5x5x0 -o crop.nii.gz'
    """

    input_spec = _CropImageInputSpec
    output_spec = _CropImageOutputSpec
    _command = 'sct_crop_image'
    _limits = ('xmin', 'xmax', 'ymin', 'ymax', 'zmin', 'zmax')

    def _needed_inputs(self) -> tuple:
        limits = any(isdefined(getattr(self.inputs, name)) for name in self._limits)
        return ('in_file',) if limits else ('in_file', ('mask_file', 'ref_file'))

    def _arguments(self) -> list[Any]:
        arguments = [
            *('-i', self.inputs.in_file),
            *self._option('mask_file', '-m'),
            *self._option('ref_file', '-ref'),
        ]
        for name in self._limits:
            arguments += self._option(name, f'-{name}')
        if isdefined(self.inputs.dilate):
            arguments += ['-dilate', 'x'.join(map(str, self.inputs.dilate))]
        return [*arguments, *self._option('background', '-b'), '-o', self._output('out_file')]

    def _check_inputs(self) -> None:
        if isdefined(self.inputs.mask_file):
            check_same_grid(self.inputs.mask_file, self.inputs.in_file)

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        path = Path(self._output('out_file'))
        return {'out_file': check_within(path, self.inputs.in_file)}


class _CreateMaskInputSpec(SCTInputSpec):
    in_file = File(resolve=True, input_file=True, desc='image, 3-D')
    out_file = File('mask.nii.gz', usedefault=True, desc='the mask')
    process = traits.Enum(
        *('centerline', 'point', 'coord', 'center'), usedefault=True, desc='what it is centred on'
    )
    location_file = File(
        resolve=True, input_file=True, desc='cord mask or centreline, or image with one point'
    )
    coordinates = traits.Tuple(
        traits.Int(), traits.Int(), desc='for coord: voxel in the plane, right-left and front-back'
    )
    size = traits.Str('41', usedefault=True, desc='diameter or edge: voxels, or as 35mm')
    shape = traits.Enum('cylinder', 'box', 'gaussian', usedefault=True, desc='shape of the mask')


class _CreateMaskOutputSpec(SCTOutputSpec):
    out_file = File(desc='the mask')


class CreateMask(SCTCommand):
    """Make a mask along the cord (``sct_create_mask``).

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> mask = sct.CreateMask(toolbox=Toolbox.example('7.2'), in_file='/data/t2.nii.gz')
    >>> mask.inputs.location_file = '/data/cord.nii.gz'
    >>> mask.inputs.size = '60mm'
    >>> mask.cmdline  # doctest: +NORMALIZE_WHITESPACE
    '/usr/local/sct_7.2/bin/sct_create_mask -i /data/t2.nii.gz -p centerline,/data/cord.nii.gz
    -size 60mm -f cylinder -o mask.nii.gz'
    """

    input_spec = _CreateMaskInputSpec
    output_spec = _CreateMaskOutputSpec
    _command = 'sct_create_mask'

    def _needed_inputs(self) -> tuple:
        if self.inputs.process in ('centerline', 'point'):
            return ('in_file', 'location_file')
        return ('in_file', 'coordinates') if self.inputs.process == 'coord' else ('in_file',)

    def _arguments(self) -> list[Any]:
        inputs = self.inputs
        where = inputs.process
        if where in ('centerline', 'point'):
            where = f'{where},{inputs.location_file}'
        elif where == 'coord':
            where = f'coord,{inputs.coordinates[0]}x{inputs.coordinates[1]}'
        return [
            *('-i', inputs.in_file, '-p', where, '-size', inputs.size, '-f', inputs.shape),
            *('-o', self._output('out_file')),
        ]

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        labels = None if self.inputs.shape == 'gaussian' else {1}
        path = Path(self._output('out_file'))
        return {'out_file': check_image(path, like=self.inputs.in_file, labels=labels)}


_MATHS_OPERATIONS = {
    'binarize': '-bin',
    'threshold': '-thr',
    'upper_threshold': '-uthr',
    'otsu': '-otsu',
    'percent': '-percent',
    'add': '-add',
    'subtract': '-sub',
    'multiply': '-mul',
    'divide': '-div',
    'mean': '-mean',
    'rms': '-rms',
    'std': '-std',
    'dilate': '-dilate',
    'erode': '-erode',
    'smooth': '-smooth',
    'laplacian': '-laplacian',
    'symmetrize': '-symmetrize',
    'slicewise_mean': None,
}


class _MathsInputSpec(SCTInputSpec):
    in_file = File(resolve=True, input_file=True, desc='image')
    out_file = File('result.nii.gz', usedefault=True, desc='the result')
    binarize = traits.Float(desc='1 above this value, else 0')
    threshold = traits.Float(desc='0 below this value')
    upper_threshold = traits.Float(desc='0 above this value')
    otsu = traits.Int(desc="Otsu's threshold, from this many bins")
    percent = traits.Int(desc='0 below this percentile')
    add = InputMultiObject(traits.Str(), desc='numbers or images to add')
    subtract = InputMultiObject(traits.Str(), desc='numbers or images to subtract')
    multiply = InputMultiObject(traits.Str(), desc='numbers or images to multiply by')
    divide = InputMultiObject(traits.Str(), desc='numbers or images to divide by')
    mean = traits.Enum('x', 'y', 'z', 't', desc='mean along an axis')
    rms = traits.Enum('x', 'y', 'z', 't', desc='root mean square along an axis')
    std = traits.Enum('x', 'y', 'z', 't', desc='standard deviation along an axis')
    dilate = traits.Range(low=1, desc='dilate by this many voxels')
    erode = traits.Range(low=1, desc='erode by this many voxels')
    smooth = traits.List(
        traits.Float(), minlen=1, maxlen=3, desc='sigma of a Gaussian in mm: one number or three'
    )
    laplacian = traits.List(
        traits.Float(), minlen=1, maxlen=3, desc='sigma of a Laplacian in mm: one or three'
    )
    symmetrize = traits.Enum(0, 1, 2, desc='mean of the image and its mirror along an axis')
    slicewise_mean = traits.Enum(0, 1, 2, desc='every slice becomes its mean')
    shape = traits.Enum('square', 'cube', 'disk', 'ball', desc='of dilate and erode')
    dimension = traits.Enum(0, 1, 2, desc='axis across the plane of a square or disk')
    data_type = traits.Enum(*DATA_TYPES, desc='type of the result')
    volumewise = traits.Bool(desc='treat the volumes of a 4-D image one by one')


class _MathsOutputSpec(SCTOutputSpec):
    out_file = File(desc='the result')


class Maths(SCTCommand):
    """Do one operation on the voxels of an image (``sct_maths``).

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> maths = sct.Maths(toolbox=Toolbox.example('7.2'), in_file='/data/levels.nii.gz')
    >>> maths.inputs.binarize = 0
    >>> maths.cmdline
    '/usr/local/sct_7.2/bin/sct_maths -i /data/levels.nii.gz -bin 0.0 -o result.nii.gz'
    """

    input_spec = _MathsInputSpec
    output_spec = _MathsOutputSpec
    _command = 'sct_maths'
    _needs = ('in_file',)

    def _arguments(self) -> list[Any]:
        name = one_of(self, _MATHS_OPERATIONS)
        operation = self._option(name, _MATHS_OPERATIONS[name])
        if name in ('smooth', 'laplacian'):
            operation = [operation[0], ','.join(map(str, operation[1:]))]
        return [
            *('-i', self.inputs.in_file),
            *operation,
            *self._option('shape', '-shape'),
            *self._option('dimension', '-dim'),
            *self._option('volumewise'),
            *self._option('data_type', '-type'),
            *('-o', self._output('out_file')),
        ]

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        path = Path(self._output('out_file'))
        along = (getattr(self.inputs, name) for name in ('mean', 'rms', 'std'))
        # A mean over x, y or z changes the grid; one over t leaves the three spatial axes alone.
        like = None if any(axis in ('x', 'y', 'z') for axis in along) else self.inputs.in_file
        labels = {1} if isdefined(self.inputs.binarize) else None
        return {'out_file': check_image(path, like=like, labels=labels, allow_empty=True)}
