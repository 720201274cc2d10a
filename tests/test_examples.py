# SPDX-License-Identifier: Apache-2.0
"""The example runs, and what it reads back through the warps is what was put in."""

import importlib.util
import subprocess
import sys

import nibabel as nb
import numpy as np
import pytest

from spinalprep.embedded.phantom import PhantomParams, make_phantom
from tests.conftest import REPOSITORY

EXAMPLE = REPOSITORY / 'examples' / 'host_workflow.py'


@pytest.fixture(scope='module')
def example():
    spec = importlib.util.spec_from_file_location('host_workflow', EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('plugin', ['Linear', pytest.param('MultiProc', marks=pytest.mark.slow)])
def test_host_workflow(plugin, example, tmp_path):
    out = tmp_path / 'out'
    # a process of its own, from elsewhere: the example must not rely on where it is started
    finished = subprocess.run(
        [sys.executable, str(EXAMPLE), '--out', str(out), '--plugin', plugin],
        cwd=tmp_path,
        env={'PATH': '/usr/bin:/bin', 'PYTHONPATH': str(REPOSITORY), 'NIPYPE_NO_ET': '1'},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    host = out / 'work' / 'host_wf'
    shown = dict(line.split(': ') for line in finished.stdout.splitlines()[-3:])
    assert list(shown.values()) == [
        str(host / 'func_in_template' / 'resampled.nii.gz'),
        str(host / 'cord_in_func' / 'resampled.nii.gz'),
        str(host / 'extract' / 'cord_signal.tsv'),
    ]
    _check_signal(example, shown['signal of the cord'])
    _check_cord(shown["template's cord in the run"], out / 'data' / 'anat.nii.gz')
    in_template = nb.load(shown['mean of the run in the template'])
    template = nb.load(out / 'template' / 'template' / 'phantom_t2.nii.gz')
    assert in_template.shape == template.shape
    np.testing.assert_allclose(in_template.affine, template.affine, atol=1e-4)
    assert np.count_nonzero(in_template.get_fdata()) > 10_000


def _check_signal(example, path):
    """The cord's oscillation comes out, with most of its strength: 10 % inside the cord."""
    found = np.loadtxt(path)
    put_in = np.sin(2 * np.pi * example.CYCLES * example.phase())
    assert np.corrcoef(found, put_in)[0, 1] > 0.99
    strength = 2 * np.mean(found * put_in) / found.mean()
    assert 0.07 < strength < 0.105


def _check_cord(path, anat):
    """The template's cord lies on the subject's own, known from how the phantom was made."""
    warped = nb.load(path)
    truth = make_phantom(PhantomParams(seed=7, contrast='T2w', top_mm=20, bottom_level=10.2))
    np.testing.assert_array_equal(truth.image.get_fdata(), nb.load(anat).get_fdata())
    voxels = np.argwhere(np.asanyarray(warped.dataobj) > 0)
    world = voxels @ warped.affine[:3, :3].T + warped.affine[:3, 3]
    inverse = np.linalg.inv(truth.affine)
    index = np.rint(world @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    inside = truth.cord[tuple(index.T)] > 0
    assert len(voxels) > 250
    assert inside.mean() > 0.9


def test_a_bad_reference_is_not_used(example, tmp_path):
    evidence = {'verdict': 'FAIL', 'reasons': ['disc path: the field folds']}
    with pytest.raises(RuntimeError, match='the field folds'):
        example.mean_signal(tmp_path / 'func.nii.gz', tmp_path / 'mask.nii.gz', evidence)
