# SPDX-License-Identifier: Apache-2.0
"""Interfaces of S2.2: what the segmentations say about cord, canal, vertebrae and discs."""

from __future__ import annotations

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from spinalprep.errors import InputImageError, SCTOutputError
from spinalprep.images import read_image
from spinalprep.interfaces.conditional import (
    Conditional,
    ConditionalInputSpec,
    ConditionalOutputSpec,
)


class _SplitSpineMapInputSpec(ConditionalInputSpec):
    labels_file = File(exists=True, desc="TotalSpineSeg's map")


class _SplitSpineMapOutputSpec(ConditionalOutputSpec):
    cord_file = File(exists=True, desc='label 1')
    canal_file = File(exists=True, desc='labels 1 and 2: the canal, the cord included')
    vertebrae_file = File(exists=True, desc='labels 11–50, unchanged')


class SplitSpineMap(Conditional, SimpleInterface):
    """Take cord, canal and vertebrae out of TotalSpineSeg's map."""

    input_spec = _SplitSpineMapInputSpec
    output_spec = _SplitSpineMapOutputSpec
    _needs = ('labels_file',)

    def _run_eligible(self, runtime):
        import nibabel as nb
        import numpy as np

        from spinalprep.anatomy.grids import labels_like
        from spinalprep.anatomy.labels import CORD, canal_of_map, vertebrae_of_map

        image = read_image(self.inputs.labels_file)
        labels = np.asanyarray(image.dataobj)
        parts = {
            'cord_file': labels == CORD,
            'canal_file': canal_of_map(labels),
            'vertebrae_file': vertebrae_of_map(labels),
        }
        for name, values in parts.items():
            self._results[name] = str(Path(runtime.cwd) / f'{name.removesuffix("_file")}.nii.gz')
            nb.save(labels_like(values, image), self._results[name])
        return runtime


class _NumberedDiscsInputSpec(ConditionalInputSpec):
    discs_file = File(exists=True, desc='disc points in SCT values; zero everywhere if unnumbered')


class _NumberedDiscsOutputSpec(ConditionalOutputSpec):
    out_file = File(exists=True, desc='the same file, where it holds at least one disc')


class NumberedDiscs(Conditional, SimpleInterface):
    """Pass on disc points that carry numbers; else say that there are none."""

    input_spec = _NumberedDiscsInputSpec
    output_spec = _NumberedDiscsOutputSpec
    _needs = ('discs_file',)

    def _run_eligible(self, runtime):
        import numpy as np

        if not np.asanyarray(read_image(self.inputs.discs_file).dataobj).any():
            self._no_result = 'no disc could be numbered'
            return runtime
        self._results['out_file'] = self.inputs.discs_file
        return runtime


class _DiscPointsInputSpec(ConditionalInputSpec):
    labels_file = File(exists=True, desc="TotalSpineSeg's map")


class _DiscPointsOutputSpec(ConditionalOutputSpec):
    out_file = File(exists=True, desc='one voxel per disc at its posterior edge, SCT values')


class DiscPoints(Conditional, SimpleInterface):
    """Find the posterior edge of each disc of a given TotalSpineSeg map."""

    input_spec = _DiscPointsInputSpec
    output_spec = _DiscPointsOutputSpec
    _needs = ('labels_file',)

    def _run_eligible(self, runtime):
        import nibabel as nb
        import numpy as np

        from spinalprep.anatomy.grids import labels_like
        from spinalprep.anatomy.labels import disc_points_of_map

        image = read_image(self.inputs.labels_file)
        points = disc_points_of_map(np.asanyarray(image.dataobj), image.affine)
        self._results['out_file'] = str(Path(runtime.cwd) / 'discs.nii.gz')
        nb.save(labels_like(points, image), self._results['out_file'])
        return runtime


class _DiscAtHeightInputSpec(BaseInterfaceInputSpec):
    cord_file = File(exists=True, mandatory=True, desc='cord mask, on any grid')
    reference = File(exists=True, mandatory=True, desc='image on whose grid the point is written')
    value = traits.Int(mandatory=True, desc="SCT's value of the disc")
    height = traits.Float(mandatory=True, desc='world z (mm) where it meets the cord')


class _DiscAtHeightOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc='one voxel in the middle of the cord')


class DiscAtHeight(SimpleInterface):
    """Mark a disc of which value and height are known."""

    input_spec = _DiscAtHeightInputSpec
    output_spec = _DiscAtHeightOutputSpec

    def _run_interface(self, runtime):
        import nibabel as nb
        import numpy as np

        from spinalprep.anatomy.centerline import point_at_height
        from spinalprep.anatomy.grids import labels_like

        cord, reference = read_image(self.inputs.cord_file), read_image(self.inputs.reference)
        point = point_at_height(np.asanyarray(cord.dataobj), cord.affine, self.inputs.height)
        labels = np.zeros(reference.shape[:3], np.uint8)
        if point is not None:
            voxel = np.rint(nb.affines.apply_affine(np.linalg.inv(reference.affine), point))
            inside = (voxel >= 0).all() and (voxel < labels.shape).all()
            point = voxel.astype(int) if inside else None
        if point is None:
            raise InputImageError(
                f'labelling.init_disc: there is no cord at a height of {self.inputs.height:g} mm '
                f'(world z) in {self.inputs.reference}; give the height where disc '
                f'{self.inputs.value} meets the cord in this image'
            )
        labels[tuple(point)] = self.inputs.value
        self._results['out_file'] = str(Path(runtime.cwd) / 'init_disc.nii.gz')
        nb.save(labels_like(labels, reference), self._results['out_file'])
        return runtime


class _FillDiscGapsInputSpec(ConditionalInputSpec):
    discs_file = File(exists=True, desc='disc points in SCT values')
    cord_file = File(exists=True, mandatory=True, desc='cord mask')


class _FillDiscGapsOutputSpec(ConditionalOutputSpec):
    out_file = File(exists=True, desc='the points, and one for each disc missing between two')
    filled = traits.List(traits.Str, desc='names of the discs that were put in')


class FillDiscGaps(Conditional, SimpleInterface):
    """Put in discs missing between two others: SCT would take these for neighbours.

    Only the levels on the cord rest on them; registration never does.
    """

    input_spec = _FillDiscGapsInputSpec
    output_spec = _FillDiscGapsOutputSpec
    _needs = ('discs_file',)

    def _run_eligible(self, runtime):
        import nibabel as nb
        import numpy as np

        from spinalprep.anatomy.centerline import Centerline
        from spinalprep.anatomy.grids import labels_like, mark_points
        from spinalprep.anatomy.labels import disc_name, label_points, whole
        from spinalprep.anatomy.landmarks import fill_gaps

        image, cord = read_image(self.inputs.discs_file), read_image(self.inputs.cord_file)
        labels = whole(np.asanyarray(image.dataobj))
        centerline = Centerline.from_mask(np.asanyarray(cord.dataobj) > 0.5, cord.affine)
        filled = fill_gaps(label_points(labels, image.affine), centerline)
        self._results['out_file'] = self.inputs.discs_file
        self._results['filled'] = [disc_name(value) for value in filled]
        if filled:
            self._results['out_file'] = str(Path(runtime.cwd) / 'discs.nii.gz')
            complete = mark_points(labels, image.affine, filled)
            nb.save(labels_like(complete, image), self._results['out_file'])
        return runtime


class _CheckCordInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, desc='cord mask')
    reason = InputMultiObject(traits.Str(), desc='why there is none')


class _CheckCordOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc='the same file')


class CheckCord(SimpleInterface):
    """Stop where there is no cord: everything later rests on it."""

    input_spec = _CheckCordInputSpec
    output_spec = _CheckCordOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from spinalprep.anatomy.coverage import cord_coverage

        if not isdefined(self.inputs.in_file):
            reason = self.inputs.reason
            why = '; '.join(reason) if isdefined(reason) else 'nothing made one'
            raise SCTOutputError(f'there is no cord mask: {why}')
        image = read_image(self.inputs.in_file)
        coverage = cord_coverage(np.asanyarray(image.dataobj) > 0.5, image.affine)
        if coverage.slices < 5:
            raise SCTOutputError(
                f'{self.inputs.in_file}: the cord mask of the crop has {coverage.slices} slices '
                'with cord. Look at the image; a corrected mask can be given as cord_dseg.'
            )
        self._results['out_file'] = self.inputs.in_file
        return runtime


class _SummariseAnatomyInputSpec(BaseInterfaceInputSpec):
    cord_file = File(exists=True, mandatory=True, desc='cord mask')
    csv_file = File(exists=True, mandatory=True, desc='per slice, by sct_process_segmentation')
    canal_file = File(exists=True, desc='canal, the cord included')
    labels_file = File(exists=True, desc="TotalSpineSeg's map")
    disc_file = File(exists=True, desc='disc points')


class _SummariseAnatomyOutputSpec(TraitedSpec):
    metrics = traits.Dict(desc='numbers with their units in the names')
    csa_per_slice = File(exists=True, desc='one row per slice')
    csa_per_level = File(exists=True, desc='one row per vertebral level, where levels are known')


class SummariseAnatomy(SimpleInterface):
    """Morphometry of the cord, and which vertebrae and discs there are."""

    input_spec = _SummariseAnatomyInputSpec
    output_spec = _SummariseAnatomyOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from spinalprep.anatomy.coverage import cord_coverage
        from spinalprep.anatomy.morphometry import volume_mm3
        from spinalprep.anatomy.tables import (
            csa_metrics,
            read_slice_table,
            write_level_table,
            write_slice_table,
        )

        cord = read_image(self.inputs.cord_file)
        mask = np.asanyarray(cord.dataobj)
        rows = read_slice_table(self.inputs.csv_file)
        self._results['csa_per_slice'] = str(Path(runtime.cwd) / 'csa_per_slice.tsv')
        write_slice_table(rows, self._results['csa_per_slice'])
        if any(row['level'] for row in rows):
            self._results['csa_per_level'] = str(Path(runtime.cwd) / 'csa_per_level.tsv')
            write_level_table(rows, self._results['csa_per_level'])
        metrics = {
            'cord_volume_mm3': round(volume_mm3(mask, cord.affine), 2),
            'cord_length_mm': round(cord_coverage(mask > 0.5, cord.affine).length_mm, 2),
            **csa_metrics(rows),
            'canal_volume_mm3': None,
            'vertebrae': None,
            'discs': None,
        }
        if isdefined(self.inputs.canal_file):
            canal = read_image(self.inputs.canal_file)
            metrics['canal_volume_mm3'] = round(
                volume_mm3(np.asanyarray(canal.dataobj) > 0, canal.affine), 2
            )
        self._results['metrics'] = metrics | self._found()
        return runtime

    def _found(self) -> dict:
        """Vertebrae and discs by name, in anatomical order."""
        import numpy as np

        from spinalprep.anatomy.labels import VERTEBRAE, disc_name, names_in_order

        found = {}
        if isdefined(self.inputs.labels_file):
            labels = np.asanyarray(read_image(self.inputs.labels_file).dataobj)
            found['vertebrae'] = names_in_order(labels, VERTEBRAE)
        if isdefined(self.inputs.disc_file):
            discs = np.unique(np.asanyarray(read_image(self.inputs.disc_file).dataobj))
            found['discs'] = [disc_name(int(value)) for value in discs if value > 0]
        return found
