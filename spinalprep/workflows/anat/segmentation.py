# SPDX-License-Identifier: Apache-2.0
"""S2.2: cord, canal, vertebrae, discs and levels on the cord reference, and their numbers."""

from __future__ import annotations

from collections.abc import Set

import nipype.interfaces.utility as niu
import nipype.pipeline.engine as pe
from niworkflows.engine import Workflow, tag

from spinalprep.errors import PolicyError, ToolboxError
from spinalprep.interfaces import sct
from spinalprep.interfaces.discovery import MatchGrid
from spinalprep.interfaces.labelling import (
    CheckCord,
    DiscAtHeight,
    DiscPoints,
    FillDiscGaps,
    NumberedDiscs,
    SplitSpineMap,
    SummariseAnatomy,
)
from spinalprep.policy import Policy
from spinalprep.toolbox import Toolbox
from spinalprep.workflows.anat.nodes import deepseg_node

RESULTS = (
    'cord_dseg',
    'canal_dseg',
    'totalspineseg_dseg',
    'vertebral_labels',
    'vertebral_levels',
    'disc_labels',
    'csa_per_slice',
    'csa_per_level',
    'metrics',
)
GIVABLE = ('cord_dseg', 'canal_dseg', 'totalspineseg_dseg', 'disc_labels')
NOTES = ('filled_discs', 'disc_no_result', 'spine_no_result')


@tag('spinal.segment')
def init_segmentation_wf(
    *,
    modality: str,
    policy: Policy,
    toolbox: Toolbox,
    omp_nthreads: int,
    given: Set[str] = frozenset(),
    name: str = 'segmentation_wf',
) -> Workflow:
    """Segment and label the cord reference.

    Workflow Graph
        >>> from spinalprep.policy import Policy
        >>> from spinalprep.toolbox import Toolbox
        >>> wf = init_segmentation_wf(
        ...     modality='T2w', policy=Policy(), toolbox=Toolbox.example('7.3'), omp_nthreads=1
        ... )
        >>> wf.get_node('spine').interface.inputs.task
        'spine'

    Parameters
    ----------
    modality : str
        ``T2w`` or ``T1w``.
    policy : Policy
        Sections ``segmentation``, ``labelling`` and ``time_limits``.
    toolbox : Toolbox
    omp_nthreads : int
        Threads of one command.
    given : set of str
        Of ``cord_dseg``, ``canal_dseg``, ``totalspineseg_dseg``, ``disc_labels``: those that
        come by the inputnode instead of being computed.
    name : str

    Inputs
    ------
    cordref
        The cord reference.
    discovery_cord
        Cord found in the whole image.
    cord_dseg, canal_dseg, totalspineseg_dseg, disc_labels
        Given products, in the space of the image.

    Outputs
    -------
    cord_dseg, canal_dseg, totalspineseg_dseg, vertebral_labels, vertebral_levels, disc_labels
        See the table of products.
    csa_per_slice, csa_per_level
        Cross-sectional area, TSV.
    metrics
        Numbers by name.
    filled_discs
        Names of discs that the levels take to lie between two that are known.
    disc_no_result, spine_no_result
        Why there are no numbered discs, and why there is no map.

    Raises
    ------
    PolicyError
        If the policy asks for the cord of a map that it doesn't ask for, or gives a disc that
        nothing would take.
    ToolboxError
        If this SCT has no TotalSpineSeg and no discs are given.
    """
    runs_spine = _runs_spine(policy, toolbox, given)
    _check_init_disc(policy, toolbox, given)
    has_map = runs_spine or 'totalspineseg_dseg' in given
    workflow = Workflow(name=name)
    workflow.__desc__ = _description(policy, toolbox, given, runs_spine)
    inputnode = pe.Node(
        niu.IdentityInterface(fields=['cordref', 'discovery_cord', *GIVABLE]),
        name='inputnode',
    )
    outputnode = pe.Node(niu.IdentityInterface(fields=[*RESULTS, *NOTES]), name='outputnode')
    cord = pe.Node(CheckCord(), name='cord')
    canal = pe.Node(niu.IdentityInterface(fields=['canal_file']), name='canal_buffer')
    spine_map = pe.Node(niu.IdentityInterface(fields=['labels_file']), name='spine_buffer')
    discs = pe.Node(NumberedDiscs(), name='discs')
    split = pe.Node(SplitSpineMap(), name='split')
    common = {'policy': policy, 'toolbox': toolbox, 'omp_nthreads': omp_nthreads}
    limits = policy.time_limits

    # 1. TotalSpineSeg's map and disc points: computed or given
    if runs_spine:
        # the subject can go on by rootlets, which carry their own numbers
        spine = deepseg_node('spine', name='spine', **common, tolerate_failure=True)
        workflow.connect([
            (inputnode, spine, [('cordref', 'in_file')]),
            (spine, spine_map, [('labels_file', 'labels_file')]),
            (spine, split, [('no_result', 'reason')]),
            (spine, outputnode, [('no_result', 'spine_no_result')]),
        ])  # fmt: skip
    elif 'totalspineseg_dseg' in given:
        _connect_given(workflow, inputnode, 'totalspineseg_dseg', spine_map, 'labels_file')
    if 'disc_labels' in given:
        _connect_given(workflow, inputnode, 'disc_labels', discs, 'discs_file')
        if runs_spine and toolbox.dialect.row['flags']['sct_deepseg']['anchor_file']:
            workflow.connect([(discs, spine, [('out_file', 'anchor_file')])])
    elif runs_spine:
        if policy.labelling.init_disc:
            _connect_anchor(workflow, inputnode, spine, policy.labelling.init_disc)
        workflow.connect([
            (spine, discs, [('discs_file', 'discs_file'), ('no_result', 'reason')]),
        ])  # fmt: skip
    else:
        disc_points = pe.Node(DiscPoints(), name='disc_points')
        workflow.connect([
            (spine_map, disc_points, [('labels_file', 'labels_file')]),
            (disc_points, discs, [('out_file', 'discs_file')]),
        ])  # fmt: skip

    # 2. the cord: given, of the map, of the discovery, or segmented again on the crop
    if 'cord_dseg' in given:
        _connect_given(workflow, inputnode, 'cord_dseg', cord, 'in_file')
    elif policy.segmentation.cord_method == 'totalspineseg':
        workflow.connect([(split, cord, [('cord_file', 'in_file'), ('no_result', 'reason')])])
    elif policy.segmentation.reuse_discovery:
        _connect_given(workflow, inputnode, 'discovery_cord', cord, 'in_file')
    else:
        segment = deepseg_node('spinalcord', name='segment', **common)
        workflow.connect([
            (inputnode, segment, [('cordref', 'in_file')]),
            (segment, cord, [('out_file', 'in_file')]),
        ])  # fmt: skip

    # 3. the canal: given, or of the map
    if 'canal_dseg' in given:
        _connect_given(workflow, inputnode, 'canal_dseg', canal, 'canal_file')
    elif has_map:
        workflow.connect([(split, canal, [('canal_file', 'canal_file')])])

    # 4. levels on the cord, and what all of it measures
    all_discs = pe.Node(FillDiscGaps(), name='all_discs')
    levels = pe.Node(
        sct.LabelVertebrae(
            toolbox=toolbox,
            contrast={'T2w': 't2', 'T1w': 't1'}[modality],
            timeout=limits.other,
            tolerate_failure=True,
        ),
        name='levels',
    )
    shape = pe.Node(
        sct.ProcessSegmentation(toolbox=toolbox, per_slice=True, timeout=limits.other),
        name='shape',
    )
    summarise = pe.Node(SummariseAnatomy(), name='summarise')
    if toolbox.dialect.row['flags']['sct_process_segmentation']['disc_file']:
        workflow.connect([(all_discs, shape, [('out_file', 'disc_file')])])
    else:
        workflow.connect([(levels, shape, [('labeled_file', 'level_file')])])
    if has_map:
        workflow.connect([
            (spine_map, split, [('labels_file', 'labels_file')]),
            (spine_map, summarise, [('labels_file', 'labels_file')]),
            (spine_map, outputnode, [('labels_file', 'totalspineseg_dseg')]),
            (split, outputnode, [('vertebrae_file', 'vertebral_labels')]),
        ])  # fmt: skip
    workflow.connect([
        (inputnode, levels, [('cordref', 'in_file')]),
        (cord, levels, [('out_file', 'seg_file')]),
        (discs, all_discs, [('out_file', 'discs_file'), ('no_result', 'reason')]),
        (cord, all_discs, [('out_file', 'cord_file')]),
        (all_discs, levels, [('out_file', 'disc_file'), ('no_result', 'reason')]),
        (cord, shape, [('out_file', 'in_file')]),
        (cord, summarise, [('out_file', 'cord_file')]),
        (canal, summarise, [('canal_file', 'canal_file')]),
        (shape, summarise, [('csv_file', 'csv_file')]),
        (discs, summarise, [('out_file', 'disc_file')]),
        (cord, outputnode, [('out_file', 'cord_dseg')]),
        (canal, outputnode, [('canal_file', 'canal_dseg')]),
        (levels, outputnode, [('labeled_file', 'vertebral_levels')]),
        (discs, outputnode, [('out_file', 'disc_labels'), ('no_result', 'disc_no_result')]),
        (all_discs, outputnode, [('filled', 'filled_discs')]),
        (summarise, outputnode, [
            ('csa_per_slice', 'csa_per_slice'),
            ('csa_per_level', 'csa_per_level'),
            ('metrics', 'metrics'),
        ]),
    ])  # fmt: skip
    return workflow


def _runs_spine(policy: Policy, toolbox: Toolbox, given: Set[str]) -> bool:
    """Whether TotalSpineSeg is to run."""
    if 'totalspineseg_dseg' in given:
        return False
    if policy.labelling.method == 'totalspineseg' and not toolbox.dialect.lacks('spine'):
        return True
    if policy.labelling.method == 'totalspineseg' and 'disc_labels' not in given:
        raise ToolboxError(
            f'{toolbox.dialect.lacks("spine")}. Update SCT, or give numbered discs as disc_labels.'
        )
    if 'disc_labels' not in given:
        raise PolicyError(
            'labelling.method: given needs disc_labels or totalspineseg_dseg to be given'
        )
    if policy.segmentation.cord_method == 'totalspineseg' and 'cord_dseg' not in given:
        raise PolicyError(
            'segmentation.cord_method: totalspineseg needs the map, which is neither computed '
            'nor given (totalspineseg_dseg)'
        )
    return False


def _check_init_disc(policy: Policy, toolbox: Toolbox, given: Set[str]) -> None:
    """Refuse a disc in the policy that would have no effect."""
    if policy.labelling.init_disc is None:
        return
    for product in ('disc_labels', 'totalspineseg_dseg'):
        if product in given:
            raise PolicyError(
                f'labelling.init_disc: has no effect where {product} is given; leave one of the '
                'two out'
            )
    if not toolbox.dialect.row['flags']['sct_deepseg']['anchor_file']:
        raise PolicyError(
            f'labelling.init_disc: SCT {toolbox.version} numbers discs by itself and takes no '
            'help; only the embedded SCT does. Leave it out, or give disc_labels'
        )


def _connect_anchor(
    workflow: Workflow, inputnode: pe.Node, spine: pe.Node, disc: tuple[float, ...]
) -> None:
    """Number the discs by the one that the policy gives."""
    anchor = pe.Node(DiscAtHeight(value=int(disc[0]), height=disc[1]), name='init_disc')
    workflow.connect([
        (inputnode, anchor, [('cordref', 'reference'), ('discovery_cord', 'cord_file')]),
        (anchor, spine, [('out_file', 'anchor_file')]),
    ])  # fmt: skip


def _connect_given(
    workflow: Workflow, inputnode: pe.Node, field: str, target: pe.Node, target_field: str
) -> None:
    """Bring a given file onto the grid of the cord reference."""
    match = pe.Node(MatchGrid(out_name=f'{field}.nii.gz'), name=f'match_{field}')
    workflow.connect([
        (inputnode, match, [(field, 'in_file'), ('cordref', 'reference')]),
        (match, target, [('out_file', target_field)]),
    ])  # fmt: skip


def _description(policy: Policy, toolbox: Toolbox, given: Set[str], runs_spine: bool) -> str:
    """The method in words."""
    sentences = []
    if 'cord_dseg' not in given:
        sentences.append(
            'The cord was taken from the map of TotalSpineSeg.'
            if policy.segmentation.cord_method == 'totalspineseg'
            else 'The cord was segmented with the contrast-agnostic model of `sct_deepseg`.'
        )
    if runs_spine:
        sentences.append(
            'Vertebrae, discs and canal were segmented by TotalSpineSeg as run by SCT '
            f'{toolbox.version}.'
        )
    sentences.append(
        'Cross-sectional area was measured per slice and corrected for the angle of the cord '
        '(`sct_process_segmentation`).'
    )
    return '\n'.join(sentences) + '\n'
