# SPDX-License-Identifier: Apache-2.0
"""Figure: rootlets by spinal level, as an animation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spinalprep.anatomy.evidence import CordSpace
from spinalprep.anatomy.labels import spinal_level_name
from spinalprep.reports import look
from spinalprep.reports.look import Canvas, level_colour, outline, scale_bar, window_near
from spinalprep.reports.planes import Grid, axial, coronal, course, projection, sagittal
from spinalprep.reports.save import Animation
from spinalprep.reports.strips import around

SECONDS = 1.2

_MARGIN_MM = 15.0
_WIDE_MM = 44.0
_TILE_MM = 32.0
_TILE_PX = 200
_KINDS = ('dorsal', 'ventral')
_STYLES = {'dorsal': 'solid', 'ventral': (0, (1.5, 1.2))}


def rootlets_animation(
    image: np.ndarray,
    affine: np.ndarray,
    cord: np.ndarray,
    rootlets: np.ndarray,
    *,
    title: str,
    expected: Mapping[int, tuple[np.ndarray, np.ndarray]] | None = None,
) -> Animation:
    """Draw the rootlets, one spinal level after the other.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        Cord reference, in any storage order.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    cord : ndarray of bool, shape (i, j, k)
    rootlets : ndarray of int, shape (i, j, k)
        Spinal levels (C2 = 2 … C8 = 8, T1 = 9); not empty.
    title : str
        Which image.
    expected : dict, optional
        Spinal level → world points of the lower and upper end of where its rootlets are
        expected to meet the cord, see `expected_entries`.

    Returns
    -------
    Animation
        One frame per level.

    Raises
    ------
    ValueError
        If there are no rootlets to draw.
    """
    if not (rootlets > 0).any():
        raise ValueError('there are no rootlets to draw')
    grid = Grid.of(image.shape, affine)
    volume, mask = grid.ordered(image), grid.ordered(cord).astype(bool)
    roots = grid.ordered(rootlets)
    middle = course(mask, grid)
    parts = split_by_side(roots, grid, middle)
    window = window_near(volume, grid.spacing, middle)
    found = np.flatnonzero((roots > 0).any(axis=(0, 1))) * grid.spacing[2]
    rows = (
        max(float(found[0]) - _MARGIN_MM, -grid.spacing[2] / 2),
        min(float(found[-1]) + _MARGIN_MM, float(grid.size_mm[2] - grid.spacing[2] / 2)),
    )
    scale = min(640 / np.ptp(rows), 8.0)
    top, left, height = 84, 16, np.ptp(rows) * scale
    x_coronal = left + _WIDE_MM * scale + 64
    x_tiles = x_coronal + _WIDE_MM * scale + 50
    canvas = Canvas(
        x_tiles + _TILE_PX + 230, max(height, 3 * (_TILE_PX + 8)) + top + 40, title, 'rootlets'
    )
    inside = (found / grid.spacing[2]).round().astype(int)
    panels = [
        (_sheet(canvas, sheet, x, top, scale, volume, mask, grid, middle, inside, rows, window), n)
        for n, (sheet, x) in enumerate(((sagittal, left), (coronal, x_coronal)))
    ]
    scale_bar(panels[0][0], 10)
    levels = [int(value) for value in np.unique(roots) if value > 0]
    _all_levels(panels, parts, levels, grid)
    frames = [
        _bands(panels, level, expected, grid)
        + _frame(canvas, panels, parts, level, volume, mask, grid, middle, window, x_tiles, top)
        for level in levels
    ]
    _legend(canvas, left, bool(expected))
    animation = Animation(canvas.figure, frames, SECONDS)
    animation.show(0)
    return animation


def _sheet(canvas, sheet, x, top, scale, volume, mask, grid, middle, inside, rows, window):
    """Panel with the image and the cord, over the heights that hold rootlets."""
    axis = 1 if sheet is sagittal else 0
    centre = (middle[inside, axis].min() + middle[inside, axis].max()) / 2
    axes = canvas.panel(
        sheet(volume, grid, middle), x, top, scale, rows=rows, window=window,
        columns=(centre - _WIDE_MM / 2, centre + _WIDE_MM / 2),
    )  # fmt: skip
    outline(axes, sheet(mask, grid, middle), look.CORD)
    canvas.text(x, top - 12, f'{sheet.__name__}, maximum', color=look.FAINT)
    return axes


def _legend(canvas: Canvas, x: float, expected: bool) -> None:
    y = canvas.height - 16
    for text, colour in (
        ('— cord', look.CORD), ('— dorsal roots', look.INK), ('┄ ventral roots', look.INK),
    ):  # fmt: skip
        canvas.text(x, y, text, color=colour, weight='bold')
        x += 7.5 * len(text) + 18
    if expected:
        canvas.text(x, y, '▒ where the level should meet the cord, by the discs', color=look.FAINT)


def split_by_side(roots: np.ndarray, grid: Grid, middle: np.ndarray) -> dict[str, np.ndarray]:
    """Rootlets behind and in front of the cord's middle.

    Parameters
    ----------
    roots : ndarray of int, shape (r, a, s)
        Ordered.
    grid : Grid
    middle : ndarray, shape (s, 2)
        Course of the cord (mm).

    Returns
    -------
    dict
        ``dorsal`` and ``ventral``: the same with the others set to 0.
    """
    front = (np.arange(grid.shape[1]) * grid.spacing[1])[:, None] > middle[:, 1]
    return {'dorsal': np.where(front, 0, roots), 'ventral': np.where(front, roots, 0)}


def expected_entries(
    subject: CordSpace, template: CordSpace, roots: Mapping[int, np.ndarray]
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Where rootlets should meet the cord, going by the discs.

    Each spinal level lies between the subject's discs as it does in the template, give
    or take half a vertebral level: so far people differ without anything being wrong.

    Parameters
    ----------
    subject, template : CordSpace
        Their landmarks are discs.
    roots : dict
        Spinal level → world point of the middle of its rootlets in the template.

    Returns
    -------
    dict
        Spinal level → world points on the subject's cord, lower and upper end; only
        levels between the outermost of the subject's discs, half a level beyond included.
    """
    known, ours = template.landmark_arcs(), subject.landmark_arcs()
    common = sorted(set(known) & set(ours))
    if len(common) < 2 or not roots:
        return {}
    # arcs grow upwards, values downwards
    rising = common[::-1]
    arcs, _ = template.centerline.project(np.array(list(roots.values())))
    values = np.interp(arcs, [known[v] for v in rising], rising, left=np.nan, right=np.nan)
    found = {}
    for level, value in zip(roots, values, strict=True):
        if np.isfinite(value):
            ends = np.interp([value + 0.5, value - 0.5], common, [ours[v] for v in common])
            low, high = subject.centerline.at(ends)
            found[level] = (low, high)
    return found


def _bands(panels, level: int, expected, grid: Grid) -> list:
    """Faint band over the heights at which a level is expected."""
    if not expected or level not in expected:
        return []
    low, high = (grid.mm(end)[2] for end in expected[level])
    return [
        axes.axhspan(low, high, color=level_colour(level), alpha=0.22, lw=0) for axes, _ in panels
    ]


def _all_levels(panels, parts, levels, grid: Grid) -> None:
    """Every level thin, with its name beside: the frames put one forward."""
    for axes, across in panels:
        names = []
        for level in levels:
            for part in parts.values():
                outline(
                    axes, projection(part == level, grid, across), level_colour(level), width=0.5
                )
            heights = np.flatnonzero(
                sum((part == level).any(axis=(0, 1)) for part in parts.values())
            )
            names.append(
                (spinal_level_name(level), heights.mean() * grid.spacing[2], level_colour(level))
            )
        look.names_beside(axes, names)


def _frame(canvas, panels, parts, level, volume, mask, grid, middle, window, x, top) -> list:
    """What is drawn for one level: it in both projections, three slices, counts."""
    colour = level_colour(level)
    shown: list = []
    here = {kind: part == level for kind, part in parts.items()}
    for axes, across in panels:
        for kind, part in here.items():
            drawn = outline(
                axes, projection(part, grid, across), colour, width=2, style=_STYLES[kind]
            )
            shown += [drawn] if drawn is not None else []
    heights = np.flatnonzero(sum(part.any(axis=(0, 1)) for part in here.values()))
    picks = heights[[len(heights) * 5 // 6, len(heights) // 2, len(heights) // 6]]
    for number, height in enumerate(picks):
        columns, rows = around(middle[height], _TILE_MM)
        axes = canvas.panel(
            axial(volume, grid, height), x, top + number * (_TILE_PX + 8), _TILE_PX / _TILE_MM,
            columns=columns, rows=rows, window=window,
        )  # fmt: skip
        outline(axes, axial(mask, grid, height).within(columns, rows), look.CORD)
        for kind, part in here.items():
            outline(
                axes, axial(part, grid, height).within(columns, rows), colour, width=1.6,
                style=_STYLES[kind],
            )  # fmt: skip
        scale_bar(axes, 5)
        shown.append(axes)
    name = spinal_level_name(level)
    shown.append(
        canvas.text(x + _TILE_PX + 20, top + 24, name, size=34, weight='bold', color=colour)
    )
    shown += _counts(canvas, x + _TILE_PX + 20, top + 74, here, grid, middle)
    low, high = heights[0] * grid.spacing[2], heights[-1] * grid.spacing[2]
    text = f'{high - low + grid.spacing[2]:.0f} mm high'
    shown.append(canvas.text(x + _TILE_PX + 20, top + 172, text))
    return shown


def _counts(canvas, x, y, here, grid: Grid, middle) -> list:
    """Volume on each side, dorsal and ventral."""
    right = (np.arange(grid.shape[0]) * grid.spacing[0])[:, None] > middle[:, 0]
    voxel = float(np.prod(grid.spacing))
    texts = [canvas.text(x + 150, y, 'mm³', color=look.FAINT)]
    texts += [
        canvas.text(x + place, y, side, weight='bold') for place, side in ((66, 'R'), (110, 'L'))
    ]
    for number, kind in enumerate(_KINDS):
        columns = here[kind].sum(axis=1)
        row = y + 24 * (number + 1)
        texts.append(canvas.text(x, row, kind))
        for place, side in ((66, right), (110, ~right)):
            texts.append(canvas.text(x + place, row, f'{columns[side].sum() * voxel:.0f}'))
    return texts
