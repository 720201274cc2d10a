# SPDX-License-Identifier: Apache-2.0
"""Interfaces that draw figures: files in, one PNG or GIF out.

Nothing is drawn where what a figure shows does not exist; ``out_file`` is Undefined then.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from spinalprep.images import read_image
from spinalprep.products import PATHS


class _FigureInputSpec(BaseInterfaceInputSpec):
    anat = traits.Str(mandatory=True, desc='path of the anatomy, whose name is the title')
    marks = traits.List(
        traits.Str, [], usedefault=True, desc='what of it was not computed, see marks_of'
    )


class _FigureOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc='the figure')


class _Figure(SimpleInterface):
    """Base: reads files, draws, saves. A subclass says what it needs, and draws it."""

    input_spec = _FigureInputSpec
    output_spec = _FigureOutputSpec
    _needs: tuple[str, ...] = ()
    _name = 'figure.png'

    def _draw(self):
        """Figure or animation; None where there is nothing to show."""
        raise NotImplementedError

    def _run_interface(self, runtime):
        from spinalprep.reports.save import Animation, save_gif, save_png

        if not all(isdefined(getattr(self.inputs, name)) for name in self._needs):
            return runtime
        drawn = self._draw()
        if drawn is None:
            return runtime
        path = Path(runtime.cwd) / self._name
        (save_gif if isinstance(drawn, Animation) else save_png)(drawn, path)
        self._results['out_file'] = str(path)
        return runtime

    @property
    def _title(self) -> str:
        name = Path(self.inputs.anat).name
        name = name.removesuffix('.gz').removesuffix('.nii')
        return ', '.join([name, *self.inputs.marks])

    def _values(self, name: str, labels: bool = False):
        """Array of a file, None where it is not there; whole numbers for labels."""
        import numpy as np

        from spinalprep.anatomy.labels import whole

        path = getattr(self.inputs, name)
        if not isdefined(path):
            return None
        data = np.asanyarray(read_image(path).dataobj)
        if not labels:
            return data
        return whole(data).astype(np.int16, copy=False)

    def _affine(self, name: str):
        import nibabel as nb

        return nb.load(getattr(self.inputs, name)).affine

    def _points(self, name: str) -> dict:
        """World point of each label of a file; empty where it is not there."""
        from spinalprep.anatomy.labels import label_points

        labels = self._values(name, labels=True)
        return {} if labels is None else label_points(labels, self._affine(name))


_SHOWN_AS = {
    'cord_file': 'cord_dseg',
    'disc_used': 'disc_labels',
    'rootlet_used': 'rootlets_dseg',
}
_IN_TITLES = {
    'cord_dseg': 'cord',
    'canal_dseg': 'canal',
    'totalspineseg_dseg': 'vertebrae',
    'disc_labels': 'discs',
    'rootlets_dseg': 'rootlets',
}


def marks_of(figure: _Figure, origins: Mapping[str, str]) -> list[str]:
    """What a figure shows that was not computed, for its title.

    Parameters
    ----------
    figure : interface of this module
    origins : mapping
        Product → ``manual``, ``derivative`` or ``given``.

    Examples
    --------
    >>> marks_of(CordMaskReport(), {'cord_dseg': 'manual', 'rootlets_dseg': 'given'})
    ['cord (manual)']
    """
    fields = figure.inputs.copyable_trait_names()
    shown = {_SHOWN_AS.get(field, field) for field in fields}
    return [
        f'{words} ({origins[name]})'
        for name, words in _IN_TITLES.items()
        if name in shown and name in origins
    ]


class _CropBoxReportInputSpec(_FigureInputSpec):
    in_file = File(exists=True, desc='whole image')
    cord_file = File(exists=True, desc='cord found in it')
    margins = traits.Dict(mandatory=True, desc='margins (mm) by name, see crop_box')
    min_z_slices = traits.Int(mandatory=True, desc='slices with cord that are asked for')


class CropBoxReport(_Figure):
    """Whole image, cord and box; also of an image that is about to be rejected."""

    input_spec = _CropBoxReportInputSpec
    _needs = ('in_file', 'cord_file')
    _name = 'crop_box.png'

    def _draw(self):
        from spinalprep.anatomy.coverage import cord_coverage, crop_box
        from spinalprep.reports.crop_box import crop_box_figure

        image, affine = self._values('in_file'), self._affine('in_file')
        cord = self._values('cord_file') > 0.5
        slices, wanted = cord_coverage(cord, affine).slices, self.inputs.min_z_slices
        note = '' if slices >= wanted else f'rejected: {slices} slices with cord, {wanted} needed'
        box = crop_box(cord, affine, **self.inputs.margins) if slices else None
        return crop_box_figure(image, affine, cord, box, title=self._title, note=note)


class _CordMaskReportInputSpec(_FigureInputSpec):
    cordref = File(exists=True, desc='cord reference')
    cord_dseg = File(exists=True, desc='cord mask')
    vertebral_levels = File(exists=True, desc='levels on the cord, where known')
    csa_per_slice = File(exists=True, desc='area per slice, TSV')
    area_mm2 = traits.List(traits.Float, desc='physiological range of the area')


class CordMaskReport(_Figure):
    """Cord mask in three directions, and the area along the cord."""

    input_spec = _CordMaskReportInputSpec
    _needs = ('cordref', 'cord_dseg')
    _name = 'cord_mask.png'

    def _draw(self):
        from spinalprep.reports.cord_mask import cord_mask_figure

        return cord_mask_figure(
            self._values('cordref'),
            self._affine('cordref'),
            self._values('cord_dseg') > 0.5,
            title=self._title,
            levels=self._values('vertebral_levels', labels=True),
            area=self._area(),
            area_bounds=tuple(self.inputs.area_mm2) if isdefined(self.inputs.area_mm2) else None,
        )

    def _area(self) -> dict[int, float] | None:
        import csv

        if not isdefined(self.inputs.csa_per_slice):
            return None
        with open(self.inputs.csa_per_slice, encoding='utf-8', newline='') as stream:
            rows = list(csv.DictReader(stream, delimiter='\t'))
        return {
            int(row['slice']): float(row['area_mm2']) for row in rows if row['area_mm2'] != 'n/a'
        }


class _SpineReportInputSpec(_FigureInputSpec):
    cordref = File(exists=True, desc='cord reference')
    cord_dseg = File(exists=True, desc='cord mask')
    totalspineseg_dseg = File(exists=True, desc="TotalSpineSeg's map")
    canal_dseg = File(exists=True, desc='canal, the cord included')
    disc_labels = File(exists=True, desc='disc points')
    disc_used = File(exists=True, desc='those that registration used')


class SpineReport(_Figure):
    """Vertebrae, discs, canal and cord, and the disc points."""

    input_spec = _SpineReportInputSpec
    _needs = ('cordref', 'cord_dseg')
    _name = 'spine.png'

    def _draw(self):
        from spinalprep.anatomy.labels import with_canal
        from spinalprep.reports.spine import spine_figure

        labels = self._values('totalspineseg_dseg', labels=True)
        discs = self._points('disc_labels')
        if labels is None and not discs:
            return None
        canal = self._values('canal_dseg', labels=True)
        if labels is not None and canal is not None:
            labels = with_canal(labels, canal > 0)  # it may be another one than the map's
        return spine_figure(
            self._values('cordref'),
            self._affine('cordref'),
            self._values('cord_dseg') > 0.5,
            title=self._title,
            labels=labels,
            discs=discs,
            used=set(self._points('disc_used')),
        )


class _RootletsReportInputSpec(_FigureInputSpec):
    cordref = File(exists=True, desc='cord reference')
    cord_dseg = File(exists=True, desc='cord mask')
    rootlets_dseg = File(exists=True, desc='rootlets by spinal level')
    disc_labels = File(exists=True, desc='disc points')
    template_cord = File(exists=True, desc="the template's cord")
    template_discs = File(exists=True, desc="the template's discs")
    template_rootlets = File(exists=True, desc="middles of the template's rootlets")


class RootletsReport(_Figure):
    """Rootlets by spinal level, animated."""

    input_spec = _RootletsReportInputSpec
    _needs = ('cordref', 'cord_dseg', 'rootlets_dseg')
    _name = 'rootlets.gif'

    def _draw(self):
        from spinalprep.reports.rootlets import rootlets_animation

        cord, affine = self._values('cord_dseg') > 0.5, self._affine('cordref')
        return rootlets_animation(
            self._values('cordref'),
            affine,
            cord,
            self._values('rootlets_dseg', labels=True),
            title=self._title,
            expected=self._expected(cord, affine),
        )

    def _expected(self, cord, affine) -> dict:
        from spinalprep.anatomy.evidence import CordSpace
        from spinalprep.reports.rootlets import expected_entries

        discs, template_discs = self._points('disc_labels'), self._points('template_discs')
        roots = self._points('template_rootlets')
        if not (discs and template_discs and roots and isdefined(self.inputs.template_cord)):
            return {}
        template = CordSpace.of(
            self._values('template_cord'), self._affine('template_cord'), template_discs
        )
        return expected_entries(CordSpace.of(cord, affine, discs), template, roots)


class _OverlayReportInputSpec(_FigureInputSpec):
    cordref = File(exists=True, desc='cord reference')
    cord_dseg = File(exists=True, desc='cord mask')
    vertebral_levels = File(exists=True, desc='levels on the cord, where known')
    warp_template2cordref = File(exists=True, desc='warp of the path taken')
    warp_template2cordref_other = File(exists=True, desc='of the other path')
    registration_path = traits.Enum(*PATHS, desc='path taken')
    landmark_residuals = traits.Dict(desc='path → landmark → how far off it is (mm)')
    template_image = File(exists=True, desc="the template's image")
    template_cord = File(exists=True, desc="the template's cord")
    disc_used = File(exists=True, desc='discs that registration used')
    rootlet_used = File(exists=True, desc='rootlets that registration used')
    bounds = traits.Any(mandatory=True, desc="the policy's verdict section")


class OverlayReport(_Figure):
    """Subject and warped template in turn."""

    input_spec = _OverlayReportInputSpec
    _needs = ('cordref', 'cord_dseg', 'warp_template2cordref', 'template_image', 'template_cord')
    _name = 'overlay.gif'

    def _draw(self):
        from spinalprep.reports.overlay import Template, overlay_animation

        template = Template(
            self._values('template_image'),
            self._values('template_cord') > 0.5,
            self._affine('template_cord'),
        )
        chosen = self.inputs.registration_path
        other = next(path for path in PATHS if path != chosen)
        names = ('cord_dice', 'centre_distance_mm', 'landmark_residual_mm')
        bounds = {name: getattr(self.inputs.bounds, name) for name in names}
        return overlay_animation(
            self._values('cordref'),
            self._affine('cordref'),
            self._values('cord_dseg') > 0.5,
            template,
            self._path(chosen, 'warp_template2cordref'),
            self._path(other, 'warp_template2cordref_other'),
            title=self._title,
            levels=self._values('vertebral_levels', labels=True),
            bounds={name: (bound.warn, bound.fail) for name, bound in bounds.items()},
        )

    def _path(self, name: str, warp: str):
        from spinalprep.anatomy.labels import disc_name, spinal_level_name
        from spinalprep.anatomy.warps import DisplacementField
        from spinalprep.reports.overlay import Path as Registration

        file = getattr(self.inputs, warp)
        if not isdefined(file):
            return None
        named = disc_name if name == 'disc' else spinal_level_name
        points = {named(v): point for v, point in self._points(f'{name}_used').items()}
        found = self.inputs.landmark_residuals
        residuals = found.get(name, {}) if isdefined(found) else {}
        landmarks = {key: (points[key], residuals[key]) for key in residuals if key in points}
        return Registration(name, DisplacementField.load(file), landmarks)
