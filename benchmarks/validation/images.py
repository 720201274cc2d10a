# SPDX-License-Identifier: Apache-2.0
"""Cord, discs and registration on real images, on warped ones, and where no anchor is in view."""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from validation.common import (
    Drawing,
    Row,
    Template,
    away,
    centre_error,
    dice,
    labels,
    least,
    load,
    most,
    slices,
    spine_of,
)
from validation.warping import Warped, warped

from spinalprep.anatomy.finder import CordNotFound, CordResult, find_cord
from spinalprep.anatomy.labels import label_points
from spinalprep.embedded.registration import CordFrame, map_cords

NEAR_MM = 4.0
"""A disc this close to the truth is at its place."""
WRONG_MM = 10.0
"""A disc this far from the truth of its number has the number of another."""
DISCS = range(3, 21)
"""SCT's values of C2/C3 to T12/L1."""


def measure_cervical(data: Path) -> tuple[list[Row], list[Drawing]]:
    """Real necks: one with a manual cord, one with thick slices and no truth."""
    name = 't2_cervical'
    image, affine = load(data / name / 't2.nii.gz')
    truth = load(data / name / 't2_seg-manual.nii.gz')[0] > 0.5
    cord = find_cord(image, affine)
    rows = [
        least(name, 'Dice', dice(cord.mask, truth), 0.93),
        most(name, 'largest centre error (mm)', centre_error(cord.mask, truth, affine), 2.0),
    ]
    spine = spine_of(image, affine, cord)
    rows.append(most(name, 'numbered without an anchor', float(spine.numbered), 0))
    # the labels mark the bodies of the vertebrae, half a level below the discs of their values
    points = label_points(*labels(data / name / 't2_labeled_center_manual.nii.gz'))
    spine = spine_of(image, affine, cord, (5, points[5]))
    gaps = away(spine, cord, points).values()
    title = 'discs above the labels, which mark bodies (mm)'
    rows.append(Row(name, title, f'{min(gaps):.1f}–{max(gaps):.1f}'))
    thick, affine_thick = load(data / 't2_thick_axial' / 't2.nii.gz')
    found = find_cord(thick, affine_thick)
    share = len(slices(found.mask)) / thick.shape[2]
    rows.append(Row('t2_thick_axial', 'slices with cord (share; no truth)', share))
    return rows, [Drawing(name, image, affine, truth, cord.mask)]


def measure_template(data: Path) -> tuple[list[Row], list[Drawing]]:
    """The template's image as a subject."""
    name, t = 'pam50_small', Template.of(data)
    cord = find_cord(t.image, t.affine)
    z = slices(t.cord)
    inside = np.s_[..., z[0] : z[-1] + 1]
    within = dice(cord.mask[inside], t.cord[inside])
    spine = spine_of(t.image, t.affine, cord)
    distance = away(spine, cord, t.posterior)
    right = [v for v in DISCS if distance.get(v, np.inf) <= NEAR_MM]
    rows = [
        least(name, "Dice in the truth's slices", within, 0.90),
        least(name, 'Dice', dice(cord.mask, t.cord), 0.80),
        least(name, 'discs right (of 18)', len(right) if spine.numbered else 0, 16),
    ]  # fmt: skip
    return rows, [Drawing(name, t.image, t.affine, t.cord, cord.mask)]


def truth_of(subject: Warped, template: Template) -> tuple[dict, dict]:
    """Discs on the cord and their posterior edges in a warped subject."""
    return tuple(
        {value: subject.map.to_subject(point)[0] for value, point in points.items()}
        for points in (template.discs, template.posterior)
    )


def registration_error(
    subject: Warped, cord: CordResult, template: Template, discs: dict[int, np.ndarray]
) -> tuple[np.ndarray, float]:
    """Errors (mm) at voxels of the true cord, and the share of them that is mapped."""
    arcs = {v: cord.centerline.project(point)[0][0] for v, point in discs.items()}
    used = [v for v in discs if v in template.discs and 0 <= arcs[v] <= cord.centerline.length]
    mapping = map_cords(
        CordFrame.from_mask(cord.mask, subject.affine),
        CordFrame.from_mask(template.cord, template.affine),
        {v: discs[v] for v in used},
        {v: template.discs[v] for v in used},
    )
    points = nib.affines.apply_affine(subject.affine, np.argwhere(subject.cord)[::11])
    moved, margin = mapping.to_template(points)
    error = np.linalg.norm(moved - subject.map.to_template(points), axis=1)
    return error[margin > 0], float(np.mean(margin > 0))


def measure_warped(data: Path, seeds: range) -> tuple[list[Row], list[Drawing]]:
    """Warped subjects with the brainstem in view, and cut so that no anchor is."""
    template, name, cut = Template.of(data), f'warped, {len(seeds)} seeds', 'the same, cut'
    overlap, right, share, covered = [], [], [], []
    errors: dict[str, list] = {'given': [], 'automatic': []}
    wrong = confident = 0
    worst: Drawing | None = None
    for seed in seeds:
        subject = warped(template.image, template.cord, template.affine, seed)
        on_cord, posterior = truth_of(subject, template)
        counts = _cut(subject, posterior, template, seed)
        confident, wrong, share = confident + counts[0], wrong + counts[1], [*share, counts[2]]
        try:
            cord = find_cord(subject.image, subject.affine)
        except CordNotFound as error:
            print(f'seed {seed}: {error}', file=sys.stderr)
            overlap.append(0.0)
            right.append(0.0)
            continue
        overlap.append(dice(cord.mask, subject.cord))
        if overlap[-1] == min(overlap):
            worst = Drawing('warped', subject.image, subject.affine, subject.cord, cord.mask)
        spine = spine_of(subject.image, subject.affine, cord)
        distance = away(spine, cord, posterior)
        good = [v for v in DISCS if distance.get(v, np.inf) <= NEAR_MM]
        right.append(len(good) / len(DISCS))
        error, part = registration_error(subject, cord, template, on_cord)
        covered.append(part)
        errors['given'].append(error)
        if len(good) >= 3:
            known = {v: spine.points[v] for v in good}
            errors['automatic'].append(registration_error(subject, cord, template, known)[0])
        print(f'seed {seed}: Dice {overlap[-1]:.3f}, discs right {right[-1]:.2f}, '
              f'{spine.why}, error {np.median(error):.2f} / {np.percentile(error, 95):.2f} mm '
              f'over {part:.2f}, cut: {counts}', file=sys.stderr)  # fmt: skip
    rows = [
        Row(name, 'Dice (mean)', float(np.mean(overlap))),
        Row(name, 'Dice (least)', min(overlap)),
        least(name, 'share of discs right (mean)', float(np.mean(right)), 0.85),
        Row(name, 'share of true cord that is mapped (least)', min(covered)),
    ]
    for kind, bars in (('given', (0.6, 1.2)), ('automatic', (2.0, 4.0))):
        pooled = np.concatenate(errors[kind])
        for (title, q), bar in zip((('median', 50), ('p95', 95)), bars, strict=True):
            measure = f'registration, {kind} discs: {title} (mm)'
            rows.append(most(name, measure, float(np.percentile(pooled, q)), bar))
    rows += [
        most(cut, 'confident wrong numbers (seeds)', wrong, 0),
        Row(cut, 'numbered without an anchor (seeds)', confident),
        Row(cut, 'one disc given: share of discs right (mean)', float(np.nanmean(share))),
    ]
    return rows, [worst] if worst else []


def _cut(
    subject: Warped, posterior: dict, template: Template, seed: int
) -> tuple[bool, bool, float]:
    """Cut anywhere between C1 and T8: numbered, wrongly so, and right with one disc given."""
    rng = np.random.default_rng([seed, 37])
    heights = [point[2] for point in posterior.values()]
    z = (np.array([heights[0] + 8.0, posterior[15][2]]) - subject.affine[2, 3]) / subject.affine[
        2, 2
    ]
    high = int(rng.uniform(z[1], z[0]))
    low = max(high - int(rng.uniform(100, 300) / subject.affine[2, 2]), 0)
    part = subject.cropped(low, high)
    try:
        cord = find_cord(part.image, part.affine)
    except CordNotFound:
        return False, False, float('nan')
    spine = spine_of(part.image, part.affine, cord)
    numbered = spine.numbered
    distance = away(spine, cord, posterior)
    wrong = any(d > WRONG_MM for d in distance.values())
    arcs = {v: cord.centerline.project(posterior[v])[0][0] for v in DISCS}
    view = [v for v in DISCS if 5 <= arcs[v] <= cord.centerline.length - 5]
    if not view:
        return numbered, wrong, float('nan')
    known = view[len(view) // 2]
    spine = spine_of(part.image, part.affine, cord, (known, posterior[known]))
    distance = away(spine, cord, posterior)
    right = [distance.get(v, np.inf) <= NEAR_MM for v in view]
    return numbered, wrong, float(np.mean(right))
