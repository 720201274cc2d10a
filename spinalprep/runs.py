# SPDX-License-Identifier: Apache-2.0
"""What all subjects of a run have in common, and what a run writes beside their records."""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import socket
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import spinalprep
from spinalprep import atomic, description, naming, products
from spinalprep.demands import ImageSize, largest_gb
from spinalprep.errors import InputImageError, SpinalprepError
from spinalprep.given import GivenFiles
from spinalprep.layout import Layout
from spinalprep.plugins.choice import is_batch
from spinalprep.selection import Candidate, Target
from spinalprep.toolbox.template import CONTRAST_IDS, PART_IDS, template_files
from spinalprep.unchanged import unchanged

if TYPE_CHECKING:
    from spinalprep.policy import Policy
    from spinalprep.record import Record
    from spinalprep.toolbox import Toolbox

FOLLOWED = 16
"""Subjects under way at once where their nodes run on other computers."""


@dataclass(frozen=True)
class Run:
    """One dataset, with one policy and one toolbox."""

    layout: Layout
    bids_dir: Path
    policy: Policy
    toolbox: Toolbox
    plugin: str = 'linear'
    """``linear``, ``multiproc``, ``slurm``, or another one of Nipype's."""
    plugin_args: Mapping[str, Any] = field(default_factory=dict)
    nprocs: int = 1
    omp_nthreads: int = 1
    memory_gb: float = math.inf
    """That MultiProc may plan, for all subjects that run side by side."""
    given: GivenFiles = field(default_factory=GivenFiles)
    """Where files come from that are used instead of being computed."""
    output_names: str = 'seed'
    """Scheme of file names, of :data:`spinalprep.naming.SCHEMES`."""
    again: Literal['changed', 'failed', 'all'] = 'changed'
    """Which subjects with a record run: those whose inputs changed or that did not complete,
    only those that did not complete, or all."""
    clean_work: bool = False
    """Remove the working folder of a subject that completed."""
    factory: Callable[..., Any] | None = None
    """Makes the graph of a candidate; `init_single_subject_wf` if not given."""

    def at_once(self, targets: Sequence[Target]) -> int:
        """How many subjects to run side by side, each with the threads that a command may use."""
        if is_batch(self.plugin):
            return max(min(len(targets), FOLLOWED), 1)
        if self.plugin != 'multiproc' or not targets:
            return 1
        need = max(self.memory_of(target) for target in targets)
        for number in range(min(len(targets), self.nprocs // self.omp_nthreads), 1, -1):
            # processors do not always divide evenly: the smallest part must do, too
            if self._memory_part(self.nprocs // number) >= need:
                return number
        return 1

    def memory_of(self, target: Target) -> float:
        """Memory (GB) of the command that needs most of it for a subject."""
        sizes = [ImageSize.of(item.path, self.policy.crop) for item in target.candidates[:1]]
        return largest_gb(self.toolbox.kind, *sizes or [ImageSize()])

    def share(self, nprocs: int) -> Run:
        """This run with a part of its processors, and the same part of its memory.

        MultiProc on one processor only costs: a process for each node, and none beside it.
        """
        part = self._memory_part(nprocs)
        plugin = 'linear' if (self.plugin, nprocs) == ('multiproc', 1) else self.plugin
        return dataclasses.replace(self, plugin=plugin, nprocs=nprocs, memory_gb=part)

    def _memory_part(self, nprocs: int) -> float:
        return self.memory_gb * nprocs / self.nprocs

    def relative(self, path: Path) -> str:
        """Path of a file of the dataset, below its root."""
        return path.relative_to(self.bids_dir.resolve()).as_posix()

    def uri(self, path: Path) -> str:
        """BIDS URI of a file of the dataset; of another file, where it is on this machine."""
        return naming.source_uri(path, self.bids_dir.resolve())

    @property
    def toolbox_facts(self) -> dict[str, Any]:
        """Kind, version and models of SCT, for sidecars."""
        models = dict(self.toolbox.models)
        facts = {'kind': self.toolbox.kind, 'version': self.toolbox.version, 'models': models}
        if self.toolbox.container:
            container = self.toolbox.container
            facts['container'] = {'Type': container.runtime, 'URI': container.image}
        return facts

    def template_facts(self, modality: str) -> dict[str, Any]:
        """Name and identity of the template, and the URI of its image, for sidecars."""
        folder = self.toolbox.template
        facts = {
            'name': folder.name if folder else '',
            'identity': self.toolbox.template_identity,
        }
        image = self._template_files().get(CONTRAST_IDS[{'T2w': 't2', 'T1w': 't1'}[modality]])
        if folder and image:
            facts['reference'] = f'bids:template:{image.relative_to(folder).as_posix()}'
        return facts

    def _template_files(self) -> dict[int, Path]:
        """Files of the template by id; none where it can't be read, which the preflight tells."""
        try:
            return template_files(self.toolbox.template) if self.toolbox.template else {}
        except SpinalprepError:
            return {}

    @property
    def versions(self) -> dict[str, Any]:
        """Of everything that decides about the numbers, for the record."""
        from importlib.metadata import version

        return {
            'spinalprep': spinalprep.__version__,
            'sct': self.toolbox.version,
            'sct_kind': self.toolbox.kind,
            'template': self.toolbox.template_identity,
            'models': dict(self.toolbox.models),
            'python': platform.python_version(),
            'nipype': version('nipype'),
        }

    def decided(self, target: Target) -> dict[str, Any]:
        """Everything beside files that decides about a subject's result."""
        versions = self.versions
        return {
            'policy': self.policy.digest(),
            'candidates': [str(item.path) for item in target.candidates],
            'given': {
                self.relative(item.path): self._given(target, item) for item in target.candidates
            },
            'output_names': self.output_names,
            **{key: versions[key] for key in ('spinalprep', 'sct', 'sct_kind', 'template')},
            'models': versions['models'],
        }

    def _given(self, target: Target, candidate: Candidate) -> dict[str, list[str]] | str:
        """Files given for an image, or why they can't be told: an error is told by the graph."""
        try:
            given = self.given.of(target, candidate)
        except InputImageError as error:
            return str(error)
        return {name: [item.origin, str(item.path)] for name, item in given.items()}

    def last_result(self, target: Target) -> Record | None:
        """The record of a subject's last run, where it still holds."""
        layout = self.layout
        if layout.state(target.label).exists():
            return None  # a later run was killed, which may have touched anything
        return unchanged(layout.record(target.label), layout.derivatives, **self.decided(target))

    def template_grid(self) -> dict[str, Any] | None:
        """Shape and affine of the template, for ``check``: the template may be gone by then."""
        import nibabel as nb

        try:
            image = nb.load(self._template_files()[PART_IDS['cord']])
        except (OSError, KeyError, nb.filebasedimages.ImageFileError):
            return None  # the preflight has judged the template; a record is due all the same
        return {'shape': [int(n) for n in image.shape[:3]], 'affine': image.affine.tolist()}

    def figures(self, entities: Mapping[str, str]) -> dict[str, list[str]]:
        """Figures of a subject and session that lie there, by name."""
        found: dict[str, list[str]] = {}
        for name, path in self._figure_files(entities):
            found.setdefault(name, []).append(path.relative_to(self.layout.derivatives).as_posix())
        return found

    def remove_figures(self, entities: Mapping[str, str]) -> None:
        """Remove figures of an earlier run: those that lie there show the run going on."""
        for _, path in self._figure_files(entities):
            path.unlink(missing_ok=True)

    def remove_abandoned(self, target: Target) -> None:
        """Remove what a killed run of a subject was writing; by the holder of its lock."""
        layout, label = self.layout, target.label
        folder = layout.derivatives / naming.subject_folder(target.entities)
        for name in {item.folder for item in (*products.WRITTEN, *products.FIGURES)}:
            atomic.remove_abandoned(folder / name)
        atomic.remove_abandoned(layout.crash_report(label).parent)
        atomic.remove_abandoned(layout.logs, layout.record(label).name)

    def _figure_files(self, entities: Mapping[str, str]) -> list[tuple[str, Path]]:
        folder = self.layout.derivatives / naming.subject_folder(entities)
        found = [
            (item.name, path)
            for path in sorted((folder / products.FIGURES[0].folder).glob('*'))
            if (item := naming.figure_of(path.name, entities))
        ]
        order = products.names(products.FIGURES)
        return sorted(found, key=lambda pair: order.index(pair[0]))

    def leftovers(self, entities: Mapping[str, str]) -> list[str]:
        """Products that lie in a subject's folders, below the derivatives' root."""
        root = self.layout.derivatives
        folder = root / naming.subject_folder(entities)
        return sorted(
            path.relative_to(root).as_posix()
            for name in {item.folder for item in products.WRITTEN}
            for path in (folder / name).glob('*')
            if path.suffix != '.json' and naming.product_of(path.name, entities)
        )


def write_description(run: Run) -> None:
    """``dataset_description.json``, ``.bidsignore`` and ``README`` of the derivatives."""
    root = run.layout.derivatives
    atomic.remove_abandoned(root, older_s=3600.0)  # all runs write here
    content = description.dataset_description(
        run.layout.dataset, run.toolbox_facts, run.bids_dir, run.toolbox.template
    )
    path = root / 'dataset_description.json'
    known = atomic.read_json(path).get('DatasetLinks')
    content['DatasetLinks'] = {
        **(known if isinstance(known, dict) else {}),  # sidecars of earlier runs use these names
        **content['DatasetLinks'],
        **{name: folder.as_uri() for name, folder in run.given.derivatives.items()},
    }
    atomic.write_json(path, content)
    _write_bidsignore(root / '.bidsignore', run.output_names)
    if not any(root.glob('README*')):  # one that is there may be the user's
        atomic.write_text(root / 'README', description.README)


def _write_bidsignore(path: Path, output_names: str) -> None:
    """Our lines, and behind them those of others that are there already."""
    ours = {
        line for scheme in naming.SCHEMES for line in description.bidsignore(scheme).splitlines()
    }
    there = path.read_text(encoding='utf-8').splitlines() if path.is_file() else []
    others = [line for line in there if line not in ours]
    lines = [*description.bidsignore(output_names).splitlines(), *others]
    atomic.write_text(path, '\n'.join(lines) + '\n')


def write_template_links(run: Run) -> None:
    """Links by which TemplateFlow's client finds the template, for steps that build on this one.

    Nothing here reads them: where they can't be made, that is a warning.
    """
    from spinalprep.toolbox.templateflow import link_template

    if run.toolbox.template is None:
        return
    try:
        link_template(run.toolbox.template, run.layout.templateflow)
    except (SpinalprepError, OSError) as error:
        warnings.warn(f'the template was not linked for TemplateFlow: {error}', stacklevel=2)


def write_selection(targets: Sequence[Target], chosen: Sequence[Target], run: Run) -> None:
    """Which subjects and sessions this call selected, and which it skipped.

    A file per call: calls that run side by side never share one.
    """
    start = now()
    labels = {target.label: None for target in chosen}
    content = {
        'start': start.isoformat(timespec='seconds'),
        'layout': run.layout.kind,
        'bids_dir': run.bids_dir.absolute(),
        'selected': list(labels),
        'skipped': [
            {
                'label': target.label,
                'reason': target.why_skipped,
                'dropped': [
                    {'path': run.relative(item.path), 'reason': item.reason}
                    for item in target.dropped
                ],
            }
            for target in targets
            if target.label not in labels
        ],
    }
    name = f'{start:%Y%m%dT%H%M%S}_{socket.gethostname()}_{os.getpid()}.json'
    atomic.write_json(run.layout.runs / name, content)


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC).astimezone()
