# SPDX-License-Identifier: Apache-2.0
"""Nodes that may be skipped: what runs, what is cached, what is hashed."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nipype.interfaces.base import File, SimpleInterface, Undefined, isdefined, traits
from nipype.pipeline import engine as pe

from spinalprep.errors import SCTCommandError
from spinalprep.interfaces import sct
from spinalprep.interfaces.conditional import (
    Conditional,
    ConditionalInputSpec,
    ConditionalOutputSpec,
)
from spinalprep.toolbox import Toolbox
from tests.interfaces.standin import fake_sct
from tests.interfaces.test_sct_process import image_writer


class _CountInputSpec(ConditionalInputSpec):
    in_file = File()


class _CountOutputSpec(ConditionalOutputSpec):
    count = traits.Int()


class Count(Conditional, SimpleInterface):
    """Count the voxels of a mask; leaves a trace of each run."""

    input_spec = _CountInputSpec
    output_spec = _CountOutputSpec
    _needs = ('in_file',)

    def _run_eligible(self, runtime):
        self._results['count'] = int(np.count_nonzero(nib.load(self.inputs.in_file).get_fdata()))
        return runtime


@pytest.fixture
def image(tmp_path) -> str:
    path = tmp_path / 'image.nii.gz'
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6), np.uint8), np.diag([-1, 1, 1, 1])), path)
    return str(path)


COUNTING = image_writer('data') + "open(__file__ + '.calls', 'a').write('x')\n"


def runs(toolbox: Toolbox) -> int:
    file = Path(toolbox.root / 'bin' / 'sct_deepseg.calls')
    return len(file.read_text()) if file.exists() else 0


def workflow(tmp_path, toolbox, image, **inputs) -> pe.Workflow:
    """Segmentation that may be skipped, and a consumer of it."""
    seg = pe.Node(
        sct.DeepSeg(toolbox=toolbox, task='spinalcord', in_file=image, **inputs), name='seg'
    )
    count = pe.Node(Count(), name='count')
    graph = pe.Workflow('graph', base_dir=str(tmp_path / 'work'))
    graph.connect([(seg, count, [('out_file', 'in_file'), ('no_result', 'reason')])])
    graph.config['execution'] |= {
        'remove_unnecessary_outputs': 'false',
        'crashdump_dir': str(tmp_path),
    }
    return graph


def run(graph: pe.Workflow):
    return {node.name: node.result.outputs for node in graph.run().nodes()}


def test_flip_of_eligibility(tmp_path, image):
    toolbox = fake_sct(tmp_path / 'sct', {'sct_deepseg': COUNTING})
    outputs = run(workflow(tmp_path, toolbox, image))
    assert outputs['count'].count == 120
    assert not isdefined(outputs['seg'].no_result)
    assert runs(toolbox) == 1

    outputs = run(workflow(tmp_path, toolbox, image, eligible=False, reason='only 40 mm of cord'))
    assert outputs['seg'].no_result == 'only 40 mm of cord'
    assert outputs['count'].no_result == 'only 40 mm of cord'
    assert not isdefined(outputs['seg'].out_file)
    assert not isdefined(outputs['count'].count)
    assert runs(toolbox) == 1
    stale = list((tmp_path / 'work').rglob('segmentation.nii.gz'))
    assert not stale, 'the files of the earlier run are gone'

    assert run(workflow(tmp_path, toolbox, image))['count'].count == 120
    assert runs(toolbox) == 2


def test_skipped_nodes_are_cached(tmp_path, image, caplog):
    toolbox = fake_sct(tmp_path / 'sct', {'sct_deepseg': COUNTING})
    for _ in range(2):
        graph = workflow(tmp_path, toolbox, image, eligible=False, reason='too short')
        outputs = run(graph)
        assert outputs['count'].no_result == 'too short'
    hashes = list((tmp_path / 'work').rglob('_0x*.json'))
    assert len(hashes) == 2
    assert runs(toolbox) == 0
    graph = workflow(tmp_path, toolbox, image, eligible=False, reason='too short')
    graph.config['execution']['stop_on_first_rerun'] = 'true'
    run(graph)  # raises if anything runs again


def test_tolerated_failure_is_no_result(tmp_path, image):
    fails = "import sys; print('ERROR: no luck'); sys.exit(1)"
    toolbox = fake_sct(tmp_path / 'sct', {'sct_deepseg': fails})
    outputs = run(workflow(tmp_path, toolbox, image, tolerate_failure=True))
    assert outputs['seg'].no_result == 'sct_deepseg ended with exit code 1: ERROR: no luck'
    assert outputs['count'].no_result == outputs['seg'].no_result
    with pytest.raises(Exception, match='no luck'):
        run(workflow(tmp_path / 'strict', toolbox, image))


@pytest.mark.parametrize('end', ['import os; os.kill(os.getpid(), 9)', 'raise SystemExit(1)'])
def test_a_command_that_failed_is_tried_again(tmp_path, image, end):
    fails = f"open(__file__ + '.calls', 'a').write('x')\n{end}"
    toolbox = fake_sct(tmp_path / 'sct', {'sct_deepseg': fails})
    run(workflow(tmp_path, toolbox, image, tolerate_failure=True))
    run(workflow(tmp_path, toolbox, image, tolerate_failure=True))
    assert runs(toolbox) == 1, 'no result is a result'
    (node,) = sct.forget_failed(tmp_path / 'work')
    assert node.name == 'seg'
    program = toolbox.root / 'bin' / 'sct_deepseg'
    program.write_text(COUNTING)
    outputs = run(workflow(tmp_path, toolbox, image, tolerate_failure=True))
    assert outputs['count'].count == 120
    assert sct.forget_failed(tmp_path / 'work') == []


@pytest.mark.parametrize('record', ['', '{"argv": ["sct_', '{"exit_code": null}'])
def test_a_command_of_which_no_end_is_known_runs_again(tmp_path, image, record):
    toolbox = fake_sct(tmp_path / 'sct', {'sct_deepseg': COUNTING})
    run(workflow(tmp_path, toolbox, image))
    assert sct.forget_failed(tmp_path / 'work') == []
    path = tmp_path / 'work' / 'graph' / 'seg' / 'command.json'
    path.write_text(record)
    assert sct.forget_failed(tmp_path / 'work') == [path.parent]
    run(workflow(tmp_path, toolbox, image))
    assert runs(toolbox) == 2


def test_tolerated_bad_output_is_no_result(tmp_path, image):
    toolbox = fake_sct(tmp_path / 'sct', {'sct_deepseg': 'pass'})
    outputs = run(workflow(tmp_path, toolbox, image, tolerate_failure=True))
    assert 'did not write' in outputs['seg'].no_result


def test_other_errors_are_not_tolerated(tmp_path):
    interface = sct.DeepSeg(
        toolbox=fake_sct(tmp_path / 'sct'),
        task='spinalcord',
        in_file=str(tmp_path / 'missing.nii.gz'),
        tolerate_failure=True,
    )
    with pytest.raises(Exception, match='is not there') as caught:
        interface.run(cwd=tmp_path)
    assert not isinstance(caught.value, SCTCommandError)


def test_a_missing_input_without_a_reason_is_a_wiring_error():
    with pytest.raises(ValueError, match=r'Count requires a value for in_file.*reason'):
        Count().run()
    interface = sct.RegisterToTemplate(
        toolbox=Toolbox.example('7.3'), in_file='/d/i.nii.gz', seg_file='/d/s.nii.gz'
    )
    with pytest.raises(ValueError, match='disc_file or rootlet_file or spinal_file or body_file'):
        interface.run()


def test_reasons_are_joined():
    outputs = Count(reason=['no discs', 'no rootlets', 'no discs']).run().outputs
    assert outputs.no_result == 'no discs; no rootlets'
    assert Count(eligible=False).run().outputs.no_result == 'not eligible'
    interface = Count(in_file='x')
    interface.inputs.in_file = Undefined
    interface.inputs.tolerate_failure = True
    assert interface.run().outputs.no_result == 'nothing was given for in_file'


def test_a_reason_does_not_stop_what_has_its_inputs(image):
    assert Count(in_file=image, reason='another branch had none').run().outputs.count == 120


# What is hashed


def rerun(tmp_path, toolbox, image, **inputs) -> int:
    """How often SCT has run after running this once more."""
    run(workflow(tmp_path, toolbox, image, **inputs))
    return runs(toolbox)


def test_version_and_model_are_hashed_but_not_place_threads_gpu(tmp_path, image):
    toolbox = fake_sct(tmp_path / 'sct', {'sct_deepseg': COUNTING}, version='7.3')
    assert rerun(tmp_path, toolbox, image) == 1
    assert rerun(tmp_path, toolbox, image) == 1
    assert rerun(tmp_path, toolbox, image, num_threads=4) == 1
    assert rerun(tmp_path, toolbox, image, timeout=50.0) == 1
    assert rerun(tmp_path, replace(toolbox, gpu=True), image) == 1
    moved = fake_sct(tmp_path / 'moved', {'sct_deepseg': COUNTING}, version='7.3')
    assert rerun(tmp_path, moved, image) == 0
    assert rerun(tmp_path, replace(moved, prefix=('/usr/bin/env',)), image) == 0
    assert rerun(tmp_path, replace(toolbox, version='7.4'), image) == 2
    other_model = replace(toolbox, models=(('spinalcord', 'cord@2'),))
    assert rerun(tmp_path, other_model, image) == 3
    other_task = replace(toolbox, models=(('spinalcord', 'cord@2'), ('rootlets', 'new')))
    assert rerun(tmp_path, other_task, image) == 3, 'the network of another task does not matter'


def test_identity_survives_copies_and_pickles():
    import copy
    import pickle

    node = pe.Node(sct.DeepSeg(task='spinalcord'), name='seg')
    node.inputs.toolbox = Toolbox.example('7.3')
    assert node.inputs.toolbox_identity == '7.3 spinalcord@example'
    for other in (copy.deepcopy(node), pickle.loads(pickle.dumps(node))):  # noqa: S301
        assert other.inputs.toolbox_identity == node.inputs.toolbox_identity
        assert other.inputs.get_hashval() == node.inputs.get_hashval()
        other.inputs.toolbox = Toolbox.example('7.2')
        other.inputs.task = 'spine'
        assert other.inputs.toolbox_identity == '7.2 spine@example'


def test_the_template_is_hashed_by_what_it_is(real_data):
    from spinalprep.toolbox.template import template_identity

    template = real_data / 'pam50_small'
    toolbox = Toolbox.example('7.3')
    register = sct.RegisterToTemplate(toolbox=toolbox)
    assert register.inputs.toolbox_identity == '7.3 PAM50@example'
    register.inputs.template = str(template)
    assert register.inputs.toolbox_identity == f'7.3 {template_identity(template)}'
    given = replace(toolbox, template=template, template_identity=template_identity(template))
    same = sct.RegisterToTemplate(toolbox=given)
    assert same.inputs.get_hashval()[1] == register.inputs.get_hashval()[1]
    image = sct.Image(toolbox=toolbox)
    assert image.inputs.toolbox_identity == '7.3', 'it reads no template'
