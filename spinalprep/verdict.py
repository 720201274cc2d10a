# SPDX-License-Identifier: Apache-2.0
"""From evidence to a verdict with reasons, by the policy's bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

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
