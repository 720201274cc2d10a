# SPDX-License-Identifier: Apache-2.0
"""A tiny graph in place of the real one: what it does stands in the image file, as JSON."""

import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import nibabel as nb
import nipype.interfaces.utility as niu
import nipype.pipeline.engine as pe
import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)
from PIL import Image

from spinalprep.errors import CordReferenceRejected, SCTCommandError
from spinalprep.interfaces.derivatives import SaveDerivatives, SaveFigure
from spinalprep.products import FIGURES, PRODUCTS, label_names, names

CORDREF_AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])
TEMPLATE_AFFINE = np.diag([-2.0, 2.0, 2.0, 1.0])
TEMPLATE_AFFINE[0, 3] = 8  # where the cord reference lies
SHAPES = {'cordref': (6, 7, 8), 'template': (5, 6, 7)}


def dataset(root: Path, **orders: dict) -> Path:
    """Dataset of images that order what the graph does.

    ``sub_01_T2w={'verdict': 'PASS'}`` makes ``sub-01/anat/sub-01_T2w.nii.gz``.
    """
    for name, order in orders.items():
        _, subject, *session, modality = name.split('_')
        folder, stem = root / f'sub-{subject}', f'sub-{subject}'
        if session:
            folder, stem = folder / f'ses-{session[0]}', f'{stem}_ses-{session[0]}'
        path = folder / 'anat' / f'{stem}_{modality}.nii.gz'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(order))
    return root


def write_product(item, folder: Path) -> str:
    """A small file that passes for a product."""
    path = folder / f'{item.name}{item.extension}'
    if item.kind == 'table':
        # the one slice in which the masks below have a voxel
        cells = ('4' if column == 'slice' else '1' for column in item.columns)
        path.write_text('\t'.join(item.columns) + '\n' + '\t'.join(cells) + '\n')
        return str(path)
    affine = TEMPLATE_AFFINE if item.space == 'template' else CORDREF_AFFINE
    shape = SHAPES[item.space]
    if item.kind == 'warp':
        image = nb.Nifti1Image(np.zeros((*shape, 1, 3), np.float32), affine)
        image.header.set_intent('vector')
    elif item.kind == 'image':
        data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        image = nb.Nifti1Image(data, affine)
    elif item.kind == 'probability':
        image = nb.Nifti1Image(
            np.linspace(0, 1, np.prod(shape), dtype='f4').reshape(shape), affine
        )
    else:
        data = _labels(item, shape)
        image = nb.Nifti1Image(data, affine)
    nb.save(image, path)
    return str(path)


def _labels(item, shape) -> np.ndarray:
    """A short cord along the last axis, three labels on it from the top down."""
    data = np.zeros(shape, np.uint8)
    if item.values == 'valid':
        data[:] = 1
    elif item.kind == 'mask':
        data[2, 3, 3:6] = 1
    elif item.values == 'horns':
        data[1, 4], data[3, 4], data[1, 2], data[3, 2] = list(label_names(item))
    else:
        data[2, 3, 5], data[2, 3, 4], data[2, 3, 3] = list(label_names(item))[:3]
    return data


TEMPLATE_FILES = {0: 't1', 1: 't2', 3: 'cord', 7: 'levels', 10: 'disc', 16: 'rootlets', 17: 'mid'}


def write_template(folder: Path) -> Path:
    """A template folder that lists what registration reads, on the stand-in's template grid."""
    inside = folder / 'template'
    inside.mkdir(parents=True, exist_ok=True)
    image = nb.Nifti1Image(np.ones(SHAPES['template'], np.uint8), TEMPLATE_AFFINE)
    for name in TEMPLATE_FILES.values():
        nb.save(image, inside / f'{name}.nii.gz')
    lines = [f'{number}, {name}, {name}.nii.gz' for number, name in TEMPLATE_FILES.items()]
    (inside / 'info_label.txt').write_text('\n'.join(lines) + '\n')
    return folder


class _FindInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True)


class _FindOutputSpec(TraitedSpec):
    order = traits.Dict()


class Find(SimpleInterface):
    """Stands for discovery: leaves a command's record, and may reject the image."""

    input_spec = _FindInputSpec
    output_spec = _FindOutputSpec

    def _run_interface(self, runtime):
        order = json.loads(Path(self.inputs.in_file).read_text())
        command = {
            'command': 'sct_deepseg',
            'argv': ['sct_deepseg', 'spinalcord'],
            'toolbox': '7.2',
            'version': '7.2',
            'start': datetime.now(UTC).isoformat(timespec='milliseconds'),
            'duration_s': 0.1,
            'exit_code': 0,
            'timed_out': False,
            'killed_by': None,
        }
        if 'kill' in order:  # before the command has ended
            command |= {'duration_s': None, 'exit_code': None}
        Path(runtime.cwd, 'command.log').write_text('looking for the cord\n')
        Path(runtime.cwd, 'command.json').write_text(json.dumps(command))
        if 'reject' in order:
            raise CordReferenceRejected(f'{self.inputs.in_file}: {order["reject"]}')
        if order.get('interrupt'):
            raise KeyboardInterrupt
        if order.get(
            'kill'
        ):  # the process of the subject, which runs this where it has one processor
            os.kill(os.getpid(), signal.SIGKILL)
        self._results['order'] = order
        return runtime


class _MakeInputSpec(BaseInterfaceInputSpec):
    order = traits.Dict(mandatory=True)


class _MakeOutputSpec(TraitedSpec):
    registration_path = traits.Str()
    metrics = traits.Dict()
    evidence = traits.Dict()


for _item in PRODUCTS:
    _MakeOutputSpec.add_class_trait(_item.name, File())


class Make(SimpleInterface):
    """Stands for the rest: makes the products, or fails as a tool does."""

    input_spec = _MakeInputSpec
    output_spec = _MakeOutputSpec

    def _run_interface(self, runtime):
        order = self.inputs.order
        if 'fail' in order:
            Path(runtime.cwd, 'command.log').write_text('...\nTraceback\nMemoryError\n')
            try:
                raise OSError('below')
            except OSError as error:
                raise SCTCommandError(
                    f'{order["fail"]}\nIt ends with:\nTraceback (most recent call last):\n'
                    '  File "sct_x.py", line 1\nMemoryError: in the tool'
                ) from error
        if order.get('bug'):
            raise ValueError(order['bug'])
        self._results['metrics'] = {'cord_volume_mm3': 1234.5}
        self._results['evidence'] = {
            'verdict': order.get('verdict', 'PASS'),
            'reasons': order.get('reasons', []),
            **order.get('evidence', {}),
        }
        self._results['registration_path'] = 'disc'
        without = set(order.get('without', ()))
        for item in PRODUCTS:
            if item.name not in without and item.when not in without:
                self._results[item.name] = write_product(item, Path(runtime.cwd))
        return runtime


class _DrawOutputSpec(TraitedSpec):
    pass


for _item in FIGURES:
    _DrawOutputSpec.add_class_trait(_item.name, File())


class Draw(SimpleInterface):
    """Stands for all figures: fails when it is told to."""

    input_spec = _MakeInputSpec
    output_spec = _DrawOutputSpec

    def _run_interface(self, runtime):
        if self.inputs.order.get('no_figure'):
            raise ValueError('nothing to draw')
        for item in FIGURES:
            path = Path(runtime.cwd) / f'{item.name}{item.extension}'
            Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(path)
            self._results[item.name] = str(path)
        return runtime


def standin_wf(
    *,
    anat,
    modality,
    entities,
    policy,
    toolbox,
    derivatives_dir,
    omp_nthreads,
    precomputed,
    provenance,
    size,
    output_names,
):
    """Graph with the places of the real one; see the module."""
    assert isdefined(policy)
    assert toolbox is not None
    assert omp_nthreads >= 1
    assert size.whole >= size.cropped
    workflow = pe.Workflow(name='single_subject_wf')
    cordref = pe.Workflow(name='anat_cordref_wf')
    discovery, registration = pe.Workflow(name='discovery_wf'), pe.Workflow(name='registration_wf')
    find = pe.Node(Find(in_file=str(anat)), name='find_cord')
    make = pe.Node(Make(), name='register_disc')
    draw = pe.Node(Draw(), name='cord_report')
    fields = [item.name for item in PRODUCTS]
    out = pe.Node(
        niu.IdentityInterface(fields=[*fields, 'registration_path', 'metrics', 'evidence']),
        name='outputnode',
    )
    discovery.add_nodes([find])
    registration.add_nodes([make, draw])
    sink = pe.Node(
        SaveDerivatives(
            derivatives_dir=str(derivatives_dir),
            entities=entities,
            modality=modality,
            provenance=provenance,
            output_names=output_names,
        ),
        name='ds_anat',
    )
    cordref.connect(discovery, 'find_cord.order', registration, 'register_disc.order')
    cordref.connect(discovery, 'find_cord.order', registration, 'cord_report.order')
    for field in (*fields, 'registration_path', 'metrics', 'evidence'):
        cordref.connect(registration, f'register_disc.{field}', out, field)
        workflow.connect(cordref, f'outputnode.{field}', sink, field)
    for name in names(FIGURES):
        save = SaveFigure(
            figure=name,
            derivatives_dir=str(derivatives_dir),
            entities=entities,
            modality=modality,
            output_names=output_names,
        )
        node = pe.Node(save, name=f'save_{name}_report')
        workflow.connect(cordref, f'registration_wf.cord_report.{name}', node, 'in_file')
    return workflow
