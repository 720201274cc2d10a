# SPDX-License-Identifier: Apache-2.0
"""What figures share beside the images: strips along the cord, level bands, tile grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from spinalprep.reports.look import FAINT, SMALL, Canvas, level_colour

TILE_MM = 30.0
"""Side of an axial tile."""


def strip(
    canvas: Canvas,
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    rows: tuple[float, float],
    limits: tuple[float, float],
    label: str,
) -> Axes:
    """Empty plot whose vertical axis is the height along the cord, as in the panels beside."""
    axes = canvas.axes(x, y, width, height)
    axes.set_ylim(*rows)
    axes.set_xlim(*limits)
    canvas.text(x + width / 2, y - 10, label, size=SMALL, ha='center')
    for value in _ticks(limits):
        axes.axvline(value, color=FAINT, alpha=0.25, lw=0.6)
        place = x + width * (value - limits[0]) / (limits[1] - limits[0])
        words = f'{value:g}'.replace('-', '−')
        canvas.text(place, y + height + 10, words, size=SMALL, ha='center')
    return axes


def _ticks(limits: tuple[float, float]) -> list[float]:
    """Three or four round values inside limits."""
    from matplotlib.ticker import MaxNLocator

    values = MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]).tick_values(*limits)
    return [value for value in values if limits[0] <= value <= limits[1]]


def level_bands(axes: Axes, ranges: Mapping[int, tuple[float, float]]) -> None:
    """Faint band per level across a strip."""
    colours = [(*level_colour(level), 0.28 if level % 2 else 0.14) for level in ranges]
    _bands(axes, ranges, colours)


def _bands(axes: Axes, ranges: Mapping[int, tuple[float, float]], colours: Sequence) -> None:
    corners = [[(0, low), (1, low), (1, high), (0, high)] for low, high in ranges.values()]
    bands = PolyCollection(
        corners, facecolors=colours, linewidths=0, transform=axes.get_yaxis_transform()
    )
    axes.add_artist(bands)


def level_bar(
    canvas: Canvas,
    x: float,
    y: float,
    height: float,
    *,
    rows: tuple[float, float],
    ranges: Mapping[int, tuple[float, float]],
    names: Mapping[int, str],
) -> Axes:
    """Narrow bar with a coloured piece per level, its name in it."""
    axes = canvas.axes(x, y, 26, height)
    axes.set_ylim(*rows)
    axes.set_xlim(0, 1)
    _bands(axes, ranges, [level_colour(level) for level in ranges])
    for level, (low, high) in ranges.items():
        inside = np.clip([low, high], *rows)
        if np.ptp(inside) * height / np.ptp(rows) >= 15:
            axes.text(
                0.5, inside.mean(), names[level], size=SMALL, color='black', weight='bold',
                ha='center', va='center',
            )  # fmt: skip
    axes.hlines([low for low, _ in ranges.values()], 0, 1, color='black', lw=0.8)
    return axes


def tile_heights(
    found: np.ndarray, ranges: Mapping[int, tuple[float, float]], spacing: float, most: int
) -> list[tuple[int, int | None]]:
    """Slices to show as axial tiles: the middle of each level, else evenly spaced.

    Parameters
    ----------
    found : ndarray of int
        Slices that may be shown, rising.
    ranges : dict
        Level → its ends (mm), perhaps empty.
    spacing : float
        Distance of slices (mm).
    most : int
        At most so many.

    Returns
    -------
    list of (slice, level or None)
        From the head down.
    """
    if not len(found):
        return []
    picks: list[tuple[int, int | None]] = []
    for level, (low, high) in ranges.items():
        inside = found[(found * spacing >= low) & (found * spacing <= high)]
        if len(inside):
            picks.append((int(inside[len(inside) // 2]), level))
    if not picks:
        count = min(most, len(found))
        places = (
            np.linspace(0, len(found) - 1, count + 2)[1:-1]
            if len(found) > count
            else (np.arange(len(found)))
        )
        picks = [(int(found[round(place)]), None) for place in places]
    picks.sort(reverse=True)
    if len(picks) > most:
        picks = [picks[round(i)] for i in np.linspace(0, len(picks) - 1, most)]
    return picks


def around(centre: Sequence[float], side: float = TILE_MM) -> tuple[tuple[float, float], ...]:
    """Limits (mm) of a square tile around a point: columns, rows."""
    return tuple((float(c - side / 2), float(c + side / 2)) for c in centre[:2])


def rows_around(
    found: np.ndarray, spacing: float, size: int, margin_mm: float = 8.0
) -> tuple[float, float]:
    """Limits (mm) of the heights that hold the cord, with a margin inside the image."""
    if not len(found):
        return -spacing / 2, (size - 0.5) * spacing
    low = max(found[0] * spacing - margin_mm, -spacing / 2)
    high = min(found[-1] * spacing + margin_mm, (size - 0.5) * spacing)
    return float(low), float(high)
