# SPDX-License-Identifier: Apache-2.0
"""Interfaces of S2.4: which landmarks serve, how good a path is, which path is taken."""

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

from spinalprep.errors import SpinalprepError
from spinalprep.images import read_image
from spinalprep.interfaces.conditional import (
    Conditional,
    ConditionalInputSpec,
    ConditionalOutputSpec,
)
from spinalprep.products import PATHS


class _ReadTemplateInputSpec(BaseInterfaceInputSpec):
    template = Directory(mandatory=True, nohash=True, desc='template folder')
    template_identity = traits.Str(mandatory=True, desc='changes when its files change')
    contrast = traits.Enum('t2', 't1', mandatory=True, desc='contrast of the subject')


class _ReadTemplateOutputSpec(TraitedSpec):
    contrast = traits.Enum('t2', 't1', 't2s', desc='contrast of the template to register to')
    image_file = File(exists=True, desc="the template's image of that contrast")
    cord_file = File(exists=True, desc="the template's cord")
    disc_file = File(exists=True, desc='disc points on the cord')
    rootlet_file = File(exists=True, desc='midpoints of the rootlets, where it has them')
    rootlets_map_file = File(exists=True, desc='the rootlets, where it has them')


class ReadTemplate(SimpleInterface):
    """Name the files of a template, and its image that is nearest in contrast."""

    input_spec = _ReadTemplateInputSpec
    output_spec = _ReadTemplateOutputSpec

    def _run_interface(self, runtime):
        from spinalprep.toolbox.template import CONTRAST_IDS, PART_IDS, template_files

        files = template_files(self.inputs.template)
        wanted = self.inputs.contrast
        contrast = next(
            (name for name in (wanted, 't2', 't1', 't2s') if CONTRAST_IDS[name] in files), None
        )
        missing = [part for part in ('cord', 'disc') if PART_IDS[part] not in files]
        if contrast is None or missing:
            raise SpinalprepError(
                f'{self.inputs.template}: the template lists no '
                f'{" and no ".join(missing) or "image"}; see its template/info_label.txt'
            )
        self._results['contrast'] = contrast
        self._results['image_file'] = str(files[CONTRAST_IDS[contrast]])
        self._results['cord_file'] = str(files[PART_IDS['cord']])
        self._results['disc_file'] = str(files[PART_IDS['disc']])
        if PART_IDS['rootlets_mid'] in files:
            self._results['rootlet_file'] = str(files[PART_IDS['rootlets_mid']])
        rootlets = files.get(PART_IDS['rootlets'])
        if rootlets is not None and rootlets.is_file():  # for evidence alone
            self._results['rootlets_map_file'] = str(rootlets)
        return runtime


class _SelectLandmarksInputSpec(ConditionalInputSpec):
    kind = traits.Enum(*PATHS, mandatory=True, desc='discs or rootlets')
    labels_file = File(exists=True, desc='disc points, or rootlets by spinal level')
    cord_file = File(exists=True, mandatory=True, desc='cord mask')
    template_file = File(exists=True, desc='the same landmarks in the template')
    discs = traits.Either(
        traits.Enum('all', 'pair'), traits.Tuple, traits.List, default='all', usedefault=True,
        desc='discs that the policy asks for',
    )  # fmt: skip
    use_extrapolated = traits.Bool(False, usedefault=True, desc='keep extrapolated discs')


class _SelectLandmarksOutputSpec(ConditionalOutputSpec):
    out_file = File(exists=True, desc='the landmarks to register by')
    dropped = traits.Dict(desc='name of each landmark that was dropped → reason')


class SelectLandmarks(Conditional, SimpleInterface):
    """Keep the landmarks that a registration may use, and say why others were dropped."""

    input_spec = _SelectLandmarksInputSpec
    output_spec = _SelectLandmarksOutputSpec
    _needs = ('labels_file', 'template_file')

    def _run_eligible(self, runtime):
        import nibabel as nb
        import numpy as np

        from spinalprep.anatomy.centerline import Centerline, superior_axis
        from spinalprep.anatomy.grids import labels_like, mark_points
        from spinalprep.anatomy.labels import label_points, whole
        from spinalprep.anatomy.landmarks import (
            MIN_DISCS,
            MIN_ROOTLET_LEVELS,
            select_discs,
            select_rootlets,
        )

        image = read_image(self.inputs.labels_file)
        labels = whole(np.asanyarray(image.dataobj))
        cord = read_image(self.inputs.cord_file)
        centerline = Centerline.from_mask(np.asanyarray(cord.dataobj) > 0.5, cord.affine)
        end_mm = np.linalg.norm(cord.affine[:3, superior_axis(cord.affine)[0]]) / 2
        known = whole(np.asanyarray(read_image(self.inputs.template_file).dataobj))
        values = {int(value) for value in np.unique(known[known > 0])}
        points = label_points(labels, image.affine)
        if self.inputs.kind == 'disc':
            discs = self.inputs.discs
            selected = select_discs(
                points,
                centerline,
                values,
                wanted=discs if isinstance(discs, str) else tuple(discs),
                use_extrapolated=self.inputs.use_extrapolated,
                end_mm=end_mm,
            )
            # one voxel each: SCT refuses a value that stands on two
            used = {value: points[value] for value in selected.used}
            kept = mark_points(np.zeros_like(labels), image.affine, used)
            fewest, noun = MIN_DISCS, 'discs'
        else:
            selected = select_rootlets(points, centerline, values, end_mm)
            kept = np.where(np.isin(labels, selected.used), labels, 0)
            fewest, noun = MIN_ROOTLET_LEVELS, 'levels of rootlets'
        if len(selected.used) < fewest:
            why = ''.join(f'; {name}: {reason}' for name, reason in selected.dropped.items())
            self._no_result = f'{fewest} {noun} are needed, {len(selected.used)} can serve{why}'
            return runtime
        self._results['out_file'] = str(Path(runtime.cwd) / f'{self.inputs.kind}_landmarks.nii.gz')
        nb.save(labels_like(kept, image), self._results['out_file'])
        self._results['dropped'] = selected.dropped
        return runtime


class _AssessPathInputSpec(ConditionalInputSpec):
    kind = traits.Enum(*PATHS, mandatory=True, desc='path')
    cord_file = File(exists=True, mandatory=True, desc='cord mask')
    landmarks_file = File(exists=True, desc='landmarks that the path used')
    levels_file = File(exists=True, desc='vertebral levels on the cord, where known')
    template_cord = File(exists=True, mandatory=True, desc="the template's cord")
    template_landmarks = File(exists=True, desc='the same landmarks in the template')
    warp_anat2template = File(exists=True, desc="field on the template's grid")
    warp_template2anat = File(exists=True, desc="field on the subject's grid")
    dropped = traits.Dict(desc='landmarks that were dropped → reason')
    bounds = traits.Any(mandatory=True, desc="the policy's verdict section")


class _AssessPathOutputSpec(ConditionalOutputSpec):
    evidence = traits.Dict(desc='evidence on the path, with its verdict and reasons')
    course = traits.List(traits.Float, desc="the template's cord along the subject's (mm)")
    valid_in_cordref = File(exists=True, desc="where the field on the subject's grid is defined")
    valid_in_template = File(exists=True, desc="where the field on the template's grid is defined")


class AssessPath(Conditional, SimpleInterface):
    """Judge a registration path by its own landmarks, the cords' overlap, and its field."""

    input_spec = _AssessPathInputSpec
    output_spec = _AssessPathOutputSpec
    _needs = ('warp_anat2template', 'warp_template2anat')

    def _run_eligible(self, runtime):
        import nibabel as nb
        import numpy as np

        from spinalprep.anatomy.assessment import assess_path
        from spinalprep.anatomy.evidence import template_course
        from spinalprep.anatomy.grids import labels_like
        from spinalprep.anatomy.labels import disc_name, spinal_level_name
        from spinalprep.anatomy.warps import DisplacementField
        from spinalprep.verdict import judge_path, verdict_of

        inputs = self.inputs
        to_subject = DisplacementField.load(inputs.warp_template2anat)
        to_template = DisplacementField.load(inputs.warp_anat2template)
        levels = None
        if isdefined(inputs.levels_file):
            levels = np.asanyarray(read_image(inputs.levels_file).dataobj).astype(int)
        subject = _cord_space(inputs.cord_file, inputs.landmarks_file)
        template = _cord_space(inputs.template_cord, inputs.template_landmarks)
        evidence = assess_path(
            subject,
            template,
            to_subject,
            to_template,
            name=disc_name if inputs.kind == 'disc' else spinal_level_name,
            levels=levels,
        )
        evidence['dropped'] = inputs.dropped if isdefined(inputs.dropped) else {}
        evidence['numbers'] = judge_path(inputs.kind, evidence, inputs.bounds)
        evidence['verdict'], evidence['reasons'] = verdict_of(evidence['numbers'])
        self._results['evidence'] = evidence
        self._results['course'] = template_course(subject, template, to_template).tolist()
        for name, field, like in (
            ('valid_in_cordref', to_subject, inputs.cord_file),
            ('valid_in_template', to_template, inputs.template_cord),
        ):
            self._results[name] = str(Path(runtime.cwd) / f'{name}.nii.gz')
            nb.save(labels_like(field.valid, nb.load(like)), self._results[name])
        return runtime


def _cord_space(cord_file: str, landmarks_file: str):
    import numpy as np

    from spinalprep.anatomy.evidence import CordSpace
    from spinalprep.anatomy.labels import label_points, whole

    cord, landmarks = read_image(cord_file), read_image(landmarks_file)
    points = label_points(whole(np.asanyarray(landmarks.dataobj)), landmarks.affine)
    return CordSpace.of(np.asanyarray(cord.dataobj), cord.affine, points)


_PATH_FILES = ('warp_anat2template', 'warp_template2anat', 'valid_in_cordref', 'valid_in_template')


class _ChoosePathInputSpec(BaseInterfaceInputSpec):
    template_cord = File(exists=True, mandatory=True, desc="the template's cord")
    template_discs = File(exists=True, mandatory=True, desc="the template's discs")
    prefer_rootlets = traits.Either(None, traits.Bool, desc='preference of the policy')
    required_levels = traits.List(traits.Int, desc='levels that the policy asks for')
    bounds = traits.Any(mandatory=True, desc="the policy's verdict section")


for _path in PATHS:
    _ChoosePathInputSpec.add_class_trait(f'{_path}_evidence', traits.Dict())
    _ChoosePathInputSpec.add_class_trait(f'{_path}_course', traits.List(traits.Float))
    _ChoosePathInputSpec.add_class_trait(f'{_path}_no_result', InputMultiObject(traits.Str()))
    for _name in _PATH_FILES:
        _ChoosePathInputSpec.add_class_trait(f'{_path}_{_name}', File(exists=True))


class _ChoosePathOutputSpec(TraitedSpec):
    registration_path = traits.Enum(*PATHS, desc='the path taken')
    warp_cordref2template = File(exists=True, desc='warp_anat2template of the path taken')
    warp_template2cordref = File(exists=True, desc='warp_template2anat of the path taken')
    warp_cordref2template_other = File(exists=True, desc='of the other path')
    warp_template2cordref_other = File(exists=True, desc='of the other path')
    valid_in_cordref = File(exists=True, desc='where the path taken is defined')
    valid_in_template = File(exists=True, desc='where the path taken is defined')
    covered_slices = traits.List(traits.Int, desc='slices of the cord that the path taken covers')
    landmark_residuals = traits.Dict(desc='path → landmark → how far off it is (mm)')
    evidence = traits.Dict(desc='both paths, their offset, the choice, verdict and reasons')


class ChoosePath(SimpleInterface):
    """Take one of the paths that gave a result, and compare the two.

    Raises
    ------
    SpinalprepError
        If no path gave a result.
    """

    input_spec = _ChoosePathInputSpec
    output_spec = _ChoosePathOutputSpec

    def _run_interface(self, runtime):
        from spinalprep.verdict import judge_registration

        inputs = self.inputs
        paths = {
            path: getattr(inputs, f'{path}_evidence')
            for path in PATHS
            if isdefined(getattr(inputs, f'{path}_warp_anat2template'))
        }
        no_result = {path: self._why_not(path) for path in PATHS if path not in paths}
        if not paths:
            raise SpinalprepError(
                f'no registration. Discs: {no_result["disc"]}. Rootlets: '
                f'{no_result["rootlet"]}. Give numbered discs (as disc_labels), or rootlets '
                '(as rootlets_dseg), in the space of the image.'
            )
        offset = self._offset() if len(paths) == 2 else None
        evidence = judge_registration(
            paths,
            no_result,
            offset,
            prefer_rootlets=inputs.prefer_rootlets,
            required_levels=inputs.required_levels,
            bounds=inputs.bounds,
        )
        chosen = evidence['path']
        self._results['registration_path'] = chosen
        self._results['evidence'] = evidence
        self._results['covered_slices'] = [int(k) for k in paths[chosen].get('slice_dice', {})]
        self._results['landmark_residuals'] = {
            path: found.get('landmark_residuals', {}) for path, found in paths.items()
        }
        names = {'anat2template': 'cordref2template', 'template2anat': 'template2cordref'}
        for path in paths:
            suffix = '' if path == chosen else '_other'
            for theirs, ours in names.items():
                warp = getattr(inputs, f'{path}_warp_{theirs}')
                self._results[f'warp_{ours}{suffix}'] = warp
        for name in ('valid_in_cordref', 'valid_in_template'):
            self._results[name] = getattr(inputs, f'{chosen}_{name}')
        return runtime

    def _why_not(self, path: str) -> str:
        reasons = getattr(self.inputs, f'{path}_no_result')
        return '; '.join(dict.fromkeys(reasons)) if isdefined(reasons) else 'not asked for'

    def _offset(self) -> tuple[float, float] | None:
        import numpy as np

        from spinalprep.anatomy.evidence import path_offset

        inputs = self.inputs
        return path_offset(
            _cord_space(inputs.template_cord, inputs.template_discs),
            np.array(inputs.disc_course),
            np.array(inputs.rootlet_course),
        )
