# SPDX-License-Identifier: Apache-2.0
"""A few phantoms of the study in benchmarks/phantoms.py: every bar, from the image alone."""

import pytest

from benchmarks.phantoms import VOXELS, measure, worst_cases


@pytest.mark.slow
@pytest.mark.parametrize('contrast', ['T2w', 'T1w'])
@pytest.mark.parametrize('voxel', VOXELS)
def test_bars_are_met(contrast, voxel):
    case = measure(1020, contrast, voxel)
    assert 'error' not in case
    missed = {name: v for name, (v, bad) in worst_cases(voxel, [case]).items() if bad}
    assert not missed
