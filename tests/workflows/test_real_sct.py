# SPDX-License-Identifier: Apache-2.0
"""The whole graph on a real image with manual labels, by a real SCT and by the embedded one."""

import nibabel as nb
import numpy as np
import pytest

from spinalprep.anatomy.evidence import CordSpace, landmark_residuals
from spinalprep.anatomy.labels import label_points
from spinalprep.anatomy.warps import DisplacementField
from spinalprep.errors import ToolboxError
from spinalprep.policy import policy_from_dict
from spinalprep.toolbox import find_toolbox
from spinalprep.workflows.anat import init_anat_cordref_wf


@pytest.fixture(params=['embedded', pytest.param('auto', marks=pytest.mark.sct)])
def toolbox(request, real_data):
    try:
        return find_toolbox(request.param, template=real_data / 'pam50_small')
    except ToolboxError as error:
        pytest.skip(str(error))


@pytest.fixture
def run(toolbox, real_data, tmp_path):
    """Run with given cord and discs, and without TotalSpineSeg."""
    folder = real_data / 't2_cervical'

    def run(**given):
        wf = init_anat_cordref_wf(
            modality='T2w',
            policy=policy_from_dict({'labelling': {'method': 'given'}}),
            toolbox=toolbox,
            omp_nthreads=1,
            precomputed={
                'cord_dseg': folder / 't2_seg-manual.nii.gz',
                'disc_labels': folder / 'labels.nii.gz',
                **{product: folder / name for product, name in given.items()},
            },
        )
        wf.inputs.inputnode.anat = str(folder / 't2.nii.gz')
        wf.base_dir = str(tmp_path)
        wf.config['execution']['crashdump_dir'] = str(tmp_path)
        nodes = {node.name: node for node in wf.run('Linear').nodes()}
        return lambda name: nodes[name].result.outputs

    return run


@pytest.mark.slow
def test_discs_land_and_cords_overlap(run, real_data):
    outputs = run()
    evidence = outputs('conclude').evidence
    disc = evidence['registration']['paths']['disc']
    assert evidence['verdict'] == 'PASS', evidence['reasons']
    assert evidence['registration']['path'] == 'disc'
    assert disc['cord_dice'] >= 0.90
    assert disc['landmark_residual_mm'] <= 1.5
    assert disc['covered_mm'] > 40
    assert evidence['levels']['filled_discs'] == ['C3/C4']
    assert evidence['rootlets']['status'] == 'not eligible'

    # the same by hand, along z: a template disc, moved by the field, against the label
    small = real_data / 'pam50_small' / 'template'
    template = label_points(*_load(small / 'PAM50_small_label_disc.nii.gz'))
    labels = label_points(*_load(real_data / 't2_cervical' / 'labels.nii.gz'))
    field = DisplacementField.load(outputs('choose').warp_cordref2template)
    for value, point in labels.items():
        moved, valid = field.map_points(template[value])
        assert valid
        assert abs(moved[2] - point[2]) <= 1.5

    metrics = outputs('summarise').metrics
    assert metrics['csa_mean_mm2'] == pytest.approx(78, abs=2)
    assert metrics['cord_volume_mm3'] == 4275
    assert metrics['discs'] == ['C2/C3', 'C4/C5']
    levels = np.unique(nb.load(outputs('levels').labeled_file).get_fdata())
    assert levels.tolist() == [0, 2, 3, 4, 5]

    # this template has levels, but neither spinal levels nor an atlas
    maps = outputs('keep_covered')
    cord, _ = _load(maps.cord_of_template)
    manual, _ = _load(outputs('cord').out_file)
    inside = cord.any((0, 1)) & manual.any((0, 1))
    assert 2 * (cord * manual).sum() / (cord + manual)[..., inside].sum() >= 0.90
    warped, affine = _load(maps.vertebral_levels_of_template)
    assert set(np.unique(warped)) <= {0, 2, 3, 4, 5}
    heights = {value: point[2] for value, point in label_points(warped, affine).items()}
    discs = {value: point[2] for value, point in labels.items()}
    assert heights[4] < discs[3] < heights[2]
    assert heights[5] < discs[5] < heights[3]
    absent = {name for name, stage in maps.status.items() if stage['status'] == 'absent'}
    assert absent == set(maps.status) - {'cord_of_template', 'vertebral_levels_of_template'}
    assert 'no such file' in maps.status['spinal_levels_of_template']['reason']


@pytest.mark.slow
def test_rootlets_that_contradict_the_discs_are_noticed(run):
    evidence = run(rootlets_dseg='t2_rootlets-manual.nii.gz')('conclude').evidence
    registration = evidence['registration']
    assert set(registration['paths']) == {'disc', 'rootlet'}
    assert 24 <= registration['offset_mm'] <= 26
    assert registration['offset_levels'] == pytest.approx(1.45, abs=0.15)
    assert evidence['verdict'] in ('WARN', 'FAIL')
    assert any('disagree by 1.4 levels' in reason for reason in evidence['reasons'])


@pytest.mark.slow
def test_three_discs_cover_less_and_say_so(run):
    three = run(disc_labels='t2_labeled_center_manual.nii.gz')('conclude').evidence
    disc = three['registration']['paths']['disc']
    assert disc['covered_mm'] < 56
    assert disc['cord_dice'] >= 0.90
    assert disc['landmark_residual_mm'] <= 1.5


def _load(path):
    image = nb.load(path)
    return np.asanyarray(image.dataobj), image.affine


def test_space_of_the_recorded_discs(real_data):
    """The helper above and the evidence agree on what a residual is."""
    (case,) = (real_data / 'sct_runs').glob('30_*')
    small = real_data / 'pam50_small' / 'template'
    subject = CordSpace.of(
        *_load(real_data / 't2_cervical' / 't2_seg-manual.nii.gz'),
        label_points(*_load(real_data / 't2_cervical' / 'labels.nii.gz')),
    )
    template = CordSpace.of(
        *_load(small / 'PAM50_small_cord.nii.gz'),
        label_points(*_load(small / 'PAM50_small_label_disc.nii.gz')),
    )
    field = DisplacementField.load(next(case.rglob('warp_anat2template.nii.gz')))
    assert max(map(abs, landmark_residuals(subject, template, field).values())) < 0.1
