# SPDX-License-Identifier: Apache-2.0
"""S2.4, second part: the template's cord, levels and horns in the subject."""

from __future__ import annotations

import nipype.interfaces.utility as niu
import nipype.pipeline.engine as pe
from niworkflows.engine import Workflow, tag

from spinalprep.interfaces import sct
from spinalprep.interfaces.template_maps import (
    DERIVED,
    HORN_VALUES,
    MAPS,
    KeepCovered,
    ReadTemplateMaps,
)
from spinalprep.policy import Policy
from spinalprep.toolbox import Toolbox
from spinalprep.workflows.anat.registration import template_folder

OUTPUTS = (*MAPS, *DERIVED)
"""Products of this part."""


@tag('spinal.template_maps')
def init_template_maps_wf(
    *, policy: Policy, toolbox: Toolbox, omp_nthreads: int, name: str = 'template_maps_wf'
) -> Workflow:
    """Bring to the subject what the template knows: cord, levels, horns of the grey matter.

    Workflow Graph
        >>> from spinalprep.policy import Policy
        >>> from spinalprep.toolbox import Toolbox
        >>> wf = init_template_maps_wf(
        ...     policy=Policy(), toolbox=Toolbox.example('7.3'), omp_nthreads=1
        ... )
        >>> wf.get_node('warp_spinal_levels_of_template').inputs.interpolation
        'nn'

    Parameters
    ----------
    policy : Policy
        Sections ``registration`` and ``time_limits``.
    toolbox : Toolbox
        With a template, unless the policy names one.
    omp_nthreads : int
        Threads of one command.
    name : str

    Inputs
    ------
    cordref
        The cord reference.
    warp_template2cordref
        Field on its grid.
    valid_in_cordref
        Where that is defined.
    covered_slices
        Slices of the cord that the registration covers.
    csa_per_slice
        Cross-sectional area per slice, TSV.

    Outputs
    -------
    cord_of_template, vertebral_levels_of_template, spinal_levels_of_template
        Of the template; Undefined where it has none.
    horn_left_ventral, horn_right_ventral, horn_left_dorsal, horn_right_dorsal
        Share of each voxel; Undefined where the template has no atlas.
    horns_dseg
        The four as one label map.
    csa_per_spinal_level
        Cross-sectional area (mm²) per spinal level, TSV.
    status
        Product → ``status`` and ``reason``.

    Raises
    ------
    PolicyError
        If the policy names a template that is not the toolbox's.
    ToolboxError
        If there is no template.
    """
    workflow = Workflow(name=name)
    workflow.__desc__ = """\
Cord, vertebral levels and spinal levels of the template (nearest neighbour) and the four horns of
its grey matter (linear) were resampled to the cord reference (`sct_apply_transfo`).
"""
    inputnode = pe.Node(
        niu.IdentityInterface(
            fields=[
                'cordref', 'warp_template2cordref', 'valid_in_cordref', 'covered_slices',
                'csa_per_slice',
            ]
        ),
        name='inputnode',
    )  # fmt: skip
    outputnode = pe.Node(niu.IdentityInterface(fields=[*OUTPUTS, 'status']), name='outputnode')
    template = pe.Node(
        ReadTemplateMaps(
            template=template_folder(policy, toolbox),
            template_identity=toolbox.template_identity,
        ),
        name='template',
    )
    keep = pe.Node(KeepCovered(), name='keep_covered')
    for field in MAPS:
        warp = pe.Node(
            sct.ApplyTransfo(
                toolbox=toolbox,
                # SCT itself would take labels linearly, which makes up levels between levels
                interpolation='linear' if field in HORN_VALUES else 'nn',
                out_file=f'{field}.nii.gz',
                allow_empty=True,
                num_threads=omp_nthreads,
                timeout=policy.time_limits.other,
                tolerate_failure=True,  # a map is not worth a subject
            ),
            name=f'warp_{field}',
            n_procs=omp_nthreads,
        )
        workflow.connect([
            (template, warp, [(field, 'in_file'), (f'{field}_no_result', 'reason')]),
            (inputnode, warp, [('cordref', 'dest_file'), ('warp_template2cordref', 'warps')]),
            (warp, keep, [('out_file', field), ('no_result', f'{field}_no_result')]),
        ])  # fmt: skip
    workflow.connect([
        (inputnode, keep, [
            ('valid_in_cordref', 'valid_file'),
            ('covered_slices', 'covered_slices'),
            ('csa_per_slice', 'csa_per_slice'),
        ]),
        (keep, outputnode, [(field, field) for field in (*OUTPUTS, 'status')]),
    ])  # fmt: skip
    return workflow
