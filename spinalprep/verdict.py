# SPDX-License-Identifier: Apache-2.0
"""From evidence to a verdict with reasons, by the policy's bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from spinalprep.anatomy.labels import level_name
from spinalprep.bounds import BY_NAME, NUMBERS, Bound, Verdict

PASS, WARN, FAIL = 'PASS', 'WARN', 'FAIL'
NOT_KNOWN = 'n/a'
"""Of a number that could not be had: never counted."""

_RANK = {PASS: 0, WARN: 1, FAIL: 2}


def worst(verdicts: Iterable[str]) -> str:
    """The gravest of some verdicts; PASS of none."""
    return max(verdicts, key=_RANK.__getitem__, default=PASS)


def judge_number(name: str, value: float, bound: Bound) -> tuple[str, str]:
    """Verdict on one number of the evidence.

    Parameters
    ----------
    name : str
        Of :data:`spinalprep.bounds.NUMBERS`.
    value : float
        The sign does not count; NaN is as bad as can be.
    bound : Bound

    Returns
    -------
    verdict : str
    reason : str
        In words, with value and bound; empty for PASS.
    """
    number, value = BY_NAME[name], abs(value)
    word = 'below' if number.low_is_bad else 'above'
    for verdict, limit in ((FAIL, bound.fail), (WARN, bound.warn)):
        if limit is None:
            continue
        if math.isnan(value) or (value < limit if number.low_is_bad else value > limit):
            said = number.words.format(value)
            return verdict, f'{said} ({word} {limit:g})' if limit and '{' in number.words else said
    return PASS, ''


def judge_numbers(
    values: Mapping[str, float | None], bounds: Verdict, *, where: str = ''
) -> list[dict[str, Any]]:
    """Verdicts on some numbers of the evidence.

    Parameters
    ----------
    values : dict
        Name → value; None where a number can't be had. Other names are left out.
    bounds : Verdict
        The policy's section.
    where : str
        Registration path that the numbers belong to, if they belong to one.

    Returns
    -------
    list of dict
        In the order of the table: ``substep``, ``name``, ``where``, ``value``, ``unit``,
        ``warn``, ``fail``, ``verdict`` (``n/a`` where there is no value), ``reason``, ``source``.
    """
    judged = []
    for number in NUMBERS:
        if number.name not in values:
            continue
        value, bound = values[number.name], getattr(bounds, number.name)
        verdict, reason = NOT_KNOWN, ''
        if value is not None:
            verdict, reason = judge_number(number.name, value, bound)
        judged.append(
            {
                'substep': number.substep,
                'name': number.name,
                'where': where,
                'value': value,
                'unit': number.unit,
                'warn': bound.warn,
                'fail': bound.fail,
                'verdict': verdict,
                'reason': f'{where} path: {reason}' if where and reason else reason,
                'source': number.source,
            }
        )
    return judged


def verdict_of(judged: Iterable[Mapping[str, Any]]) -> tuple[str, list[str]]:
    """The gravest verdict of judged numbers, and the reasons of those that are not PASS."""
    judged = [item for item in judged if item['verdict'] != NOT_KNOWN]
    return worst(item['verdict'] for item in judged), [
        item['reason'] for item in judged if item['reason']
    ]


def judge_path(name: str, evidence: Mapping[str, Any], bounds: Verdict) -> list[dict[str, Any]]:
    """Verdicts on one registration path by its own evidence.

    Parameters
    ----------
    name : str
        ``disc`` or ``rootlet``.
    evidence : dict
        As :func:`spinalprep.anatomy.assessment.assess_path` gives it.
    bounds : Verdict

    Returns
    -------
    list of dict
        See :func:`judge_numbers`.
    """
    if not evidence['covered_slices']:
        return judge_numbers({'uncovered': 1}, bounds, where=name)
    values = {number.name: evidence[number.name] for number in NUMBERS if number.name in evidence}
    values |= {'uncovered': 0, 'landmark_order_breaks': len(evidence['order_breaks'])}
    return judge_numbers(values, bounds, where=name)


def choose_path(
    paths: Mapping[str, Mapping[str, Any]],
    *,
    prefer_rootlets: bool | None,
    required_levels: Iterable[int],
) -> str:
    """The path to stand for the subject.

    Parameters
    ----------
    paths : dict
        'disc' and 'rootlet', those that have a result → evidence, with its ``verdict``.
    prefer_rootlets : bool or None
    required_levels : iterable of int

    Returns
    -------
    str
        A key of `paths`: one that is not FAIL before one that is; then the policy's
        preference; then the one that covers more of the required levels, then more cord.

    Raises
    ------
    ValueError
        If there is no path.
    """
    required = set(required_levels)

    def rank(name: str) -> tuple:
        evidence = paths[name]
        preferred = prefer_rootlets is not None and prefer_rootlets == (name == 'rootlet')
        return (
            evidence['verdict'] != FAIL,
            preferred,
            len(required & set(evidence['covered_levels'])),
            evidence['covered_mm'],
            name == 'disc',
        )

    if not paths:
        raise ValueError('no path to choose from')
    return max(paths, key=rank)


def judge_registration(
    paths: Mapping[str, Mapping[str, Any]],
    no_result: Mapping[str, str],
    offset: tuple[float, float] | None,
    *,
    prefer_rootlets: bool | None,
    required_levels: Iterable[int],
    bounds: Verdict,
) -> dict[str, Any]:
    """Choose a path and judge the registration as a whole.

    Parameters
    ----------
    paths : dict
        Paths that gave a result → evidence.
    no_result : dict
        The others → why they gave none.
    offset : (float, float) or None
        Vertebral–spinal offset in mm and in levels.
    prefer_rootlets, required_levels
        See :func:`choose_path`.
    bounds : Verdict

    Returns
    -------
    dict
        ``path``, ``paths``, ``no_result``, ``offset_mm``, ``offset_levels``, ``numbers``,
        ``verdict``, ``reasons``. The verdict is that of the path taken, at least WARN where the
        other path is FAIL, misses a level that was asked for, or disagrees; and FAIL where
        the order of levels breaks on either path.
    """
    required = list(required_levels)
    chosen = choose_path(paths, prefer_rootlets=prefer_rootlets, required_levels=required)
    verdicts = [paths[chosen]['verdict']]
    reasons = list(paths[chosen]['reasons'])
    for other in paths.keys() - {chosen}:
        reasons += paths[other]['reasons']
        broken = bool(paths[other]['order_breaks'])
        verdicts.append(FAIL if broken else PASS if paths[other]['verdict'] == PASS else WARN)
    missed = sorted(set(required) - set(paths[chosen]['covered_levels']))
    if missed:
        names = ', '.join(level_name(level) for level in missed)
        verdicts.append(WARN)
        reasons.append(f'{chosen} path: does not cover {names}, which the policy asks for')
    result = {'path': chosen, 'paths': dict(paths), 'no_result': dict(no_result)}
    result |= {'offset_mm': None, 'offset_levels': None, 'numbers': []}
    for path in paths.values():
        result['numbers'] += path.get('numbers', [])
    if offset:
        result |= {'offset_mm': round(offset[0], 2), 'offset_levels': round(offset[1], 3)}
        judged = judge_numbers({'offset_levels': round(offset[1], 3)}, bounds)
        result['numbers'] += judged
        verdict, told = verdict_of(judged)
        verdicts.append(verdict)
        reasons += [f'{reason}: {abs(offset[0]):.1f} mm' for reason in told]
    return result | {'verdict': worst(verdicts), 'reasons': reasons}
