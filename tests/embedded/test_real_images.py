# SPDX-License-Identifier: Apache-2.0
"""The embedded SCT on real images: cord, discs, and numbers only with an anchor."""

import nibabel as nb
import numpy as np
import pytest

from spinalprep.anatomy.canal import segment_canal
from spinalprep.anatomy.finder import find_cord
from spinalprep.anatomy.labels import label_points
from spinalprep.embedded.spine import segment_spine
from spinalprep.errors import InputImageError
from spinalprep.policy import policy_from_dict
from spinalprep.toolbox import find_toolbox
from spinalprep.workflows.anat import init_anat_cordref_wf

SEEN = {3: 34.0, 4: 15.5, 5: -2.0}
"""Heights (mm) at which the discs C2/C3–C4/C5 of the neck meet the canal; read in a viewer. The
labels that come with it, 9 mm below, mark the vertebral bodies."""


def load(path):
    image = nb.load(path)
    turn = nb.orientations.ornt_transform(
        nb.io_orientation(image.affine), nb.orientations.axcodes2ornt('LAS')
    )
    image = image.as_reoriented(turn)
    return image.get_fdata(dtype=np.float32), image.affine


@pytest.fixture
def neck(real_data):
    image, affine = load(real_data / 't2_cervical' / 't2.nii.gz')
    cord = find_cord(image, affine)
    return image, affine, cord, segment_canal(image, affine, cord.mask)


@pytest.mark.slow
def test_discs_of_a_neck_have_no_numbers_without_an_anchor(neck):
    spine = segment_spine(*neck)
    assert not spine.numbered
    assert spine.points == {}
    assert 'brainstem is not in view' in spine.why
    assert set(np.unique(spine.map)) <= {0, 1, 2}


@pytest.mark.slow
@pytest.mark.parametrize('value', SEEN)
def test_one_disc_numbers_the_others(neck, value):
    line = neck[2].centerline
    point = line.points[np.argmin(np.abs(line.points[:, 2] - SEEN[value]))]
    spine = segment_spine(*neck, (value, point))
    assert spine.numbered
    assert set(spine.points) == set(SEEN)
    for disc, height in SEEN.items():
        assert spine.points[disc][2] == pytest.approx(height, abs=2.0)


@pytest.mark.slow
def test_the_whole_spine_is_numbered_from_the_brainstem(real_data):
    prefix = str(real_data / 'pam50_small' / 'template' / 'PAM50_small_')
    image, affine = load(f'{prefix}t2.nii.gz')
    cord = find_cord(image, affine)
    spine = segment_spine(image, affine, cord, segment_canal(image, affine, cord.mask))
    assert spine.numbered
    labels, affine = load(f'{prefix}label_discPosterior.nii.gz')
    truth = label_points(np.rint(labels).astype(int), affine)
    right = [v for v in range(3, 21) if v in spine.points]
    for value in right:
        assert np.linalg.norm(spine.points[value] - truth[value]) < 4.0
    assert len(right) >= 16


@pytest.mark.slow
def test_the_whole_spine_without_its_head_is_not_numbered(real_data):
    image, affine = load(real_data / 'pam50_small' / 'template' / 'PAM50_small_t2.nii.gz')
    for high in (225, 205, 170, 140):
        part = image[..., high - 90 : high]
        moved = affine @ nb.affines.from_matvec(np.eye(3), (0, 0, high - 90))
        cord = find_cord(part, moved)
        spine = segment_spine(part, moved, cord, segment_canal(part, moved, cord.mask))
        assert not spine.numbered, f'cut at slice {high}: {spine.why}'


@pytest.fixture
def run(real_data, tmp_path):
    """Run the graph on the neck by the embedded SCT, with one disc of the policy."""

    def run(disc):
        wf = init_anat_cordref_wf(
            modality='T2w',
            policy=policy_from_dict({'labelling': {'init_disc': disc}}),
            toolbox=find_toolbox('embedded', template=real_data / 'pam50_small'),
            omp_nthreads=1,
        )
        wf.inputs.inputnode.anat = str(real_data / 't2_cervical' / 't2.nii.gz')
        wf.base_dir = str(tmp_path)
        wf.config['execution']['crashdump_dir'] = str(tmp_path)
        nodes = {node.name: node for node in wf.run('Linear').nodes()}
        return lambda name: nodes[name].result.outputs

    return run


@pytest.mark.slow
def test_a_disc_of_the_policy_numbers_all(run):
    outputs = run([4, 15.0])
    image = nb.load(outputs('discs').out_file)
    points = label_points(np.asanyarray(image.dataobj).astype(int), image.affine)
    assert set(points) == set(SEEN)
    assert all(abs(points[disc][2] - SEEN[disc]) < 2.0 for disc in SEEN)
    evidence = outputs('conclude').evidence
    assert evidence['registration']['path'] == 'disc'
    assert evidence['registration']['paths']['disc']['cord_dice'] >= 0.9


@pytest.mark.slow
def test_a_disc_of_the_policy_beside_the_cord_is_told(run):
    with pytest.raises((InputImageError, RuntimeError), match=r'labelling\.init_disc: there is'):
        run([4, 500.0])
