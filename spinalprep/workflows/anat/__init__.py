# SPDX-License-Identifier: Apache-2.0
"""Workflows of step S2, the anatomical cord reference."""

from spinalprep.workflows.anat.cordref import init_anat_cordref_wf
from spinalprep.workflows.anat.discovery import init_discovery_wf
from spinalprep.workflows.anat.registration import init_registration_wf
from spinalprep.workflows.anat.reports import init_reports_wf
from spinalprep.workflows.anat.rootlets import init_rootlets_wf
from spinalprep.workflows.anat.segmentation import init_segmentation_wf
from spinalprep.workflows.anat.template_maps import init_template_maps_wf

__all__ = [
    'init_anat_cordref_wf',
    'init_discovery_wf',
    'init_registration_wf',
    'init_reports_wf',
    'init_rootlets_wf',
    'init_segmentation_wf',
    'init_template_maps_wf',
]
