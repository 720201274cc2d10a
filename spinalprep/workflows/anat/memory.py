# SPDX-License-Identifier: Apache-2.0
"""Memory of the nodes of a graph, for plugins that plan with it."""

from __future__ import annotations

from nipype.pipeline.engine import Workflow

from spinalprep.demands import OWN, ImageSize, memory_gb
from spinalprep.interfaces import sct
from spinalprep.interfaces.given import CheckGiven
from spinalprep.toolbox import Toolbox


def assign_memory(workflow: Workflow, toolbox: Toolbox, size: ImageSize) -> None:
    """Set ``mem_gb`` of every node.

    Parameters
    ----------
    workflow : Workflow
        Of one subject, or its part for the cord reference.
    toolbox : Toolbox
    size : ImageSize
        Discovery, and what checks given files, see the whole image, all others the cropped one.
    """
    for name in workflow.list_node_names():
        node = workflow.get_node(name)
        interface = node.interface
        command = OWN
        if isinstance(interface, sct.SCTCommand):
            command = interface._command
        if isinstance(interface, sct.DeepSeg):
            command = f'{command} {interface.inputs.task}'
        whole = 'discovery_wf' in name.split('.') or isinstance(interface, CheckGiven)
        # Nipype has no setter for it
        node._mem_gb = memory_gb(toolbox.kind, command, size.whole if whole else size.cropped)
