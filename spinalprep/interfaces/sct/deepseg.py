# SPDX-License-Identifier: Apache-2.0
"""``sct_deepseg``: cord, spine (TotalSpineSeg), rootlets, canal."""

import re
from pathlib import Path
from typing import Any

from nipype.interfaces.base import File, isdefined, traits

from spinalprep.errors import CordReferenceRejected, SCTCommandError, ToolboxError
from spinalprep.interfaces.sct.base import SCTCommand, SCTInputSpec, SCTOutputSpec
from spinalprep.interfaces.sct.labels import DISC_VALUES
from spinalprep.interfaces.sct.outputs import check_image, split_name
from spinalprep.toolbox import TASKS, Toolbox

_NOTHING_FOUND = re.compile(
    r'CordNotFound|empty prediction|\bno (spinal )?cord\b|cord (was |is )?not (found|detected)',
    re.IGNORECASE,
)
"""What a command says that fails because there is nothing in the image to segment."""


class _DeepSegInputSpec(SCTInputSpec):
    in_file = File(resolve=True, input_file=True, desc='image, 3-D')
    task = traits.Enum(
        *TASKS, mandatory=True, desc='what to segment, whatever the release calls it'
    )
    out_file = File(
        'segmentation.nii.gz',
        usedefault=True,
        desc='segmentation; for spine the name that both outputs are named after',
    )
    label_vertebrae = traits.Bool(
        True, usedefault=True, desc='spine: number the vertebrae; else each of them is 50'
    )
    anchor_file = File(
        resolve=True,
        input_file=True,
        desc='spine: discs that are known, to number the others by; the embedded SCT only',
    )
    largest = traits.Bool(desc='cord, canal: keep the largest object only')
    fill_holes = traits.Bool(desc='cord, canal: fill holes')
    remove_small = traits.Str(desc='cord, canal: remove smaller objects, as 5vox or 1mm3')
    test_time_augmentation = traits.Bool(
        desc='average over mirrored copies; slower; not for spine'
    )
    allow_empty = traits.Bool(
        False, usedefault=True, desc='nothing found is a result: a file that is zero everywhere'
    )

    reject_without = traits.Bool(
        False,
        usedefault=True,
        nohash=True,
        desc='reject the image if the command fails because it finds nothing',
    )

    def _task_changed(self) -> None:
        self._set_identity()

    def _identity_parts(self, toolbox: Toolbox) -> tuple[str, ...]:
        return (toolbox.model_identity(self.task),) if isdefined(self.task) else ()


class _DeepSegOutputSpec(SCTOutputSpec):
    out_file = File(desc='the segmentation; for spine the same as labels_file')
    discs_file = File(desc='spine: one voxel per disc at its posterior edge, 3 = C2/C3 …')
    labels_file = File(desc='spine: map of cord 1, canal 2, vertebrae 11-50, discs 63-100')


class DeepSeg(SCTCommand):
    """Segment with one of SCT's networks (``sct_deepseg``).

    Task names, flags and output names follow the version of SCT; ours do not change.

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> cord = sct.DeepSeg(task='spinalcord', in_file='/data/t2.nii.gz')
    >>> cord.inputs.toolbox = Toolbox.example('7.2')
    >>> cord.cmdline
    '/usr/local/sct_7.2/bin/sct_deepseg spinalcord -i /data/t2.nii.gz -o segmentation.nii.gz'
    >>> spine = sct.DeepSeg(task='spine', in_file='/data/t2.nii.gz', out_file='spine.nii.gz')
    >>> spine.inputs.toolbox = Toolbox.example('7.4')
    >>> spine.cmdline
    '/usr/local/sct_7.4/bin/sct_deepseg spine -i /data/t2.nii.gz -o spine.nii.gz -label-vert 1'
    >>> spine.inputs.toolbox = Toolbox.example('6.5')
    >>> spine.cmdline
    '/usr/local/sct_6.5/bin/sct_deepseg -task totalspineseg -i /data/t2.nii.gz -o spine.nii.gz'
    """

    input_spec = _DeepSegInputSpec
    output_spec = _DeepSegOutputSpec
    _command = 'sct_deepseg'
    _needs = ('in_file',)

    def _run_eligible(self, runtime):
        try:
            return super()._run_eligible(runtime)
        except SCTCommandError as error:
            summary = str(error).partition('\n')[0]
            if self.inputs.reject_without and _NOTHING_FOUND.search(summary):
                raise CordReferenceRejected(f'no cord found in this image: {summary}') from error
            raise

    def _arguments(self) -> list[Any]:
        inputs, dialect = self.inputs, self.dialect
        task = dialect.task(inputs.task)
        if dialect.row['deepseg_form'] == 'subcommand':
            arguments = [task.name]
        else:
            arguments = ['-task', task.name]
        arguments += ['-i', inputs.in_file, '-o', self._output('out_file')]
        if task.variants:
            arguments += task.variants[inputs.label_vertebrae][0]
        arguments += self._option('anchor_file')
        return arguments + self._postprocessing()

    def _postprocessing(self) -> list[Any]:
        """Flags that change what the network found."""
        inputs = self.inputs
        names = ('largest', 'fill_holes', 'remove_small')
        asked = [
            name
            for name in (*names, 'test_time_augmentation')
            if isdefined(getattr(inputs, name)) and getattr(inputs, name) is not False
        ]
        for name in asked:
            # SCT takes these flags and spoils the labels: they see one object, not many.
            if inputs.task == 'spine' or (inputs.task == 'rootlets' and name in names):
                raise ToolboxError(f'{name} can not be used with {inputs.task}')
        arguments: list[Any] = []
        for name in asked:
            flag = self.dialect.flag(self._command, name)
            # -test-time-aug is a switch. The 6.x releases take even `-largest 0` for a yes,
            # so "no" is said by leaving the flag out.
            arguments += [flag] if name == 'test_time_augmentation' else self._option(name, flag)
        return arguments

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        inputs = self.inputs
        task = self.dialect.task(inputs.task)
        name = Path(self._output('out_file'))
        if not task.variants:
            path = check_image(
                name, like=inputs.in_file, labels=task.labels, allow_empty=inputs.allow_empty
            )
            return {'out_file': path}
        suffixes = task.variants[inputs.label_vertebrae][1]
        stem = split_name(name)[0]
        discs, labels = (
            name.with_name(f'{stem}{suffixes[output]}.nii.gz')
            for output in ('discs_file', 'labels_file')
        )
        results = {
            'labels_file': check_image(
                labels, like=inputs.in_file, labels=task.labels, allow_empty=inputs.allow_empty
            ),
            # Without a disc that tells the numbers, the map is a result and the points are none.
            'discs_file': check_image(
                discs, like=inputs.in_file, labels=DISC_VALUES, allow_empty=True
            ),
        }
        return {**results, 'out_file': results['labels_file']}
