# SPDX-License-Identifier: Apache-2.0
"""``sct_apply_transfo``, ``sct_concat_transfo``, ``sct_warp_template``."""

from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import Directory, File, InputMultiPath, isdefined, traits

from spinalprep.images import read_image
from spinalprep.interfaces.sct.base import SCTCommand, SCTInputSpec, SCTOutputSpec
from spinalprep.interfaces.sct.outputs import BadOutput, check_image, check_warp
from spinalprep.interfaces.sct.template import TemplateCommand, TemplateInputSpec
from spinalprep.toolbox.template import PART_IDS, template_files


class _TransformsInputSpec(SCTInputSpec):
    dest_file = File(resolve=True, input_file=True, desc='image that gives the grid')
    warps = InputMultiPath(
        File(resolve=True),
        input_file=True,
        desc='transforms in the order in which images go through them: A to B, then B to C',
    )
    inverse_warps = InputMultiPath(
        File(resolve=True), input_file=True, desc='which of them to invert: affine ones only'
    )


class _ApplyTransfoInputSpec(_TransformsInputSpec):
    in_file = File(resolve=True, input_file=True, desc='image to resample')
    out_file = File('resampled.nii.gz', usedefault=True, desc='the result')
    interpolation = traits.Enum(
        'linear',
        'nn',
        'spline',
        'label',
        usedefault=True,
        desc="nn for masks and labels, label for single points; SCT's own default is spline, "
        'which leaves the range of the values',
    )
    crop = traits.Enum(0, 1, 2, 3, desc='crop to the field of view of the transform: 1, 2, 3')
    allow_empty = traits.Bool(
        False, usedefault=True, desc='nothing inside the field of view is a result'
    )


class _ApplyTransfoOutputSpec(SCTOutputSpec):
    out_file = File(desc='the result, on the grid of dest_file')


class ApplyTransfo(SCTCommand):
    """Take an image through transforms (``sct_apply_transfo``).

    Points moved with ``label`` near the edge of the mapped region end up millimetres off: use the
    field itself where that matters.

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> apply = sct.ApplyTransfo(toolbox=Toolbox.example('7.2'), in_file='/data/PAM50_cord.nii.gz')
    >>> apply.inputs.dest_file = '/data/t2.nii.gz'
    >>> apply.inputs.warps = ['/data/warp_template2anat.nii.gz']
    >>> apply.inputs.interpolation = 'nn'
    >>> apply.cmdline  # doctest: +NORMALIZE_WHITESPACE
    '/usr/local/sct_7.2/bin/sct_apply_transfo -i /data/PAM50_cord.nii.gz -d /data/t2.nii.gz
    -w /data/warp_template2anat.nii.gz -x nn -o resampled.nii.gz'
    """

    input_spec = _ApplyTransfoInputSpec
    output_spec = _ApplyTransfoOutputSpec
    _command = 'sct_apply_transfo'
    _needs = ('in_file', 'dest_file', 'warps')

    def _arguments(self) -> list[Any]:
        inputs = self.inputs
        self._choice('crop')
        return [
            *('-i', inputs.in_file, '-d', inputs.dest_file, '-w', *inputs.warps),
            *self._option('inverse_warps', '-winv'),
            *self._option('crop', '-crop'),
            *('-x', inputs.interpolation, '-o', self._output('out_file')),
        ]

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        inputs = self.inputs
        labels = None
        if inputs.interpolation in ('nn', 'label'):
            labels = set(np.unique(np.asanyarray(read_image(inputs.in_file).dataobj)).tolist())
        path = check_image(
            Path(self._output('out_file')),
            like=None if isdefined(inputs.crop) and inputs.crop else inputs.dest_file,
            labels=labels,
            allow_empty=inputs.allow_empty,
        )
        return {'out_file': path}


class _ConcatTransfoInputSpec(_TransformsInputSpec):
    out_file = File('warp.nii.gz', usedefault=True, desc='the transform')


class _ConcatTransfoOutputSpec(SCTOutputSpec):
    out_file = File(desc='one field, on the grid of dest_file')


class ConcatTransfo(SCTCommand):
    """Make one field of several transforms (``sct_concat_transfo``).

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> concat = sct.ConcatTransfo(toolbox=Toolbox.example('7.2'), dest_file='/data/epi.nii.gz')
    >>> concat.inputs.warps = ['/data/template2anat.nii.gz', '/data/anat2epi.nii.gz']
    >>> concat.cmdline  # doctest: +NORMALIZE_WHITESPACE
    '/usr/local/sct_7.2/bin/sct_concat_transfo -d /data/epi.nii.gz
    -w /data/template2anat.nii.gz /data/anat2epi.nii.gz -o warp.nii.gz'
    """

    input_spec = _ConcatTransfoInputSpec
    output_spec = _ConcatTransfoOutputSpec
    _command = 'sct_concat_transfo'
    _needs = ('dest_file', 'warps')

    def _arguments(self) -> list[Any]:
        return [
            *('-d', self.inputs.dest_file, '-w', *self.inputs.warps),
            *self._option('inverse_warps', '-winv'),
            *('-o', self._output('out_file')),
        ]

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        path = Path(self._output('out_file'))
        return {'out_file': check_warp(path, like=self.inputs.dest_file)}


class _WarpTemplateInputSpec(TemplateInputSpec):
    dest_file = File(resolve=True, input_file=True, desc='image that gives the grid')
    warp_file = File(resolve=True, input_file=True, desc='field from the template to it')
    out_folder = Directory('label', usedefault=True, desc='folder of the results')
    atlas = traits.Bool(False, usedefault=True, desc='the white-matter atlas too (slow)')
    histology = traits.Bool(desc='the histological maps too')


class _WarpTemplateOutputSpec(SCTOutputSpec):
    out_folder = Directory(desc='folder that holds template/ and, if asked for, atlas/')
    cord_file = File(desc='cord mask of the template')
    levels_file = File(desc='vertebral levels on the cord')
    discs_file = File(desc='disc points')


class WarpTemplate(TemplateCommand):
    """Take the template to an image (``sct_warp_template``).

    Rootlets come out interpolated linearly, so that their values mean nothing: take them through
    :class:`ApplyTransfo` with ``nn``.

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> warp = sct.WarpTemplate(toolbox=Toolbox.example('7.2'), dest_file='/data/t2.nii.gz')
    >>> warp.inputs.warp_file = '/data/warp_template2anat.nii.gz'
    >>> warp.cmdline  # doctest: +NORMALIZE_WHITESPACE
    '/usr/local/sct_7.2/bin/sct_warp_template -d /data/t2.nii.gz
    -w /data/warp_template2anat.nii.gz -a 0 -t /usr/local/sct_7.2/data/PAM50 -ofolder label'
    """

    input_spec = _WarpTemplateInputSpec
    output_spec = _WarpTemplateOutputSpec
    _command = 'sct_warp_template'
    _needs = ('dest_file', 'warp_file')

    def _arguments(self) -> list[Any]:
        return [
            *('-d', self.inputs.dest_file, '-w', self.inputs.warp_file),
            *self._option('atlas', '-a'),
            *self._option('histology', '-histo'),
            *self._template_option(),
            *('-ofolder', self._output('out_folder')),
        ]

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        out = Path(self._output('out_folder'))
        files = template_files(self.template)
        warped = {number: out / 'template' / path.name for number, path in files.items()}
        missing = [path.name for path in warped.values() if not path.is_file()]
        if missing:
            raise BadOutput(f'did not write {", ".join(missing)} into {out / "template"}')
        if self.inputs.atlas and not any((out / 'atlas').glob('*.nii.gz')):
            raise BadOutput(f'did not write the atlas into {out / "atlas"}')
        results = {'out_folder': str(out)}
        parts = {'cord_file': 'cord', 'levels_file': 'levels', 'discs_file': 'disc'}
        for output, part in parts.items():
            if PART_IDS[part] in warped:
                results[output] = check_image(
                    warped[PART_IDS[part]],
                    like=self.inputs.dest_file,
                    # Levels and discs may lie outside the image; the cord must not.
                    allow_empty=part != 'cord',
                )
        return results
