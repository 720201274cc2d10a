# SPDX-License-Identifier: Apache-2.0
"""What a run will ask of SCT and of the template, before any of it runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from spinalprep.errors import PolicyError, ToolboxError

if TYPE_CHECKING:
    from spinalprep.policy import Policy
    from spinalprep.toolbox import Toolbox


def needs(
    policy: Policy, toolbox: Toolbox, images: Iterable[tuple[str, Collection[str]]]
) -> set[str]:
    """What the graphs of a run need, in the words of `spinalprep.toolbox.require`.

    The graphs themselves are asked: they are built, which needs no SCT.

    Parameters
    ----------
    policy : Policy
    toolbox : Toolbox
    images : iterable of (str, collection of str)
        Modality of each kind of image that will be tried first, and the products given for it.

    Returns
    -------
    set of str

    Raises
    ------
    PolicyError, ToolboxError
        If policy, toolbox and given products can't go together for any of the images. Where they
        can for some, the subjects of the others tell it.
    """
    from spinalprep.interfaces import sct
    from spinalprep.workflows.anat import init_anat_cordref_wf

    found, serves, refusal = set(), False, None
    for modality, given in images:
        try:
            workflow = init_anat_cordref_wf(
                modality=modality,
                policy=policy,
                toolbox=toolbox,
                omp_nthreads=1,
                precomputed=dict.fromkeys(given),
            )
        except (PolicyError, ToolboxError) as error:
            refusal = error
            continue
        serves = True
        has_rootlets = 'rootlets_dseg' in given
        for name in workflow.list_node_names():
            interface = workflow.get_node(name).interface
            if isinstance(interface, sct.DeepSeg):
                found.add(interface.inputs.task)
                has_rootlets |= interface.inputs.task == 'rootlets'
            elif isinstance(interface, sct.RegisterToTemplate):
                found.add('registration')
        if has_rootlets and not toolbox.dialect.lacks('lrootlet'):
            found.add('lrootlet')
    if refusal and not serves:
        raise refusal
    return found
