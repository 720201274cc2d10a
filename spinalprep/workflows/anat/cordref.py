# SPDX-License-Identifier: Apache-2.0
"""The anatomical cord reference (S2): one anatomy in, cord reference out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import nipype.interfaces.utility as niu
import nipype.pipeline.engine as pe
from niworkflows.engine import Workflow

from spinalprep.demands import ImageSize
from spinalprep.errors import InputImageError
from spinalprep.interfaces.conclusion import Conclude
from spinalprep.interfaces.given import CheckGiven
from spinalprep.policy import Policy
from spinalprep.products import FIGURES, PRECOMPUTABLE, names
from spinalprep.toolbox import Toolbox
from spinalprep.workflows.anat import (
    evidence,
    registration,
    reports,
    segmentation,
    template_maps,
)
from spinalprep.workflows.anat.discovery import init_discovery_wf
from spinalprep.workflows.anat.evidence import init_evidence_wf
from spinalprep.workflows.anat.memory import assign_memory
from spinalprep.workflows.anat.registration import init_registration_wf
from spinalprep.workflows.anat.reports import init_reports_wf
from spinalprep.workflows.anat.rootlets import init_rootlets_wf, why_no_rootlets
from spinalprep.workflows.anat.segmentation import init_segmentation_wf
from spinalprep.workflows.anat.template_maps import init_template_maps_wf

OUTPUTS = (
    'cordref',
    *segmentation.RESULTS,
    'rootlets_dseg',
    *registration.OUTPUTS,
    *template_maps.OUTPUTS,
    *names(FIGURES),
)
"""Fields of the outputnode, the same on every branch."""


def init_anat_cordref_wf(
    *,
    modality: str,
    policy: Policy,
    toolbox: Toolbox,
    omp_nthreads: int,
    precomputed: Mapping[str, Path | str | None] | None = None,
    origins: Mapping[str, str] | None = None,
    size: ImageSize | None = None,
    name: str = 'anat_cordref_wf',
) -> Workflow:
    """Build the anatomical cord reference of one image.

    Workflow Graph
        >>> from spinalprep.policy import Policy
        >>> from spinalprep.toolbox import Toolbox
        >>> wf = init_anat_cordref_wf(
        ...     modality='T2w', policy=Policy(), toolbox=Toolbox.example('7.3'), omp_nthreads=1
        ... )
        >>> wf.name
        'anat_cordref_wf'

    Parameters
    ----------
    modality : str
        ``T2w`` or ``T1w``.
    policy : Policy
        What to do and which numbers are good.
    toolbox : Toolbox
        Where SCT is and which dialect it speaks; made by
        :func:`spinalprep.toolbox.find_toolbox`.
    omp_nthreads : int
        Threads that one command may use.
    precomputed : dict, optional
        Product → file to use instead of computing it, or None where the file comes by the
        inputnode's field of that name. Products: ``cord_dseg``, ``canal_dseg``,
        ``totalspineseg_dseg``, ``disc_labels``, ``rootlets_dseg``. Files lie in the physical
        space of `anat`; those on its grid, or on that of the cord reference, are not resampled.
    origins : dict, optional
        Product of `precomputed` → ``manual``, ``derivative``, or ``given`` (what is not named),
        for the method and the figures.
    size : ImageSize, optional
        Of the image, for the memory that nodes ask for; that of a typical one if not given.
    name : str

    Inputs
    ------
    anat
        T2w or T1w image.
    cord_dseg, canal_dseg, totalspineseg_dseg, disc_labels, rootlets_dseg
        Given products whose files are known only at run time.

    Outputs
    -------
    cordref
        The image, reoriented and cropped along the cord.
    cord_dseg
        Mask of the cord.
    canal_dseg, totalspineseg_dseg, vertebral_labels, disc_labels
        TotalSpineSeg's canal (with the cord), map, vertebrae and disc points.
    vertebral_levels
        Vertebral levels on the cord (C1 = 1).
    csa_per_slice, csa_per_level
        Cross-sectional area (mm²), TSV.
    metrics
        Numbers on the cord, by name.
    rootlets_dseg
        Rootlets by spinal level.
    warp_cordref2template, warp_template2cordref
        Displacement fields (ITK) of the path taken.
    warp_cordref2template_other, warp_template2cordref_other
        Those of the path not taken.
    valid_in_cordref, valid_in_template
        Where the fields are defined.
    cordref_in_template
        The cord reference on the template's grid.
    registration_path
        ``disc`` or ``rootlet``.
    cord_of_template, vertebral_levels_of_template, spinal_levels_of_template
        Of the template, in the subject.
    horn_left_ventral, horn_right_ventral, horn_left_dorsal, horn_right_dorsal, horns_dseg
        Horns of the grey matter by the template's atlas: shares of each voxel, and labels.
    csa_per_spinal_level
        Cross-sectional area (mm²) by the template's spinal levels, TSV.
    evidence
        All evidence, with ``verdict`` and ``reasons``.
    figure_crop_box, figure_cord_mask, figure_spine, figure_rootlets, figure_overlay
        Figures, PNG or GIF.

    Raises
    ------
    InputImageError
        If `precomputed` names a product that can't be given.
    PolicyError, ToolboxError
        If policy, toolbox and given products can't go together.

    Notes
    -----
    A field of the outputnode is Undefined, never missing, where a branch gives nothing.
    At run time an image that can't serve raises
    :class:`spinalprep.errors.CordReferenceRejected`, and a given file that can't be what it is
    given for :class:`spinalprep.errors.InputImageError`.
    """
    precomputed = dict(precomputed or {})
    for product in precomputed.keys() - set(PRECOMPUTABLE):
        raise InputImageError(f'{product} can not be given; what can: {", ".join(PRECOMPUTABLE)}')
    origins = dict.fromkeys(precomputed, 'given') | dict(origins or {})
    workflow = Workflow(name=name)
    workflow.__desc__ = _description(origins)
    inputnode = pe.Node(niu.IdentityInterface(fields=['anat', *PRECOMPUTABLE]), name='inputnode')
    for product, path in precomputed.items():
        if path is not None:
            setattr(inputnode.inputs, product, str(Path(path).absolute()))
    outputnode = pe.Node(niu.IdentityInterface(fields=list(OUTPUTS)), name='outputnode')
    common = {'policy': policy, 'toolbox': toolbox, 'omp_nthreads': omp_nthreads}

    discover = init_discovery_wf(**common, cord_given='cord_dseg' in precomputed)
    segment = init_segmentation_wf(
        modality=modality, **common, given=precomputed.keys() & set(segmentation.GIVABLE)
    )
    rootlets = init_rootlets_wf(modality=modality, **common, given='rootlets_dseg' in precomputed)
    register = init_registration_wf(modality=modality, **common)
    bring_maps = init_template_maps_wf(**common)
    examine = init_evidence_wf(
        modality=modality,
        policy=policy,
        toolbox=toolbox,
        numbers_given='disc_labels' in precomputed or policy.labelling.init_disc is not None,
    )
    conclude = pe.Node(
        Conclude(
            bounds=policy.verdict,
            spine_status=_spine_status(segment, precomputed),
            **_rootlets_plan(modality, policy, precomputed),
        ),
        name='conclude',
    )
    takers = {product: [segment] for product in segmentation.GIVABLE}
    takers['cord_dseg'] = [discover, segment]
    takers['rootlets_dseg'] = [rootlets]
    notes = pe.Node(niu.Merge(len(PRECOMPUTABLE)), name='given_notes')
    for place, product in enumerate(PRECOMPUTABLE, start=1):
        if product in precomputed:
            check = pe.Node(CheckGiven(product=product), name=f'given_{product}')
            workflow.connect([
                (inputnode, check, [('anat', 'anat'), (product, 'in_file')]),
                (check, notes, [('note', f'in{place}')]),
                *((check, taker, [('out_file', f'inputnode.{product}')])
                  for taker in takers[product]),
            ])  # fmt: skip
            if product != 'cord_dseg':
                workflow.connect(discover, 'outputnode.discovery_cord', check, 'cord_file')
    workflow.connect([
        # S2.1 → S2.2
        (inputnode, discover, [('anat', 'inputnode.anat')]),
        (discover, segment, [
            ('outputnode.cordref', 'inputnode.cordref'),
            ('outputnode.discovery_cord', 'inputnode.discovery_cord'),
        ]),
        # → S2.3
        (discover, rootlets, [('outputnode.cordref', 'inputnode.cordref')]),
        (segment, rootlets, [
            ('outputnode.cord_dseg', 'inputnode.cord_dseg'),
            ('outputnode.vertebral_levels', 'inputnode.vertebral_levels'),
        ]),
        # → S2.4
        (discover, register, [('outputnode.cordref', 'inputnode.cordref')]),
        (segment, register, [
            ('outputnode.cord_dseg', 'inputnode.cord_dseg'),
            ('outputnode.vertebral_levels', 'inputnode.vertebral_levels'),
            ('outputnode.disc_labels', 'inputnode.disc_labels'),
            ('outputnode.disc_no_result', 'inputnode.disc_no_result'),
        ]),
        (rootlets, register, [
            ('outputnode.rootlets_dseg', 'inputnode.rootlets_dseg'),
            ('outputnode.no_result', 'inputnode.rootlet_no_result'),
        ]),
        (discover, bring_maps, [('outputnode.cordref', 'inputnode.cordref')]),
        (segment, bring_maps, [('outputnode.csa_per_slice', 'inputnode.csa_per_slice')]),
        (register, bring_maps, [
            ('outputnode.warp_template2cordref', 'inputnode.warp_template2cordref'),
            ('outputnode.valid_in_cordref', 'inputnode.valid_in_cordref'),
            ('outputnode.covered_slices', 'inputnode.covered_slices'),
        ]),
        # verdict
        (discover, conclude, [
            ('outputnode.evidence', 'discovery'),
            ('outputnode.notes', 'notes'),
        ]),
        (segment, conclude, [
            ('outputnode.filled_discs', 'filled_discs'),
            ('outputnode.disc_no_result', 'disc_no_result'),
            ('outputnode.spine_no_result', 'spine_no_result'),
        ]),
        (rootlets, conclude, [
            ('outputnode.eligible', 'rootlets_eligible'),
            ('outputnode.no_result', 'rootlets_no_result'),
        ]),
        (register, conclude, [('outputnode.evidence', 'registration')]),
        (notes, conclude, [('out', 'given_notes')]),
        (bring_maps, conclude, [('outputnode.status', 'template_maps')]),
        (discover, examine, [('outputnode.evidence', 'inputnode.discovery')]),
        (examine, conclude, [
            ('outputnode.numbers', 'numbers'),
            ('outputnode.failures', 'numbers_failures'),
        ]),
        # products
        (discover, outputnode, [('outputnode.cordref', 'cordref')]),
        (segment, outputnode, [(f'outputnode.{field}', field) for field in segmentation.RESULTS]),
        (rootlets, outputnode, [('outputnode.rootlets_dseg', 'rootlets_dseg')]),
        (register, outputnode, [
            (f'outputnode.{field}', field) for field in registration.OUTPUTS if field != 'evidence'
        ]),
        (bring_maps, outputnode, [
            (f'outputnode.{field}', field) for field in template_maps.OUTPUTS
        ]),
        (conclude, outputnode, [('evidence', 'evidence')]),
    ])  # fmt: skip
    steps = (discover, segment, rootlets, register)
    _connect_from(workflow, steps, evidence.INPUTS, examine)
    figures = init_reports_wf(policy=policy, origins=origins)
    _connect_from(workflow, steps, reports.INPUTS, figures)
    workflow.connect([
        (inputnode, figures, [('anat', 'inputnode.anat')]),
        (figures, outputnode, [(f'outputnode.{field}', field) for field in names(FIGURES)]),
    ])  # fmt: skip
    assign_memory(workflow, toolbox, size or ImageSize())
    return workflow


def _connect_from(
    workflow: Workflow, steps: Iterable[Workflow], fields: Iterable[str], target: Workflow
) -> None:
    """Bring fields to a sub-workflow, each from the last step that gives it."""
    sources = {}
    for step in steps:
        for field in step.get_node('outputnode').interface._fields:
            sources[field] = step
    for field in fields:
        workflow.connect(sources[field], f'outputnode.{field}', target, f'inputnode.{field}')


def _spine_status(segment: Workflow, precomputed: Mapping) -> str:
    """What was planned for TotalSpineSeg."""
    if 'totalspineseg_dseg' in precomputed:
        return 'given'
    return 'computed' if segment.get_node('spine') else 'off'


_IN_WORDS = {
    'cord_dseg': 'cord mask',
    'canal_dseg': 'canal mask',
    'totalspineseg_dseg': 'map of TotalSpineSeg',
    'disc_labels': 'disc labels',
    'rootlets_dseg': 'rootlets',
}
_ORIGINS_IN_WORDS = {
    'given': 'Given',
    'manual': 'Corrected by hand',
    'derivative': 'Taken from earlier results',
}


def _description(origins: Mapping[str, str]) -> str:
    """What was not computed, in words."""
    sentences = []
    for origin, words in _ORIGINS_IN_WORDS.items():
        named = [_IN_WORDS[name] for name in PRECOMPUTABLE if origins.get(name) == origin]
        if named:
            sentences.append(f'{words}, not computed: {", ".join(named)}.\n')
    return ''.join(sentences)


def _rootlets_plan(modality: str, policy: Policy, precomputed: Mapping) -> dict[str, str]:
    """What was planned for rootlets, and why not."""
    if 'rootlets_dseg' in precomputed:
        return {'rootlets_status': 'given'}
    reason = why_no_rootlets(modality, policy)
    if reason:
        return {'rootlets_status': 'not eligible', 'rootlets_reason': reason}
    return {'rootlets_status': 'computed'}
