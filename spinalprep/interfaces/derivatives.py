# SPDX-License-Identifier: Apache-2.0
"""The sink: writes the products of one anatomy under their names, each with a sidecar."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    BaseInterface,
    BaseInterfaceInputSpec,
    Directory,
    File,
    OutputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from spinalprep import atomic
from spinalprep.commandfiles import RECORD_FILE
from spinalprep.errors import SCTOutputError
from spinalprep.lookup import label_table
from spinalprep.naming import (
    SCHEMES,
    location,
    product_of,
    sidecar_of,
    source_uri,
    subject_folder,
)
from spinalprep.products import (
    FIGURES,
    LABEL_TABLES,
    PATHS,
    PRODUCTS,
    WRITTEN,
    Product,
    names,
    product,
)
from spinalprep.sidecars import sidecar

SUMMARY = 'summary.json'
"""What the sink leaves in its folder for the driver."""

STAGES = {
    'spine': 'totalspineseg_dseg',
    'discs': 'disc_labels',
    'levels': 'vertebral_levels',
    'rootlets': 'rootlets_dseg',
}
"""Stages that need not give a result, and the product that they give."""


class _SaveDerivativesInputSpec(BaseInterfaceInputSpec):
    derivatives_dir = Directory(
        mandatory=True, desc="root of the dataset's derivatives, the parent of sub-*"
    )
    entities = traits.DictStrStr(
        mandatory=True, desc='entities of the anatomy by their short keys: sub, ses, acq, run …'
    )
    modality = traits.Enum('T2w', 'T1w', mandatory=True, desc='suffix of the anatomy')
    provenance = traits.Dict(
        mandatory=True, desc='facts for the sidecars, see spinalprep.sidecars.provenance'
    )
    output_names = traits.Enum(*SCHEMES, usedefault=True, desc='scheme of file names')
    template = traits.Str('PAM50', usedefault=True, desc='name of the template in file names')
    registration_path = traits.Enum(*PATHS, desc='path that the warps come from')
    metrics = traits.Dict(desc='numbers on the cord')
    evidence = traits.Dict(
        desc='verdict (PASS, WARN or FAIL) and reasons; for each of spine, discs, levels and '
        'rootlets optionally {status, reason}; and whatever the judgement rests on'
    )


for _item in PRODUCTS:
    _SaveDerivativesInputSpec.add_class_trait(
        _item.name, File(exists=True, desc=_item.description)
    )


class _SaveDerivativesOutputSpec(TraitedSpec):
    summary = File(exists=True, desc='what was written, with verdict, metrics and evidence')
    out_files = OutputMultiObject(File(exists=True), desc='the products written')


class SaveDerivatives(BaseInterface):
    """Write every product that is defined, atomically, and remove stale ones.

    Images of labels get a table of their values. A product that this subject and session has
    from an earlier run, under either scheme's name, and that is not written now, is removed with
    its sidecar. The interface always runs, so that derivatives that were deleted come back; files
    that are there already are compared and left alone.

    Raises
    ------
    SCTOutputError
        If a product does not have the kind of file its name promises.

    Examples
    --------
    >>> sink = SaveDerivatives(derivatives_dir='.', entities={'sub': '01'}, modality='T2w')
    >>> sink.inputs.template
    'PAM50'
    >>> sink.always_run
    True
    """

    input_spec = _SaveDerivativesInputSpec
    output_spec = _SaveDerivativesOutputSpec
    _always_run = True

    def _run_interface(self, runtime):
        products = {
            item.name: Path(getattr(self.inputs, item.name))
            for item in PRODUCTS
            if isdefined(getattr(self.inputs, item.name))
        }
        self._written: dict[str, Path] = {}
        for item in PRODUCTS:
            if item.name in products:
                self._written[item.name] = self._write(item, products[item.name])
        for item in LABEL_TABLES:
            if item.sources[0] in products:
                target = self._target(item)
                atomic.write_text(target, label_table(item))
                self._written[item.name] = target
        self._write_sidecars()
        self._remove_stale()
        atomic.write_json(Path(runtime.cwd) / SUMMARY, self._summary())
        return runtime

    def _list_outputs(self):
        return {
            'summary': str(Path(SUMMARY).absolute()),
            'out_files': [str(path) for path in self._written.values()],
        }

    @property
    def _root(self) -> Path:
        return Path(self.inputs.derivatives_dir)

    @property
    def _folder(self) -> Path:
        return self._root / subject_folder(self.inputs.entities)

    @property
    def _evidence(self) -> dict[str, Any]:
        return self.inputs.evidence if isdefined(self.inputs.evidence) else {}

    @property
    def _chosen_path(self) -> str | None:
        return self.inputs.registration_path if isdefined(self.inputs.registration_path) else None

    @property
    def _other_path(self) -> str | None:
        """Path that gave a result too and was not chosen."""
        if not isdefined(self.inputs.warp_cordref2template_other):
            return None
        return next(path for path in PATHS if path != self._chosen_path)

    def _write(self, item: Product, source: Path) -> Path:
        if not source.name.endswith(item.extension):
            raise SCTOutputError(
                f'{source}: {item.name} should be a {item.extension} file; '
                'nothing was written for it'
            )
        target = self._target(item)
        atomic.copy(source, target)
        return target

    def _target(self, item: Product) -> Path:
        return self._root / location(
            item,
            self.inputs.entities,
            self.inputs.modality,
            scheme=self.inputs.output_names,
            template=self.inputs.template,
            path=self._other_path or PATHS[0],
        )

    @property
    def _given(self) -> dict[str, str]:
        """Products that were given, not computed."""
        return self.inputs.provenance.get('precomputed', {})

    def _write_sidecars(self) -> None:
        """One for each file; in BIDS an image and the table of its labels share one."""
        written = {
            name: source_uri(place, self._root, name='') for name, place in self._written.items()
        }
        contents: dict[Path, dict[str, Any]] = {}
        for item in WRITTEN:
            if item.name in self._written:
                target = self._written[item.name]
                path = sidecar_of(target)
                # what is told of the image holds; its table adds the columns
                contents[path] = self._sidecar(item, written) | contents.get(path, {})
        for path, content in contents.items():
            atomic.write_json(path, content)

    def _command(self, item: Product) -> str | None:
        """Command line of SCT that wrote an image, or the one that it alone was computed from."""
        if item.columns:
            return None
        alone = len(item.sources) == 1 and item.sources[0] != 'cordref'
        for name in (item.name, *(item.sources if alone else ())):
            source = getattr(self.inputs, name, traits.Undefined)
            if not isdefined(source) or name in self._given:
                return None
            record = Path(source).parent / RECORD_FILE
            if record.is_file():
                return shlex.join(json.loads(record.read_text(encoding='utf-8'))['argv'])
        return None

    def _sidecar(self, item: Product, written: dict[str, str]) -> dict[str, Any]:
        path = None
        if item.registered:
            path = self._other_path if item.name.endswith('_other') else self._chosen_path
        return sidecar(
            item,
            self.inputs.provenance,
            written=written,
            path=path,
            command=self._command(item),
            verdict=self._evidence.get('verdict'),
            reasons=self._evidence.get('reasons') or [],
        )

    def _remove_stale(self) -> None:
        """Remove products of this subject and session that were not written now."""
        kept = set(self._written.values())
        kept |= {sidecar_of(path) for path in kept}
        for folder in {self._folder / item.folder for item in WRITTEN}:
            for path in folder.glob('*'):
                # by its place, too: some names are the same in both schemes
                ours = product_of(path.name, self.inputs.entities, self.inputs.template)
                if ours and path not in kept:
                    path.unlink()
            with suppress(OSError):  # not empty, or not there
                folder.rmdir()

    def _stage(self, name: str) -> dict[str, Any]:
        """Status of a stage: as the evidence states it, else by what there is of it."""
        status = 'absent'
        if STAGES[name] in self._written:
            status = 'given' if STAGES[name] in self._given else 'computed'
        return {'status': status, 'reason': ''} | dict(self._evidence.get(name) or {})

    def _template_maps(self) -> dict[str, dict[str, Any]]:
        """Status of what the template gives: as the evidence states it, else by what there is."""
        told = self._evidence.get('template_maps') or {}
        return {
            item.name: {'status': 'computed' if item.name in self._written else 'absent'}
            | {'reason': ''}
            | dict(told.get(item.name) or {})
            for item in PRODUCTS
            if item.when == 'template_maps'
        }

    def _summary(self) -> dict[str, Any]:
        return {
            'verdict': self._evidence.get('verdict'),
            'reasons': self._evidence.get('reasons') or [],
            'products': {
                name: str(path.relative_to(self._root)) for name, path in self._written.items()
            },
            **{name: self._stage(name) for name in STAGES},
            'template_maps': self._template_maps(),
            'registration': {'path': self._chosen_path, 'other': self._other_path},
            'metrics': self.inputs.metrics if isdefined(self.inputs.metrics) else {},
            'evidence': self._evidence,
        }


class _SaveFigureInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, desc='the figure; nothing is done without')
    figure = traits.Enum(*names(FIGURES), mandatory=True, desc='which figure')
    derivatives_dir = Directory(mandatory=True, desc="root of the dataset's derivatives")
    entities = traits.DictStrStr(mandatory=True, desc='entities of the anatomy')
    modality = traits.Enum('T2w', 'T1w', mandatory=True, desc='suffix of the anatomy')
    output_names = traits.Enum(*SCHEMES, usedefault=True, desc='scheme of file names')


class _SaveFigureOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc='the figure under its name')


class SaveFigure(SimpleInterface):
    """Put a figure in its place, atomically; it always runs, as the other sink does."""

    input_spec = _SaveFigureInputSpec
    output_spec = _SaveFigureOutputSpec
    _always_run = True

    def _run_interface(self, runtime):
        if not isdefined(self.inputs.in_file):
            return runtime
        target = Path(self.inputs.derivatives_dir) / location(
            product(self.inputs.figure),
            self.inputs.entities,
            self.inputs.modality,
            scheme=self.inputs.output_names,
        )
        atomic.copy(self.inputs.in_file, target)
        self._results['out_file'] = str(target)
        return runtime
