# SPDX-License-Identifier: Apache-2.0
"""``sct_process_segmentation`` and ``sct_get_centerline``."""

from pathlib import Path
from typing import Any

from nipype.interfaces.base import File, isdefined, traits

from spinalprep.interfaces.sct.base import SCTCommand, SCTInputSpec, SCTOutputSpec
from spinalprep.interfaces.sct.outputs import BadOutput, check_csv, check_image, split_name

CENTERLINE_ALGORITHMS = ('bspline', 'polyfit', 'linear', 'nurbs')


class _ProcessSegmentationInputSpec(SCTInputSpec):
    in_file = File(resolve=True, input_file=True, desc='cord mask')
    out_file = File('csa.csv', usedefault=True, desc='the table')
    disc_file = File(
        resolve=True, input_file=True, xor=['level_file'], desc='disc points (SCT >= 7.1)'
    )
    level_file = File(
        resolve=True, input_file=True, xor=['disc_file'], desc='vertebral levels on the cord'
    )
    per_slice = traits.Bool(desc='one row per slice')
    per_level = traits.Bool(desc='one row per vertebral level')
    levels = traits.Str(desc='levels to measure, as 2:9 or 2,4; 1 = C1, 8 = T1')
    slices = traits.Str(desc='slices to measure, from below, as 5:23')
    angle_correction = traits.Bool(desc='correct for the tilt of the cord; default yes')
    centerline_file = File(
        resolve=True, input_file=True, desc='mask that gives the centreline, if not in_file'
    )
    centerline_algorithm = traits.Enum(*CENTERLINE_ALGORITHMS, desc='fit of the centreline')
    centerline_smoothing = traits.Int(desc='its smoothing in mm; default 30')
    exclude_missing = traits.Bool(desc='no rows for slices that centerline_file lacks')
    anat_file = File(resolve=True, input_file=True, desc='image, for measures of symmetry')
    normalize_to_template = traits.Bool(desc="rows by the template's slices")
    pmj_file = File(resolve=True, input_file=True, desc='point at the pontomedullary junction')
    pmj_distance = traits.Float(desc='mm from it to the middle of what is measured')
    pmj_extent = traits.Float(desc='mm along the cord that are averaged; default 20')


class _ProcessSegmentationOutputSpec(SCTOutputSpec):
    csv_file = File(desc='the table; rows by level run from below')


class ProcessSegmentation(SCTCommand):
    """Measure the cord (``sct_process_segmentation``).

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> csa = sct.ProcessSegmentation(toolbox=Toolbox.example('7.2'))
    >>> csa.inputs.in_file = '/data/cord.nii.gz'
    >>> csa.inputs.disc_file = '/data/discs.nii.gz'
    >>> csa.inputs.per_slice = True
    >>> csa.cmdline  # doctest: +NORMALIZE_WHITESPACE
    '/usr/local/sct_7.2/bin/sct_process_segmentation -i /data/cord.nii.gz
    -discfile /data/discs.nii.gz -perslice 1 -o csa.csv'
    """

    input_spec = _ProcessSegmentationInputSpec
    output_spec = _ProcessSegmentationOutputSpec
    _command = 'sct_process_segmentation'

    def _needed_inputs(self) -> tuple:
        inputs = self.inputs
        by_level = isdefined(inputs.levels) or inputs.per_level is True
        return ('in_file', ('disc_file', 'level_file')) if by_level else ('in_file',)

    def _arguments(self) -> list[Any]:
        return [
            *('-i', self.inputs.in_file),
            *self._option('disc_file'),
            *self._option('level_file'),
            *self._option('per_slice', '-perslice'),
            *self._option('per_level', '-perlevel'),
            *self._option('levels', '-vert'),
            *self._option('slices', '-z'),
            *self._option('angle_correction', '-angle-corr'),
            *self._option('centerline_file'),
            *self._option('centerline_algorithm', '-centerline-algo'),
            *self._option('centerline_smoothing', '-centerline-smooth'),
            *self._option('exclude_missing'),
            *self._option('anat_file'),
            *self._option('normalize_to_template', '-normalize-PAM50'),
            *self._option('pmj_file', '-pmj'),
            *self._option('pmj_distance', '-pmj-distance'),
            *self._option('pmj_extent', '-pmj-extent'),
            *('-o', self._output('out_file')),
        ]

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        inputs = self.inputs
        columns = ['MEAN(area)']
        if isdefined(inputs.disc_file) or isdefined(inputs.level_file):
            columns.append('VertLevel')
        return {'csv_file': check_csv(Path(self._output('out_file')), columns=columns)}


class _GetCenterlineInputSpec(SCTInputSpec):
    in_file = File(resolve=True, input_file=True, desc='cord mask; for optic the image')
    out_file = File('centerline.nii.gz', usedefault=True, desc='the centreline')
    method = traits.Enum(
        'fitseg', 'optic', usedefault=True, desc='fit to a mask, or find it in the image'
    )
    contrast = traits.Enum('t2', 't1', 't2s', 'dwi', desc='for optic: contrast of the image')
    centerline_algorithm = traits.Enum(*CENTERLINE_ALGORITHMS, desc='fit of the centreline')
    centerline_smoothing = traits.Int(desc='its smoothing in mm; default 30')
    soft = traits.Bool(desc='fitseg: weights between 0 and 1')
    extrapolation = traits.Bool(desc='fitseg: go on beyond the mask')
    space = traits.Enum('pix', 'phys', desc='coordinates of the table: voxels or mm')


class _GetCenterlineOutputSpec(SCTOutputSpec):
    out_file = File(desc='the centreline, on the grid of in_file')
    csv_file = File(desc='its coordinates: x, y, z per row, no header')


class GetCenterline(SCTCommand):
    """Find the centreline of the cord (``sct_get_centerline``).

    Examples
    --------
    >>> from spinalprep.interfaces import sct
    >>> from spinalprep.toolbox import Toolbox
    >>> line = sct.GetCenterline(toolbox=Toolbox.example('7.2'), in_file='/data/cord.nii.gz')
    >>> line.cmdline  # doctest: +NORMALIZE_WHITESPACE
    '/usr/local/sct_7.2/bin/sct_get_centerline -i /data/cord.nii.gz -method fitseg
    -o centerline.nii.gz'
    """

    input_spec = _GetCenterlineInputSpec
    output_spec = _GetCenterlineOutputSpec
    _command = 'sct_get_centerline'

    def _needed_inputs(self) -> tuple:
        return ('in_file', 'contrast') if self.inputs.method == 'optic' else ('in_file',)

    def _arguments(self) -> list[Any]:
        return [
            *('-i', self.inputs.in_file, '-method', self.inputs.method),
            *self._option('contrast', '-c'),
            *self._option('centerline_algorithm', '-centerline-algo'),
            *self._option('centerline_smoothing', '-centerline-smooth'),
            *self._option('soft', '-centerline-soft'),
            *self._option('extrapolation', '-extrapolation'),
            *self._option('space'),
            *('-o', self._output('out_file')),
        ]

    def _collect(self, folder: Path, log: Path) -> dict[str, Any]:
        path = Path(self._output('out_file'))
        out = check_image(path, like=self.inputs.in_file)
        table = path.with_name(split_name(path)[0] + '.csv')
        if not table.is_file() or not table.read_text().strip():
            raise BadOutput(f'did not write {table}, or nothing into it')
        return {'out_file': out, 'csv_file': str(table)}
