# SPDX-License-Identifier: Apache-2.0
"""Interfaces of S2.1: a trustworthy image, enough cord in it, and the box to crop to."""

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
from spinalprep.images import read_image


class _ConformInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='anatomical image')


class _ConformOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc='3-D image, qform equal to sform')
    notes = traits.List(traits.Str, desc='what was changed, in words')


class Conform(SimpleInterface):
    """Make an image 3-D with one trustworthy affine, or reject it."""

    input_spec = _ConformInputSpec
    output_spec = _ConformOutputSpec

    def _run_interface(self, runtime):
        import nibabel as nb

        from spinalprep.anatomy.grids import UnusableImage, conform

        path = self.inputs.in_file
        try:
            image, notes = conform(nb.load(path))
        except (UnusableImage, nb.filebasedimages.ImageFileError, EOFError, OSError) as error:
            raise CordReferenceRejected(f'{path}: {error}') from error
        self._results['out_file'] = str(Path(runtime.cwd) / 'conformed.nii.gz')
        nb.save(image, self._results['out_file'])
        self._results['notes'] = notes
        return runtime


class _MatchGridInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, desc='mask or labels; nothing is done without')
    reference = File(exists=True, mandatory=True, desc='image that they belong to')
    out_name = traits.Str('matched.nii.gz', usedefault=True, desc='name of the file to write')


class _MatchGridOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc='the same on the grid of the reference')


class MatchGrid(SimpleInterface):
    """Bring a given mask or label image onto the grid of the image that it belongs to."""

    input_spec = _MatchGridInputSpec
    output_spec = _MatchGridOutputSpec

    def _run_interface(self, runtime):
        import nibabel as nb

        from spinalprep.anatomy.grids import UnusableImage, match_grid

        path = self.inputs.in_file
        if not isdefined(path):
            return runtime
        try:
            image = match_grid(nb.load(path), nb.load(self.inputs.reference))
        except (UnusableImage, nb.filebasedimages.ImageFileError, EOFError, OSError) as error:
            raise InputImageError(
                f'{path}: {error}. Give a file in the space of the anatomical image, on its '
                'grid or on that of the cord reference.'
            ) from error
        self._results['out_file'] = str(Path(runtime.cwd) / self.inputs.out_name)
        nb.save(image, self._results['out_file'])
        return runtime


class _FieldOfViewInputSpec(BaseInterfaceInputSpec):
    anat = File(exists=True, mandatory=True, nohash=True, desc='image, named in the message')
    cord_file = File(exists=True, mandatory=True, desc='cord in the whole field of view')
    min_z_slices = traits.Range(low=1, mandatory=True, desc='slices with cord to ask for')
    margins = traits.Dict(mandatory=True, desc='margins (mm) by name, see crop_box')


class _FieldOfViewOutputSpec(TraitedSpec):
    xmin = traits.Int(desc='first voxel to keep, first axis')
    xmax = traits.Int(desc='last voxel to keep, first axis')
    ymin = traits.Int(desc='first voxel to keep, second axis')
    ymax = traits.Int(desc='last voxel to keep, second axis')
    zmin = traits.Int(desc='first voxel to keep, third axis')
    zmax = traits.Int(desc='last voxel to keep, third axis')
    evidence = traits.Dict(desc='coverage and box')


class FieldOfView(SimpleInterface):
    """Reject an image that shows too little cord; else say where to crop it."""

    input_spec = _FieldOfViewInputSpec
    output_spec = _FieldOfViewOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from spinalprep.anatomy.coverage import cord_coverage, crop_box

        image = read_image(self.inputs.cord_file)
        cord = np.asanyarray(image.dataobj) > 0.5
        coverage = cord_coverage(cord, image.affine)
        wanted = self.inputs.min_z_slices
        if not coverage.slices:
            raise CordReferenceRejected(f'{self.inputs.anat}: no cord found in this image')
        if coverage.slices < wanted:
            raise CordReferenceRejected(
                f'{self.inputs.anat}: {coverage.slices} slices of {coverage.slice_mm:.3g} mm show '
                f'cord ({coverage.length_mm:.0f} mm along it), fewer than the {wanted} that the '
                'policy asks for (discover.min_z_slices)'
            )
        box = crop_box(cord, image.affine, **self.inputs.margins)
        for name, (first, last) in zip('xyz', box, strict=True):
            self._results[f'{name}min'], self._results[f'{name}max'] = first, last
        self._results['evidence'] = {
            'cord_slices': coverage.slices,
            'cord_mm': round(coverage.length_mm, 2),
            'cord_gaps': coverage.gaps,
            'slice_mm': round(coverage.slice_mm, 4),
            'crop_box': [list(limits) for limits in box],
            'image_shape': list(image.shape),
        }
        return runtime
