# SPDX-License-Identifier: Apache-2.0
"""Figures, each drawn as soon as what it shows is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import nipype.interfaces.utility as niu
import nipype.pipeline.engine as pe
from niworkflows.engine import Workflow, tag

from spinalprep.interfaces import reports
from spinalprep.policy import Policy
from spinalprep.products import FIGURES, names

_SHOWN = {
    'figure_crop_box': {'whole_image': 'in_file', 'discovery_cord': 'cord_file'},
    'figure_cord_mask': ('cordref', 'cord_dseg', 'vertebral_levels', 'csa_per_slice'),
    'figure_spine': (
        'cordref', 'cord_dseg', 'canal_dseg', 'totalspineseg_dseg', 'disc_labels', 'disc_used',
    ),
    'figure_rootlets': (
        'cordref', 'cord_dseg', 'rootlets_dseg', 'disc_labels', 'template_cord',
        'template_discs', 'template_rootlets',
    ),
    'figure_overlay': (
        'cordref', 'cord_dseg', 'vertebral_levels', 'warp_template2cordref',
        'warp_template2cordref_other', 'registration_path', 'landmark_residuals',
        'template_image', 'template_cord', 'disc_used', 'rootlet_used',
    ),
}  # fmt: skip
"""Figure → the inputs that it shows, with their names in its node where they differ."""

INPUTS = tuple(dict.fromkeys(field for shown in _SHOWN.values() for field in shown))
"""Fields of the inputnode beside ``anat``."""


@tag('spinal.report')
def init_reports_wf(
    *, policy: Policy, origins: Mapping[str, str] | None = None, name: str = 'reports_wf'
) -> Workflow:
    """Draw the figures beside the heavy steps.

    No other node depends on them, so one that fails stops nothing; and each hangs on what
    it shows alone, so what was found before a failure or a rejection is seen. Their nodes'
    names end with ``_report``: by that a crash of theirs is told from one that matters.

    Workflow Graph
        >>> from spinalprep.policy import Policy
        >>> wf = init_reports_wf(policy=Policy())
        >>> wf.get_node('figure_crop_box_report').interface.inputs.min_z_slices
        20

    Parameters
    ----------
    policy : Policy
        Sections ``crop``, ``discover``, ``segmentation`` and ``verdict``: what bounds are drawn.
    origins : dict, optional
        Product → ``manual``, ``derivative`` or ``given``: what was not computed, for the titles.
    name : str

    Inputs
    ------
    anat
        The image as it was acquired; its name is the title.
    whole_image, discovery_cord
        The image, reoriented, and the cord found in it.
    cordref, cord_dseg, canal_dseg, vertebral_levels, csa_per_slice, totalspineseg_dseg,
    disc_labels, rootlets_dseg, warp_template2cordref, warp_template2cordref_other,
    registration_path
        Products.
    landmark_residuals
        Of the registration.
    template_image, template_cord, template_discs, template_rootlets
        Files of the template.
    disc_used, rootlet_used
        Landmarks that the paths used.

    Outputs
    -------
    figure_crop_box, figure_cord_mask, figure_spine, figure_rootlets, figure_overlay
        PNG or GIF; Undefined where there is nothing to show.
    """
    workflow = Workflow(name=name)
    inputnode = pe.Node(niu.IdentityInterface(fields=['anat', *INPUTS]), name='inputnode')
    outputnode = pe.Node(niu.IdentityInterface(fields=list(names(FIGURES))), name='outputnode')
    interfaces = {
        'figure_crop_box': reports.CropBoxReport(
            margins=asdict(policy.crop), min_z_slices=policy.discover.min_z_slices
        ),
        'figure_cord_mask': reports.CordMaskReport(area_mm2=list(policy.segmentation.area_mm2)),
        'figure_spine': reports.SpineReport(),
        'figure_rootlets': reports.RootletsReport(),
        'figure_overlay': reports.OverlayReport(bounds=policy.verdict),
    }
    for figure, interface in interfaces.items():
        interface.inputs.marks = reports.marks_of(interface, origins or {})
        shown = _SHOWN[figure]
        fields = shown.items() if isinstance(shown, dict) else zip(shown, shown, strict=True)
        node = pe.Node(interface, name=f'{figure}_report')
        workflow.connect([
            (inputnode, node, [('anat', 'anat'), *fields]),
            (node, outputnode, [('out_file', figure)]),
        ])  # fmt: skip
    return workflow
