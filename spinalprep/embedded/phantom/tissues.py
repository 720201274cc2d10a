# SPDX-License-Identifier: Apache-2.0
"""Signals of the tissues, and the soft tissue around spine and brain."""

from __future__ import annotations

import numpy as np

from spinalprep.embedded.phantom.canvas import Canvas, cover, ellipse

# relative to the cord's mean
SIGNALS = {
    'T2w': {
        'air': 0.03, 'muscle': 0.45, 'fat': 1.35, 'skin': 0.8, 'mucosa': 0.9,
        'marrow': 0.72, 'cortex': 0.16, 'nucleus': 1.0, 'annulus': 0.26, 'epidural': 0.8,
        'dura': 0.25, 'csf': 2.2, 'white': 0.94, 'grey': 1.14, 'brain': 1.05, 'vessel': 0.12,
        'marker': 2.8, 'cord': 1.0,
    },
    'T1w': {
        'air': 0.03, 'muscle': 0.62, 'fat': 1.9, 'skin': 0.9, 'mucosa': 0.8,
        'marrow': 0.88, 'cortex': 0.18, 'nucleus': 0.55, 'annulus': 0.42, 'epidural': 0.75,
        'dura': 0.28, 'csf': 0.38, 'white': 1.03, 'grey': 0.93, 'brain': 1.0, 'vessel': 0.15,
        'marker': 2.3, 'cord': 1.0,
    },
}  # fmt: skip


def paint_body(canvas: Canvas, tissue: dict[str, float], rng: np.random.Generator) -> None:
    """Muscle, fat, skin and air of neck and chest, front and back, with some texture."""
    level = canvas.anatomy.level(canvas.s)
    back = -np.interp(level, [-1, 1, 4, 7, 9, 14], [62, 54, 50, 58, 62, 60])
    front = np.interp(level, [0, 2, 3.5, 5, 7, 8.5, 10], [200, 200, 72, 60, 62, 80, 200])
    v, hv = canvas.v, canvas.hv
    sheet = np.full(v.shape, tissue['muscle'], np.float32)
    for depth, name in ((6.0, 'fat'), (1.5, 'skin'), (0.0, 'air')):
        outside = 1.0 - cover(np.maximum(back + depth - v, v - front + depth), hv)
        sheet += outside * (tissue[name] - sheet)
    canvas.image += sheet[:, None]
    _, ny, nz = canvas.shape
    y, z = np.linspace(0, 1, ny)[:, None], np.linspace(0, 1, nz)[None, :]
    for _ in range(3):
        f, g = rng.uniform(3, 12, 2), rng.uniform(0, 2 * np.pi, 3)
        wave = np.cos(2 * np.pi * (f[0] * y + f[1] * 2 * z) + g[0]).astype(np.float32)
        across = np.cos(canvas.x / rng.uniform(3, 9) + g[1]).astype(np.float32)
        canvas.image *= 1.0 + 0.05 * wave.ravel()[:, None] * across[None, :]
    # the neck's sides show only in a wide field of view
    wide = canvas.patch(np.abs(v) < np.inf, np.inf) if np.abs(canvas.x).max() > 55 else None
    if wide is not None:
        side = np.interp(level, [1, 4, 8, 10], [75, 62, 75, 180])[:, None]
        canvas.paint(wide, 1.0 - cover(np.abs(wide.u) - side, wide.hu), tissue['air'])


def paint_airway(canvas: Canvas, tissue: dict[str, float]) -> None:
    """Pharynx and trachea in front of the spine, lungs beside the thoracic spine."""
    level = canvas.anatomy.level(canvas.s)
    middle = np.interp(level, [0, 1.5, 4.5, 6, 8, 12], [36, 38, 40, 48, 56, 62])
    radius = np.interp(level, [0.4, 1, 4, 5.5, 6, 9], [1, 6, 6, 5, 8, 8])
    patch = canvas.patch((np.abs(canvas.v - middle) < 16) & (level > 0.4), 24)
    m, r = middle[patch.rows][:, None], radius[patch.rows][:, None]
    h = (patch.hu, patch.hv)
    canvas.paint(patch, ellipse(patch.u, patch.v - m, r * 1.6 + 3, r + 3, h), tissue['mucosa'])
    canvas.paint(patch, ellipse(patch.u, patch.v - m, r * 1.6, r, h), tissue['air'])
    lungs = canvas.patch((level > 8.7) & (canvas.v > -22))
    depth = (level[lungs.rows][:, None] - 8.7) * 12
    for side in (-1, 1):
        share = ellipse(lungs.u - side * 58, lungs.v - 14, 38.0, 8 + depth, (lungs.hu, lungs.hv))
        canvas.paint(lungs, share, tissue['air'] * 2)


def paint_head(canvas: Canvas, tissue: dict[str, float]) -> None:
    """Skull, cerebrospinal fluid, cerebellum and the rest of the brain above the cord.

    The brainstem itself is painted with the cord, whose area rises into it.
    """
    head = canvas.patch(canvas.s > -12)
    if not head.rows.size:
        return
    h = (np.maximum(head.hv, head.hs),)

    def ball(s0: float, v0: float, rs: float, rv: float, ru: float) -> np.ndarray:
        f = np.sqrt(((head.s - s0) / rs) ** 2 + ((head.v - v0) / rv) ** 2 + (head.u / ru) ** 2)
        return cover((f - 1.0) * min(rs, rv, ru), h[0])

    canvas.paint(head, ball(52, -12, 57, 58, 74), tissue['fat'] * 0.6)
    canvas.paint(head, ball(52, -12, 52, 54, 70), tissue['cortex'])
    canvas.paint(head, ball(52, -12, 50, 52, 68), tissue['marrow'] * 1.1)
    canvas.paint(head, ball(52, -12, 46, 49, 65), tissue['cortex'])
    canvas.paint(head, ball(52, -12, 45, 48, 64), tissue['csf'])
    folia = 1.0 + 0.12 * np.cos(np.hypot(head.s - 26, head.v + 16) * 1.6)
    canvas.paint(head, ball(29, -31, 22, 21, 50), tissue['brain'] * folia)
    canvas.paint(head, ball(76, -12, 30, 46, 60), tissue['brain'])


def paint_marker(canvas: Canvas, tissue: dict[str, float]) -> None:
    """Bright capsule in the fat of the neck's back, on the subject's right."""
    s0 = float(canvas.anatomy.s_of(5.0))
    patch = canvas.patch((np.abs(canvas.s - s0) < 14) & (np.abs(canvas.v + 43) < 9))
    across = ellipse(patch.u - 22, patch.v + 43, 4.0, 4.0, (patch.hu, patch.hv))
    canvas.paint(patch, across * cover(np.abs(patch.s - s0) - 8.0, patch.hs), tissue['marker'])
