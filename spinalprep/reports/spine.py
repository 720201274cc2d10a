# SPDX-License-Identifier: Apache-2.0
"""Figure: vertebrae, discs, canal and cord, and the disc points that registration used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from spinalprep.anatomy.labels import (
    CANAL,
    CORD,
    DISC_POINT_OF_MAP,
    VERTEBRAE,
    disc_name,
    order_breaks,
)
from spinalprep.reports import look
from spinalprep.reports.look import (
    Canvas,
    level_colour,
    names_beside,
    outline,
    outlines,
    scale_bar,
)
from spinalprep.reports.planes import Grid, Section, axial, coronal, course, sagittal
from spinalprep.reports.strips import around

_TILE_MM = 50.0
_MOST_TILES = 12


def spine_figure(
    image: np.ndarray,
    affine: np.ndarray,
    cord: np.ndarray,
    *,
    title: str,
    labels: np.ndarray | None = None,
    discs: Mapping[int, np.ndarray] | None = None,
    used: Collection[int] = (),
) -> Figure:
    """Draw TotalSpineSeg's map and the disc points.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        Cord reference, in any storage order.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    cord : ndarray of bool, shape (i, j, k)
    title : str
        Which image.
    labels : ndarray of int, shape (i, j, k), optional
        TotalSpineSeg's map.
    discs : dict, optional
        Value of each disc point → world point.
    used : collection of int
        Those that registration used.

    Returns
    -------
    Figure
    """
    grid = Grid.of(image.shape, affine)
    volume, mask = grid.ordered(image), grid.ordered(cord).astype(bool)
    spine = None if labels is None else grid.ordered(labels)
    points = {value: grid.mm(point) for value, point in (discs or {}).items()}
    middle = course(mask, grid)
    rows = (-grid.spacing[2] / 2, float(grid.size_mm[2] - grid.spacing[2] / 2))
    limits = [
        (-grid.spacing[axis] / 2, float(grid.size_mm[axis] - grid.spacing[axis] / 2))
        for axis in range(2)
    ]
    window = look.window_near(volume, grid.spacing, middle, 30.0)
    centres = {} if spine is None else _centres(spine)
    through_discs = _through_bodies(centres, grid, middle)

    scale = min(720 / grid.size_mm[2], 5.0, 620 / (grid.size_mm[0] + grid.size_mm[1]))
    top, left, height = 70, 90, grid.size_mm[2] * scale
    x_coronal = left + grid.size_mm[1] * scale + 86
    x_tiles = x_coronal + grid.size_mm[0] * scale + 20
    picks = [(value, points[value]) for value in sorted(points) if _inside(points[value], grid)]
    picks = picks[:: -(-len(picks) // _MOST_TILES)] if picks else []
    per_column = max(int(max(height, 300) // 180), 1)
    canvas = Canvas(
        x_tiles + -(-len(picks) // per_column) * 180 + 8, max(height, 300) + top + 50,
        title, 'vertebrae, discs, canal and cord',
    )  # fmt: skip
    sheets = ((sagittal, middle, left), (coronal, through_discs, x_coronal))
    side, front = (
        canvas.panel(
            sheet(volume, grid, course_), x, top, scale, columns=columns, rows=rows, window=window
        )
        for (sheet, course_, x), columns in zip(sheets, limits[::-1], strict=True)
    )
    outline(side, sagittal(mask, grid, middle), look.CORD)
    if spine is not None:
        _labels(front, coronal(spine, grid, through_discs, nearest=True))
        sheet = sagittal(spine, grid, middle, nearest=True)
        _labels(side, sheet)
        _names(side, sheet)
    _points(side, points, used, axis=1)
    _points(front, points, used, axis=0)
    _order_errors(side, {v: float(point[2]) for v, point in points.items()}, disc_name)
    heights = {v: float(centres[v][2] * grid.spacing[2]) for v in centres.keys() & VERTEBRAE}
    _order_errors(side, heights, VERTEBRAE.__getitem__)
    scale_bar(side, 20)
    canvas.text(left, top - 12, 'sagittal, along the cord', color=look.FAINT)
    canvas.text(x_coronal, top - 12, 'coronal, vertebrae', color=look.FAINT)
    _tiles(canvas, x_tiles, top, per_column, picks, volume, mask, spine, grid, window)
    _legend(canvas, left, canvas.height - 20, points, used, spine is not None)
    return canvas.figure


def _inside(point: np.ndarray, grid: Grid) -> bool:
    return bool((point > -grid.spacing / 2).all() and (point < grid.size_mm).all())


def _centres(spine: np.ndarray) -> dict[int, np.ndarray]:
    """Middle (voxels) of each label."""
    voxels = np.argwhere(spine > 0)
    labels = spine[tuple(voxels.T)]
    counts = np.bincount(labels)
    sums = np.stack([np.bincount(labels, line) for line in voxels.T], axis=-1)
    return {int(value): sums[value] / counts[value] for value in np.flatnonzero(counts)}


def _through_bodies(
    centres_of: Mapping[int, np.ndarray], grid: Grid, middle: np.ndarray
) -> np.ndarray:
    """Course of the sheet through the discs' middles; through the cord where there are none."""
    discs = centres_of.keys() & DISC_POINT_OF_MAP
    if not discs:
        return middle
    centres = np.array([centres_of[disc] for disc in discs])
    centres = centres[np.argsort(centres[:, 2])] * grid.spacing
    heights = np.arange(grid.shape[2]) * grid.spacing[2]
    moved = middle.copy()
    offset = centres[:, 1] - np.interp(centres[:, 2], heights, middle[:, 1])
    moved[:, 1] += np.interp(heights, centres[:, 2], offset)
    return moved


def map_colour(value: int):
    """Colour of a value of the map: that of its level; discs lie between two."""
    if value == CORD:
        return look.CORD
    if value == CANAL:
        return look.CANAL
    if value in DISC_POINT_OF_MAP:
        return level_colour(DISC_POINT_OF_MAP[value] - 0.5)
    order = list(VERTEBRAE)
    return level_colour(order.index(value) + 1) if value in VERTEBRAE else look.FAINT


def _labels(axes: Axes, sheet: Section) -> None:
    """Outline of each vertebra, disc, and of the canal with the cord in it."""
    values = [int(value) for value in np.unique(sheet.pixels) if value > CANAL]
    inside = (sheet.pixels == CORD) | (sheet.pixels == CANAL)
    outlines(
        axes, [sheet.like(there) for there in (*(sheet.pixels == v for v in values), inside)],
        [*map(map_colour, values), look.CANAL],
        widths=[*(1.6 if v in DISC_POINT_OF_MAP else 1.0 for v in values), look.LINE],
    )  # fmt: skip


def _names(axes: Axes, sheet: Section) -> None:
    """Vertebrae on the left, discs on the right, at their heights."""
    names: dict[str, list] = {'left': [], 'right': []}
    for value in np.unique(sheet.pixels):
        value = int(value)
        if value in VERTEBRAE or value in DISC_POINT_OF_MAP:
            rows, _ = np.nonzero(sheet.pixels == value)
            disc = value in DISC_POINT_OF_MAP
            name = disc_name(DISC_POINT_OF_MAP[value]) if disc else VERTEBRAE[value]
            height = float(sheet.rows[np.round(np.median(rows)).astype(int)])
            names['right' if disc else 'left'].append((name, height, map_colour(value)))
    for side, items in names.items():
        names_beside(axes, items, side=side)


def _points(axes: Axes, points: Mapping[int, np.ndarray], used: Collection[int], axis: int):
    for style, values in (
        ({'marker': 'o', 'mfc': 'white', 'mec': 'black', 'ms': 5}, points.keys() & used),
        ({'marker': 'X', 'mfc': 'none', 'mec': 'white', 'ms': 6}, points.keys() - used),
    ):
        shown = np.array([points[value] for value in values]).reshape(-1, 3)
        axes.plot(shown[:, axis], shown[:, 2], ls='none', zorder=5, **style)


def _order_errors(axes: Axes, heights: dict[int, float], name: Callable[[int], str]) -> None:
    """Hatched where neighbours, numbered downwards, are the wrong way round."""
    left, right = sorted(axes.get_xlim())
    for upper, lower in order_breaks(heights):
        low, high = sorted((heights[upper], heights[lower]))
        axes.add_patch(
            Rectangle(
                (left, low - 2), right - left, high - low + 4,
                hatch='////', fill=False, ec=look.ERROR, lw=1.5,
            )
        )  # fmt: skip
        axes.text(
            (left + right) / 2, high + 3, f'order: {name(upper)}, {name(lower)}',
            color=look.ERROR, size=look.NORMAL, weight='bold', ha='center', va='bottom',
            bbox=look.BEHIND_TEXT,
        )  # fmt: skip


def _tiles(canvas, x, top, per_column, picks, volume, mask, spine, grid, window) -> None:
    """Axial tiles at the disc points, from the head down."""
    side = 172
    for number, (value, point) in enumerate(picks):
        column, row = divmod(number, per_column)
        height = int(np.clip(round(point[2] / grid.spacing[2]), 0, grid.shape[2] - 1))
        columns, rows = around((point[0], point[1] - 2), _TILE_MM)
        axes = canvas.panel(
            axial(volume, grid, height), x + column * (side + 8), top + row * (side + 8),
            side / _TILE_MM, columns=columns, rows=rows, window=window,
        )  # fmt: skip
        if spine is not None:
            _labels(axes, axial(spine, grid, height).within(columns, rows))
        outline(axes, axial(mask, grid, height).within(columns, rows), look.CORD)
        axes.plot(point[0], point[1], 'o', mfc='white', mec='black', ms=5)
        axes.text(
            0.03, 0.97, disc_name(value), transform=axes.transAxes, size=look.NORMAL,
            weight='bold', va='top', color=level_colour(value - 0.5), bbox=look.BEHIND_TEXT,
        )  # fmt: skip
        if number == 0:
            scale_bar(axes, 10)
    if picks:
        text = f'axial at disc points, {_TILE_MM:g} mm wide'
        canvas.text(x, top - 12, text, color=look.FAINT)


def _legend(canvas, x, y, points, used, has_map: bool) -> None:
    entries = [('— cord', look.CORD)]
    entries += [('— canal', look.CANAL)] if has_map else []
    dropped = [disc_name(value) for value in sorted(points) if value not in used]
    if points:
        entries += [(f'● disc points used: {len(points) - len(dropped)}', look.INK)]
    if dropped:
        names = ', '.join(dropped[:6]) + (' …' if len(dropped) > 6 else '')
        entries += [(f'✕ not used: {names}', look.INK)]
    for text, colour in entries:
        canvas.text(x, y, text, color=colour, weight='bold')
        x += 7.2 * len(text) + 18
