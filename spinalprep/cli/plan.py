# SPDX-License-Identifier: Apache-2.0
"""From arguments to runs: everything that can be found wrong before anything runs."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from spinalprep import datasets
from spinalprep.cli.resources import resources
from spinalprep.description import source_folder
from spinalprep.errors import InputImageError, NothingToRunError, UsageError
from spinalprep.exclusions import Exclusion, read_exclusions, read_reviews
from spinalprep.filters import Filter, by_options, read_filters
from spinalprep.given import MANUAL_FOLDER, GivenFiles, check_precomputed
from spinalprep.layout import Layout, dataset_name
from spinalprep.policy import Policy, load_policy
from spinalprep.runs import Run
from spinalprep.selection import Target, select

if TYPE_CHECKING:
    from spinalprep.toolbox import Toolbox

_SHOWN = 20
"""Files, of which there may be thousands, that a message names."""


@dataclass
class Plan:
    """What is going to run, and what can't."""

    runs: list[tuple[Run, tuple[Target, ...]]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Datasets of a scope that can't be run, each in words."""


@dataclass(frozen=True)
class Choice:
    """What is going to run as far as the datasets tell: SCT was not looked for yet."""

    policy: Policy
    datasets: tuple[tuple[Source, tuple[Target, ...]], ...]
    problems: tuple[str, ...]
    """What was asked for and can't be run, each in words."""
    unused: tuple[Path, ...]
    """Folders that were named and give no file for any image."""


@dataclass(frozen=True)
class Source:
    """A dataset to run, with what of it."""

    layout: Layout
    bids_dir: Path
    subjects: Sequence[str] | None = None
    sessions: Sequence[str] | None = None
    given: GivenFiles = field(default_factory=GivenFiles)
    """What may be used instead of being computed."""


def check_places(arguments: Namespace) -> None:
    """Refuse places where nothing can be written, before anything is done.

    Parameters
    ----------
    arguments : Namespace
        With ``out``, ``work_dir`` and, but for the demo, ``array_script`` and ``array_scratch``.

    Raises
    ------
    UsageError
    """
    script = getattr(arguments, 'array_script', None)
    if script is not None and script.is_dir():
        raise UsageError(f'--array-script {script}: is a folder; name the file to write')
    scratch = getattr(arguments, 'array_scratch', None) or ''
    if set(scratch) & set('"\r\n'):  # it stands between quotes, for the job's shell to read
        raise UsageError(f'--array-scratch: a path without quotes expected, got {scratch!r}')
    folders = {'output folder': arguments.out, 'working folder': arguments.work_dir}
    folders['folder of the script'] = script and script.parent
    for what, folder in folders.items():
        for path in (folder, *folder.parents) if folder else ():
            if path.exists() and not path.is_dir():
                raise UsageError(f'{what} {folder}: {path} is a file; name another folder')


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
        return [Source(layout, arguments.bids_dir, labels, arguments.session_label)], []
    if arguments.datasets_local is None:
        raise UsageError('--dataset-key and --scope need --datasets-local FILE')
    if arguments.scope is not None:
        if labels:
            raise UsageError('--participant-label goes with one dataset, not with --scope')
        found = datasets.by_scope(arguments.scope, arguments.datasets_local, arguments.datasets)
        if len(found) > 1 and (
            arguments.manual_dir or arguments.derivatives or arguments.precomputed
        ):
            # files are found by subject, and many datasets have a sub-01
            raise UsageError(
                '--manual-dir, --derivatives and --precomputed go with one dataset, not with '
                f'the {len(found)} of --scope {arguments.scope}: run each with --dataset-key, or '
                f'put corrected files into {MANUAL_FOLDER} of each dataset'
            )
    else:
        found = (
            datasets.by_key(arguments.dataset_key, arguments.datasets_local, arguments.datasets),
        )
    return [
        Source(
            Layout(arguments.out, item.dataset.key, 'run', arguments.work_dir),
            item.folder,
            labels or item.dataset.subjects,
            arguments.session_label or item.dataset.sessions,
        )
        for item in found
        if item.folder is not None
    ], [item.problem for item in found if item.problem]


def choose(arguments: Namespace, found: Sequence[Source], problems: Sequence[str] = ()) -> Choice:
    """Select images.

    Parameters
    ----------
    arguments : Namespace
        With ``policy``, ``precomputed``, ``manual_dir``, ``derivatives``, ``exclude_from``,
        ``bids_filter_file``, ``acq`` and ``run``.
    found : sequence of Source
    problems : sequence of str
        Datasets that were asked for and can't be run.

    Raises
    ------
    UsageError
        If policy or arguments make no sense, or results of another dataset lie in the way.
    NothingToRunError
        If no dataset has an image to work on.
    """
    policy = load_policy(arguments.policy)
    reviews = read_reviews(arguments.exclude_from) if arguments.exclude_from else ()
    filters = by_options(arguments.acq, arguments.run)
    if arguments.bids_filter_file:
        filters += read_filters(arguments.bids_filter_file)
    chosen, told, unused = [], list(problems), []
    for source in found:
        _check_owner(source)
    for source in (_with_given(source, arguments, policy) for source in found):
        try:
            targets = _select(source, policy, reviews, filters)
        except NothingToRunError as error:
            told.append(str(error))
        else:
            chosen.append((source, targets))
            told += _absent(source, targets)
            unused += _unused(source.given, arguments, targets)
    if not chosen:
        raise NothingToRunError('\n'.join(told) or 'no dataset to run')
    return Choice(policy, tuple(chosen), tuple(told), tuple(unused))


def _check_owner(source: Source) -> None:
    """Keep results of another dataset whose name is the same.

    Raises
    ------
    UsageError
        If that dataset is still there; one that is gone was moved here, for all that is known.
    """
    root, bids_dir = source.layout.derivatives, source.bids_dir.resolve()
    other = source_folder(root)
    # a folder that this user may not see is as good as gone
    there = other is not None and os.path.isdir(other) and bids_dir.is_dir()
    if there and not other.samefile(bids_dir):
        raise UsageError(
            f'{root}: holds results of {other}, which those of {bids_dir} would overwrite. '
            'Name another output folder or, with --dataset-key or --scope, give the '
            'dataset another key'
        )


def _with_given(source: Source, arguments: Namespace, policy: Policy) -> Source:
    """The dataset, with the files that may be used instead of being computed.

    Raises
    ------
    UsageError
        If a product or a name is given twice, or a folder that was named can not serve.
    """
    precomputed, derivatives = dict(arguments.precomputed), dict(arguments.derivatives)
    if len(precomputed) < len(arguments.precomputed):
        raise UsageError('--precomputed: a product is given twice')
    check_precomputed(precomputed)
    if len(derivatives) < len(arguments.derivatives):
        raise UsageError('--derivatives: a name is given twice')
    for folder in (*derivatives.values(), *filter(None, [arguments.manual_dir])):
        if not folder.is_dir():
            raise UsageError(f'{folder}: no such folder')
    for folder in derivatives.values():
        if not any(folder.glob('sub-*')):
            raise UsageError(f'{folder}: holds no sub-*. Name the folder that does: --derivatives')
    bids_dir = source.bids_dir.resolve()
    manual_dir = arguments.manual_dir
    if manual_dir is None and policy.given.labels_folder:
        manual_dir = bids_dir / MANUAL_FOLDER
    output = source.layout.derivatives.resolve()
    for folder in (*derivatives.values(), *filter(None, [manual_dir])):
        if folder.resolve() == output:
            raise UsageError(
                f'{folder}: the results of this run go there, so none can be taken from there. '
                'Take copies of the files that you want to keep, or name another output folder'
            )
    given = GivenFiles(
        bids_dir,
        precomputed,
        manual_dir and manual_dir.resolve(),
        policy.given.manual,
        {name: folder.resolve() for name, folder in derivatives.items()},
        policy.given.derivatives,
        output,
    )
    return dataclasses.replace(source, given=given)


def _unused(given: GivenFiles, arguments: Namespace, targets: Sequence[Target]) -> list[Path]:
    """Folders that were named and give no file for any image."""
    unused = [*given.derivatives.values()]
    if arguments.manual_dir is not None:
        unused.append(given.manual_dir)
    for target in targets:
        for candidate in target.candidates if unused else ():
            try:
                files = given.of(target, candidate).values()
            except InputImageError:
                return []  # there is a file; its subject tells what is wrong with it
            unused = [
                folder
                for folder in unused
                if not any(item.path.is_relative_to(folder) for item in files)
            ]
    return unused


def make_plan(arguments: Namespace, choice: Choice) -> Plan:
    """Find SCT, and check that it can do what will be asked.

    Parameters
    ----------
    arguments : Namespace
        With ``sct``, ``template``, ``gpu``, ``nprocs``, ``omp_nthreads``, ``mem``, ``plugin``,
        ``slurm_args``, ``use_plugin``, ``output_names``, ``again`` and ``clean_work``.
    choice : Choice

    Raises
    ------
    UsageError
        If arguments do not go together.
    ToolboxError
        If SCT, its models or the template can't serve.
    """
    for folder in choice.unused:
        print(
            f'spinalprep: {folder}: none of its files is used for any image selected. Are '
            'its folders and their names as expected?',
            file=sys.stderr,
        )
    granted = resources(arguments)  # first: an image of SCT may have to be opened
    policy, toolbox = _find_toolbox(arguments, choice.policy)
    preflight(policy, toolbox, _first(choice))
    plan = Plan(problems=list(choice.problems))
    for source, targets in choice.datasets:
        run = Run(
            layout=source.layout,
            bids_dir=source.bids_dir,
            policy=policy,
            toolbox=toolbox,
            plugin=granted.plugin,
            plugin_args=granted.plugin_args,
            nprocs=granted.nprocs,
            omp_nthreads=granted.omp_nthreads,
            memory_gb=granted.memory_gb,
            given=source.given,
            output_names=arguments.output_names,
            again=arguments.again,
            clean_work=arguments.clean_work,
        )
        plan.runs.append((run, targets))
    return plan


def _first(choice: Choice) -> set[tuple[str, tuple[str, ...]]]:
    """Modality of the images that will be tried first, with the products that are given."""
    found = set()
    for source, targets in choice.datasets:
        for target in targets:
            if target.candidates:
                # what can't be told now is told by the subject that it concerns
                with suppress(InputImageError):
                    image = target.candidates[0]
                    found.add((image.modality, tuple(source.given.of(target, image))))
    return found


def preflight(
    policy: Policy, toolbox: Toolbox, first: Iterable[tuple[str, Collection[str]]]
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
    require(toolbox, needs(policy, toolbox, first))


def _select(
    source: Source, policy: Policy, reviews: tuple[Exclusion, ...], filters: tuple[Filter, ...]
) -> tuple[Target, ...]:
    targets = select(
        source.bids_dir,
        subjects=source.subjects,
        sessions=source.sessions,
        modalities=policy.selection.modalities,
        exclusions=read_exclusions(source.layout.inventory) + reviews,
        filters=filters,
        min_slices=policy.discover.min_z_slices,
    )
    if not any(target.candidates for target in targets):
        lines = [f'{source.bids_dir}: no T2w or T1w image to work on']
        lines += [f'  {target.label}: {target.why_skipped}' for target in targets[:20]]
        lines += _absent(source, targets)
        raise NothingToRunError('\n'.join(lines))
    return targets


def _absent(source: Source, targets: Sequence[Target]) -> list[str]:
    """Subjects that can't be run because their images are annexed and elsewhere."""
    files = [
        path.relative_to(source.bids_dir.resolve()).as_posix()
        for target in targets
        if not target.candidates
        for path in target.absent
    ]
    if not files:
        return []
    shown = [*map(shlex.quote, files[:_SHOWN]), *(['…'] if len(files) > _SHOWN else [])]
    command = f'datalad get -d {shlex.quote(str(source.bids_dir))} {" ".join(shown)}'
    return [f'{source.bids_dir}: {len(files)} annexed images are not on this machine: {command}']


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
