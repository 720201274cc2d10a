# SPDX-License-Identifier: Apache-2.0
"""Estimates: more to do takes more, and the demonstration takes what it took."""

from dataclasses import replace

import pytest

from spinalprep.demands import ImageSize
from spinalprep.estimates import Estimate, estimate
from spinalprep.policy import Policy

DEMO = ImageSize(2.86, 2.64)


def test_the_demonstration():
    found = estimate(DEMO, 'T2w', Policy(), kind='embedded', template=1.715)
    assert found.seconds == pytest.approx(45, rel=0.3)
    assert found.results_gb == pytest.approx(0.023, rel=0.3)
    assert found.work_gb == pytest.approx(0.04, rel=0.6)


def test_more_to_do_takes_more():
    def seconds(image=DEMO, modality='T2w', policy=None, **more):
        return estimate(image, modality, policy or Policy(), **more).seconds

    base = seconds()
    assert seconds(ImageSize(6, 2.64)) > base
    assert seconds(modality='T1w') < base  # no rootlets
    assert seconds(given=['cord_dseg']) < base
    assert seconds(given=['cord_dseg', 'totalspineseg_dseg']) < seconds(given=['cord_dseg'])
    assert seconds(given=['rootlets_dseg']) < base
    once = replace(Policy(), segmentation=replace(Policy().segmentation, reuse_discovery=True))
    assert seconds(policy=once) < base
    assert seconds(kind='embedded', template=1.7) < seconds(template=1.7)


def test_sums():
    assert Estimate(1, 5, 2, 3) + Estimate(10, 4, 20, 30) == Estimate(11, 5, 22, 33)
