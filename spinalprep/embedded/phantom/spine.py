# SPDX-License-Identifier: Apache-2.0
"""Vertebrae, discs, canal, rootlets and cord, painted from outside to inside."""

from __future__ import annotations

import numpy as np

from spinalprep.anatomy.labels import DISC_POINT_OF_MAP, VERTEBRAE
from spinalprep.embedded.phantom.anatomy import LAST_DISC, ROOTLET_LEVELS
from spinalprep.embedded.phantom.canvas import Canvas, Patch, cover, ellipse

_VERTEBRA = dict(enumerate(VERTEBRAE, start=1))
"""Vertebra 1 = C1 … 20 = L1 → value in the map."""
_DISC = {point: value for value, point in DISC_POINT_OF_MAP.items()}
"""SCT's disc 3 = C2/C3 … → value in the map."""
GAP = 1.0
"""Between the canal's front wall and the vertebral bodies: dura and ligament (mm)."""
BAR_DEPTH = 0.14
"""Half depth of the grey matter's bar across, as a part of the cord's."""
FORAMEN_S = 8.0
"""Above this (mm over C1's top) the canal has opened into the skull."""


def _bone(canvas: Canvas, spine: np.ndarray, patch: Patch, edges: list, level: int, tissue: dict):
    """Paint marrow inside a cortical shell; `edges` are (distance, voxel width) pairs."""
    outer, inner = 1.0, 1.0
    for distance, width in edges:
        outer = outer * cover(distance, width)
        inner = inner * cover(distance + 0.9, width)
    canvas.paint(patch, outer, tissue['cortex'])
    canvas.paint(patch, inner, tissue['marrow'])
    canvas.label(spine, patch, outer, _VERTEBRA[level])


def paint_vertebrae(canvas: Canvas, spine: np.ndarray, tissue: dict[str, float]) -> None:
    """All vertebrae that reach into the field of view, C1 and C2 with their own shapes."""
    body = canvas.anatomy
    for level in range(LAST_DISC - 1, 0, -1):
        if body.discs[level] - 45 > canvas.s.max() or body.discs[level - 1] + 5 < canvas.s.min():
            continue
        _posterior(canvas, spine, level, tissue)
        if level == 1:
            _atlas(canvas, spine, tissue)
        else:
            _body(canvas, spine, level, tissue)


def _body(canvas: Canvas, spine: np.ndarray, level: int, tissue: dict[str, float]) -> None:
    """Vertebral body; for C2 with the dens."""
    body = canvas.anatomy
    top, bottom = body.discs[level - 1], body.discs[level]
    depth = body.depth[level - 1]
    reach = top + (26 if level == 2 else 8)
    near = (canvas.s < reach) & (canvas.s > bottom - 8) & (np.abs(canvas.v - 20) < 24)
    patch = canvas.patch(near, 20)
    back = (body.canal_front(patch.s) + GAP).astype(np.float32)
    behind = patch.v - back
    middle = np.abs(behind - depth / 2)
    tilt_top, tilt_bottom = body.disc_tilt[level - 1], body.disc_tilt[level]
    low = bottom + body.disc_height[level] / 2 + tilt_bottom * behind
    if level == 2:
        high = body.discs[1] - 1.0 + 0 * behind
    else:
        high = top - body.disc_height[level - 1] / 2 + tilt_top * behind
    half = np.interp(level, [2, 7, 9, 17], [11, 13, 14, 16])
    side = half * np.sqrt(np.clip(1 - 0.45 * (behind / depth) ** 2, 0.1, 1))
    edges = [
        (np.maximum(low - patch.s, patch.s - high), patch.hs),
        (middle - depth / 2, patch.hv),
        (np.abs(patch.u) - side, patch.hu),
    ]
    _bone(canvas, spine, patch, edges, level, tissue)
    if level == 2:
        stem = np.maximum(bottom + 8 - patch.s, patch.s - body.discs[0] - 1.0)
        radial = np.hypot(patch.u, behind - 5.5) - 5.0
        edges = [(stem, patch.hs), (radial, np.hypot(patch.hu, patch.hv) / np.sqrt(2))]
        _bone(canvas, spine, patch, edges, 2, tissue)


def _atlas(canvas: Canvas, spine: np.ndarray, tissue: dict[str, float]) -> None:
    """C1: anterior arch in front of the dens, and the lateral masses."""
    body = canvas.anatomy
    middle = (body.discs[0] + body.discs[1]) / 2
    patch = canvas.patch((np.abs(canvas.s - middle) < 12) & (np.abs(canvas.v - 12) < 24), 26)
    behind = patch.v - (body.canal_front(patch.s) + GAP).astype(np.float32)
    along = np.abs(patch.s - middle)
    arch = np.abs(behind - 14.5 + (patch.u / 16) ** 2 * 4) - 2.5
    edges = [(along - 5.5, patch.hs), (arch, patch.hv), (np.abs(patch.u) - 14, patch.hu)]
    _bone(canvas, spine, patch, edges, 1, tissue)
    beside = np.abs(np.abs(patch.u) - 19) - 5
    edges = [(along - 6.5, patch.hs), (np.abs(behind - 3) - 7, patch.hv), (beside, patch.hu)]
    _bone(canvas, spine, patch, edges, 1, tissue)


def _posterior(canvas: Canvas, spine: np.ndarray, level: int, tissue: dict[str, float]) -> None:
    """Articular pillars, lamina and spinous process."""
    body = canvas.anatomy
    top, bottom = body.discs[level - 1], body.discs[level]
    middle = (top + bottom) / 2 - (3.0 if level == 2 else 0.0)
    length = np.interp(level, [1, 2, 3, 5, 6, 7, 9, 17], [2, 24, 17, 17, 21, 31, 32, 30])
    slope = np.interp(level, [1, 3, 7, 10, 17], [0.0, 0.25, 0.35, 0.9, 0.8])
    reach = 45 if level > 7 else 22
    near = (canvas.s < top + 4) & (canvas.s > bottom - reach) & (np.abs(canvas.v + 18) < 34)
    patch = canvas.patch(near, 24)
    a, b = body.along('canal_u', patch.s), body.along('canal_v', patch.s)
    shift = body.along('canal_shift', patch.s)
    v = patch.v - shift.astype(np.float32)
    low = (top - bottom) * 0.36
    # lamina: a shell behind the canal
    f = np.sqrt((patch.u / (a + 3.2)) ** 2 + (v / (b + 3.2)) ** 2)
    shell = np.abs(f - 1.0) * (b + 3.2) - 2.0
    edges = [(np.abs(patch.s - middle + 2) - low, patch.hs), (shell, patch.hv), (v + 1, patch.hv)]
    _bone(canvas, spine, patch, edges, level, tissue)
    if level > 1:
        pillar = np.abs(np.abs(patch.u) - a - 5.5) - 4.0
        edges = [
            (np.abs(patch.s - middle) - (top - bottom) * 0.46, patch.hs),
            (np.abs(v + 3) - 5.5, patch.hv),
            (pillar, patch.hu),
        ]
        _bone(canvas, spine, patch, edges, level, tissue)
    # spinous process, sloping down as it goes back
    back = -(v + b + 3.0)
    axis = middle - 2.5 - slope * back
    half = np.clip(4.6 - 0.03 * back, 3.0, None)
    edges = [
        (np.abs(patch.s - axis) - half, patch.hs),
        (np.maximum(-back, back - length), patch.hv),
        (np.abs(patch.u) - 3.0, patch.hu),
    ]
    _bone(canvas, spine, patch, edges, level, tissue)


def paint_discs(canvas: Canvas, spine: np.ndarray, tissue: dict[str, float]) -> None:
    """Discs C2/C3 and below: dark annulus around a nucleus."""
    body = canvas.anatomy
    for label in range(3, LAST_DISC + 1):
        s0, height = body.discs[label - 1], body.disc_height[label - 1]
        near = (np.abs(canvas.s - s0) < height + 5) & (np.abs(canvas.v - 20) < 24)
        patch = canvas.patch(near, 20)
        if not patch.rows.size:
            continue
        depth = body.depth[min(label, LAST_DISC - 1) - 1] + 0.6
        behind = patch.v - (body.canal_front(patch.s) + GAP).astype(np.float32) + 0.6
        along = np.abs(patch.s - s0 - body.disc_tilt[label - 1] * behind) - height / 2
        half = np.interp(label, [3, 8, 10, 18], [10, 12, 13.5, 15.5])
        side = half * np.sqrt(np.clip(1 - 0.45 * (behind / depth) ** 2, 0.1, 1))
        share = cover(along, patch.hs) * cover(np.abs(patch.u) - side, patch.hu)
        share = share * cover(np.abs(behind - depth / 2) - depth / 2, patch.hv)
        canvas.paint(patch, share, tissue['annulus'])
        canvas.label(spine, patch, share, _DISC[label])
        f = ((behind - depth * 0.45) / (depth * 0.33)) ** 2 + (patch.u / (0.75 * half)) ** 2
        core = cover(along + 0.8, patch.hs) * np.clip(1.5 * (1.2 - f), 0, 1)
        canvas.paint(patch, core, tissue['nucleus'])


def paint_canal(canvas: Canvas, tissue: dict[str, float]) -> np.ndarray:
    """Epidural space, dura and fluid; returns the label array of the canal."""
    body = canvas.anatomy
    canal = canvas.blank()
    patch = canvas.patch((np.abs(canvas.v) < 16) & (canvas.s < FORAMEN_S + 3), 19)
    a, b = (body.along(n, patch.s).astype(np.float32) for n in ('canal_u', 'canal_v'))
    v = patch.v - body.along('canal_shift', patch.s).astype(np.float32)
    h = (patch.hu, patch.hv)
    ends = cover(patch.s - FORAMEN_S, patch.hs)
    canvas.paint(patch, ends * ellipse(patch.u, v, a + 2.2, b + 1.6, h), tissue['epidural'])
    canvas.paint(patch, ends * ellipse(patch.u, v, a + 0.9, b + 0.9, h), tissue['dura'])
    share = ellipse(patch.u, v, a, b, h)
    canvas.paint(patch, ends * share, tissue['csf'])
    canvas.label(canal, patch, share * (patch.s <= 0), 1)
    return canal


def paint_rootlets(canvas: Canvas, tissue: dict[str, float], contrast: float) -> np.ndarray:
    """Dorsal and ventral rootlets C2–T1 from the cord to the canal's wall; returns labels.

    Each is a thin fan of filaments: wide where it enters the cord, narrow and lower at
    the wall, part of the way down to the foramen that its nerve leaves by.
    """
    body = canvas.anatomy
    labels = canvas.blank()
    value = tissue['csf'] + contrast * (tissue['cord'] - tissue['csf'])
    for spinal in ROOTLET_LEVELS:
        centre, length = body.entry(spinal)
        drop = float(np.clip(0.6 * (centre - body.discs[spinal - 1]), 0.0, 14.0))
        near = np.abs(canvas.s - centre + drop / 2) < (length + drop) / 2 + 3
        patch = canvas.patch(near & (np.abs(canvas.v) < 11), 14)
        if not patch.rows.size or centre > body.medulla_mm:
            continue
        a, b = body.radii(patch.s)
        wall = 0.95 * body.along('canal_u', patch.s), body.along('canal_shift', patch.s) - 1.0
        for side in (-1, 1):
            for start, thick in (((0.74, -0.67), 1.3), ((0.62, 0.78), 1.1)):
                u0, v0 = start[0] * a, start[1] * b
                du, dv = wall[0] - u0, wall[1] - v0
                span = np.hypot(du, dv)
                pu, pv = side * patch.u - u0, patch.v - v0
                t = (pu * du + pv * dv) / span**2
                across = np.abs(pu * dv - pv * du) / span - thick / 2
                width = np.hypot(dv * patch.hu, du * patch.hv) / span
                fan = 1.0 - 0.55 * np.clip(t, 0, 1)
                along = patch.s + drop * np.clip(t, 0, 1) - centre
                share = cover(across, width) * cover(np.abs(along) - fan * length / 2, patch.hs)
                share = share * ((t > -0.25) & (t < 1.0))
                canvas.label(labels, patch, share, spinal)
                fine = np.cos(2 * np.pi * 5 * along / (fan * length))
                fine = fine * np.sinc(5 / length * patch.hs)
                canvas.paint(patch, share * (0.72 + 0.28 * fine), value)
    return labels


def paint_cord(canvas: Canvas, tissue: dict[str, float]) -> np.ndarray:
    """Cord with grey matter, and the brainstem above; returns the cord's label array."""
    body = canvas.anatomy
    cord = canvas.blank()
    patch = canvas.patch(np.abs(canvas.v - 4) < 26, 24)
    a, b = (r.astype(np.float32) for r in body.radii(patch.s))
    h = (patch.hu, patch.hv)
    # the pons bulges forward; the floor behind it keeps its line
    pons = np.clip((patch.s - 22) / 8, 0, 1) * np.clip((52 - patch.s) / 8, 0, 1)
    share = ellipse(patch.u, patch.v - 5 * pons, a + 4 * pons, b + 6 * pons, h)
    canvas.paint(patch, share, tissue['white'])
    canvas.label(cord, patch, share * (patch.s <= 0), 1)
    below = cover(patch.s - 4, 4.0)
    horns, bar = _grey_shares(patch, a, b)
    for share in (*horns.values(), bar):
        canvas.paint(patch, share * below, tissue['grey'])
    return cord


def grey_matter(canvas: Canvas) -> dict[int, np.ndarray]:
    """Share of each voxel that each part of the grey matter has, below the top of C1.

    Returns
    -------
    dict of int to ndarray of float32
        PAM50's number of the part → array in the canvas' layout: 30, 32, 34 are ventral horn,
        intermediate zone and dorsal horn on the left, 31, 33, 35 those on the right.
    """
    body = canvas.anatomy
    patch = canvas.patch((np.abs(canvas.v) < 12) & (canvas.s <= 0), 12)
    a, b = (r.astype(np.float32) for r in body.radii(patch.s))
    horns, bar = _grey_shares(patch, a, b)
    # the zone between the horns is as deep as the bar across
    ventral = cover(BAR_DEPTH * b - patch.v, patch.hv)
    dorsal = cover(BAR_DEPTH * b + patch.v, patch.hv)
    parts = {}
    for side, number in ((-1, 30), (1, 31)):
        own = cover(-side * patch.u, patch.hu)
        middle = np.maximum(horns[side], bar * own) * (1 - ventral - dorsal)
        for share in (horns[side] * ventral, middle, horns[side] * dorsal):
            parts[number] = np.zeros(canvas.image.shape, np.float32)
            parts[number][patch.rows, patch.columns] = share
            number += 2
    return parts


def _grey_shares(patch: Patch, a: np.ndarray, b: np.ndarray) -> tuple[dict, np.ndarray]:
    """Shares of the two columns, by side (1 is right), and of the bar that joins them."""
    h = (patch.hu, patch.hv)
    columns = {
        side: ellipse(patch.u - side * 0.33 * a, patch.v, 0.16 * a, 0.52 * b, h)
        for side in (-1, 1)
    }
    return columns, ellipse(patch.u, patch.v, 0.34 * a, BAR_DEPTH * b, h)
