# SPDX-License-Identifier: Apache-2.0
"""S2.1: one trustworthy image, the cord in it, enough of it, and the crop around it."""

from __future__ import annotations

from dataclasses import asdict

import nipype.interfaces.utility as niu
import nipype.pipeline.engine as pe
from niworkflows.engine import Workflow, tag

from spinalprep.interfaces import sct
from spinalprep.interfaces.discovery import Conform, FieldOfView, MatchGrid
from spinalprep.interfaces.labelling import SplitSpineMap
from spinalprep.policy import Policy
from spinalprep.toolbox import Toolbox
from spinalprep.workflows.anat.nodes import deepseg_node


@tag('spinal.discover')
def init_discovery_wf(
    *,
    policy: Policy,
    toolbox: Toolbox,
    omp_nthreads: int,
    cord_given: bool = False,
    name: str = 'discovery_wf',
) -> Workflow:
    """Find the cord in an image and crop the image to it.

    Workflow Graph
        >>> from spinalprep.policy import Policy
        >>> from spinalprep.toolbox import Toolbox
        >>> wf = init_discovery_wf(
        ...     policy=Policy(), toolbox=Toolbox.example('7.3'), omp_nthreads=1
        ... )
        >>> wf.get_node('crop').interface.inputs.out_file
        'cordref.nii.gz'

    Parameters
    ----------
    policy : Policy
        Sections ``orientation``, ``discover``, ``crop`` and ``time_limits``.
    toolbox : Toolbox
    omp_nthreads : int
        Threads of one command.
    cord_given : bool
        The cord comes by ``inputnode.cord_dseg`` instead of being sought.
    name : str

    Inputs
    ------
    anat
        The image as it was acquired.
    cord_dseg
        Given cord mask in the space of `anat`.

    Outputs
    -------
    cordref
        The image, reoriented and cropped.
    whole_image
        The image, reoriented.
    discovery_cord
        The cord found, on the grid of the whole image.
    evidence
        Coverage and crop box.
    notes
        What had to be changed in the image.

    Raises
    ------
    CordReferenceRejected
        At run time: the image can't be used, or shows too few slices of cord.
    """
    workflow = Workflow(name=name)
    workflow.__desc__ = f"""\
The anatomical image was reoriented to {policy.orientation} and cropped around the spinal
cord, found by `sct_deepseg` (SCT {toolbox.version}); images in which fewer than
{policy.discover.min_z_slices} slices showed cord were rejected.
"""
    inputnode = pe.Node(niu.IdentityInterface(fields=['anat', 'cord_dseg']), name='inputnode')
    outputnode = pe.Node(
        niu.IdentityInterface(
            fields=['cordref', 'whole_image', 'discovery_cord', 'evidence', 'notes']
        ),
        name='outputnode',
    )
    common = {'policy': policy, 'toolbox': toolbox, 'omp_nthreads': omp_nthreads}
    limits = policy.time_limits
    conform = pe.Node(Conform(), name='conform')
    reorient = pe.Node(
        sct.Image(
            toolbox=toolbox,
            set_orientation=policy.orientation,
            out_file='reoriented.nii.gz',
            timeout=limits.other,
        ),
        name='reorient',
    )
    field_of_view = pe.Node(
        FieldOfView(min_z_slices=policy.discover.min_z_slices, margins=asdict(policy.crop)),
        name='field_of_view',
    )
    crop = pe.Node(
        sct.CropImage(toolbox=toolbox, out_file='cordref.nii.gz', timeout=limits.other),
        name='crop',
    )
    cord = pe.Node(niu.IdentityInterface(fields=['cord_file']), name='cord_buffer')

    if cord_given:
        match_cord = pe.Node(MatchGrid(out_name='cord.nii.gz'), name='match_cord')
        workflow.connect([
            (inputnode, match_cord, [('cord_dseg', 'in_file')]),
            (reorient, match_cord, [('out_file', 'reference')]),
            (match_cord, cord, [('out_file', 'cord_file')]),
        ])  # fmt: skip
    elif policy.discover.method == 'contrast_agnostic':
        discover = deepseg_node(
            'spinalcord',
            name='discover',
            **common,
            allow_empty=True,  # an image without cord is rejected, with the reason
            reject_without=True,
        )
        workflow.connect([
            (reorient, discover, [('out_file', 'in_file')]),
            (discover, cord, [('out_file', 'cord_file')]),
        ])  # fmt: skip
    else:
        discover = deepseg_node(
            'spine', name='discover', **common, label_vertebrae=False, reject_without=True
        )
        split = pe.Node(SplitSpineMap(), name='split')
        workflow.connect([
            (reorient, discover, [('out_file', 'in_file')]),
            (discover, split, [('labels_file', 'labels_file')]),
            (split, cord, [('cord_file', 'cord_file')]),
        ])  # fmt: skip

    workflow.connect([
        (inputnode, conform, [('anat', 'in_file')]),
        (conform, reorient, [('out_file', 'in_file')]),
        (inputnode, field_of_view, [('anat', 'anat')]),
        (cord, field_of_view, [('cord_file', 'cord_file')]),
        (reorient, crop, [('out_file', 'in_file')]),
        (field_of_view, crop, [(limit, limit) for limit in _LIMITS]),
        (crop, outputnode, [('out_file', 'cordref')]),
        (reorient, outputnode, [('out_file', 'whole_image')]),
        (cord, outputnode, [('cord_file', 'discovery_cord')]),
        (field_of_view, outputnode, [('evidence', 'evidence')]),
        (conform, outputnode, [('notes', 'notes')]),
    ])  # fmt: skip
    return workflow


_LIMITS = ('xmin', 'xmax', 'ymin', 'ymax', 'zmin', 'zmax')
