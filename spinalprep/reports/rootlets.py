# SPDX-License-Identifier: Apache-2.0
"""Figure: rootlets by spinal level, as an animation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from spinalprep.anatomy.evidence import CordSpace
from spinalprep.anatomy.labels import spinal_level_name
from spinalprep.anatomy.voxels import filled_box
from spinalprep.reports import look
from spinalprep.reports.look import (
    Canvas,
    image_of,
    level_colour,
    outline,
    outlines,
    scale_bar,
    window_near,
)
from spinalprep.reports.planes import Grid, Section, axial, coronal, course, projection, sagittal
from spinalprep.reports.save import Animation
from spinalprep.reports.strips import around

SECONDS = 1.2

_MARGIN_MM = 15.0
_WIDE_MM = 44.0
_TILE_MM = 32.0
_TILE_PX = 200
_COLUMNS, _LINES = {'R': 66, 'L': 110}, {'dorsal': 24, 'ventral': 48}
"""Places (pixels) in the table of volumes."""

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
    window = window_near(volume, grid.spacing, middle)
    # only what is shown: the levels are looked for one by one
    box = _shown(roots, grid, middle)
    first = [cut.start for cut in box]
    volume, mask, roots = volume[box], mask[box], roots[box]
    middle = middle[box[2]] - first[:2] * grid.spacing[:2]
    grid = grid.part(box)
    parts = split_by_side(roots, grid, middle)
    inside = np.flatnonzero((roots > 0).any(axis=(0, 1)))
    rows = _rows(inside, grid)
    scale = min(640 / np.ptp(rows), 8.0)
    top, left, height = 84, 16, np.ptp(rows) * scale
    x_coronal = left + _WIDE_MM * scale + 64
    x_tiles = x_coronal + _WIDE_MM * scale + 50
    x_counts = x_tiles + _TILE_PX + 20
    canvas = Canvas(x_counts + 210, max(height, 3 * (_TILE_PX + 8)) + top + 40, title, 'rootlets')
    panels = [
        (_sheet(canvas, sheet, x, top, scale, volume, mask, grid, middle, inside, rows, window), n)
        for n, (sheet, x) in enumerate(((sagittal, left), (coronal, x_coronal)))
    ]
    scale_bar(panels[0][0], 10)
    levels = {
        int(level): _Level.of(parts, int(level), grid) for level in np.unique(roots[roots > 0])
    }
    _all_levels(panels, levels, grid)
    tiles = _tiles(canvas, x_tiles, top, axial(volume, grid, 0))
    _table(canvas, x_counts, top + 74)
    frames = [
        [
            *_bands(panels, level, expected, grid),
            *_projections(panels, level, here),
            *_slices(tiles, level, here, volume, mask, grid, middle, window),
            *_words(canvas, x_counts, top, level, here, grid, middle),
        ]
        for level, here in levels.items()
    ]
    _legend(canvas, left, bool(expected))
    animation = Animation(canvas.figure, frames, SECONDS)
    animation.show(0)
    return animation


@dataclass(frozen=True, eq=False)
class _Level:
    """The rootlets of a level.

    Attributes
    ----------
    parts : dict
        ``dorsal`` and ``ventral``, in this order → mask; ndarray of bool, shape (r, a, s).
    heights : ndarray of int
        Slices that hold any.
    shadows : list of list of Section
        In the sagittal and in the coronal panel: projections of the parts.
    """

    parts: Mapping[str, np.ndarray]
    heights: np.ndarray
    shadows: list[list[Section]]

    @classmethod
    def of(cls, roots: Mapping[str, np.ndarray], level: int, grid: Grid) -> _Level:
        parts = {kind: part == level for kind, part in roots.items()}
        shadows = [
            [projection(part, grid, across) for part in parts.values()] for across in range(2)
        ]
        heights = np.flatnonzero(sum(seen.pixels.any(axis=1) for seen in shadows[0]))
        return cls(parts, heights, shadows)


def _rows(inside: np.ndarray, grid: Grid) -> tuple[float, float]:
    """Heights shown (mm): those with rootlets, and a margin inside the image."""
    low, high = inside[[0, -1]] * grid.spacing[2]
    half = grid.spacing[2] / 2
    return max(low - _MARGIN_MM, -half), min(high + _MARGIN_MM, float(grid.size_mm[2]) - half)


def _shown(roots: np.ndarray, grid: Grid, middle: np.ndarray) -> tuple[slice, ...]:
    """Voxels that any panel shows, and all rootlets, which are counted wherever they are."""
    found = np.array([(edge.start, edge.stop - 1) for edge in filled_box(roots > 0)])
    rows = _rows(found[2], grid)
    places = middle[grid.box(((0, 0), (0, 0), rows))[2]]
    limits = []
    for axis in range(2):
        low, high = found[axis] * grid.spacing[axis]
        limits.append(
            (
                min(low, places[:, axis].min() - _WIDE_MM / 2),
                max(high, places[:, axis].max() + _WIDE_MM / 2),
            )
        )
    return grid.box((*limits, rows))


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


def _all_levels(panels, levels: Mapping[int, _Level], grid: Grid) -> None:
    """Every level thin, with its name beside: the frames put one forward."""
    colours = {level: level_colour(level) for level in levels}
    for axes, across in panels:
        parts = [(level, part) for level, here in levels.items() for part in here.shadows[across]]
        outlines(
            axes, [part for _, part in parts], [colours[level] for level, _ in parts],
            widths=[0.5] * len(parts),
        )  # fmt: skip
        look.names_beside(
            axes,
            [
                (spinal_level_name(level), here.heights.mean() * grid.spacing[2], colours[level])
                for level, here in levels.items()
            ],
        )


def _projections(panels, level: int, here: _Level) -> list:
    """A level in both projections."""
    drawn = [
        outlines(
            axes, here.shadows[across], [level_colour(level)] * 2, widths=[2] * 2,
            styles=list(_STYLES.values()),
        )
        for axes, across in panels
    ]  # fmt: skip
    return [line for line in drawn if line is not None]


def _tiles(canvas: Canvas, x: float, y: float, section: Section) -> list[Axes]:
    """Three panels for the slices of the level that is shown, centred on the cord."""
    columns, rows = around((0, 0), _TILE_MM)
    tiles = []
    for number in range(3):
        axes = canvas.panel(
            section, x, y + number * (_TILE_PX + 8), _TILE_PX / _TILE_MM, columns=columns,
            rows=rows, window=None,
        )  # fmt: skip
        scale_bar(axes, 5)
        tiles.append(axes)
    return tiles


def _slices(tiles, level: int, here: _Level, volume, mask, grid: Grid, middle, window) -> list:
    """Three slices of a level, from the head down."""
    columns, rows = around((0, 0), _TILE_MM)
    shown = []
    for axes, place in zip(tiles, (5 / 6, 1 / 2, 1 / 6), strict=True):
        height = here.heights[int(len(here.heights) * place)]
        centre = middle[height]
        section = axial(volume, grid, height).about(centre)
        shown.append(axes.add_image(image_of(axes, section, columns, rows, window)))
        lines = outlines(
            axes,
            [
                axial(part, grid, height).about(centre).within(columns, rows)
                for part in (mask, *here.parts.values())
            ],
            [look.CORD, *[level_colour(level)] * 2],
            widths=[look.LINE, *[1.6] * 2],
            styles=['solid', *_STYLES.values()],
        )
        shown.append(lines)
    return [part for part in shown if part is not None]


def _words(
    canvas: Canvas, x: float, y: float, level: int, here: _Level, grid: Grid, middle
) -> list:
    """Name, volume on each side, dorsal and ventral, and height."""
    name, colour = spinal_level_name(level), level_colour(level)
    shown = [canvas.text(x, y + 24, name, size=34, weight='bold', color=colour)]
    right = (np.arange(grid.shape[0]) * grid.spacing[0])[:, None] > middle[:, 0]
    voxel = float(np.prod(grid.spacing))
    for kind, part in here.parts.items():
        counts = np.count_nonzero(part, axis=1)
        for side, there in (('R', right), ('L', ~right)):
            volume = f'{counts[there].sum() * voxel:.0f}'
            shown.append(canvas.text(x + _COLUMNS[side], y + 74 + _LINES[kind], volume))
    extent = (here.heights[-1] - here.heights[0] + 1) * grid.spacing[2]
    shown.append(canvas.text(x, y + 172, f'{extent:.0f} mm high'))
    return shown


def _table(canvas: Canvas, x: float, y: float) -> None:
    """What stands beside and above the volumes."""
    canvas.text(x + 150, y, 'mm³', color=look.FAINT)
    for side, column in _COLUMNS.items():
        canvas.text(x + column, y, side, weight='bold')
    for kind, line in _LINES.items():
        canvas.text(x, y + line, kind)
