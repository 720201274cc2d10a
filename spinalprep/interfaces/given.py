# SPDX-License-Identifier: Apache-2.0
"""The interface through which files that were not computed come into the graph."""

from __future__ import annotations

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from spinalprep.errors import CordReferenceRejected, InputImageError
from spinalprep.products import PRECOMPUTABLE, label_names, product


class _CheckGivenInputSpec(BaseInterfaceInputSpec):
    product = traits.Enum(*PRECOMPUTABLE, mandatory=True, desc='what the file is given for')
    in_file = File(exists=True, desc='mask or labels; nothing is done without')
    anat = File(exists=True, mandatory=True, desc='the image that it belongs to, as acquired')
    cord_file = File(exists=True, desc='cord found in that image, on any grid')


class _CheckGivenOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc='the same, on the grid of the image')
    note = traits.Str(desc='what was changed, in words; Undefined if nothing was')


class CheckGiven(SimpleInterface):
    """Refuse a file that can't be what it is given for; bring others onto the image's grid.

    Raises
    ------
    InputImageError
        If the file can't be read or is empty, if its labels are impossible, or if it lies
        outside the image or far from the cord.
    """

    input_spec = _CheckGivenInputSpec
    output_spec = _CheckGivenOutputSpec

    def _run_interface(self, runtime):
        import nibabel as nb

        from spinalprep.anatomy.grids import UnusableImage, empty_grid

        if not isdefined(self.inputs.in_file):
            return runtime
        unreadable = (UnusableImage, nb.filebasedimages.ImageFileError, EOFError, OSError)
        try:
            reference = empty_grid(nb.load(self.inputs.anat))
        except unreadable as error:
            raise CordReferenceRejected(f'{self.inputs.anat}: {error}') from error
        name = self.inputs.product
        try:
            image, notes = self._judged(reference)
        except unreadable as error:
            raise InputImageError(
                f'{self.inputs.in_file}: can not be used as {name}: {error}. Correct the file, or '
                f'take it away to have {name} computed.'
            ) from error
        self._results['out_file'] = str(Path(runtime.cwd) / f'{name}.nii.gz')
        nb.save(image, self._results['out_file'])
        if notes:
            self._results['note'] = f'{name}: {"; ".join(notes)}'
        return runtime

    def _judged(self, reference):
        import nibabel as nb

        from spinalprep.anatomy.given import check_near_cord, onto_grid, possible_labels

        item = product(self.inputs.product)
        image, notes = possible_labels(
            nb.load(self.inputs.in_file), item.kind, label_names(item) or {}
        )
        image, moved = onto_grid(image, reference, item.kind)
        if isdefined(self.inputs.cord_file):
            check_near_cord(image, nb.load(self.inputs.cord_file))
        return image, [*notes, *([moved] if moved else [])]
