# SPDX-License-Identifier: Apache-2.0
"""Interfaces that bring the template's maps to the subject."""

from __future__ import annotations

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    Directory,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from spinalprep.anatomy.labels import HORNS
from spinalprep.images import read_image

HORN_VALUES = {f'horn_{"_".join(name.split()[:2])}': value for value, name in HORNS.items()}
"""Product of each horn → its value in ``horns_dseg``."""

MAPS = (
    'cord_of_template',
    'vertebral_levels_of_template',
    'spinal_levels_of_template',
    *HORN_VALUES,
)
"""Products that are maps of the template in the subject."""

DERIVED = ('horns_dseg', 'csa_per_spinal_level')
"""Products made from them."""


class _ReadTemplateMapsInputSpec(BaseInterfaceInputSpec):
    template = Directory(mandatory=True, nohash=True, desc='template folder')
    template_identity = traits.Str(mandatory=True, desc='changes when its files change')


class _ReadTemplateMapsOutputSpec(TraitedSpec):
    pass


for _name in MAPS:
    _ReadTemplateMapsOutputSpec.add_class_trait(_name, File(exists=True, desc="template's file"))
    _ReadTemplateMapsOutputSpec.add_class_trait(
        f'{_name}_no_result', traits.Str(desc='why there is none')
    )


class ReadTemplateMaps(SimpleInterface):
    """Name the files of a template that say what lies where; say which of them it lacks."""

    input_spec = _ReadTemplateMapsInputSpec
    output_spec = _ReadTemplateMapsOutputSpec

    def _run_interface(self, runtime):
        from spinalprep.toolbox.template import template_maps

        found = template_maps(self.inputs.template)
        for name in MAPS:
            if name in found:
                self._results[name] = str(found[name])
            else:
                part = 'atlas' if name in HORN_VALUES else 'template'
                self._results[f'{name}_no_result'] = (
                    f'the template has no such file (see its {part}/info_label.txt)'
                )
        return runtime


class _KeepCoveredInputSpec(BaseInterfaceInputSpec):
    valid_file = File(exists=True, mandatory=True, desc='where the field is defined')
    covered_slices = traits.List(
        traits.Int, mandatory=True, desc='slices of the cord that the registration covers'
    )
    csa_per_slice = File(exists=True, mandatory=True, desc='area per slice')


class _KeepCoveredOutputSpec(TraitedSpec):
    status = traits.Dict(desc='product → status and reason')


for _name in MAPS:
    _KeepCoveredInputSpec.add_class_trait(_name, File(exists=True, desc="on the subject's grid"))
    _KeepCoveredInputSpec.add_class_trait(
        f'{_name}_no_result', InputMultiObject(traits.Str(), desc='why there is none')
    )
for _name in (*MAPS, *DERIVED):
    _KeepCoveredOutputSpec.add_class_trait(_name, File(exists=True, desc='product'))


class KeepCovered(SimpleInterface):
    """Cut the template's maps to where the registration holds; label the horns, measure levels.

    Outside the slices that the registration covers, and where its field is not defined, every map
    is 0. A map of which nothing is left is no result.
    """

    input_spec = _KeepCoveredInputSpec
    output_spec = _KeepCoveredOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from spinalprep.anatomy.template_maps import covered_region, horn_labels

        self._folder, self._why = Path(runtime.cwd), {}
        self._valid = read_image(self.inputs.valid_file)
        region = covered_region(
            np.asanyarray(self._valid.dataobj) > 0, self._valid.affine, self.inputs.covered_slices
        )
        maps = {name: self._keep(name, region) for name in MAPS}
        horns = {value: maps[name] for name, value in HORN_VALUES.items()}
        missing = [name for name in HORN_VALUES if maps[name] is None]
        if missing:
            self._why['horns_dseg'] = f'without {", ".join(missing)}: {self._why[missing[0]]}'
        else:
            self._save('horns_dseg', horn_labels(horns))
        self._measure(maps['spinal_levels_of_template'])
        self._results['status'] = {
            name: {
                'status': 'absent' if name in self._why else 'computed',
                'reason': self._why.get(name, ''),
            }
            for name in (*MAPS, *DERIVED)
        }
        return runtime

    def _keep(self, name: str, region):
        """A map inside the region, saved; None where nothing is left of it."""
        import numpy as np

        path = getattr(self.inputs, name)
        if not isdefined(path):
            self._why[name] = '; '.join(getattr(self.inputs, f'{name}_no_result'))
            return None
        data = np.asanyarray(read_image(path).dataobj)
        kept = np.where(region, data, 0)
        if name in HORN_VALUES:  # interpolation rounds: 1.0000001 is no share
            return self._save(name, kept.clip(0, 1).astype(np.float32))
        return self._save(name, kept.astype(np.uint8))

    def _save(self, name: str, data):
        import nibabel as nb

        from spinalprep.anatomy.grids import labels_like

        if not data.any():
            self._why[name] = 'none of it lies in the range that the registration covers'
            return None
        self._results[name] = str(self._folder / f'{name}.nii.gz')
        nb.save(labels_like(data, self._valid), self._results[name])
        return data

    def _measure(self, levels) -> None:
        """Area per spinal level."""
        from spinalprep.anatomy.labels import spinal_level_name
        from spinalprep.anatomy.tables import read_areas, write_level_table
        from spinalprep.anatomy.template_maps import levels_of_slices

        name = 'csa_per_spinal_level'
        if levels is None:
            self._why[name] = f'no spinal levels: {self._why["spinal_levels_of_template"]}'
            return
        level_of = levels_of_slices(levels, self._valid.affine)
        rows = [
            row | {'spinal_level': level_of.get(row['slice'])}
            for row in read_areas(self.inputs.csa_per_slice)
        ]
        if not any(row['spinal_level'] for row in rows):
            self._why[name] = 'no slice of the cord mask has a spinal level'
            return
        self._results[name] = str(self._folder / f'{name}.tsv')
        write_level_table(rows, self._results[name], column='spinal_level', name=spinal_level_name)
