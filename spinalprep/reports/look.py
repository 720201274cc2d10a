# SPDX-License-Identifier: Apache-2.0
"""One look for all figures: colours, letters, scale bars, names beside a panel.

Panels are laid out in pixels and drawn at a given number of pixels per mm, the same
along both axes; so voxels of any shape keep their true aspect.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from contourpy import Mpl2014ContourGenerator
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path

from spinalprep.anatomy.voxels import filled_box
from spinalprep.reports.planes import OPPOSITE, Section

DPI = 100
SMALL, NORMAL, LARGE = 8, 9, 12
"""Font sizes (pt)."""

BACKGROUND, PANEL, INK, FAINT = '#14181d', '#000000', '#f4f4f4', '#9aa4ae'
CORD, CANAL, BOX, ERROR, TEMPLATE = '#4c93ff', '#00e0e6', '#ff3b30', '#ff2cf6', '#c8f031'

BEHIND_TEXT = {'facecolor': 'black', 'edgecolor': 'none', 'alpha': 0.6, 'pad': 0.8}
"""Box behind what is written on an image."""

_GREY = colormaps['gray']
"""One for all images: each that is made from its name fills a table of its own."""

_LETTER_PX = 9
"""Distance of a letter's middle from the edge."""

LINE = 1.2
"""Width of a contour (points)."""

_LEVELS = (
    '#c9527b', '#dd6468', '#ec7755', '#f68d45', '#fca635', '#fdc02a', '#f6da25', '#f0f48b',
)  # fmt: skip
"""Knots of the levels' palette (after matplotlib's plasma: ordered in lightness, also for the
colour-blind), from C1; cervical levels take most of it."""


@functools.cache
def level_colour(level: float) -> tuple[float, float, float]:
    """Colour of a level (C1 = 1); of a disc, the number between its levels."""
    from matplotlib.colors import to_rgb

    knots = np.array([to_rgb(colour) for colour in _LEVELS])
    place = np.interp(level, [1, 8, 14, 25], [0, 0.6, 0.93, 1]) * (len(knots) - 1)
    return tuple(float(np.interp(place, range(len(knots)), knots[:, c])) for c in range(3))


class _WithoutTicks:
    majorTicks = minorTicks = property(lambda axis: [])

    def get_major_ticks(self, numticks: int | None = None) -> list:
        return []

    get_minor_ticks = get_major_ticks


class _XAxis(_WithoutTicks, XAxis):
    """X axis that makes no ticks."""


class _YAxis(_WithoutTicks, YAxis):
    """Y axis that makes no ticks."""


class Panel(Axes):
    """Axes without ticks and spines, which take most of the time that it takes to make axes."""

    def _gen_axes_spines(self, *args, **kwargs) -> dict:
        return {}

    def _init_axis(self) -> None:
        self.xaxis, self.yaxis = _XAxis(self, clear=False), _YAxis(self, clear=False)
        for axis in (self.xaxis, self.yaxis):
            axis.set_visible(False)


class Canvas:
    """A figure whose panels are placed in pixels from the upper left corner.

    Parameters
    ----------
    width, height : float
        Pixels.
    title : str
        Which image.
    subject : str
        What is shown.
    """

    def __init__(self, width: float, height: float, title: str, subject: str):
        self.width, self.height = round(width), round(height)
        self.figure = Figure(
            figsize=(self.width / DPI, self.height / DPI), dpi=DPI, facecolor=BACKGROUND
        )
        FigureCanvasAgg(self.figure)
        self.text(12, 18, f'{title}  ·  {subject}', size=LARGE, weight='bold')

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Empty panel."""
        place = (
            x / self.width, 1 - (y + height) / self.height, width / self.width,
            height / self.height,
        )  # fmt: skip
        return self.figure.add_axes(Panel(self.figure, place, facecolor=PANEL))

    def text(self, x: float, y: float, text: str, *, size: float = NORMAL, **style):
        """Text with its middle at a height."""
        style = {'color': INK, 'va': 'center'} | style
        return self.figure.text(x / self.width, 1 - y / self.height, text, size=size, **style)

    def panel(
        self,
        section: Section,
        x: float,
        y: float,
        px_per_mm: float,
        *,
        columns: tuple[float, float],
        rows: tuple[float, float],
        window: tuple[float, float] | None,
        letters: bool = True,
    ) -> Axes:
        """Panel with a section at its true proportions.

        Parameters
        ----------
        section : Section
        x, y : float
            Upper left corner (pixels).
        px_per_mm : float
        columns, rows : (float, float)
            Limits (mm); what lies outside the section stays black.
        window : (float, float) or None
            Values shown black and white; no image is drawn for None.
        letters : bool
            Write directions at the four sides.
        """
        width, height = np.ptp(columns) * px_per_mm, np.ptp(rows) * px_per_mm
        axes = self.axes(x, y, width, height)
        if window is not None:
            axes.add_image(image_of(axes, section, columns, rows, window))
        # right and anterior are shown on the left, as in radiology
        axes.set_xlim(max(columns), min(columns))
        axes.set_ylim(min(rows), max(rows))
        if letters:
            write_letters(axes, section.letters)
        return axes


def image_of(
    axes: Axes,
    section: Section,
    columns: tuple[float, float],
    rows: tuple[float, float],
    window: tuple[float, float],
):
    """Image of the part of a section that a panel shows."""
    from matplotlib.image import AxesImage

    part = section.within(columns, rows)
    half_column, half_row = (
        (values[1] - values[0]) / 2 for values in (section.columns, section.rows)
    )
    image = AxesImage(
        axes,
        cmap=_GREY,
        origin='lower',
        interpolation='bilinear',
        extent=(
            part.columns[0] - half_column,
            part.columns[-1] + half_column,
            part.rows[0] - half_row,
            part.rows[-1] + half_row,
        ),
    )
    image.set_data(part.pixels.astype(np.float32))
    image.set_clim(*window)
    image.set_clip_path(axes.patch)
    return image


def write_letters(axes: Axes, letters: tuple[str, str]) -> None:
    """Directions at the sides of a panel, from the directions in which its axes grow."""
    inset = _LETTER_PX / np.array([axes.bbox.width, axes.bbox.height])
    places = np.array([(0, 0.5), (1, 0.5), (0.5, 0), (0.5, 1)])
    inside = places + np.sign(0.5 - places) * inset
    ends = []
    for letter, limits in zip(letters, (axes.get_xlim(), axes.get_ylim()), strict=True):
        ends += (OPPOSITE[letter], letter) if limits[1] > limits[0] else (letter, OPPOSITE[letter])
    # one line of squares: boxes of the letters' own take as long as the letters
    axes.add_artist(
        Line2D(
            *inside.T, marker='s', ms=1.5 * _LETTER_PX * 72 / DPI, mfc=BEHIND_TEXT['facecolor'],
            mec='none', alpha=BEHIND_TEXT['alpha'], ls='none', transform=axes.transAxes, zorder=3,
        )
    )  # fmt: skip
    for end, middle in zip(ends, inside, strict=True):
        axes.text(
            *middle, end, size=SMALL, color=INK, weight='bold', ha='center',
            va='center_baseline', transform=axes.transAxes,
        )  # fmt: skip


def outline(axes: Axes, section: Section, colour, *, width: float = LINE, style='solid'):
    """Contour of a mask's section, between the voxels; returns it, or None if there is none."""
    return outlines(axes, [section], [colour], widths=[width], styles=[style])


def outlines(
    axes: Axes,
    sections: Sequence[Section],
    colours: Sequence,
    *,
    widths: Sequence[float],
    styles: Sequence | None = None,
):
    """Contours of several masks, as one artist: each has a cost of its own."""
    styles = styles or ['solid'] * len(sections)
    found = [
        (path, *pen)
        for section, *pen in zip(sections, colours, widths, styles, strict=True)
        if (path := _contour(section)) is not None
    ]
    if not found:
        return None
    paths, edges, sizes, styles = zip(*found, strict=True)
    drawn = PathCollection(
        paths, facecolors='none', edgecolors=edges, linewidths=sizes, linestyles=list(styles),
        zorder=2, transform=axes.transData,
    )  # fmt: skip
    return axes.add_artist(drawn)


def _contour(section: Section) -> Path | None:
    """Line between the voxels of a mask and others."""
    row, column = filled_box(section.pixels > 0, 1)
    if row.start == row.stop:
        return None
    part, columns, rows = _padded(
        section.pixels[row, column], section.columns[column], section.rows[row]
    )
    # the lines of Axes.contour in a fraction of the time, without a search for masked values
    generator = Mpl2014ContourGenerator(*np.meshgrid(columns, rows), part, None, corner_mask=False)
    lines = zip(*generator.lines(0.5), strict=True)
    return Path.make_compound_path(*(Path(*line) for line in lines))


def _padded(pixels: np.ndarray, columns: np.ndarray, rows: np.ndarray):
    """A border of nothing, so that a mask that touches the image's edge is closed."""

    def longer(values: np.ndarray) -> np.ndarray:
        step = values[1] - values[0] if len(values) > 1 else 1.0
        return np.concatenate([[values[0] - step], values, [values[-1] + step]])

    part = np.zeros(np.add(pixels.shape, 2))
    part[1:-1, 1:-1] = pixels
    return part, longer(columns), longer(rows)


def scale_bar(axes: Axes, mm: float) -> None:
    """Bar of a length in mm at the lower left of a panel."""
    left, right = axes.get_xlim()
    low, high = axes.get_ylim()
    sign = np.sign(right - left)
    # as many points from the edges in every panel
    points = 72 / DPI
    box = axes.get_window_extent()
    x = left + sign * abs(right - left) * 6 / box.width
    y = low + (high - low) * 6 / box.height
    axes.plot([x, x + sign * mm], [y, y], color=INK, lw=3, solid_capstyle='butt')
    axes.annotate(
        f'{mm:g} mm', (x, y), (0, 4 * points), textcoords='offset points', size=SMALL, color=INK,
        va='bottom', ha='left', bbox=BEHIND_TEXT,
    )  # fmt: skip


def names_beside(
    axes: Axes,
    names: Sequence[tuple[str, float, object]],
    *,
    side: str = 'right',
    weight: str = 'bold',
) -> None:
    """Names at their heights beside a panel, moved apart where they would overlap.

    Parameters
    ----------
    axes : Axes
    names : sequence of (str, float, colour)
        Name, height (mm), colour.
    side : {'left', 'right'}
    weight : str
    """
    low, high = axes.get_ylim()
    pixel = (high - low) / axes.get_window_extent().height
    inside = sorted((item for item in names if low <= item[1] <= high), key=lambda item: item[1])
    places = apart([item[1] for item in inside], 12 * pixel)
    edge, sign = (1, 1) if side == 'right' else (0, -1)
    away = edge + sign * 10 / axes.get_window_extent().width
    leaders = [
        [(edge, height), (away, place)]
        for (_, height, _), place in zip(inside, places, strict=True)
    ]
    lines(axes, leaders, [colour for _, _, colour in inside], width=0.8)
    for (name, _, colour), place in zip(inside, places, strict=True):
        axes.text(
            away + sign * 3 / axes.get_window_extent().width, place, name, size=SMALL,
            color=colour, weight=weight, va='center', ha='left' if sign > 0 else 'right',
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip


def lines(axes: Axes, ends: Sequence, colours, *, width: float) -> None:
    """Straight lines from and to (part of the panel's width, height in mm), also beside it."""
    axes.add_artist(
        LineCollection(
            ends, colors=colours, linewidths=width, transform=axes.get_yaxis_transform(),
            clip_on=False,
        )
    )  # fmt: skip


def apart(places: Sequence[float], least: float) -> np.ndarray:
    """Rising places moved as little as keeps a least distance between neighbours."""
    result = np.array(places, dtype=float)
    for _ in range(200):
        gaps = np.diff(result)
        tight = np.flatnonzero(gaps < least - 1e-6)
        if not len(tight):
            break
        for i in tight:
            push = (least - (result[i + 1] - result[i])) / 2
            if push > 0:
                result[i] -= push
                result[i + 1] += push
    return result


def window_near(
    volume: np.ndarray, spacing: np.ndarray, middle: np.ndarray, reach_mm: float = 15.0
) -> tuple[float, float]:
    """Values to show black and white, from the surroundings of the cord.

    Parameters
    ----------
    volume : ndarray, shape (r, a, s)
    spacing : ndarray, shape (3,)
    middle : ndarray, shape (s, 2)
        Course of the cord (mm).
    reach_mm : float
    """
    picks = []
    for height in range(0, volume.shape[2], max(volume.shape[2] // 24, 1)):
        low = np.maximum((middle[height] - reach_mm) / spacing[:2], 0).astype(int)
        high = np.ceil((middle[height] + reach_mm) / spacing[:2]).astype(int) + 1
        picks.append(volume[low[0] : high[0], low[1] : high[1], height].ravel())
    low, high = np.percentile(np.concatenate(picks), [0.5, 99.5])
    return float(min(low, high)), float(high if high > low else low + 1)
