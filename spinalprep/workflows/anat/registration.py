# SPDX-License-Identifier: Apache-2.0
"""S2.4: registration to the template by discs and by rootlets, side by side."""

from __future__ import annotations

from pathlib import Path

import nipype.interfaces.utility as niu
import nipype.pipeline.engine as pe
from niworkflows.engine import Workflow, tag

from spinalprep.errors import PolicyError, ToolboxError
from spinalprep.interfaces import sct
from spinalprep.interfaces.registration import (
    AssessPath,
    ChoosePath,
    ReadTemplate,
    SelectLandmarks,
)
from spinalprep.policy import Policy
from spinalprep.products import LANDMARKS, PATHS
from spinalprep.toolbox import Toolbox

OUTPUTS = (
    'warp_cordref2template',
    'warp_template2cordref',
    'warp_cordref2template_other',
    'warp_template2cordref_other',
    'valid_in_cordref',
    'valid_in_template',
    'cordref_in_template',
    'registration_path',
    'evidence',
)
OF_CHOICE = ('covered_slices', 'landmark_residuals')
TO_COMPARE = (
    'template_image',
    'template_cord',
    'template_discs',
    'template_rootlets',
    'template_rootlets_map',
    'disc_used',
    'rootlet_used',
    *OF_CHOICE,
)
"""What figures, evidence and template maps look at beside the products."""


@tag('spinal.register')
def init_registration_wf(
    *,
    modality: str,
    policy: Policy,
    toolbox: Toolbox,
    omp_nthreads: int,
    name: str = 'registration_wf',
) -> Workflow:
    """Register the cord reference to the template by both kinds of landmarks.

    Each path that has enough landmarks runs, and is judged by its own evidence; one is
    chosen. A path that fails is "no result", with the reason; only when neither gives a
    result does the subject fail.

    Workflow Graph
        >>> from spinalprep.policy import Policy
        >>> from spinalprep.toolbox import Toolbox
        >>> wf = init_registration_wf(
        ...     modality='T2w', policy=Policy(), toolbox=Toolbox.example('7.3'), omp_nthreads=1
        ... )
        >>> [name for name in wf.list_node_names() if name.startswith('register')]
        ['register_disc', 'register_rootlet']

    Parameters
    ----------
    modality : str
        ``T2w`` or ``T1w``.
    policy : Policy
        Sections ``registration``, ``labelling``, ``verdict`` and ``time_limits``.
    toolbox : Toolbox
        With a template, unless the policy names one.
    omp_nthreads : int
        Threads of one command.
    name : str

    Inputs
    ------
    cordref, cord_dseg
        The cord reference and its cord.
    disc_labels, rootlets_dseg
        Landmarks; Undefined where there are none.
    disc_no_result, rootlet_no_result
        Why there are none.
    vertebral_levels
        Levels on the cord, where known.

    Outputs
    -------
    warp_cordref2template, warp_template2cordref
        Warps of the path chosen.
    warp_cordref2template_other, warp_template2cordref_other
        Warps of the other path, where it gave any.
    valid_in_cordref, valid_in_template
        Where the chosen warps are defined.
    cordref_in_template
        The cord reference on the template's grid.
    registration_path
        ``disc`` or ``rootlet``.
    evidence
        Both paths, their offset, verdict and reasons.
    template_image, template_cord, template_discs, template_rootlets, template_rootlets_map
        Files of the template.
    disc_used, rootlet_used
        Landmarks that each path used.
    covered_slices
        Slices of the cord that the path taken covers.
    landmark_residuals
        Path → landmark → how far off it is (mm).

    Raises
    ------
    PolicyError
        If the policy names a template that is not the toolbox's.
    ToolboxError
        If there is no template.
    """
    workflow = Workflow(name=name)
    workflow.__desc__ = f"""\
The cord reference was registered to the template with `sct_register_to_template`
(SCT {toolbox.version}), by intervertebral discs and, where rootlets were found, by
rootlets; the path with the better evidence was taken.
"""
    landmarks = [*LANDMARKS.values(), *(f'{path}_no_result' for path in PATHS)]
    inputnode = pe.Node(
        niu.IdentityInterface(fields=['cordref', 'cord_dseg', 'vertebral_levels', *landmarks]),
        name='inputnode',
    )
    outputnode = pe.Node(niu.IdentityInterface(fields=[*OUTPUTS, *TO_COMPARE]), name='outputnode')
    template = pe.Node(
        ReadTemplate(
            template=template_folder(policy, toolbox),
            template_identity=toolbox.template_identity,
            contrast={'T2w': 't2', 'T1w': 't1'}[modality],
        ),
        name='template',
    )
    choose = pe.Node(
        ChoosePath(
            prefer_rootlets=policy.registration.prefer_rootlets,
            required_levels=list(policy.registration.required_levels),
            bounds=policy.verdict,
        ),
        name='choose',
    )
    for path in PATHS:
        _connect_path(workflow, path, inputnode, template, choose, policy, toolbox, omp_nthreads)
        if select := workflow.get_node(f'select_{path}'):
            workflow.connect(select, 'out_file', outputnode, f'{path}_used')
    resample = pe.Node(
        sct.ApplyTransfo(
            toolbox=toolbox,
            interpolation='linear',
            out_file='cordref_in_template.nii.gz',
            timeout=policy.time_limits.other,
        ),
        name='resample',
    )
    workflow.connect([
        (template, choose, [('cord_file', 'template_cord'), ('disc_file', 'template_discs')]),
        (inputnode, resample, [('cordref', 'in_file')]),
        (template, resample, [('image_file', 'dest_file')]),
        (choose, resample, [('warp_cordref2template', 'warps')]),
        (resample, outputnode, [('out_file', 'cordref_in_template')]),
        (template, outputnode, [
            ('image_file', 'template_image'),
            ('cord_file', 'template_cord'),
            ('disc_file', 'template_discs'),
            ('rootlet_file', 'template_rootlets'),
            ('rootlets_map_file', 'template_rootlets_map'),
        ]),
        (choose, outputnode, [
            (field, field)
            for field in (*OUTPUTS, *OF_CHOICE)
            if field != 'cordref_in_template'
        ]),
    ])  # fmt: skip
    return workflow


def template_folder(policy: Policy, toolbox: Toolbox) -> Path:
    """The toolbox's template, which must be the one that the policy names.

    Raises
    ------
    PolicyError
        If it isn't.
    ToolboxError
        If there is none.
    """
    named = policy.registration.template
    if named != 'PAM50' and Path(named) != toolbox.template:
        raise PolicyError(
            f'registration.template names {named}, but the toolbox has {toolbox.template}: '
            'find_toolbox(template=…) takes the folder'
        )
    if toolbox.template is None:
        raise ToolboxError('there is no template: give one with --template DIR')
    return toolbox.template


def _connect_path(
    workflow: Workflow,
    path: str,
    inputnode: pe.Node,
    template: pe.Node,
    choose: pe.Node,
    policy: Policy,
    toolbox: Toolbox,
    omp_nthreads: int,
) -> None:
    """One registration path: select its landmarks, register, judge."""
    lacking = toolbox.dialect.lacks('lrootlet') if path == 'rootlet' else None
    if lacking:
        setattr(choose.inputs, f'{path}_no_result', [lacking])
        return
    select = pe.Node(
        SelectLandmarks(
            kind=path,
            discs=policy.registration.discs,
            use_extrapolated=policy.labelling.use_extrapolated_discs,
        ),
        name=f'select_{path}',
    )
    register = pe.Node(
        sct.RegisterToTemplate(
            toolbox=toolbox,
            template=toolbox.template,
            reference=policy.registration.reference,
            num_threads=omp_nthreads,
            timeout=policy.time_limits.registration,
            tolerate_failure=True,
        ),
        name=f'register_{path}',
        n_procs=omp_nthreads,
    )
    if policy.registration.param:
        register.inputs.param = policy.registration.param
    assess = pe.Node(AssessPath(kind=path, bounds=policy.verdict), name=f'assess_{path}')
    workflow.connect([
        (inputnode, select, [
            ('cord_dseg', 'cord_file'),
            (LANDMARKS[path], 'labels_file'),
            (f'{path}_no_result', 'reason'),
        ]),
        (template, select, [(f'{path}_file', 'template_file')]),
        (inputnode, register, [('cordref', 'in_file'), ('cord_dseg', 'seg_file')]),
        (template, register, [('contrast', 'contrast')]),
        (select, register, [('out_file', f'{path}_file'), ('no_result', 'reason')]),
        (inputnode, assess, [
            ('cord_dseg', 'cord_file'),
            ('vertebral_levels', 'levels_file'),
        ]),
        (template, assess, [
            ('cord_file', 'template_cord'),
            (f'{path}_file', 'template_landmarks'),
        ]),
        (select, assess, [('out_file', 'landmarks_file'), ('dropped', 'dropped')]),
        (register, assess, [
            ('warp_anat2template', 'warp_anat2template'),
            ('warp_template2anat', 'warp_template2anat'),
            ('no_result', 'reason'),
        ]),
        (register, choose, [
            ('warp_anat2template', f'{path}_warp_anat2template'),
            ('warp_template2anat', f'{path}_warp_template2anat'),
            ('no_result', f'{path}_no_result'),
        ]),
        (assess, choose, [
            ('evidence', f'{path}_evidence'),
            ('course', f'{path}_course'),
            ('valid_in_cordref', f'{path}_valid_in_cordref'),
            ('valid_in_template', f'{path}_valid_in_template'),
        ]),
    ])  # fmt: skip
