# SPDX-License-Identifier: Apache-2.0
"""``sct_register_to_template`` and ``sct_register_multimodal``."""

from pathlib import Path
from typing import Any

from nipype.interfaces.base import File, isdefined, traits

from spinalprep.interfaces.sct.base import SCTCommand, SCTInputSpec, SCTOutputSpec
from spinalprep.interfaces.sct.morphometry import CENTERLINE_ALGORITHMS
from spinalprep.interfaces.sct.outputs import check_image, check_warp, split_name
from spinalprep.interfaces.sct.template import TemplateCommand, TemplateInputSpec
from spinalprep.toolbox.template import CONTRAST_IDS, template_files

_LANDMARKS = ('disc_file', 'rootlet_file', 'spinal_file', 'body_file')


def _others(name: str) -> list[str]:
    return [other for other in _LANDMARKS if other != name]


class _RegisterToTemplateInputSpec(TemplateInputSpec):
    in_file = File(resolve=True, input_file=True, desc='image')
    seg_file = File(resolve=True, input_file=True, desc='cord mask of the image')
    disc_file = File(
        resolve=True,
        input_file=True,
        xor=_others('disc_file'),
        desc='disc points, one voxel each (-ldisc)',
    )
    rootlet_file = File(
        resolve=True,
        input_file=True,
        xor=_others('rootlet_file'),
        desc='rootlets by spinal level (-lrootlet)',
    )
    spinal_file = File(
        resolve=True,
        input_file=True,
        xor=_others('spinal_file'),
        desc='points at the middle of spinal levels (-lspinal)',
    )
    body_file = File(
        resolve=True,
        input_file=True,
        xor=_others('body_file'),
        desc='points at mid-vertebra (-l)',
    )
    contrast = traits.Enum(
        't2', 't1', 't2s', usedefault=True, desc='template image to register to'
    )
    reference = traits.Enum(
        'template',
        'subject',
        usedefault=True,
        desc='where the last steps are estimated; subject: no straightening',
    )
    param = traits.Str(desc='steps of the registration, in the words of -param')
    segmentation_id = traits.Int(desc="id of the template's cord mask; default 3")
    centerline_algorithm = traits.Enum(*CENTERLINE_ALGORITHMS, desc='fit of the centreline')
    centerline_smoothing = traits.Int(desc='its smoothing in mm; default 20')


class _RegisterToTemplateOutputSpec(SCTOutputSpec):
    warp_anat2template = File(desc="field on the template's grid: takes images into the template")
    warp_template2anat = File(desc="field on the image's grid: takes the template to the image")
    anat_in_template = File(desc='the image, resampled')
    template_in_anat = File(desc="the template's image, resampled")


class RegisterToTemplate(TemplateCommand):
    """Register an image to the template by landmarks and cord (``sct_register_to_template``).

    Exactly one kind of landmark may be given: SCT silently ignores all but one.

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> register = sct.RegisterToTemplate(toolbox=Toolbox.example('7.2'))
    >>> register.inputs.in_file = '/data/t2.nii.gz'
    >>> register.inputs.seg_file = '/data/cord.nii.gz'
    >>> register.inputs.disc_file = '/data/discs.nii.gz'
    >>> register.cmdline  # doctest: +NORMALIZE_WHITESPACE
    '/usr/local/sct_7.2/bin/sct_register_to_template -i /data/t2.nii.gz -s /data/cord.nii.gz
    -ldisc /data/discs.nii.gz -t /usr/local/sct_7.2/data/PAM50 -c t2 -ref template -ofolder .'
    """

    input_spec = _RegisterToTemplateInputSpec
    output_spec = _RegisterToTemplateOutputSpec
    _command = 'sct_register_to_template'
    _needs = ('in_file', 'seg_file', _LANDMARKS)

    def _arguments(self) -> list[Any]:
        inputs = self.inputs
        return [
            *('-i', inputs.in_file, '-s', inputs.seg_file),
            *self._option('disc_file', '-ldisc'),
            *self._option('rootlet_file'),
            *self._option('spinal_file', '-lspinal'),
            *self._option('body_file', '-l'),
            *self._template_option(),
            *('-c', inputs.contrast, '-ref', inputs.reference),
            *self._option('segmentation_id', '-s-template-id'),
            *self._option('param', '-param'),
            *self._option('centerline_algorithm', '-centerline-algo'),
            *self._option('centerline_smoothing', '-centerline-smooth'),
            *('-ofolder', self._folder or '.'),
        ]

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        inputs = self.inputs
        image = template_files(self.template)[CONTRAST_IDS[inputs.contrast]]
        suffix = split_name(inputs.in_file)[1]
        return {
            'warp_anat2template': check_warp(folder / 'warp_anat2template.nii.gz', like=image),
            'warp_template2anat': check_warp(
                folder / 'warp_template2anat.nii.gz',
                like=inputs.in_file,
                # With -ref subject SCT leaves the axes of this field turned to RPI.
                any_axes=inputs.reference == 'subject',
            ),
            'anat_in_template': check_image(folder / f'anat2template{suffix}', like=image),
            'template_in_anat': check_image(
                folder / f'template2anat{suffix}', like=inputs.in_file
            ),
        }


class _RegisterMultimodalInputSpec(SCTInputSpec):
    in_file = File(resolve=True, input_file=True, desc='image to move, 3-D')
    dest_file = File(resolve=True, input_file=True, desc='image to register it to, 3-D')
    in_seg_file = File(resolve=True, input_file=True, desc='cord mask of in_file')
    dest_seg_file = File(resolve=True, input_file=True, desc='cord mask of dest_file')
    in_label_file = File(resolve=True, input_file=True, desc='points of in_file')
    dest_label_file = File(resolve=True, input_file=True, desc='points of dest_file')
    mask_file = File(resolve=True, input_file=True, desc='where in dest_file to compare')
    init_warp_file = File(resolve=True, input_file=True, desc='transform to begin with')
    init_inverse_warp_file = File(
        resolve=True, input_file=True, desc='its inverse: without it there is no way back'
    )
    param = traits.Str(desc='steps of the registration, in the words of -param')
    identity = traits.Bool(desc='only resample by the headers')
    padding = traits.Int(desc='slices added at both ends meanwhile; default 5')
    interpolation = traits.Enum(
        *('linear', 'nn', 'spline', 'label'), usedefault=True, desc='of the resampled images'
    )
    out_file = File('registered.nii.gz', usedefault=True, desc='in_file on the grid of dest_file')
    out_warp_file = File('warp.nii.gz', usedefault=True, desc='field from in_file to dest_file')
    out_inverse_warp_file = File('warp_inverse.nii.gz', usedefault=True, desc='field back')


class _RegisterMultimodalOutputSpec(SCTOutputSpec):
    out_file = File(desc='in_file on the grid of dest_file')
    inverse_file = File(desc='dest_file on the grid of in_file')
    warp_file = File(desc='field that takes images of in_file to dest_file')
    inverse_warp_file = File(desc='field that takes images of dest_file to in_file')


class RegisterMultimodal(SCTCommand):
    """Register one image to another (``sct_register_multimodal``).

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> register = sct.RegisterMultimodal(toolbox=Toolbox.example('7.2'))
    >>> register.inputs.in_file = '/data/PAM50_t2s.nii.gz'
    >>> register.inputs.dest_file = '/data/epi.nii.gz'
    >>> register.inputs.param = 'step=1,type=im,algo=rigid'
    >>> register.cmdline  # doctest: +NORMALIZE_WHITESPACE
    '/usr/local/sct_7.2/bin/sct_register_multimodal -i /data/PAM50_t2s.nii.gz
    -d /data/epi.nii.gz -param step=1,type=im,algo=rigid -x linear -o registered.nii.gz
    -owarp warp.nii.gz -owarpinv warp_inverse.nii.gz'
    """

    input_spec = _RegisterMultimodalInputSpec
    output_spec = _RegisterMultimodalOutputSpec
    _command = 'sct_register_multimodal'
    _needs = ('in_file', 'dest_file')

    def _arguments(self) -> list[Any]:
        inputs = self.inputs
        self._choice('interpolation')
        return [
            *('-i', inputs.in_file, '-d', inputs.dest_file),
            *self._option('in_seg_file', '-iseg'),
            *self._option('dest_seg_file', '-dseg'),
            *self._option('in_label_file', '-ilabel'),
            *self._option('dest_label_file', '-dlabel'),
            *self._option('mask_file', '-m'),
            *self._option('init_warp_file', '-initwarp'),
            *self._option('init_inverse_warp_file', '-initwarpinv'),
            *self._option('param', '-param'),
            *self._option('identity', '-identity'),
            *self._option('padding', '-z'),
            *('-x', inputs.interpolation, '-o', self._output('out_file')),
            *('-owarp', self._output('out_warp_file')),
            *('-owarpinv', self._output('out_inverse_warp_file')),
        ]

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        inputs = self.inputs
        out = Path(self._output('out_file'))
        results = {
            'out_file': check_image(out, like=inputs.dest_file),
            'warp_file': check_warp(Path(self._output('out_warp_file')), like=inputs.dest_file),
        }
        one_way = isdefined(inputs.init_warp_file) and not isdefined(inputs.init_inverse_warp_file)
        if not one_way:
            inverse = out.with_name(f'{split_name(out)[0]}_inv{split_name(inputs.dest_file)[1]}')
            results['inverse_file'] = check_image(inverse, like=inputs.in_file)
            results['inverse_warp_file'] = check_warp(
                Path(self._output('out_inverse_warp_file')), like=inputs.in_file
            )
        return results
