# SPDX-License-Identifier: Apache-2.0
"""From evidence to a verdict with reasons, by the policy's bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from spinalprep.anatomy.labels import level_name
from spinalprep.policy import Bound
from spinalprep.policy import Verdict as Bounds

PASS, WARN, FAIL = 'PASS', 'WARN', 'FAIL'
_RANK = {PASS: 0, WARN: 1, FAIL: 2}

_WORDS = {
    'cord_dice': 'overlap of template and subject cord {:.2f}',
    'centre_distance_mm': 'cord centres {:.1f} mm apart in a slice',
    'leave_one_out_mm': 'a landmark lies {:.1f} mm from where the others foretell it',
    'landmark_residual_mm': 'the field puts a landmark {:.1f} mm off',
    'folded_fraction': 'the field folds in {:.1%} of the cord',
    'offset_levels': 'discs and rootlets disagree by {:.1f} levels',
}


def worst(verdicts: Iterable[str]) -> str:
    """The gravest of some verdicts; PASS of none."""
    return max(verdicts, key=_RANK.__getitem__, default=PASS)


def judge_number(name: str, value: float, bound: Bound) -> tuple[str, str]:
    """Verdict on one number of the evidence.

    Parameters
    ----------
    name : str
        A field of :class:`spinalprep.policy.Verdict`.
    value : float
        The sign does not count.
    bound : Bound
        Where ``fail`` lies below ``warn``, low values are bad.

    Returns
    -------
    verdict : str
    reason : str
        In words, with value and bound; empty for PASS.
    """
    value = abs(value)
    low_is_bad = bound.fail < bound.warn
    for verdict, limit in ((FAIL, bound.fail), (WARN, bound.warn)):
        if math.isnan(value) or (value < limit if low_is_bad else value > limit):
            word = 'below' if low_is_bad else 'above'
            return verdict, f'{_WORDS[name].format(value)} ({word} {limit:g})'
    return PASS, ''


def judge_path(name: str, evidence: Mapping[str, Any], bounds: Bounds) -> tuple[str, list[str]]:
    """Verdict on one registration path by its own evidence.

    Parameters
    ----------
    name : str
        Said first in each reason.
    evidence : dict
        Numbers by name; those that can't be had are None and are not judged.
    bounds : Bounds

    Returns
    -------
    verdict : str
    reasons : list of str
    """
    verdicts, reasons = [], []
    if not evidence['covered_slices']:
        return FAIL, [f'{name}: the warps cover no slice of the cord']
    for key in _WORDS:
        if evidence.get(key) is not None:
            verdict, reason = judge_number(key, evidence[key], getattr(bounds, key))
            verdicts.append(verdict)
            reasons += [f'{name}: {reason}'] if reason else []
    if evidence['order_breaks']:
        verdicts.append(FAIL)
        reasons.append(f'{name}: landmarks out of order: {", ".join(evidence["order_breaks"])}')
    return worst(verdicts), reasons


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
    bounds: Bounds,
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
    bounds : Bounds

    Returns
    -------
    dict
        ``path``, ``paths``, ``no_result``, ``offset_mm``, ``offset_levels``, ``verdict``,
        ``reasons``. The verdict is that of the path taken, at least WARN where the other
        path is FAIL, misses a level that was asked for, or disagrees; and FAIL where
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
    result |= {'offset_mm': None, 'offset_levels': None}
    if offset:
        result |= {'offset_mm': round(offset[0], 2), 'offset_levels': round(offset[1], 3)}
        verdict, reason = judge_number('offset_levels', offset[1], bounds.offset_levels)
        verdicts.append(verdict)
        reasons += [f'{reason}: {abs(offset[0]):.1f} mm'] if reason else []
    return result | {'verdict': worst(verdicts), 'reasons': reasons}
