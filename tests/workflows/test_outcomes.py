# SPDX-License-Identifier: Apache-2.0
"""How a subject ends when something is missing or goes wrong, in the whole graph."""

from pathlib import Path

import nibabel as nb
import numpy as np
import pytest

from spinalprep.policy import policy_from_dict
from spinalprep.workflows.anat import init_anat_cordref_wf
from tests.workflows.oracle import oracle


class Outcome:
    """Outputs of the nodes of a graph that ran."""

    def __init__(self, graph):
        self.nodes = {node.fullname.split('.', 1)[1]: node for node in graph.nodes()}

    def __getitem__(self, name):
        return self.nodes[name].result.outputs

    @property
    def evidence(self):
        return self['conclude'].evidence

    def ran(self, name):
        """Whether a command was started by this node."""
        return (Path(self.nodes[name].output_dir()) / 'command.json').exists()


@pytest.fixture
def run(tmp_path, template, truth):
    """Run the graph on the phantom; networks give its truth unless told otherwise."""

    def run(*, given=(), answers=None, fail=None, anat=None, **sections):
        known = {
            'spinalcord': truth['cord_dseg'],
            'rootlets': truth['rootlets_dseg'],
            'spine': {'discs': truth['disc_labels'], 'all': truth['totalspineseg_dseg']},
        }
        toolbox = oracle(tmp_path, template, known | (answers or {}), fail)
        wf = init_anat_cordref_wf(
            modality='T2w',
            policy=policy_from_dict(sections),
            toolbox=toolbox,
            omp_nthreads=1,
            precomputed={product: truth[product] for product in given},
        )
        wf.inputs.inputnode.anat = str(anat or truth['anat'])
        wf.base_dir = str(tmp_path / 'work')
        wf.config['execution'] |= {
            'crashdump_dir': str(tmp_path / 'crashes'),
            'crashfile_format': 'txt',
        }
        return Outcome(wf.run('Linear'))

    return run


def error_of(caught) -> str:
    """Nipype wraps what an interface raised; its text holds it."""
    return f'{caught.value}\n{caught.value.__cause__}'


@pytest.mark.slow
def test_all_is_well(run):
    outcome = run(registration={'prefer_rootlets': False})
    evidence = outcome.evidence
    assert evidence['verdict'] == 'PASS', evidence['reasons']
    assert evidence['registration']['path'] == 'disc'
    assert set(evidence['registration']['paths']) == {'disc', 'rootlet'}
    assert evidence['rootlets'] == {'status': 'computed', 'reason': ''}
    assert abs(evidence['registration']['offset_levels']) < 1
    choice = outcome['registration_wf.choose']
    assert Path(choice.warp_cordref2template_other).exists()
    assert choice.warp_cordref2template_other != choice.warp_cordref2template
    metrics = outcome['segmentation_wf.summarise'].metrics
    assert metrics['vertebrae'][:3] == ['C1', 'C2', 'C3']
    assert metrics['discs'][2:5] == ['C2/C3', 'C3/C4', 'C4/C5']
    assert metrics['canal_volume_mm3'] > metrics['cord_volume_mm3'] > 0
    assert 40 < metrics['csa_c2c3_mean_mm2'] < 120
    assert evidence['registration']['paths']['disc']['dropped'] == {
        'top of C1': 'extrapolated',
        'C1/C2': 'extrapolated',
    }


@pytest.mark.slow
def test_valid_masks_tell_where_the_warps_are_defined(run):
    from spinalprep.anatomy.warps import DisplacementField

    outcome = run(given=['cord_dseg', 'disc_labels', 'totalspineseg_dseg'])
    choice = outcome['registration_wf.choose']
    for warp, mask in (
        (choice.warp_template2cordref, choice.valid_in_cordref),
        (choice.warp_cordref2template, choice.valid_in_template),
    ):
        field, image = DisplacementField.load(warp), nb.load(mask)
        np.testing.assert_array_equal(np.asanyarray(image.dataobj) > 0, field.valid)
        np.testing.assert_allclose(image.affine, field.affine, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('flag', 'left', 'lost'), [('-ldisc', 'rootlet', 'disc'), ('-lrootlet', 'disc', 'rootlet')]
)
def test_a_failing_path_leaves_the_other(run, flag, left, lost):
    outcome = run(fail={f'sct_register_to_template {flag}': 'ANTs could not open its file'})
    registration = outcome.evidence['registration']
    assert registration['path'] == left
    assert 'sct_register_to_template' in registration['no_result'][lost]
    assert outcome.evidence['verdict'] == 'WARN'
    assert any(reason.startswith(f'{lost} path: ') for reason in outcome.evidence['reasons'])


def test_two_failing_paths_fail_the_subject(run):
    with pytest.raises(RuntimeError) as caught:
        run(
            given=['cord_dseg', 'disc_labels', 'totalspineseg_dseg'],
            fail={'sct_register_to_template': 'no space left'},
            rootlets={'enabled': False},
        )
    text = error_of(caught)
    assert 'no registration' in text
    assert 'sct_register_to_template' in text
    assert 'switched off by rootlets.enabled' in text
    assert 'disc_labels' in text


@pytest.mark.slow
def test_failing_rootlets_leave_the_discs(run):
    outcome = run(fail={'sct_deepseg rootlets': 'CUDA out of memory'})
    evidence = outcome.evidence
    assert evidence['rootlets']['status'] == 'failed'
    assert evidence['registration']['path'] == 'disc'
    assert evidence['verdict'] == 'WARN'
    assert not outcome.ran('registration_wf.register_rootlet')


def test_short_cord_is_not_eligible_for_rootlets(run):
    outcome = run(
        given=['cord_dseg', 'disc_labels', 'totalspineseg_dseg'], rootlets={'min_cord_mm': 900}
    )
    evidence = outcome.evidence
    assert evidence['rootlets']['status'] == 'not eligible'
    assert 'rootlets.min_cord_mm' in evidence['rootlets']['reason']
    assert not outcome.ran('rootlets_wf.rootlets')
    assert evidence['verdict'] == 'PASS', evidence['reasons']


def test_few_levels_are_not_eligible_for_rootlets(run):
    evidence = run(
        given=['cord_dseg', 'disc_labels', 'totalspineseg_dseg'], rootlets={'min_levels': 12}
    ).evidence
    assert 'rootlets.min_levels' in evidence['rootlets']['reason']


@pytest.mark.slow
@pytest.mark.parametrize('how', ['fails', 'gives no numbers'])
def test_unnumbered_discs_go_on_by_rootlets(run, truth, how):
    unnumbered = {'spine': {'discs': truth['empty'], 'all': truth['totalspineseg_dseg']}}
    outcome = run(
        answers=unnumbered if how == 'gives no numbers' else None,
        fail={'sct_deepseg spine': 'no valid segmentation'} if how == 'fails' else None,
    )
    evidence = outcome.evidence
    assert evidence['registration']['path'] == 'rootlet'
    assert evidence['verdict'] == 'WARN'
    assert evidence['spine']['status'] == ('failed' if how == 'fails' else 'computed')
    told = 'TotalSpineSeg: ' if how == 'fails' else 'discs: no disc could be numbered'
    assert any(reason.startswith(told) for reason in evidence['reasons'])
    assert not outcome.ran('segmentation_wf.levels')


def test_unnumbered_discs_without_rootlets_fail(run):
    with pytest.raises(RuntimeError) as caught:
        run(
            given=['cord_dseg'],
            fail={'sct_deepseg spine': 'no valid segmentation'},
            rootlets={'enabled': False},
        )
    text = error_of(caught)
    assert 'no registration' in text
    assert 'sct_deepseg' in text
    assert 'Give numbered discs (as disc_labels)' in text


def test_image_without_cord_is_rejected(run, truth):
    with pytest.raises(RuntimeError) as caught:
        run(answers={'spinalcord': truth['empty']})
    text = error_of(caught)
    assert 'CordReferenceRejected' in text
    assert 'no cord found' in text


def test_an_image_in_which_the_finder_fails_for_want_of_a_cord_is_rejected(run):
    with pytest.raises(RuntimeError) as caught:
        run(fail={'sct_deepseg spinalcord': 'CordNotFound: nothing looks like a cord'})
    text = error_of(caught)
    assert 'CordReferenceRejected: no cord found in this image: ' in text
    assert 'nothing looks like a cord' in text


def test_nineteen_slices_are_rejected(run, truth, tmp_path):
    cord = nb.load(truth['cord_dseg'])
    data = np.asanyarray(cord.dataobj).copy()
    data[:, 21:] = 0  # stored PSR: the second axis runs upwards
    data[:, :2] = 0
    few = tmp_path / 'few.nii.gz'
    nb.save(nb.Nifti1Image(data, cord.affine), few)
    with pytest.raises(RuntimeError) as caught:
        run(answers={'spinalcord': few})
    text = error_of(caught)
    assert 'CordReferenceRejected' in text
    assert '19 slices of 2 mm' in text
    assert 'fewer than the 20' in text
    assert 'discover.min_z_slices' in text
    assert str(truth['anat']) in text


def test_thick_axial_slices_are_rejected(run, real_data, tmp_path):
    anat = real_data / 't2_thick_axial' / 't2.nii.gz'
    image = nb.load(anat)
    mask = np.zeros(image.shape, np.uint8)
    mask[155:165, 120:130] = 1
    cord = tmp_path / 'cord.nii.gz'
    nb.save(nb.Nifti1Image(mask, image.affine), cord)
    with pytest.raises(RuntimeError) as caught:
        run(anat=anat, answers={'spinalcord': cord})
    text = error_of(caught)
    assert '19 slices of 7.5 mm show cord (142 mm along it)' in text
    assert 'discover.min_z_slices' in text


def test_policy_can_admit_thick_slices(run, truth):
    outcome = run(
        given=['cord_dseg', 'disc_labels', 'totalspineseg_dseg'],
        discover={'min_z_slices': 3},
        rootlets={'enabled': False},
    )
    assert outcome.evidence['discovery']['cord_slices'] > 3


def test_empty_cord_on_the_crop_fails(run, truth):
    """Discovery finds the cord, the second segmentation does not."""
    with pytest.raises(RuntimeError) as caught:
        run(answers={'spinalcord of cordref.nii.gz': truth['empty']})
    text = error_of(caught)
    assert 'SCTOutputError' in text
    assert 'cord.nii.gz' in text


def test_cord_of_a_map_that_failed_says_why(run):
    with pytest.raises(RuntimeError) as caught:
        run(
            fail={'sct_deepseg spine': 'no valid segmentation'},
            segmentation={'cord_method': 'totalspineseg'},
        )
    text = error_of(caught)
    assert 'there is no cord mask: sct_deepseg' in text


def test_given_file_of_another_space_is_refused(run, truth, tmp_path, monkeypatch):
    image = nb.load(truth['disc_labels'])
    affine = image.affine.copy()
    affine[:3, 3] += 700
    moved = tmp_path / 'moved.nii.gz'
    nb.save(nb.Nifti1Image(np.asanyarray(image.dataobj), affine), moved)
    monkeypatch.setitem(truth, 'disc_labels', moved)
    with pytest.raises(RuntimeError) as caught:
        run(given=['cord_dseg', 'disc_labels', 'totalspineseg_dseg'])
    assert 'InputImageError' in error_of(caught)
    assert str(moved) in error_of(caught)
