# SPDX-License-Identifier: Apache-2.0
"""The template's maps: which there are, cut to where they hold, and their sides."""

from pathlib import Path

import nibabel as nb
import numpy as np
import pytest
from nipype.interfaces.base import isdefined

from spinalprep.embedded.phantom import write_template
from spinalprep.interfaces.template_maps import (
    DERIVED,
    HORN_VALUES,
    MAPS,
    KeepCovered,
    ReadTemplateMaps,
)
from spinalprep.toolbox.template import template_identity

# SCT's RPI: x falls along the first axis, so the left side has the high indices
AFFINE = np.diag([-1.0, 1.0, 1.0, 1.0])
SHAPE = (8, 8, 6)
PLACES = {
    'horn_left_dorsal': (5, 2), 'horn_left_ventral': (5, 5),
    'horn_right_dorsal': (2, 2), 'horn_right_ventral': (2, 5),
}  # fmt: skip


def read(folder):
    node = ReadTemplateMaps(template=str(folder), template_identity='x')
    return node.run().outputs


def test_the_phantoms_template_has_all_maps(tmp_path):
    folder = write_template(tmp_path, voxel_mm=(2.0, 2.0, 4.0))
    outputs = read(folder)
    for name in MAPS:
        assert isdefined(getattr(outputs, name)), name
        assert not isdefined(getattr(outputs, f'{name}_no_result'))
    for name, value in HORN_VALUES.items():
        assert getattr(outputs, name).endswith(f'phantom_atlas_{value}.nii.gz')
        image = nb.load(getattr(outputs, name))
        inside = np.argwhere(np.asanyarray(image.dataobj) > 0.25)
        x, y, _ = nb.affines.apply_affine(image.affine, inside).mean(axis=0)
        _, side, place = name.split('_')
        assert (x < 0) == (side == 'left')
        assert (y < 0) == (place == 'dorsal')


def test_small_template_says_what_it_lacks(real_data):
    outputs = read(real_data / 'pam50_small')
    assert outputs.vertebral_levels_of_template.endswith('PAM50_small_levels.nii.gz')
    assert not isdefined(outputs.spinal_levels_of_template)
    assert 'template/info_label.txt' in outputs.spinal_levels_of_template_no_result
    assert 'atlas/info_label.txt' in outputs.horn_left_dorsal_no_result


def test_the_identity_knows_the_atlas(tmp_path):
    folder = write_template(tmp_path, voxel_mm=(2.0, 2.0, 4.0))
    before = template_identity(folder)
    atlas = folder / 'atlas' / 'phantom_atlas_30.nii.gz'
    atlas.write_bytes(atlas.read_bytes() + b'0')
    assert template_identity(folder) != before


@pytest.fixture
def inputs(tmp_path):
    """Maps that reach beyond the range covered, each on one spot per slice."""

    def save(name, data):
        nb.save(nb.Nifti1Image(data, AFFINE), tmp_path / f'{name}.nii.gz')
        return str(tmp_path / f'{name}.nii.gz')

    found = {}
    for name, (i, j) in PLACES.items():
        share = np.zeros(SHAPE, np.float32)
        share[i, j] = 0.8
        share[i, j - 1] = 0.4
        found[name] = save(name, share)
    cord = np.zeros(SHAPE, np.uint8)
    cord[2:6, 2:6] = 1
    found['cord_of_template'] = save('cord', cord)
    found['vertebral_levels_of_template'] = save('vertebral', cord * 3)
    found['spinal_levels_of_template'] = save(
        'spinal', cord * np.array([9, 9, 9, 8, 8, 8], np.uint8)
    )
    valid = np.ones(SHAPE, np.uint8)
    valid[:, :, 5] = 0
    table = tmp_path / 'slices.tsv'
    rows = [f'{k}\tC3\t{60 + k}.0\t1.0' for k in range(6)]
    table.write_text('\n'.join(['slice\tlevel\tarea_mm2\tlength_mm', *rows]) + '\n')
    return found | {
        'valid_file': save('valid', valid),
        'covered_slices': [1, 2, 3, 5],
        'csa_per_slice': str(table),
    }  # fmt: skip


def run(tmp_path, inputs):
    return KeepCovered(**inputs).run(cwd=str(tmp_path)).outputs


def test_maps_end_where_the_registration_does(inputs, tmp_path):
    outputs = run(tmp_path, inputs)
    for name in MAPS:
        image = nb.load(getattr(outputs, name))
        data = np.asanyarray(image.dataobj)
        assert np.flatnonzero(data.any((0, 1))).tolist() == [1, 2, 3], name
        np.testing.assert_array_equal(image.affine, AFFINE)
        assert data.dtype == (np.float32 if name in HORN_VALUES else np.uint8)
    share = np.asanyarray(nb.load(outputs.horn_left_dorsal).dataobj)
    assert set(np.unique(share).round(2)) == {np.float32(0), np.float32(0.4), np.float32(0.8)}
    assert {stage['status'] for stage in outputs.status.values()} == {'computed'}
    assert set(outputs.status) == {*MAPS, *DERIVED}


def test_horns_keep_their_sides(inputs, tmp_path):
    image = nb.load(run(tmp_path, inputs).horns_dseg)
    data = np.asanyarray(image.dataobj)
    assert np.unique(data).tolist() == [0, *sorted(HORN_VALUES.values())]
    centre = nb.affines.apply_affine(AFFINE, [3.5, 3.5, 2])
    for name, value in HORN_VALUES.items():
        voxels = np.argwhere(data == value)
        assert len(voxels) == 3  # less than half is no label
        x, y, _ = nb.affines.apply_affine(AFFINE, voxels).mean(axis=0) - centre
        assert (x < 0) == ('left' in name)
        assert (y < 0) == ('dorsal' in name)


def test_area_per_spinal_level_is_that_of_its_slices(inputs, tmp_path):
    table = run(tmp_path, inputs).csa_per_spinal_level
    lines = [line.split('\t') for line in Path(table).read_text().splitlines()]
    assert lines[1:] == [['C8', '63.0000', '1', '1.0000'], ['T1', '61.5000', '2', '2.0000']]


def test_what_is_absent_is_told(inputs, tmp_path):
    for name in ('spinal_levels_of_template', 'horn_left_dorsal'):
        del inputs[name]
        inputs[f'{name}_no_result'] = ['the template has no such file']
    outputs = run(tmp_path, inputs)
    assert not isdefined(outputs.horns_dseg)
    assert not isdefined(outputs.csa_per_spinal_level)
    assert isdefined(outputs.horn_right_dorsal)
    reasons = {n: stage['reason'] for n, stage in outputs.status.items() if stage['reason']}
    assert reasons == {
        'spinal_levels_of_template': 'the template has no such file',
        'horn_left_dorsal': 'the template has no such file',
        'horns_dseg': 'without horn_left_dorsal: the template has no such file',
        'csa_per_spinal_level': 'no spinal levels: the template has no such file',
    }


def test_nothing_covered_is_no_result(inputs, tmp_path):
    inputs['covered_slices'] = []
    outputs = run(tmp_path, inputs)
    assert {stage['status'] for stage in outputs.status.values()} == {'absent'}
    assert 'covers' in outputs.status['cord_of_template']['reason']
