# SPDX-License-Identifier: Apache-2.0
"""Interface of S2.3: whether an image shows enough cord for rootlets."""

from __future__ import annotations

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from spinalprep.images import read_image


class _RootletEligibilityInputSpec(BaseInterfaceInputSpec):
    cord_file = File(exists=True, mandatory=True, desc='cord mask')
    levels_file = File(exists=True, desc='vertebral levels on the cord, where known')
    min_cord_mm = traits.Float(mandatory=True, desc='length of cord (mm) to ask for')
    min_levels = traits.Int(mandatory=True, desc='levels from C2 to T1 to ask for, where known')


class _RootletEligibilityOutputSpec(TraitedSpec):
    eligible = traits.Bool(desc='whether rootlets are to be segmented')
    reason = traits.Str(desc='why not; empty if they are')


class RootletEligibility(SimpleInterface):
    """Decide by the cord in view whether rootlets are to be segmented."""

    input_spec = _RootletEligibilityInputSpec
    output_spec = _RootletEligibilityOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from spinalprep.anatomy.coverage import cord_coverage, rootlets_reason

        cord = read_image(self.inputs.cord_file)
        length = cord_coverage(np.asanyarray(cord.dataobj) > 0.5, cord.affine).length_mm
        levels = None
        if isdefined(self.inputs.levels_file):
            labels = np.asanyarray(read_image(self.inputs.levels_file).dataobj)
            levels = {int(value) for value in np.unique(labels) if value > 0}
        reason = rootlets_reason(
            length,
            levels,
            min_cord_mm=self.inputs.min_cord_mm,
            min_levels=self.inputs.min_levels,
        )
        self._results.update(eligible=not reason, reason=reason)
        return runtime
