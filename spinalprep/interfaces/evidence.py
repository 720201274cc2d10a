# SPDX-License-Identifier: Apache-2.0
"""Interfaces that measure evidence: files in, numbers by name out.

What can't be measured spoils no product: it leaves no numbers, and says why.
"""

from __future__ import annotations

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from spinalprep.images import read_image


class _NumbersOutputSpec(TraitedSpec):
    numbers = traits.Dict(desc='value of each number, None where it can not be had')
    failure = traits.Str(desc='why nothing could be measured')


class _Numbers(SimpleInterface):
    """Base: a subclass says what it needs, and measures."""

    input_spec = BaseInterfaceInputSpec
    output_spec = _NumbersOutputSpec
    _needs: tuple[str, ...] = ()

    def _measure(self) -> dict:
        """Numbers by name."""
        raise NotImplementedError

    def _run_interface(self, runtime):
        self._results['numbers'] = {}
        if not all(isdefined(getattr(self.inputs, name)) for name in self._needs):
            return runtime
        try:
            self._results['numbers'] = _plain(self._measure())
        except Exception as error:  # noqa: BLE001 - the products are good without numbers
            self._results['failure'] = f'{type(self).__name__}: {type(error).__name__}: {error}'
        return runtime

    def _image(self, name: str):
        return read_image(getattr(self.inputs, name))

    def _values(self, name: str):
        """Array of a file; None where it is not there."""
        import numpy as np

        if not isdefined(getattr(self.inputs, name)):
            return None
        return np.asanyarray(self._image(name).dataobj)

    def _mask(self, name: str):
        values = self._values(name)
        return None if values is None else values > 0.5

    def _labels(self, name: str):
        from spinalprep.anatomy.labels import whole

        values = self._values(name)
        return None if values is None else whole(values)


def _plain(numbers: dict) -> dict:
    """Plain floats, rounded as the record keeps them."""
    return {
        name: None if value is None else round(float(value), 4) for name, value in numbers.items()
    }


class _ViewNumbersInputSpec(BaseInterfaceInputSpec):
    whole_image = File(exists=True, desc='the image, reoriented')
    discovery_cord = File(exists=True, desc='cord found in it')
    discovery = traits.Dict(desc='coverage, and crop_box')


class ViewNumbers(_Numbers):
    """S2.1: the crop against the cord found, and the quality of the image."""

    input_spec = _ViewNumbersInputSpec
    _needs = ('whole_image', 'discovery_cord', 'discovery')

    def _measure(self):
        from spinalprep.anatomy.quality import substeps

        return substeps.view(
            self._values('whole_image'),
            self._mask('discovery_cord'),
            self._image('discovery_cord').affine,
            self.inputs.discovery['crop_box'],
        )


class _CordNumbersInputSpec(BaseInterfaceInputSpec):
    cordref = File(exists=True, desc='cord reference')
    cord_dseg = File(exists=True, desc='cord mask')
    canal_dseg = File(exists=True, desc='canal, the cord included, where it was found')
    products = InputMultiObject(File(exists=True), desc='masks and labels to be on one grid')
    area_mm2 = traits.List(traits.Float, mandatory=True, desc='physiological range of the area')
    modality = traits.Enum('T2w', 'T1w', mandatory=True, desc='says whether CSF is bright')


class CordNumbers(_Numbers):
    """S2.2: the cord mask by itself, in its canal, and on its image."""

    input_spec = _CordNumbersInputSpec
    _needs = ('cordref', 'cord_dseg')

    def _measure(self):
        import nibabel as nb

        from spinalprep.anatomy.quality import substeps

        image, products = self._image('cordref'), self.inputs.products
        others = [nb.load(path) for path in (products if isdefined(products) else [])]
        return substeps.segmentation(
            self._values('cordref'),
            self._mask('cord_dseg'),
            self._mask('canal_dseg'),
            image.affine,
            grids=[(item.affine, item.shape) for item in [self._image('cord_dseg'), *others]],
            area_mm2=tuple(self.inputs.area_mm2),
            csf_is_bright=self.inputs.modality == 'T2w',
        )


class _SpineNumbersInputSpec(BaseInterfaceInputSpec):
    cord_dseg = File(exists=True, desc='cord mask')
    totalspineseg_dseg = File(exists=True, desc="TotalSpineSeg's map, where there is one")
    disc_labels = File(exists=True, desc='disc points, where there are any')
    rootlets_dseg = File(exists=True, desc='rootlets, where there are any')
    numbers_given = traits.Bool(False, usedefault=True, desc='the user gave a disc or all of them')


class SpineNumbers(_Numbers):
    """S2.2: vertebrae and discs, by themselves and against each other."""

    input_spec = _SpineNumbersInputSpec
    _needs = ('cord_dseg',)

    def _measure(self):
        from spinalprep.anatomy.labels import label_points
        from spinalprep.anatomy.quality import substeps

        affine, discs = self._image('cord_dseg').affine, self._labels('disc_labels')
        return substeps.labels(
            self._mask('cord_dseg'),
            self._labels('totalspineseg_dseg'),
            {} if discs is None else label_points(discs, affine),
            affine,
            rootlets=isdefined(self.inputs.rootlets_dseg),
            given=self.inputs.numbers_given,
        )


class _NumberingNumbersInputSpec(BaseInterfaceInputSpec):
    rootlets_dseg = File(exists=True, desc='rootlets by spinal level')
    cord_dseg = File(exists=True, desc='cord mask')
    disc_labels = File(exists=True, desc='disc points')
    template_cord = File(exists=True, desc="the template's cord")
    template_discs = File(exists=True, desc="the template's disc points")
    template_rootlets_map = File(exists=True, desc="the template's rootlets, where it has them")


class NumberingNumbers(_Numbers):
    """S2.3: whether rootlets and discs number alike, by how the rootlets descend."""

    input_spec = _NumberingNumbersInputSpec
    _needs = (
        'rootlets_dseg',
        'cord_dseg',
        'disc_labels',
        'template_cord',
        'template_discs',
        'template_rootlets_map',
    )

    def _measure(self):
        from spinalprep.anatomy.quality.descent import numbering_shift

        subject = self._descents('rootlets_dseg', 'disc_labels', 'cord_dseg')
        template = self._descents('template_rootlets_map', 'template_discs', 'template_cord')
        return {'numbering_shift': numbering_shift(subject, template)}

    def _descents(self, rootlets: str, discs: str, cord: str):
        from spinalprep.anatomy.labels import label_points
        from spinalprep.anatomy.quality.descent import Descents

        affine = self._image(cord).affine
        points = label_points(self._labels(discs), self._image(discs).affine)
        return Descents.of(self._labels(rootlets), points, self._mask(cord), affine)


class _RootletNumbersInputSpec(BaseInterfaceInputSpec):
    rootlets_dseg = File(exists=True, desc='rootlets by spinal level')
    cord_dseg = File(exists=True, desc='cord mask')
    canal_dseg = File(exists=True, desc='canal, where it was found')
    dorsal_only = traits.Bool(mandatory=True, desc='the network marks dorsal rootlets alone')


class RootletNumbers(_Numbers):
    """S2.3: rootlets along the cord, around it, and on its two sides."""

    input_spec = _RootletNumbersInputSpec
    _needs = ('rootlets_dseg', 'cord_dseg')

    def _measure(self):
        from spinalprep.anatomy.quality.rootlets import rootlet_numbers

        return rootlet_numbers(
            self._labels('rootlets_dseg'),
            self._mask('cord_dseg'),
            self._mask('canal_dseg'),
            self._image('cord_dseg').affine,
            dorsal_only=self.inputs.dorsal_only,
        )
