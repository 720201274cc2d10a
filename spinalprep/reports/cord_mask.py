# SPDX-License-Identifier: Apache-2.0
"""Figure: the cord mask on the cord reference, and its area along the cord."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import ndimage

from spinalprep.anatomy.labels import level_name
from spinalprep.reports.look import (
    BEHIND_TEXT,
    CORD,
    ERROR,
    FAINT,
    INK,
    NORMAL,
    Canvas,
    level_colour,
    lines,
    outline,
    scale_bar,
    window_near,
)
from spinalprep.reports.planes import Grid, axial, coronal, course, level_ranges, sagittal
from spinalprep.reports.strips import (
    TILE_MM,
    around,
    level_bands,
    level_bar,
    rows_around,
    strip,
    tile_heights,
)

JUMP = 0.3
"""Part by which a slice's area may differ from the median around it before it is marked."""

NEIGHBOURHOOD_MM = 20.0

_MOST_TILES = 20
_TICK_PX = 6


def cord_mask_figure(
    image: np.ndarray,
    affine: np.ndarray,
    cord: np.ndarray,
    *,
    title: str,
    levels: np.ndarray | None = None,
    area: Mapping[int, float] | None = None,
    area_bounds: tuple[float, float] | None = None,
) -> Figure:
    """Draw the cord's outline in three directions and its area per slice.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        Cord reference, in any storage order.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    cord : ndarray of bool, shape (i, j, k)
    title : str
        Which image.
    levels : ndarray of int, shape (i, j, k), optional
        Vertebral levels on the cord.
    area : dict, optional
        Slice from the bottom → cross-sectional area (mm²); counted on the mask if not given.
    area_bounds : (float, float), optional
        Lowest and highest area (mm²) that the policy takes for a cord's.

    Returns
    -------
    Figure
    """
    grid = Grid.of(image.shape, affine)
    volume, mask = grid.ordered(image), grid.ordered(cord).astype(bool)
    ranges = {} if levels is None else level_ranges(grid.ordered(levels), grid)
    middle = course(mask, grid)
    found = np.flatnonzero(mask.any(axis=(0, 1)))
    rows = rows_around(found, grid.spacing[2], grid.shape[2])
    window = window_near(volume, grid.spacing, middle)
    picks = tile_heights(found, ranges, grid.spacing[2], _MOST_TILES)

    scale = min(720 / np.ptp(rows), 6.0)
    height, top, left = np.ptp(rows) * scale, 70, 16
    tile_px, per_column = _tiles_layout(len(picks), height)
    columns_of_tiles = -(-len(picks) // per_column) if picks else 0
    widths = [60.0 * scale, 44.0 * scale]
    plot = 190
    tiles_x = left + 26 + sum(widths) + plot + 64
    canvas = Canvas(
        tiles_x + columns_of_tiles * (tile_px + 8) + 10, max(height, 300) + top + 40,
        title, 'cord mask',
    )  # fmt: skip
    if ranges:
        names = {level: level_name(level) for level in ranges}
        level_bar(canvas, left, top, height, rows=rows, ranges=ranges, names=names)
    x = left + 32
    for sheet, width in ((sagittal, widths[0]), (coronal, widths[1])):
        axes = _sheet(
            canvas, sheet, x, top, scale, width, volume, mask, grid, middle, rows, window
        )
        _mark_tiles(axes, picks, grid)
        x += width + 8
    odd = _area_plot(canvas, x + 8, top, plot, height, rows, grid, mask, ranges, area, area_bounds)
    _tiles(canvas, tiles_x, top, tile_px, per_column, picks, volume, mask, grid, middle, window)
    canvas.text(left, canvas.height - 16, '— cord', color=CORD, weight='bold')
    told = 'sagittal and coronal follow it'
    if area_bounds is not None:
        told += '; dashed: physiological range of the area'
    drawn = canvas.text(left + 70, canvas.height - 16, told, color=FAINT)
    if odd:
        canvas.text(drawn.get_window_extent().x1 + 16, canvas.height - 16, odd, color=ERROR)
    return canvas.figure


def _sheet(canvas, sheet, x, top, scale, width, volume, mask, grid, middle, rows, window) -> Axes:
    """Panel with the image and the cord, wide enough for the cord's course."""
    axis = 1 if sheet is sagittal else 0
    found = np.flatnonzero(mask.any(axis=(0, 1)))
    places = middle[found, axis] if len(found) else middle[:, axis]
    limits = _spread(places, float(np.median(places)), width / scale)
    axes = canvas.panel(
        sheet(volume, grid, middle), x, top, scale, columns=limits, rows=rows, window=window
    )
    outline(axes, sheet(mask, grid, middle), CORD)
    scale_bar(axes, 10)
    canvas.text(x, top - 12, sheet.__name__, color=FAINT)
    return axes


def _spread(places: np.ndarray, centre: float, side: float) -> tuple[float, float]:
    """Limits of a given width around a centre, wider where the cord would leave them."""
    low = min(centre - side / 2, places.min() - 12)
    high = max(centre + side / 2, places.max() + 12)
    if high - low > side:
        middle = (places.min() + places.max()) / 2
        low, high = middle - side / 2, middle + side / 2
    return float(low), float(high)


def _tiles_layout(count: int, height: float) -> tuple[float, int]:
    """Side of a tile (pixels), and how many stand above each other."""
    best = (96.0, max(int(height // 104), 1))
    for per_column in range(1, 9):
        columns = -(-count // per_column)
        side = min(height / per_column - 8, 560 / max(columns, 1) - 8, 190)
        if side > best[0]:
            best = (side, per_column)
    return best


def _mark_tiles(axes: Axes, picks, grid: Grid) -> None:
    """Ticks beside a panel where the axial tiles lie."""
    heights = [height * grid.spacing[2] for height, _ in picks]
    away = 1 + _TICK_PX / axes.bbox.width
    lines(axes, [[(1, height), (away, height)] for height in heights], INK, width=0.8)


def _area_plot(canvas, x, top, width, height, rows, grid, mask, ranges, area, bounds) -> str:
    """Area along the cord; slices that stand out are marked, and counted in words."""
    if area is None:
        counts = np.count_nonzero(mask, axis=(0, 1)) * np.prod(grid.spacing[:2])
        area = {int(k): float(counts[k]) for k in np.flatnonzero(counts)}
    slices = np.array(sorted(area), dtype=int)
    values = np.array([area[k] for k in slices], dtype=float)
    keep = np.isfinite(values)
    slices, values = slices[keep], values[keep]
    shown = [values.max(initial=0), *(bounds or ())]
    top_value = max(100.0, 1.08 * max(shown))
    axes = strip(
        canvas, x, top, width, height, rows=rows, limits=(0, top_value),
        label='area of the cord (mm²)',
    )  # fmt: skip
    level_bands(axes, ranges)
    heights = slices * grid.spacing[2]
    axes.plot(values, heights, color=CORD, lw=1.4)
    if bounds is not None:
        for bound in bounds:
            axes.axvline(bound, color=INK, lw=0.9, ls='--')
    odd = outliers(values, round(NEIGHBOURHOOD_MM / grid.spacing[2]), bounds)
    if not odd.any():
        return ''
    axes.plot(values[odd], heights[odd], 'o', ms=5, mfc='none', mec=ERROR, mew=1.4)
    return f'○ stands out: {odd.sum()} of {len(values)} slices'


def outliers(
    values: np.ndarray, width: int, bounds: tuple[float, float] | None = None
) -> np.ndarray:
    """Slices whose area is out of bounds, or far from the median around it.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Area per slice (mm²).
    width : int
        Slices of the neighbourhood.
    bounds : (float, float), optional

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    if not len(values):
        return np.zeros(0, dtype=bool)
    usual = ndimage.median_filter(values, max(width, 3), mode='nearest')
    odd = np.abs(values - usual) > JUMP * usual
    odd[[0, -1]] = False  # the mask's end cuts obliquely through these
    if bounds is not None:
        odd |= (values < bounds[0]) | (values > bounds[1])
    return odd


def _tiles(canvas, x, top, side, per_column, picks, volume, mask, grid, middle, window) -> None:
    """Axial tiles, from the head down, column by column."""
    scale = side / TILE_MM
    for number, (height, level) in enumerate(picks):
        column, row = divmod(number, per_column)
        columns, rows = around(middle[height])
        axes = canvas.panel(
            axial(volume, grid, height), x + column * (side + 8), top + row * (side + 8), scale,
            columns=columns, rows=rows, window=window,
        )  # fmt: skip
        outline(axes, axial(mask, grid, height).within(columns, rows), CORD)
        name = f'slice {height}' if level is None else level_name(level)
        axes.text(
            0.03, 0.97, name, transform=axes.transAxes, size=NORMAL, weight='bold', va='top',
            color=INK if level is None else level_colour(level), bbox=BEHIND_TEXT,
        )  # fmt: skip
        if number == 0:
            scale_bar(axes, 5)
    if picks:
        canvas.text(x, top - 12, f'axial, {TILE_MM:g} mm wide', color=FAINT)
