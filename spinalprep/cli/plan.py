# SPDX-License-Identifier: Apache-2.0
"""From arguments to runs: everything that can be found wrong before anything runs."""

from __future__ import annotations

import dataclasses
import os
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from spinalprep import datasets
from spinalprep.errors import NothingToRunError, UsageError
from spinalprep.layout import Layout, dataset_name
from spinalprep.policy import Policy, load_policy
from spinalprep.runs import Run, check_precomputed
from spinalprep.selection import Exclusion, Target, read_exclusions, read_reviews, select

if TYPE_CHECKING:
    from spinalprep.toolbox import Toolbox

MOST_THREADS = 8
"""Threads beyond which SCT's commands gain nothing that is worth a processor."""


@dataclass
class Plan:
    """What is going to run, and what can't."""

    runs: list[tuple[Run, tuple[Target, ...]]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Datasets of a scope that can't be run, each in words."""


@dataclass(frozen=True)
class Source:
    """A dataset to run, with what of it."""

    layout: Layout
    bids_dir: Path
    subjects: Sequence[str] | None = None
    sessions: Sequence[str] | None = None


def sources(arguments: Namespace) -> tuple[list[Source], list[str]]:
    """Datasets that ``run`` is asked for, and why others of the scope can't be run.

    Raises
    ------
    UsageError, NothingToRunError
    """
    labels = arguments.participant_label
    if arguments.bids_dir is not None:
        name = dataset_name(arguments.bids_dir)
        layout = Layout(arguments.out, name, 'run', arguments.work_dir)
        return [Source(layout, arguments.bids_dir, labels)], []
    if arguments.datasets_local is None:
        raise UsageError('--dataset-key and --scope need --datasets-local FILE')
    if arguments.scope is not None:
        if labels:
            raise UsageError('--participant-label goes with one dataset, not with --scope')
        found = datasets.by_scope(arguments.scope, arguments.datasets_local, arguments.datasets)
    else:
        found = (
            datasets.by_key(arguments.dataset_key, arguments.datasets_local, arguments.datasets),
        )
    return [
        Source(
            Layout(arguments.out, item.dataset.key, 'run', arguments.work_dir),
            item.folder,
            labels or item.dataset.subjects,
            item.dataset.sessions,
        )
        for item in found
        if item.folder is not None
    ], [item.problem for item in found if item.problem]


def make_plan(arguments: Namespace, found: Sequence[Source], problems: Sequence[str] = ()) -> Plan:
    """Select images, find SCT, and check that it can do what will be asked.

    Parameters
    ----------
    arguments : Namespace
        With ``policy``, ``precomputed``, ``exclude_from``, ``sct``, ``template``, ``gpu``,
        ``nprocs``, ``omp_nthreads``, ``plugin``, ``again`` and ``clean_work``.
    found : sequence of Source
    problems : sequence of str
        Datasets that were asked for and can't be run.

    Raises
    ------
    UsageError
        If policy or arguments make no sense.
    NothingToRunError
        If no dataset has an image to work on.
    ToolboxError
        If SCT, its models or the template can't serve.
    """
    policy = load_policy(arguments.policy)
    precomputed = dict(arguments.precomputed)
    if len(precomputed) < len(arguments.precomputed):
        raise UsageError('--precomputed: a product is given twice')
    check_precomputed(precomputed)
    reviews = read_reviews(arguments.exclude_from) if arguments.exclude_from else ()
    plan = Plan(problems=list(problems))
    chosen = []
    for source in found:
        try:
            targets = _select(source, policy, reviews)
        except NothingToRunError as error:
            plan.problems.append(str(error))
        else:
            chosen.append((source, targets))
    if not chosen:
        raise NothingToRunError('\n'.join(plan.problems) or 'no dataset to run')
    policy, toolbox = _find_toolbox(arguments, policy)
    first = {target.candidates[0].modality for _, found in chosen for target in found
             if target.candidates}  # fmt: skip
    preflight(policy, toolbox, first, precomputed)
    nprocs, omp_nthreads, plugin = resources(arguments)
    for source, targets in chosen:
        run = Run(
            layout=source.layout,
            bids_dir=source.bids_dir,
            policy=policy,
            toolbox=toolbox,
            plugin=plugin,
            nprocs=nprocs,
            omp_nthreads=omp_nthreads,
            precomputed=precomputed,
            again=arguments.again,
            clean_work=arguments.clean_work,
        )
        plan.runs.append((run, targets))
    return plan


def preflight(
    policy: Policy, toolbox: Toolbox, modalities: set[str], precomputed: dict[str, str]
) -> None:
    """Refuse to start where SCT or the template will not do.

    Raises
    ------
    ToolboxError
        With the command that mends it.
    """
    from spinalprep.preflight import needs
    from spinalprep.toolbox import require

    require(toolbox, {'registration'})  # the graphs read the template's identity
    require(toolbox, needs(policy, toolbox, modalities, precomputed))


def resources(arguments: Namespace) -> tuple[int, int, str]:
    """Processors, threads of one command, and plugin."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else None
    nprocs = arguments.nprocs or available or os.cpu_count() or 1
    plugin = arguments.plugin or ('multiproc' if nprocs > 1 else 'linear')
    at_once = 2 if plugin == 'multiproc' else 1
    threads = arguments.omp_nthreads or max(1, min(nprocs // at_once, MOST_THREADS))
    return nprocs, threads, plugin


def _select(
    source: Source, policy: Policy, reviews: tuple[Exclusion, ...] = ()
) -> tuple[Target, ...]:
    targets = select(
        source.bids_dir,
        subjects=source.subjects,
        sessions=source.sessions,
        modalities=policy.selection.modalities,
        exclusions=read_exclusions(source.layout.inventory) + reviews,
    )
    if not any(target.candidates for target in targets):
        lines = [f'{source.bids_dir}: no T2w or T1w image to work on']
        lines += [f'  {item.path}: {item.reason}' for target in targets for item in target.dropped]
        lines += [f'  {target.label}: no image' for target in targets if not target.dropped]
        raise NothingToRunError('\n'.join(lines[:20]))
    return targets


def _find_toolbox(arguments: Namespace, policy: Policy) -> tuple[Policy, Toolbox]:
    """The toolbox with its template: the argument's, else the policy's, else SCT's own."""
    from spinalprep.toolbox import find_toolbox

    named = policy.registration.template
    template = arguments.template or (None if named == 'PAM50' else Path(named))
    toolbox = find_toolbox(arguments.sct, template=template, gpu=arguments.gpu)
    if named != 'PAM50':
        registration = dataclasses.replace(policy.registration, template=str(toolbox.template))
        policy = dataclasses.replace(policy, registration=registration)
    return policy, toolbox
