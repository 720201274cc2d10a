# SPDX-License-Identifier: Apache-2.0
"""``sct_label_utils`` and ``sct_label_vertebrae``."""

from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import File, isdefined, traits

from spinalprep.images import read_image
from spinalprep.interfaces.sct.base import SCTCommand, SCTInputSpec, SCTOutputSpec, one_of
from spinalprep.interfaces.sct.outputs import check_image, split_name
from spinalprep.interfaces.sct.template import TemplateCommand, TemplateInputSpec

LEVEL_VALUES = frozenset(range(1, 26))
"""Values of vertebral levels on the cord: 1 = C1 … 8 = T1 … 20 = L1 … 25 sacrum."""

DISC_VALUES = LEVEL_VALUES | {60}
"""Values of disc points: 1 top of C1, 3 = C2/C3 …; 60 is the end of the cord."""

_Point = traits.Tuple(traits.Int(), traits.Int(), traits.Int(), traits.Int())


_OPERATIONS = {
    'keep': '-keep',
    'remove': '-remove',
    'create': '-create',
    'create_add': '-create-add',
    'create_seg': '-create-seg',
    'create_seg_mid': '-create-seg-mid',
    'cubic_to_point': '-cubic-to-point',
    'vert_body': '-vert-body',
    'vert_continuous': '-vert-continuous',
    'project_centerline': '-project-centerline',
    'add': '-add',
    'increment': '-increment',
    'remove_reference': '-remove-reference',
}


class _LabelUtilsInputSpec(SCTInputSpec):
    in_file = File(resolve=True, input_file=True, desc='image of labels')
    out_file = File('labels.nii.gz', usedefault=True, desc='the result')
    keep = traits.List(traits.Int(), minlen=1, desc='values to keep')
    remove = traits.List(traits.Int(), minlen=1, desc='values to remove')
    create = traits.List(_Point, minlen=1, desc='points (x, y, z, value) of a new image')
    create_add = traits.List(_Point, minlen=1, desc='points (x, y, z, value) to add')
    create_seg = traits.List(
        traits.Tuple(traits.Int(), traits.Int()),
        minlen=1,
        desc='points (slice from below, value) on the cord mask in_file',
    )
    create_seg_mid = traits.Int(desc='value of one point on the cord mask at its middle slice')
    cubic_to_point = traits.Bool(desc='one voxel per value, at its centre of mass')
    vert_body = traits.List(
        traits.Int(), minlen=1, desc='mid-vertebra points of these levels; [0]: all'
    )
    vert_continuous = traits.Bool(desc='make the labels change continuously along the cord')
    project_centerline = File(
        resolve=True, input_file=True, desc='labels to project on the cord mask in_file'
    )
    add = traits.Int(desc='number to add to every value')
    increment = traits.Bool(desc='number the labels 1, 2, 3 … from the top')
    remove_reference = File(
        resolve=True, input_file=True, desc='remove what is not in this image of labels'
    )


class _LabelUtilsOutputSpec(SCTOutputSpec):
    out_file = File(desc='the result')
    values = traits.List(traits.Int(), desc='label values in it')


class LabelUtils(SCTCommand):
    """Do one thing to an image of labels (``sct_label_utils``).

    Asked to keep values of which only some are there, SCT keeps those and succeeds (see the output
    ``values``); with none of them it writes an empty image, which is an error here.

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> labels = sct.LabelUtils(toolbox=Toolbox.example('7.2'), in_file='/data/discs.nii.gz')
    >>> labels.inputs.keep = [3, 9]
    >>> labels.cmdline
    '/usr/local/sct_7.2/bin/sct_label_utils -i /data/discs.nii.gz -keep 3,9 -o labels.nii.gz'
    """

    input_spec = _LabelUtilsInputSpec
    output_spec = _LabelUtilsOutputSpec
    _command = 'sct_label_utils'
    _needs = ('in_file',)

    def _arguments(self) -> list[Any]:
        name = one_of(self, _OPERATIONS)
        value = getattr(self.inputs, name)
        arguments = ['-i', self.inputs.in_file, _OPERATIONS[name]]
        if isinstance(value, list):
            points = isinstance(value[0], tuple)
            texts = [','.join(map(str, item)) if points else str(item) for item in value]
            arguments.append((':' if points else ',').join(texts))
        elif value is not True:
            arguments.append(value)
        return [*arguments, '-o', self._output('out_file')]

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        inputs = self.inputs
        labels = set(inputs.keep) if isdefined(inputs.keep) else None
        path = check_image(Path(self._output('out_file')), like=inputs.in_file, labels=labels)
        values = np.unique(np.asanyarray(read_image(path).dataobj))
        return {'out_file': path, 'values': [int(value) for value in values if value]}


class _LabelVertebraeInputSpec(TemplateInputSpec):
    in_file = File(resolve=True, input_file=True, desc='image')
    seg_file = File(resolve=True, input_file=True, desc='cord mask of the image')
    disc_file = File(resolve=True, input_file=True, desc='disc points; need not lie on the cord')
    contrast = traits.Enum('t2', 't1', usedefault=True, desc='contrast of the image')
    init_slice = traits.Tuple(
        traits.Int(), traits.Int(), desc='(slice from below, disc value) to begin with'
    )
    init_center = traits.Int(desc='disc value at the middle slice')
    init_label_file = File(resolve=True, input_file=True, desc='one point on a disc')
    clean_labels = traits.Enum(0, 1, 2, desc='cut labels at the cord mask: 0 no, 1, 2 all')
    scale_dist = traits.Float(desc='factor for the distance between discs; 1 for an adult')


class _LabelVertebraeOutputSpec(SCTOutputSpec):
    labeled_file = File(desc='vertebral levels on the cord, 1 = C1')
    labeled_discs_file = File(desc='disc points projected on the cord, 3 = C2/C3')


class LabelVertebrae(TemplateCommand):
    """Put vertebral levels on the cord, from disc points or by itself (``sct_label_vertebrae``).

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> label = sct.LabelVertebrae(toolbox=Toolbox.example('7.2'), in_file='/data/t2.nii.gz')
    >>> label.inputs.seg_file = '/data/cord.nii.gz'
    >>> label.inputs.disc_file = '/data/discs.nii.gz'
    >>> label.cmdline  # doctest: +NORMALIZE_WHITESPACE
    '/usr/local/sct_7.2/bin/sct_label_vertebrae -i /data/t2.nii.gz -s /data/cord.nii.gz -c t2
    -discfile /data/discs.nii.gz -t /usr/local/sct_7.2/data/PAM50 -ofolder .'
    """

    input_spec = _LabelVertebraeInputSpec
    output_spec = _LabelVertebraeOutputSpec
    _command = 'sct_label_vertebrae'
    _needs = ('in_file', 'seg_file')

    def _arguments(self) -> list[Any]:
        inputs = self.inputs
        arguments = [
            *('-i', inputs.in_file, '-s', inputs.seg_file, '-c', inputs.contrast),
            *self._option('disc_file', '-discfile'),
            *self._option('init_center', '-initcenter'),
            *self._option('init_label_file', '-initlabel'),
            *self._option('clean_labels', '-clean-labels'),
            *self._option('scale_dist', '-scale-dist'),
        ]
        if isdefined(inputs.init_slice):
            arguments += ['-initz', ','.join(map(str, inputs.init_slice))]
        return [*arguments, *self._template_option(), '-ofolder', self._folder or '.']

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        seg = self.inputs.seg_file
        stem, suffix = split_name(seg)
        return {
            'labeled_file': check_image(
                folder / f'{stem}_labeled{suffix}', like=seg, labels=LEVEL_VALUES
            ),
            'labeled_discs_file': check_image(
                folder / f'{stem}_labeled_discs{suffix}', like=seg, labels=DISC_VALUES
            ),
        }
