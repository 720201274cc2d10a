# SPDX-License-Identifier: Apache-2.0
"""``sct_register_to_template`` and ``sct_register_multimodal``."""

from pathlib import Path
from typing import Any

from nipype.interfaces.base import Directory, File, isdefined, traits

from spinalprep.errors import ToolboxError
from spinalprep.interfaces.sct.base import SCTCommand, SCTInputSpec, SCTOutputSpec
from spinalprep.interfaces.sct.outputs import check_image, check_warp
from spinalprep.toolbox import Toolbox
from spinalprep.toolbox.template import CONTRAST_IDS, template_files, template_identity

CENTERLINE_ALGORITHMS = ('polyfit', 'bspline', 'linear', 'nurbs')

_LANDMARKS = ('disc_file', 'rootlet_file', 'spinal_file', 'body_file')


def _others(name: str) -> list[str]:
    return [other for other in _LANDMARKS if other != name]


class _RegisterToTemplateInputSpec(SCTInputSpec):
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
    template = Directory(
        resolve=True, nohash=True, desc='template folder; default: that of the toolbox'
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

    def _template_changed(self) -> None:
        self._set_identity()

    def _identity_parts(self, toolbox: Toolbox) -> tuple[str, ...]:
        if not isdefined(self.template) or Path(self.template) == toolbox.template:
            return (toolbox.template_identity,)
        return (template_identity(Path(self.template)),)


class _RegisterToTemplateOutputSpec(SCTOutputSpec):
    warp_anat2template = File(desc="field on the template's grid: takes images into the template")
    warp_template2anat = File(desc="field on the image's grid: takes the template to the image")
    anat_in_template = File(desc='the image, resampled')
    template_in_anat = File(desc="the template's image, resampled")


class RegisterToTemplate(SCTCommand):
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

    @property
    def template(self) -> Path:
        """The template folder.

        Raises
        ------
        ToolboxError
            If neither this interface nor the toolbox has one.
        """
        inputs = self.inputs
        if isdefined(inputs.template):
            return Path(inputs.template)
        if inputs.toolbox.template is None:
            raise ToolboxError('registration needs a template: give one with --template DIR')
        return inputs.toolbox.template

    def _arguments(self) -> list[Any]:
        inputs = self.inputs
        return [
            *('-i', inputs.in_file, '-s', inputs.seg_file),
            *self._option('disc_file', '-ldisc'),
            *self._option('rootlet_file'),
            *self._option('spinal_file', '-lspinal'),
            *self._option('body_file', '-l'),
            *('-t', self.template, '-c', inputs.contrast, '-ref', inputs.reference),
            *self._option('segmentation_id', '-s-template-id'),
            *self._option('param', '-param'),
            *self._option('centerline_algorithm', '-centerline-algo'),
            *self._option('centerline_smoothing', '-centerline-smooth'),
            *('-ofolder', self._folder or '.'),
        ]

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        inputs = self.inputs
        image = template_files(self.template)[CONTRAST_IDS[inputs.contrast]]
        suffix = '.nii' if inputs.in_file.endswith('.nii') else '.nii.gz'
        return {
            'warp_anat2template': check_warp(folder / 'warp_anat2template.nii.gz', like=image),
            'warp_template2anat': check_warp(
                folder / 'warp_template2anat.nii.gz', like=inputs.in_file
            ),
            'anat_in_template': check_image(folder / f'anat2template{suffix}', like=image),
            'template_in_anat': check_image(
                folder / f'template2anat{suffix}', like=inputs.in_file
            ),
        }
