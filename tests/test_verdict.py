# SPDX-License-Identifier: Apache-2.0
"""Bounds, verdicts, the choice of a path, and what is said about it."""

import dataclasses
import math

import pytest

from spinalprep.bounds import NUMBERS, SUBSTEPS, Bound, Verdict
from spinalprep.interfaces.conclusion import Conclude
from spinalprep.verdict import (
    FAIL,
    PASS,
    WARN,
    choose_path,
    judge_number,
    judge_numbers,
    judge_path,
    judge_registration,
    verdict_of,
    worst,
)

GOOD = {
    'covered_slices': 100,
    'covered_mm': 100.0,
    'covered_levels': [3, 4, 5],
    'cord_dice': 0.95,
    'centre_distance_mm': 0.4,
    'leave_one_out_mm': 2.0,
    'landmark_residual_mm': 0.3,
    'folded_fraction': 0.0,
    'order_breaks': [],
}
BOUNDS = Verdict()


def path(verdict=PASS, reasons=(), **changes):
    return {**GOOD, **changes, 'verdict': verdict, 'reasons': list(reasons)}


def registration(paths, no_result=None, offset=None, prefer=True, required=()):
    return judge_registration(
        paths,
        no_result or {},
        offset,
        prefer_rootlets=prefer,
        required_levels=required,
        bounds=BOUNDS,
    )


def test_worst():
    assert worst([]) == PASS
    assert worst([PASS, FAIL, WARN]) == FAIL


@pytest.mark.parametrize(
    ('name', 'value', 'bound', 'verdict'),
    [
        ('cord_dice', 0.9, Bound(0.85, 0.7), PASS),
        ('cord_dice', 0.8, Bound(0.85, 0.7), WARN),
        ('cord_dice', 0.5, Bound(0.85, 0.7), FAIL),
        ('centre_distance_mm', 2.0, Bound(2, 5), PASS),
        ('centre_distance_mm', 2.1, Bound(2, 5), WARN),
        ('centre_distance_mm', 5.1, Bound(2, 5), FAIL),
        ('offset_levels', -1.5, Bound(1, 2), WARN),
        ('cord_dice', math.nan, Bound(0.85, 0.7), FAIL),
    ],
)
def test_numbers_against_bounds(name, value, bound, verdict):
    found, reason = judge_number(name, value, bound)
    assert found == verdict
    assert bool(reason) == (verdict != PASS)


def test_reason_gives_value_and_bound():
    assert judge_number('cord_dice', 0.8, Bound(0.85, 0.7))[1] == (
        'overlap of template and subject cord 0.80 (below 0.85)'
    )


def judged_path(**changes):
    return verdict_of(judge_path('disc', {**GOOD, **changes}, BOUNDS))


def test_path_is_as_bad_as_its_worst_number():
    assert judged_path() == (PASS, [])
    verdict, reasons = judged_path(cord_dice=0.8, centre_distance_mm=6.0)
    assert verdict == FAIL
    assert len(reasons) == 2
    assert all(reason.startswith('disc path: ') for reason in reasons)


def test_numbers_that_can_not_be_had_are_not_judged():
    assert judged_path(leave_one_out_mm=None)[0] == PASS
    numbers = judge_path('disc', {**GOOD, 'leave_one_out_mm': None}, BOUNDS)
    (unknown,) = (item for item in numbers if item['name'] == 'leave_one_out_mm')
    assert (unknown['verdict'], unknown['where'], unknown['unit']) == ('n/a', 'disc', 'mm')


def test_broken_order_and_no_coverage_fail():
    verdict, reasons = judged_path(order_breaks=['C3/C4 and C4/C5'])
    assert verdict == FAIL
    assert '1 pairs of landmarks' in reasons[0]
    assert judged_path(covered_slices=0)[0] == FAIL


def test_numbers_are_told_with_their_bounds_and_sources():
    bounds = dataclasses.replace(BOUNDS, cord_snr=Bound(6, None))
    (number,) = judge_numbers({'cord_snr': 4.0, 'not a number of ours': 1.0}, bounds)
    assert number == {
        'substep': 'S2.1',
        'name': 'cord_snr',
        'where': '',
        'value': 4.0,
        'unit': '',
        'warn': 6,
        'fail': None,
        'verdict': WARN,
        'reason': 'signal-to-noise ratio 4.0 in the cord (below 6)',
        'source': 'fault study',
    }


def test_every_bound_has_words_and_a_source():
    for number in NUMBERS:
        assert number.source
        assert number.substep in SUBSTEPS
        assert number.words.format(1.0)
    with pytest.raises(ValueError, match='cord_dice: fail must not be stricter'):
        dataclasses.replace(BOUNDS, cord_dice=Bound(0.7, 0.85))


@pytest.mark.parametrize(
    ('disc', 'rootlet', 'prefer', 'required', 'chosen'),
    [
        (path(), path(), True, (), 'rootlet'),
        (path(), path(), False, (), 'disc'),
        (path(), path(FAIL), True, (), 'disc'),
        (path(FAIL), path(WARN), False, (), 'rootlet'),
        (path(covered_mm=200.0), path(), None, (), 'disc'),
        (path(covered_mm=200.0), path(), True, (), 'rootlet'),
        (
            path(covered_levels=[3]),
            path(covered_levels=[5], covered_mm=1.0),
            None,
            (5,),
            'rootlet',
        ),
        (path(), path(), None, (), 'disc'),
        (path(FAIL), path(FAIL), True, (), 'rootlet'),
    ],
)
def test_choice(disc, rootlet, prefer, required, chosen):
    paths = {'disc': disc, 'rootlet': rootlet}
    assert choose_path(paths, prefer_rootlets=prefer, required_levels=required) == chosen


def test_no_path_is_an_error():
    with pytest.raises(ValueError, match='no path'):
        choose_path({}, prefer_rootlets=True, required_levels=())


def test_one_path_alone():
    judged = registration({'disc': path()}, {'rootlet': 'T1w'})
    assert (judged['path'], judged['verdict'], judged['reasons']) == ('disc', PASS, [])


def test_offset_between_paths():
    both = {'disc': path(), 'rootlet': path()}
    assert registration(both, offset=(8.0, 0.5))['verdict'] == PASS
    warned = registration(both, offset=(24.8, 1.42))
    assert warned['verdict'] == WARN
    assert warned['reasons'] == ['discs and rootlets disagree by 1.4 levels (above 1): 24.8 mm']
    assert registration(both, offset=(-40.0, -2.3))['verdict'] == FAIL


def test_other_path_only_warns_unless_its_order_breaks():
    bad = path(FAIL, ['rootlet path: overlap'])
    judged = registration({'disc': path(), 'rootlet': bad})
    assert (judged['path'], judged['verdict']) == ('disc', WARN)
    assert judged['reasons'] == ['rootlet path: overlap']
    broken = path(FAIL, ['rootlet path: order'], order_breaks=['C5 and C6'])
    assert registration({'disc': path(), 'rootlet': broken})['verdict'] == FAIL


def test_levels_that_are_missed_are_named():
    judged = registration({'disc': path()}, required=(4, 9))
    assert judged['verdict'] == WARN
    assert 'does not cover T2' in judged['reasons'][0]


def conclude(registration, **changes):
    inputs = {
        'bounds': BOUNDS,
        'discovery': {'cord_slices': 90},
        'spine_status': 'computed',
        'rootlets_status': 'computed',
        'registration': registration,
        **changes,
    }
    return Conclude(**inputs).run().outputs.evidence


def test_conclusion_of_a_good_subject():
    both = {'disc': path(), 'rootlet': path()}
    evidence = conclude(registration(both, offset=(3.0, 0.2)), notes=['x'])
    assert (evidence['verdict'], evidence['reasons']) == (PASS, [])
    assert evidence['spine'] == {'status': 'computed', 'reason': ''}
    assert evidence['rootlets'] == {'status': 'computed', 'reason': ''}
    assert evidence['discovery'] == {'cord_slices': 90, 'notes': ['x']}


def test_numbers_of_all_substeps_count():
    both = {'disc': path(numbers=judge_path('disc', GOOD, BOUNDS)), 'rootlet': path()}
    numbers = [{'cord_snr': 30.0}, {'grid_mm': 1.0, 'cord_gap_slices': None}]
    evidence = conclude(registration(both, offset=(3.0, 0.2)), numbers=numbers)
    assert evidence['verdict'] == FAIL
    assert evidence['reasons'] == [
        'a mask or label map lies 1 mm off the grid of the image (above 0.2)'
    ]
    found = {(item['name'], item['where']): item['verdict'] for item in evidence['numbers']}
    assert found['cord_snr', ''] == found['cord_dice', 'disc'] == PASS
    assert found['cord_gap_slices', ''] == 'n/a'
    assert found['offset_levels', ''] == PASS
    assert 'numbers' not in evidence['registration']


def test_what_could_not_be_measured_warns():
    evidence = conclude(registration({'disc': path()}), numbers_failures=['CordNumbers: no'])
    assert (evidence['verdict'], evidence['reasons']) == (WARN, ['not measured: CordNumbers: no'])


def test_unnumbered_discs_warn():
    evidence = conclude(
        registration({'rootlet': path()}, {'disc': 'no disc could be numbered'}),
        disc_no_result=['no disc could be numbered'],
    )
    assert evidence['verdict'] == WARN
    assert evidence['spine']['status'] == 'computed'
    assert evidence['reasons'] == ['discs: no disc could be numbered']


def test_a_failure_of_totalspineseg_is_told_once():
    evidence = conclude(
        registration({'rootlet': path()}, {'disc': 'killed'}),
        spine_no_result=['killed'],
        disc_no_result=['killed'],
    )
    assert evidence['verdict'] == WARN
    assert evidence['spine'] == {'status': 'failed', 'reason': 'killed'}
    assert evidence['reasons'] == ['TotalSpineSeg: killed']


def test_failed_rootlets_warn_and_ineligible_ones_do_not():
    alone = registration({'disc': path()}, {'rootlet': 'killed'})
    failed = conclude(alone, rootlets_no_result=['killed'])
    assert failed['verdict'] == WARN
    assert failed['rootlets'] == {'status': 'failed', 'reason': 'killed'}
    short = conclude(alone, rootlets_eligible=False, rootlets_no_result=['52 mm of cord'])
    assert short['verdict'] == PASS
    assert short['rootlets'] == {'status': 'not eligible', 'reason': '52 mm of cord'}


def test_a_path_that_failed_warns():
    evidence = conclude(registration({'disc': path()}, {'rootlet': 'sct failed'}))
    assert evidence['verdict'] == WARN
    assert evidence['reasons'] == ['rootlet path: sct failed']
