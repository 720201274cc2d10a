# SPDX-License-Identifier: Apache-2.0
"""A few seeds of the fault study in benchmarks/faults.py: every fault at full strength."""

import pytest

from benchmarks.faults import examine
from benchmarks.faulty.inject import FAULTS, TOLD
from benchmarks.faulty.products import phantom

SEEDS = {'T2w': 0, 'T1w': 2}


@pytest.fixture(scope='module', params=SEEDS)
def examined(request):
    seed = SEEDS[request.param]
    assert phantom(seed).params.contrast == request.param
    return request.param, examine(seed, graded=False)


def test_there_are_as_many_kinds_of_fault_as_promised():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 22
    for fault in FAULTS:
        assert list(fault.strengths) == sorted(fault.strengths)


@pytest.mark.slow
def test_clean_products_pass(examined):
    _, result = examined
    verdict, numbers = result['clean']
    assert verdict == 'PASS', [item['reason'] for item in numbers if item['reason']]


@pytest.mark.slow
@pytest.mark.parametrize('fault', FAULTS, ids=lambda fault: fault.name)
def test_a_fault_at_full_strength_is_seen(examined, fault):
    modality, result = examined
    known = (fault.name, fault.strengths[-1]) in result['faults']
    if (
        fault.due == TOLD
        or fault.modality not in (None, modality)
        or (modality == 'T1w' and fault.name.startswith('rootlets'))
    ):
        assert not known
        return
    verdict, worse = result['faults'][fault.name, fault.strengths[-1]]
    assert verdict in (('FAIL',) if fault.due == 'FAIL' else ('WARN', 'FAIL'))
    if not fault.name.endswith('neither in view'):
        assert worse
