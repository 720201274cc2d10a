# SPDX-License-Identifier: Apache-2.0
"""Which landmarks may be used, and what the others foretell of each."""

import numpy as np
import pytest

from spinalprep.anatomy.centerline import Centerline
from spinalprep.anatomy.landmarks import (
    extrapolate,
    fill_gaps,
    leave_one_out,
    select_discs,
    select_rootlets,
)

LINE = Centerline.through(np.stack([np.zeros(101), np.zeros(101), np.arange(101.0)], axis=1))
TEMPLATE = set(range(1, 22))


def discs(**heights):
    """Points 10 mm in front of a straight cord of 100 mm."""
    return {int(name[1:]): np.array([0.0, 10.0, z]) for name, z in heights.items()}


def test_all_good_discs_are_used():
    selected = select_discs(discs(d3=90, d4=70, d5=50), LINE, TEMPLATE)
    assert selected.used == (3, 4, 5)
    assert selected.dropped == {}


def test_each_reason_to_drop_a_disc_is_said():
    points = discs(d1=99, d2=95, d3=90, d4=50, d5=-7, d22=20)
    selected = select_discs(points, LINE, TEMPLATE)
    assert selected.used == (3, 4)
    assert selected.dropped == {
        'top of C1': 'extrapolated',
        'C1/C2': 'extrapolated',
        'C4/C5': '7.0 mm beyond the end of the cord mask',
        'L2/L3': 'not in the template',
    }


def test_policy_chooses_among_discs():
    points = discs(d1=99, d2=95, d3=90, d4=70, d5=50, d6=30)
    assert select_discs(points, LINE, TEMPLATE, wanted='pair').used == (3, 6)
    assert select_discs(points, LINE, TEMPLATE, wanted=(2, 4)).used == (2, 4)
    assert select_discs(points, LINE, TEMPLATE, use_extrapolated=True).used[:2] == (1, 2)


def test_end_of_the_last_slice_counts_as_inside():
    points = discs(d3=50, d4=-0.9)
    assert select_discs(points, LINE, TEMPLATE, end_mm=1.0).used == (3, 4)
    assert select_discs(points, LINE, TEMPLATE, end_mm=0.5).used == (3,)


def test_rootlets_outside_the_template():
    selected = select_rootlets(discs(r1=95, r2=80, r9=20, r10=5), LINE, set(range(2, 10)))
    assert selected.used == (2, 9)
    assert selected.dropped == {'C1': 'not in the template', 'T2': 'not in the template'}


def test_perfect_scaling_is_foretold():
    template = {value: 20.0 * value for value in range(3, 9)}
    subject = {value: 0.8 * arc + 7 for value, arc in template.items()}
    assert max(map(abs, leave_one_out(subject, template).values())) < 1e-9


def test_a_shifted_landmark_stands_out():
    template = {value: 200 - 20.0 * value for value in range(3, 9)}
    subject = {**template, 5: template[5] + 6}
    residuals = leave_one_out(subject, template)
    assert residuals[5] == pytest.approx(-6)
    assert max(residuals, key=lambda value: abs(residuals[value])) in (3, 5)


def test_two_landmarks_foretell_nothing():
    assert leave_one_out({3: 1.0, 4: 2.0}, {3: 1.0, 4: 2.0}) == {}


def test_extrapolation_goes_on_straight():
    np.testing.assert_allclose(extrapolate([-1, 0.5, 3], [0, 1, 2], [0, 10, 30]), [-10, 5, 50])


def test_gaps_are_filled_evenly_on_the_cord():
    filled = fill_gaps(discs(d3=90, d6=30, d7=15), LINE)
    assert sorted(filled) == [4, 5]
    np.testing.assert_allclose(filled[4], [0, 0, 70], atol=0.3)
    np.testing.assert_allclose(filled[5], [0, 0, 50], atol=0.3)
