# SPDX-License-Identifier: Apache-2.0
"""The template's maps against the phantom's own geometry, through the whole graph."""

from pathlib import Path

import nibabel as nb
import nipype.pipeline.engine as pe
import numpy as np
import pytest

from spinalprep.anatomy.labels import HORNS
from spinalprep.embedded.phantom import PhantomParams, make_phantom, write_template
from spinalprep.embedded.phantom.generate import blank_canvas
from spinalprep.embedded.phantom.spine import grey_matter
from spinalprep.policy import Policy
from spinalprep.workflows.anat import init_registration_wf, init_template_maps_wf
from tests.workflows.oracle import oracle

PARAMS = PhantomParams(seed=21, voxel_mm=(1.0, 1.0, 1.0), orientation='LAS', bottom_level=9.0)


@pytest.fixture(scope='module')
def mapped(tmp_path_factory):
    """Outputs of the maps' workflow on a phantom registered by its true landmarks."""
    folder = tmp_path_factory.mktemp('maps')
    phantom = make_phantom(PARAMS)
    files = {
        'cordref': phantom.image,
        'cord_dseg': phantom.label_image(phantom.cord),
        'disc_labels': phantom.point_image(phantom.disc_points),
        'rootlets_dseg': phantom.label_image(phantom.rootlets),
        'vertebral_levels': phantom.label_image(phantom.levels),
    }
    for name, image in files.items():
        nb.save(image, folder / f'{name}.nii.gz')
    toolbox = oracle(folder, write_template(folder / 'template'), {})
    policy = Policy()
    common = {'policy': policy, 'toolbox': toolbox, 'omp_nthreads': 1}
    register = init_registration_wf(modality='T2w', **common)
    maps = init_template_maps_wf(**common)
    for name in files:
        setattr(register.inputs.inputnode, name, str(folder / f'{name}.nii.gz'))
    maps.inputs.inputnode.cordref = str(folder / 'cordref.nii.gz')
    table = folder / 'slices.tsv'
    rows = [f'{k}\tn/a\t70.0\t1.0' for k in np.flatnonzero(phantom.cord.any((0, 1)))]
    table.write_text('\n'.join(['slice\tlevel\tarea_mm2\tlength_mm', *rows]) + '\n')
    maps.inputs.inputnode.csa_per_slice = str(table)
    host = pe.Workflow(name='host', base_dir=str(folder / 'work'))
    host.connect([
        (register, maps, [
            ('outputnode.warp_template2cordref', 'inputnode.warp_template2cordref'),
            ('outputnode.valid_in_cordref', 'inputnode.valid_in_cordref'),
            ('outputnode.covered_slices', 'inputnode.covered_slices'),
        ]),
    ])  # fmt: skip
    graph = host.run('Linear')
    keep = next(node for node in graph.nodes() if node.name == 'keep_covered')
    return phantom, keep.result.outputs


def _centres(share):
    """Centre of mass in each slice that holds a voxel's worth."""
    i, j = np.indices(share.shape[:2])
    total = share.sum((0, 1))
    kept = np.flatnonzero(total > 1)
    return {
        k: np.array([(i * share[..., k]).sum(), (j * share[..., k]).sum()]) / total[k]
        for k in kept
    }


@pytest.mark.slow
def test_horns_lie_where_the_phantom_has_them(mapped):
    phantom, outputs = mapped
    canvas = blank_canvas(PARAMS)
    truth = {value: canvas.volume(share, 'LAS')[0] for value, share in grey_matter(canvas).items()}
    found = {}
    for value, name in HORNS.items():
        image = nb.load(getattr(outputs, f'horn_{"_".join(name.split()[:2])}'))
        found[value] = np.asanyarray(image.dataobj)
        np.testing.assert_allclose(image.affine, phantom.affine, atol=1e-4)
    covered = found[30].any((0, 1))
    assert covered.sum() > 100
    for value, share in found.items():
        real = {k: np.minimum(part, covered[None, None]) for k, part in truth.items()}
        dice = {
            other: 2 * np.minimum(share, real[other]).sum() / (share.sum() + real[other].sum())
            for other in HORNS
        }
        # a horn is two voxels wide: half a voxel of difference costs a quarter of it
        assert dice[value] > 0.65, HORNS[value]
        assert max(dice[other] for other in HORNS if other != value) < 0.1
        own, wanted = _centres(share), _centres(real[value])
        away = [np.hypot(*(own[k] - wanted[k])) for k in own.keys() & wanted.keys()]
        assert len(away) > 90
        assert np.median(away) < 0.4, HORNS[value]
        assert max(away) < 1.0
        assert share.sum() == pytest.approx(real[value].sum(), rel=0.15)


@pytest.mark.slow
def test_spinal_levels_follow_the_rootlets(mapped):
    phantom, outputs = mapped
    levels = np.asanyarray(nb.load(outputs.spinal_levels_of_template).dataobj)
    both = (levels > 0) & (phantom.spinal_levels > 0)
    assert (levels == phantom.spinal_levels)[both].mean() > 0.8
    assert (np.abs(levels.astype(int) - phantom.spinal_levels)[both] <= 1).all()
    assert set(range(3, 9)) <= set(np.unique(levels))
    lines = Path(outputs.csa_per_spinal_level).read_text().splitlines()
    assert [line.split('\t')[0] for line in lines[1:]][1:7] == ['C3', 'C4', 'C5', 'C6', 'C7', 'C8']


@pytest.mark.slow
def test_cord_lies_on_the_cord_and_nothing_outside_the_covered_range(mapped):
    phantom, outputs = mapped
    cord = np.asanyarray(nb.load(outputs.cord_of_template).dataobj) > 0
    slices = cord.any((0, 1))
    real = (phantom.cord > 0) & slices[None, None]
    assert 2 * (cord & real).sum() / (cord.sum() + real.sum()) > 0.9
    horns = np.asanyarray(nb.load(outputs.horns_dseg).dataobj) > 0
    assert (horns & cord).sum() >= 0.99 * horns.sum()
    assert not horns[..., ~slices].any()
