# SPDX-License-Identifier: Apache-2.0
"""Figure: the whole image, the cord found in it, and the box that is kept."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from spinalprep.reports.look import BOX, CORD, FAINT, LARGE, Canvas, outline, scale_bar
from spinalprep.reports.planes import Grid, coronal, course, sagittal

_DIRECTIONS = (('R', 'L'), ('A', 'P'), ('S', 'I'))
_NAMES = ('right–left', 'front–back', 'head–foot')


def crop_box_figure(
    image: np.ndarray,
    affine: np.ndarray,
    cord: np.ndarray,
    box: tuple[tuple[int, int], ...] | None,
    *,
    title: str,
    note: str = '',
) -> Figure:
    """Draw the whole image with the cord found and the box.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        Whole image, in any storage order.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    cord : ndarray of bool, shape (i, j, k)
        Cord found, perhaps empty.
    box : sequence of (first, last) for each voxel axis, or None
        Voxels kept, inclusive; None where there is no cord to crop to.
    title : str
        Which image.
    note : str
        Remark, such as why the image is rejected.

    Returns
    -------
    Figure
    """
    grid = Grid.of(image.shape, affine)
    volume, mask = grid.ordered(image), grid.ordered(cord).astype(bool)
    middle = course(mask, grid)
    width, depth, height = grid.size_mm
    scale = min(700 / height, 760 / (width + depth))
    left, top, gap = 60, 70, 80
    canvas = Canvas(
        left + (depth + width) * scale + gap + 350, max(height * scale, 260) + top + 60,
        title, 'crop along the cord',
    )  # fmt: skip
    low, high = np.percentile(volume[::3, ::3, ::3], [1, 99.5])
    kept = None if box is None else _kept_mm(box, image.shape, grid)
    x = left
    for sheet, axis in ((sagittal, 1), (coronal, 0)):
        section = sheet(volume, grid, middle)
        rows = _limits(grid, 2)
        axes = canvas.panel(
            section, x, top, scale, columns=_limits(grid, axis), rows=rows,
            window=(low, max(high, low + 1)),
        )  # fmt: skip
        outline(axes, sheet(mask, grid, middle), CORD)
        if kept is not None:
            _draw_box(axes, kept[axis], kept[2], _limits(grid, axis), rows)
        scale_bar(axes, 20)
        x += grid.size_mm[axis] * scale + gap
    canvas.text(left, top - 14, 'sagittal, following the cord', color=FAINT)
    canvas.text(left + depth * scale + gap, top - 14, 'coronal, following the cord', color=FAINT)
    _legend(canvas, x - 30, top + 20, grid, mask, kept, note)
    return canvas.figure


def _limits(grid: Grid, axis: int) -> tuple[float, float]:
    half = grid.spacing[axis] / 2
    return -half, float(grid.size_mm[axis] - half)


def _kept_mm(
    box: tuple[tuple[int, int], ...], shape: tuple[int, ...], grid: Grid
) -> list[tuple[float, float]]:
    """Outer faces of the box in section coordinates."""
    inside = np.zeros((3, max(shape)), dtype=bool)
    for axis, (first, last) in enumerate(box):
        inside[axis, first : last + 1] = True
    found = []
    for axis in range(3):
        # a volume of one line, put in order as the image is
        stored = int(np.flatnonzero(grid._orientation[:, 0] == axis)[0])
        line = inside[stored, : shape[stored]]
        if grid._orientation[stored, 1] < 0:
            line = line[::-1]
        voxels = np.flatnonzero(line)
        found.append(
            ((voxels[0] - 0.5) * grid.spacing[axis], (voxels[-1] + 0.5) * grid.spacing[axis])
        )
    return found


def _draw_box(axes: Axes, columns, rows, all_columns, all_rows) -> None:
    """The box, what lies outside it dimmed, and its ranges beside."""
    left, right = columns
    low, high = rows
    shade = {'facecolor': 'black', 'alpha': 0.45, 'edgecolor': 'none'}
    for corner, width, height in (
        ((all_columns[0], all_rows[0]), np.ptp(all_columns), low - all_rows[0]),
        ((all_columns[0], high), np.ptp(all_columns), all_rows[1] - high),
        ((all_columns[0], low), left - all_columns[0], high - low),
        ((right, low), all_columns[1] - right, high - low),
    ):
        axes.add_patch(Rectangle(corner, width, height, **shade))
    axes.add_patch(
        Rectangle((left, low), right - left, high - low, fill=False, ec=BOX, lw=2, clip_on=False)
    )
    ends = {'color': BOX, 'lw': 1.2, 'clip_on': False}
    outside = -18 * np.ptp(all_columns) / axes.get_window_extent().width
    x = all_columns[1] - outside
    axes.plot([x, x], [low, high], marker='_', ms=8, **ends)
    axes.text(
        x - outside * 0.6, (low + high) / 2, f'kept {high - low:.0f} mm', color=BOX,
        rotation=90, ha='center', va='center', size=9,
    )  # fmt: skip
    beneath = all_rows[0] - 16 * np.ptp(all_rows) / axes.get_window_extent().height
    axes.plot([left, right], [beneath, beneath], marker='|', ms=8, **ends)
    axes.annotate(
        f'kept {right - left:.0f} mm', ((left + right) / 2, beneath), (0, -5),
        textcoords='offset points', color=BOX, ha='center', va='top', size=9,
        annotation_clip=False,
    )  # fmt: skip


def _legend(canvas: Canvas, x: float, y: float, grid: Grid, mask, kept, note: str) -> None:
    """Colours and ranges in words."""
    found = np.flatnonzero(mask.any(axis=(0, 1)))
    lines: list[tuple[str, str]] = []
    if len(found):
        length = (found[-1] - found[0] + 1) * grid.spacing[2]
        lines.append((f'— cord: {len(found)} slices', CORD))
        lines.append((f'     {length:.0f} mm head to foot', CORD))
    else:
        lines.append(('— no cord found', CORD))
    lines.append(('— box that is kept' if kept is not None else '— nothing is kept', BOX))
    for y_line, (text, colour) in enumerate(lines):
        canvas.text(x, y + 22 * y_line, text, color=colour, size=10, weight='bold')
    y += 22 * len(lines) + 16
    canvas.text(x, y, f'voxels R×A×S {"×".join(f"{s:.3g}" for s in grid.spacing)} mm', size=9)
    if kept is not None:
        for axis in (2, 1, 0):
            low, high = kept[axis]
            first, last = _limits(grid, axis)
            up, down = _DIRECTIONS[axis]
            y += 30
            canvas.text(x, y, _NAMES[axis], weight='bold')
            canvas.text(x + 90, y, f'kept {high - low:.0f} of {last - first:.0f} mm')
            dropped = f'dropped {up} {last - high:.0f}, {down} {low - first:.0f} mm'
            canvas.text(x + 90, y + 16, dropped, color=FAINT)
            y += 16
    if note:
        y += 44
        for line in _wrapped(note, 32):
            canvas.text(x, y, line, size=LARGE - 2, color='#ffd166', weight='bold')
            y += 18


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width)
