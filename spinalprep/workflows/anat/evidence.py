# SPDX-License-Identifier: Apache-2.0
"""Numbers that show whether the products are right; the registration brings its own."""

from __future__ import annotations

import nipype.interfaces.utility as niu
import nipype.pipeline.engine as pe
from niworkflows.engine import Workflow, tag

from spinalprep.interfaces.evidence import (
    CordNumbers,
    NumberingNumbers,
    RootletNumbers,
    SpineNumbers,
    ViewNumbers,
)
from spinalprep.policy import Policy
from spinalprep.toolbox import Toolbox

INPUTS = (
    'whole_image',
    'discovery_cord',
    'cordref',
    'cord_dseg',
    'canal_dseg',
    'totalspineseg_dseg',
    'disc_labels',
    'rootlets_dseg',
    'template_cord',
    'template_discs',
    'template_rootlets_map',
)
"""Fields of the inputnode beside ``discovery``."""

_ON_ONE_GRID = ('canal_dseg', 'totalspineseg_dseg', 'disc_labels', 'rootlets_dseg')


@tag('spinal.evidence')
def init_evidence_wf(
    *,
    modality: str,
    policy: Policy,
    toolbox: Toolbox,
    numbers_given: bool = False,
    name: str = 'evidence_wf',
) -> Workflow:
    """Measure what S2.1 to S2.3 gave.

    Workflow Graph
        >>> from spinalprep.policy import Policy
        >>> from spinalprep.toolbox import Toolbox
        >>> wf = init_evidence_wf(
        ...     modality='T2w', policy=Policy(), toolbox=Toolbox.example('7.0')
        ... )
        >>> wf.get_node('rootlet_numbers').interface.inputs.dorsal_only
        True

    Parameters
    ----------
    modality : str
        ``T2w`` or ``T1w``.
    policy : Policy
        Section ``segmentation``: the physiological range of the area.
    toolbox : Toolbox
    numbers_given : bool
        The user said which disc is which.
    name : str

    Inputs
    ------
    whole_image, discovery_cord, discovery
        Of S2.1: the image, reoriented, the cord found in it, coverage and crop box.
    cordref, cord_dseg, canal_dseg, totalspineseg_dseg, disc_labels, rootlets_dseg
        Products.
    template_cord, template_discs, template_rootlets_map
        Files of the template.

    Outputs
    -------
    numbers
        List of dicts, from name to value.
    failures
        Why something could not be measured.
    """
    workflow = Workflow(name=name)
    inputnode = pe.Node(niu.IdentityInterface(fields=['discovery', *INPUTS]), name='inputnode')
    outputnode = pe.Node(niu.IdentityInterface(fields=['numbers', 'failures']), name='outputnode')
    view = pe.Node(ViewNumbers(), name='view_numbers')
    cord = pe.Node(
        CordNumbers(area_mm2=list(policy.segmentation.area_mm2), modality=modality),
        name='cord_numbers',
    )
    spine = pe.Node(SpineNumbers(numbers_given=numbers_given), name='spine_numbers')
    rootlets = pe.Node(
        RootletNumbers(dorsal_only=toolbox.dialect.row['rootlets_dorsal_only']),
        name='rootlet_numbers',
    )
    numbering = pe.Node(NumberingNumbers(), name='numbering_numbers')
    on_one_grid = pe.Node(niu.Merge(len(_ON_ONE_GRID)), name='on_one_grid')
    measuring = (view, cord, spine, rootlets, numbering)
    numbers = pe.Node(niu.Merge(len(measuring)), name='numbers')
    failures = pe.Node(niu.Merge(len(measuring)), name='failures')
    for place, field in enumerate(_ON_ONE_GRID, start=1):
        workflow.connect(inputnode, field, on_one_grid, f'in{place}')
    shown = inputnode.inputs.copyable_trait_names()
    for place, node in enumerate(measuring, start=1):
        fields = [field for field in shown if field in node.inputs.copyable_trait_names()]
        workflow.connect([
            (inputnode, node, [(field, field) for field in fields]),
            (node, numbers, [('numbers', f'in{place}')]),
            (node, failures, [('failure', f'in{place}')]),
        ])  # fmt: skip
    workflow.connect([
        (on_one_grid, cord, [('out', 'products')]),
        (numbers, outputnode, [('out', 'numbers')]),
        (failures, outputnode, [('out', 'failures')]),
    ])  # fmt: skip
    return workflow
