# SPDX-License-Identifier: Apache-2.0
"""Corrected files in whole runs: used, marked, and only what depends on them runs again."""

import json
import shutil

import nibabel as nb
import numpy as np
import pytest
from scipy import ndimage

from spinalprep.driver import run_targets
from spinalprep.given import MANUAL_FOLDER, GivenFiles
from spinalprep.interfaces.template_maps import MAPS
from spinalprep.layout import Layout
from spinalprep.policy import policy_from_dict
from spinalprep.runs import Run
from spinalprep.selection import select
from tests.workflows.oracle import calls, oracle

LEVELS = ['sct_label_vertebrae -i', 'sct_process_segmentation -i']
REGISTER, RESAMPLE = 'sct_register_to_template -i', 'sct_apply_transfo -i'
RESAMPLED = [RESAMPLE] * (1 + len(MAPS))
"""What follows a field: the cord reference, and the template's maps."""
SPINE = 'sct_deepseg spine'


class Study:
    """A dataset of one image, run again and again."""

    def __init__(self, folder, anat, template, known, **sections):
        self.folder = folder
        self.bids_dir = (folder / 'ds').resolve()
        self.labels = self.bids_dir / MANUAL_FOLDER / 'sub-01' / 'anat'
        self.labels.mkdir(parents=True)
        (self.bids_dir / 'sub-01' / 'anat').mkdir(parents=True)
        shutil.copy(anat, self.bids_dir / 'sub-01' / 'anat' / 'sub-01_T2w.nii.gz')
        self.setup = Run(
            layout=Layout(folder / 'out', 'ds', 'run'),
            bids_dir=self.bids_dir,
            policy=policy_from_dict(sections),
            toolbox=oracle(folder, template, known),
            given=GivenFiles(self.bids_dir, manual_dir=self.bids_dir / MANUAL_FOLDER),
        )

    def correct(self, stem, image, values=None):
        """Put a file where corrected ones are looked for."""
        values = np.asanyarray(image.dataobj) if values is None else values
        path = self.labels / f'{stem}.nii.gz'
        nb.save(nb.Nifti1Image(values, image.affine), path)
        return path

    def run(self):
        """The record, and the commands that ran, sorted."""
        (record,) = run_targets(select(self.bids_dir), self.setup)
        return record, sorted(calls(self.folder))

    def sidecar(self, record, name):
        path = self.setup.layout.derivatives / record.products[name]
        return json.loads(path.with_name(path.name.replace('.nii.gz', '.json')).read_text())


@pytest.fixture
def phantom(tmp_path, template, truth):
    known = {
        'spinalcord': truth['cord_dseg'],
        'rootlets': truth['rootlets_dseg'],
        'spine': {'discs': truth['disc_labels'], 'all': truth['totalspineseg_dseg']},
    }
    return Study(tmp_path, truth['anat'], template, known)


def one_lower(image, value):
    """A disc moved by one voxel; the second axis of PSR runs upwards."""
    discs = np.asanyarray(image.dataobj).copy()
    x, y, z = np.argwhere(discs == value)[0]
    discs[x, y, z], discs[x, y - 1, z] = 0, value
    return discs


def without_one(image, value):
    """Labels without one voxel of a value, in the middle of its voxels."""
    labels = np.asanyarray(image.dataobj).copy()
    voxels = np.argwhere(labels == value)
    labels[tuple(voxels[len(voxels) // 2])] = 0
    return labels


def without_lower_half(image, value):
    """Labels without the lower voxels of a value; the second axis of PSR runs upwards."""
    labels = np.asanyarray(image.dataobj).copy()
    voxels = np.argwhere(labels == value)
    lower = voxels[voxels[:, 1] < np.median(voxels[:, 1])]
    labels[tuple(lower.T)] = 0
    return labels


@pytest.mark.slow
def test_only_what_depends_on_a_correction_runs_again(phantom, truth):
    record, ran = phantom.run()
    assert (record.verdict, len(ran)) == ('PASS', 10 + len(RESAMPLED))

    image = {name: nb.load(truth[name]) for name in truth}
    canal = np.isin(np.asanyarray(image['totalspineseg_dseg'].dataobj), (1, 2))
    corrections = {
        'canal_dseg': (
            'sub-01_label-canal_mask',
            ndimage.binary_dilation(canal).astype(np.uint8),
            [],
        ),
        'rootlets_dseg': (
            'sub-01_T2w_label-rootlets_dseg',
            without_lower_half(image['rootlets_dseg'], 5),
            [REGISTER, *RESAMPLED],  # the path that is chosen
        ),
        # the embedded SCT numbers its map by the discs that are given
        'disc_labels': (
            'sub-01_T2w_labels-disc',
            one_lower(image['disc_labels'], 5),
            [SPINE, *LEVELS, REGISTER],
        ),
        'cord_dseg': (
            'sub-01_T2w_label-SC_seg',
            without_one(image['cord_dseg'], 1),
            [*LEVELS, REGISTER, REGISTER, *RESAMPLED],
        ),
        'totalspineseg_dseg': (
            'sub-01_desc-totalspineseg_dseg_T2w',
            without_one(image['totalspineseg_dseg'], 13),
            [],
        ),
    }
    given = {}
    for name, (stem, values, commands) in corrections.items():
        given[name] = phantom.correct(stem, image[name if name in image else 'cord_dseg'], values)
        record, ran = phantom.run()
        assert record.status == 'completed', (name, record.reasons)
        assert ran == sorted(commands), name
        assert {n: item['origin'] for n, item in record.precomputed.items()} == dict.fromkeys(
            given, 'manual'
        )
        sidecar = phantom.sidecar(record, name)
        assert sidecar['Origin'] == 'manual'
        assert f'bids:raw:{given[name].relative_to(phantom.bids_dir)}' in sidecar['Sources']
        record, ran = phantom.run()
        assert (record.reused, ran) == (True, []), name
    assert record.rootlets['status'] == record.discs['status'] == record.spine['status'] == 'given'
    for name, path in given.items():
        assert_same_labels(phantom, record, name, path)
    assert 'Corrected by hand, not computed: cord mask, canal mask' in record.method


def assert_same_labels(study, record, name, path):
    """The product is the corrected file, cropped and turned."""
    made = nb.load(study.setup.layout.derivatives / record.products[name])
    values = np.asanyarray(nb.load(path).dataobj)
    product = np.asanyarray(made.dataobj)
    for value in np.unique(product[product != 0]):
        assert 0 < (product == value).sum() <= (values == value).sum(), (name, value)
    assert product.any()


@pytest.mark.slow
def test_corrections_of_a_real_neck(real_data, template, tmp_path):
    folder = real_data / 't2_cervical'
    cord, discs = (nb.load(folder / f'{n}.nii.gz') for n in ('t2_seg-manual', 'labels'))
    study = Study(
        tmp_path,
        folder / 't2.nii.gz',
        template,
        {'spinalcord': folder / 't2_seg-manual.nii.gz'},
        labelling={'method': 'given'},
        rootlets={'enabled': False},
    )
    study.correct('sub-01_T2w_labels-disc', discs)
    record, ran = study.run()
    assert record.status == 'completed', record.reasons
    assert record.discs['status'] == 'given'
    assert len(ran) == 7 + len(RESAMPLED)
    assert record.metrics['discs'] == ['C2/C3', 'C4/C5']

    study.correct('sub-01_T2w_labels-disc', discs, one_lower(discs, 5))
    record, ran = study.run()
    assert ran == sorted([*LEVELS, REGISTER, *RESAMPLED])

    around = ndimage.binary_dilation(np.asanyarray(cord.dataobj), iterations=2).astype(np.uint8)
    study.correct('sub-01_label-canal_mask', cord, around)
    record, ran = study.run()
    assert ran == []
    canal = record.metrics['canal_volume_mm3']
    assert canal == pytest.approx(around.sum() * abs(np.linalg.det(cord.affine[:3, :3])), rel=0.01)
    assert study.sidecar(record, 'canal_dseg')['Origin'] == 'manual'

    study.correct('sub-01_T2w_seg-manual', cord, without_one(cord, 1))
    record, ran = study.run()
    assert ran == sorted([*LEVELS, REGISTER, *RESAMPLED])

    shutil.copy(
        folder / 't2_rootlets-manual.nii.gz', study.labels / 'sub-01_T2w_rootlets-manual.nii.gz'
    )
    record, ran = study.run()
    assert REGISTER in ran
    assert set(ran) <= {REGISTER, RESAMPLE}
    assert record.rootlets['status'] == 'given'
    # these rootlets bear wrong numbers: that the two paths disagree is seen
    assert record.evidence['registration']['offset_levels'] is not None
    assert record.verdict != 'PASS'

    (study.labels / 'sub-01_T2w_rootlets-manual.nii.gz').unlink()
    record, ran = study.run()
    assert record.rootlets['status'] == 'not eligible'
    assert list(record.precomputed) == ['cord_dseg', 'canal_dseg', 'disc_labels']


def test_a_mask_that_can_not_be_one_fails_its_subject(phantom, truth):
    path = phantom.correct('sub-01_T2w_seg-manual', nb.load(truth['totalspineseg_dseg']))
    record, ran = phantom.run()
    assert record.status == 'failed'
    assert record.reasons[0].startswith(
        f'S2: {path}: can not be used as cord_dseg: it holds 2, 11'
    )
    assert record.failure['error'] == 'InputImageError'
    assert 'sct_deepseg spinalcord' not in ran


@pytest.mark.slow
def test_a_mask_on_another_grid_is_resampled_and_said(phantom, truth):
    cord = nb.load(truth['cord_dseg'])
    finer = cord.affine @ np.diag([0.5, 0.5, 0.5, 1])
    finer[:3, 3] -= cord.affine[:3, :3] @ np.full(3, 0.25)
    values = np.kron(np.asanyarray(cord.dataobj), np.ones((2, 2, 2), np.uint8))
    phantom.correct('sub-01_T2w_label-SC_mask', nb.Nifti1Image(values, finer))
    record, _ = phantom.run()
    assert record.status == 'completed', record.reasons
    (note,) = record.evidence['given']
    assert note.startswith('cord_dseg: resampled, each voxel as the nearest one: its voxels (')
    page = phantom.setup.layout.derivatives / 'sub-01.html'
    assert 'cord_dseg: resampled' in page.read_text()


@pytest.mark.slow
def test_a_mask_of_another_subject_in_the_same_place_is_seen(phantom, truth):
    """It is a possible one; what the image shows speaks against it."""
    cord = nb.load(truth['cord_dseg'])
    beside = np.roll(np.asanyarray(cord.dataobj), 8, axis=2)  # 12 mm to one side
    phantom.correct('sub-01_T2w_label-SC_seg', cord, beside)
    record, _ = phantom.run()
    assert record.status != 'completed' or record.verdict == 'FAIL'
    assert any('cord' in reason for reason in record.reasons), record.reasons
