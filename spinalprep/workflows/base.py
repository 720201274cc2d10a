# SPDX-License-Identifier: Apache-2.0
"""A subject's graph, from its anatomy to files under their names; and many subjects in one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nipype.pipeline.engine as pe
from niworkflows.engine import Workflow

from spinalprep import sidecars
from spinalprep.demands import ImageSize
from spinalprep.interfaces.derivatives import SaveDerivatives, SaveFigure
from spinalprep.policy import Policy
from spinalprep.products import FIGURES, names
from spinalprep.toolbox import Toolbox
from spinalprep.workflows.anat import init_anat_cordref_wf


def init_single_subject_wf(
    *,
    anat: Path | str,
    modality: str,
    entities: Mapping[str, str],
    policy: Policy,
    toolbox: Toolbox,
    omp_nthreads: int,
    derivatives_dir: Path | str,
    provenance: Mapping[str, Any],
    output_names: str = 'seed',
    template_name: str = 'PAM50',
    precomputed: Mapping[str, Path | str | None] | None = None,
    size: ImageSize | None = None,
    name: str | None = None,
) -> Workflow:
    """Build one anatomy's cord reference and save it as derivatives.

    Workflow Graph
        >>> from spinalprep.policy import Policy
        >>> from spinalprep.toolbox import Toolbox
        >>> wf = init_single_subject_wf(
        ...     anat='sub-01_T2w.nii.gz', modality='T2w', entities={'sub': '01', 'ses': 'a'},
        ...     policy=Policy(), toolbox=Toolbox.example('7.3'), omp_nthreads=1,
        ...     derivatives_dir='derivatives', provenance={},
        ... )
        >>> wf.name
        'sub_01_ses_a_T2w_wf'

    Parameters
    ----------
    anat : path-like
        T2w or T1w image.
    modality : str
        ``T2w`` or ``T1w``.
    entities : dict
        BIDS entities of `anat` by their short keys (``sub``, ``ses``, ``acq``, ``run`` …).
    policy : Policy
    toolbox : Toolbox
    omp_nthreads : int
        Threads that one command may use.
    derivatives_dir : path-like
        Root of the dataset's derivatives, the parent of ``sub-*``.
    provenance : dict
        Facts for the sidecars, see :func:`spinalprep.sidecars.provenance`.
    output_names : str
        Scheme of file names, of :data:`spinalprep.naming.SCHEMES`.
    template_name : str
        Name of the template in file names.
    precomputed, size : optional
        See :func:`init_anat_cordref_wf`.
    name : str, optional
        Made of subject, session, acquisition, run and modality if not given.

    Returns
    -------
    Workflow
        Its node ``save`` leaves ``summary.json``: verdict, products, metrics, evidence.
    """
    workflow = Workflow(name=name or _name(entities, modality))
    cordref = init_anat_cordref_wf(
        modality=modality,
        policy=policy,
        toolbox=toolbox,
        omp_nthreads=omp_nthreads,
        precomputed=precomputed,
        origins=sidecars.origins(provenance),
        size=size,
    )
    cordref.inputs.inputnode.anat = str(Path(anat).absolute())
    save = pe.Node(
        SaveDerivatives(
            derivatives_dir=str(Path(derivatives_dir).absolute()),
            entities=dict(entities),
            modality=modality,
            provenance=dict(provenance),
            output_names=output_names,
            template=template_name,
        ),
        name='save',
    )
    fields = (*names(), 'registration_path', 'metrics', 'evidence')
    workflow.connect([
        (cordref, save, [(f'outputnode.{field}', field) for field in fields]),
    ])  # fmt: skip
    for item in FIGURES:
        # a sink of its own: a figure that fails stops no derivative, and one that was drawn
        # is there whatever fails later
        save_figure = pe.Node(
            SaveFigure(
                figure=item.name,
                derivatives_dir=str(Path(derivatives_dir).absolute()),
                entities=dict(entities),
                modality=modality,
                output_names=output_names,
            ),
            name=f'save_{item.name}_report',
        )
        workflow.connect(cordref, f'outputnode.{item.name}', save_figure, 'in_file')
    return workflow


def init_spinalprep_wf(
    *, subjects: Iterable[Mapping[str, Any]], name: str = 'spinalprep_wf', **common: Any
) -> Workflow:
    """Several subjects in one graph, for hosts that want all nodes in one queue.

    The command line runs one graph per subject instead, so that a subject's record is
    written as it ends and a rejected image gives way to the next.

    Parameters
    ----------
    subjects : iterable of dict
        Arguments of :func:`init_single_subject_wf` that differ between subjects: at least
        ``anat``, ``modality`` and ``entities``.
    name : str
    **common
        Arguments that are the same for all.

    Returns
    -------
    Workflow
        One sub-workflow per subject.
    """
    workflow = Workflow(name=name)
    workflow.add_nodes([init_single_subject_wf(**{**common, **subject}) for subject in subjects])
    return workflow


def _name(entities: Mapping[str, str], modality: str) -> str:
    parts = [f'{key}_{entities[key]}' for key in ('sub', 'ses', 'acq', 'run') if key in entities]
    return '_'.join([*parts, modality, 'wf'])
