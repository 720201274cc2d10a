# SPDX-License-Identifier: Apache-2.0
"""S2.3: nerve rootlets, where the image is eligible."""

from __future__ import annotations

import nipype.interfaces.utility as niu
import nipype.pipeline.engine as pe
from niworkflows.engine import Workflow, tag

from spinalprep.interfaces.discovery import MatchGrid
from spinalprep.interfaces.rootlets import RootletEligibility
from spinalprep.policy import Policy
from spinalprep.toolbox import Toolbox
from spinalprep.workflows.anat.nodes import deepseg_node


def why_no_rootlets(modality: str, policy: Policy) -> str:
    """Why the policy asks for no rootlets on a modality; empty if it does."""
    if not policy.rootlets.enabled:
        return 'switched off by rootlets.enabled'
    if modality not in policy.rootlets.modalities:
        return f'{modality} is not among rootlets.modalities'
    return ''


@tag('spinal.rootlets')
def init_rootlets_wf(
    *,
    modality: str,
    policy: Policy,
    toolbox: Toolbox,
    omp_nthreads: int,
    given: bool = False,
    name: str = 'rootlets_wf',
) -> Workflow:
    """Segment rootlets where modality, policy and the cord in view allow it.

    Workflow Graph
        >>> from spinalprep.policy import Policy
        >>> from spinalprep.toolbox import Toolbox
        >>> wf = init_rootlets_wf(
        ...     modality='T1w', policy=Policy(), toolbox=Toolbox.example('7.3'), omp_nthreads=1
        ... )
        >>> wf.get_node('outputnode').inputs.no_result
        'T1w is not among rootlets.modalities'

    Parameters
    ----------
    modality : str
        ``T2w`` or ``T1w``.
    policy : Policy
        Sections ``rootlets`` and ``time_limits``.
    toolbox : Toolbox
    omp_nthreads : int
        Threads of one command.
    given : bool
        Rootlets come by ``inputnode.rootlets_dseg`` instead of being segmented.
    name : str

    Inputs
    ------
    cordref, cord_dseg
        The cord reference and its cord.
    vertebral_levels
        Levels on the cord, where known.
    rootlets_dseg
        Given rootlets, in the space of the image.

    Outputs
    -------
    rootlets_dseg
        Rootlets by spinal level; Undefined where there are none.
    eligible
        Whether the image shows enough cord.
    no_result
        Why there are none.
    """
    workflow = Workflow(name=name)
    inputnode = pe.Node(
        niu.IdentityInterface(
            fields=['cordref', 'cord_dseg', 'vertebral_levels', 'rootlets_dseg']
        ),
        name='inputnode',
    )
    outputnode = pe.Node(
        niu.IdentityInterface(fields=['rootlets_dseg', 'eligible', 'no_result']),
        name='outputnode',
    )
    workflow.add_nodes([inputnode, outputnode])
    outputnode.inputs.eligible = True
    if given:
        match = pe.Node(MatchGrid(out_name='rootlets_dseg.nii.gz'), name='match_rootlets_dseg')
        workflow.connect([
            (inputnode, match, [('rootlets_dseg', 'in_file'), ('cordref', 'reference')]),
            (match, outputnode, [('out_file', 'rootlets_dseg')]),
        ])  # fmt: skip
        return workflow
    reason = why_no_rootlets(modality, policy)
    if reason:
        outputnode.inputs.no_result = reason
        return workflow
    workflow.__desc__ = """\
Nerve rootlets were segmented with `sct_deepseg` where enough cord was in view.
"""
    eligibility = pe.Node(
        RootletEligibility(
            min_cord_mm=policy.rootlets.min_cord_mm, min_levels=policy.rootlets.min_levels
        ),
        name='eligibility',
    )
    rootlets = deepseg_node(
        'rootlets',
        name='rootlets',
        policy=policy,
        toolbox=toolbox,
        omp_nthreads=omp_nthreads,
        tolerate_failure=True,
    )
    workflow.connect([
        (inputnode, eligibility, [
            ('cord_dseg', 'cord_file'),
            ('vertebral_levels', 'levels_file'),
        ]),
        (inputnode, rootlets, [('cordref', 'in_file')]),
        (eligibility, rootlets, [('eligible', 'eligible'), ('reason', 'reason')]),
        (eligibility, outputnode, [('eligible', 'eligible')]),
        (rootlets, outputnode, [('out_file', 'rootlets_dseg'), ('no_result', 'no_result')]),
    ])  # fmt: skip
    return workflow
