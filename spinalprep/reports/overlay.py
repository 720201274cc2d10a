# SPDX-License-Identifier: Apache-2.0
"""Figure: subject and warped template at the same places, as an animation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from spinalprep.anatomy.labels import level_name
from spinalprep.anatomy.voxels import filled_box
from spinalprep.anatomy.warps import DisplacementField, sample
from spinalprep.reports import look
from spinalprep.reports.look import Canvas, image_of, level_colour, outline, scale_bar, window_near
from spinalprep.reports.planes import Grid, Section, axial, coronal, course, level_ranges, sagittal
from spinalprep.reports.save import Animation
from spinalprep.reports.strips import (
    TILE_MM,
    around,
    level_bands,
    level_bar,
    rows_around,
    strip,
    tile_heights,
)

SECONDS = 1.4

_NEAR_MM = 12.0
_MOST_TILES = 12
_MIN_VALID = 0.95


@dataclass(frozen=True, eq=False)
class Template:
    """The template's image and cord.

    Attributes
    ----------
    image : ndarray, shape (i, j, k)
    cord : ndarray of bool, shape (i, j, k)
    affine : ndarray, shape (4, 4)
        Of both, to world (RAS+, mm).
    """

    image: np.ndarray
    cord: np.ndarray
    affine: np.ndarray


@dataclass(frozen=True, eq=False)
class Path:
    """One registration.

    Attributes
    ----------
    name : str
        ``disc`` or ``rootlet``.
    field : DisplacementField
        ``warp_template2anat``: on the subject's grid, it moves subject points to the template.
    landmarks : dict
        Name → (world point, residual in mm along the cord).
    """

    name: str
    field: DisplacementField
    landmarks: Mapping[str, tuple[np.ndarray, float]] = field(default_factory=dict)


def overlay_animation(
    image: np.ndarray,
    affine: np.ndarray,
    cord: np.ndarray,
    template: Template,
    chosen: Path,
    other: Path | None = None,
    *,
    title: str,
    levels: np.ndarray | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> Animation:
    """Draw subject and warped template in turn, and how well their cords agree.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        Cord reference, in any storage order.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    cord : ndarray of bool, shape (i, j, k)
    template : Template
    chosen : Path
        The registration that was taken.
    other : Path, optional
        The one that was not; it makes the last frame.
    title : str
        Which image.
    levels : ndarray of int, shape (i, j, k), optional
        Vertebral levels on the cord.
    bounds : dict, optional
        ``cord_dice`` and ``centre_distance_mm`` → where WARN and FAIL begin.

    Returns
    -------
    Animation
        Frames: subject, template by the chosen path, template by the other path.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    if not cord.any():
        raise ValueError('the cord mask is empty')
    grid = Grid.of(image.shape, affine)
    volume, mask = grid.ordered(image), grid.ordered(cord).astype(bool)
    ranges = {} if levels is None else level_ranges(grid.ordered(levels), grid)
    middle = course(mask, grid)
    found = np.flatnonzero(mask.any(axis=(0, 1)))
    rows = rows_around(found, grid.spacing[2], grid.shape[2])
    paths = [_Warped.of(path, template, grid, mask) for path in (chosen, other) if path]
    covered = paths[0].slices
    picks = tile_heights(covered if len(covered) else found, ranges, grid.spacing[2], _MOST_TILES)
    layout = _Layout.of(rows, len(picks), bool(ranges))
    canvas = Canvas(
        layout.width, layout.height + layout.top + 52, title, 'registration to the template'
    )
    if ranges:
        names = {level: level_name(level) for level in ranges}
        level_bar(canvas, 16, layout.top, layout.height, rows=rows, ranges=ranges, names=names)
    windows = (window_near(volume, grid.spacing, middle), _template_window(template))
    painter = _Painter(canvas, layout, grid, volume, mask, middle, template, paths, windows)
    painter.sheets(rows, found)
    painter.tiles(picks)
    _strips(canvas, layout, rows, ranges, paths, grid, bounds or {}, painter.frames)
    _captions(canvas, paths, painter.frames, bool(bounds))
    animation = Animation(canvas.figure, painter.frames, SECONDS)
    animation.show(0)
    return animation


class _Painter:
    """Draws panels that show the subject in the first frame, a warped template in the others."""

    def __init__(self, canvas, layout, grid, volume, mask, middle, template, paths, windows):
        self.canvas, self.layout, self.grid = canvas, layout, grid
        self.volume, self.mask, self.middle = volume, mask, middle
        self.template, self.paths, self.windows = template, paths, windows
        self.frames: list[list] = [[] for _ in range(len(paths) + 1)]

    def sheets(self, rows: tuple[float, float], found: np.ndarray) -> None:
        """Sagittal and coronal, along the cord."""
        layout, grid, middle = self.layout, self.grid, self.middle
        for sheet, axis, x in ((sagittal, 1, layout.sagittal), (coronal, 0, layout.coronal)):
            wide = layout.wide[1 - axis]
            centre = (middle[found, axis].min() + middle[found, axis].max()) / 2
            columns = (centre - wide / 2, centre + wide / 2)
            section = sheet(self.volume, grid, middle)
            axes = self.canvas.panel(
                section, x, layout.top, layout.scale, columns=columns, rows=rows, window=None
            )
            self._draw(axes, section, sheet(self.mask, grid, middle), columns, rows)
            if sheet is sagittal:  # of one scale; in the other, narrow one it would cover a letter
                scale_bar(axes, 10)
            self.canvas.text(x, layout.top - 12, sheet.__name__, color=look.FAINT)

    def tiles(self, picks: list[tuple[int, int | None]]) -> None:
        """Axial, from the head down."""
        layout, grid = self.layout, self.grid
        step = layout.tile + 8
        for number, (height, level) in enumerate(picks):
            column, row = divmod(number, layout.per_column)
            columns, rows = around(self.middle[height])
            section = axial(self.volume, grid, height)
            axes = self.canvas.panel(
                section, layout.tiles + column * step, layout.top + row * step,
                layout.tile / TILE_MM, columns=columns, rows=rows, window=None,
            )  # fmt: skip
            self._draw(axes, section, axial(self.mask, grid, height), columns, rows)
            axes.text(
                0.03, 0.97, f'slice {height}' if level is None else level_name(level),
                transform=axes.transAxes, size=look.NORMAL, weight='bold', va='top',
                color=look.INK if level is None else level_colour(level), bbox=look.BEHIND_TEXT,
            )  # fmt: skip
            if number == 0:
                scale_bar(axes, 5)
        text = f'axial, {TILE_MM:g} mm wide'
        self.canvas.text(layout.tiles, layout.top - 12, text, color=look.FAINT)

    def _draw(self, axes, section: Section, mask: Section, columns, rows) -> None:
        part = section.within(columns, rows)
        subject, *others = self.frames
        subject.append(axes.add_image(image_of(axes, part, columns, rows, self.windows[0])))
        outline(axes, mask.within(columns, rows), look.CORD)
        for frame, path in zip(others, self.paths, strict=True):
            values, warped = path.on(part, self.template)
            frame.append(axes.add_image(image_of(axes, values, columns, rows, self.windows[1])))
            drawn = outline(axes, warped, look.TEMPLATE)
            if drawn is not None:
                frame.append(drawn)
                if frame is others[0]:  # the chosen one stays beside the subject's
                    subject.append(drawn)


@dataclass(frozen=True)
class _Layout:
    """Where things stand (pixels)."""

    top: float
    height: float
    scale: float
    wide: tuple[float, float]
    sagittal: float
    coronal: float
    strips: float
    tiles: float
    tile: float
    per_column: int
    width: float

    @classmethod
    def of(cls, rows: tuple[float, float], tiles: int, bar: bool) -> _Layout:
        scale = min(600 / np.ptp(rows), 6.0)
        height = max(np.ptp(rows) * scale, 1.0)
        wide = (56.0, 40.0)
        sagittal_x = 16 + (32 if bar else 0)
        coronal_x = sagittal_x + wide[0] * scale + 8
        strips_x = coronal_x + wide[1] * scale + 16
        tiles_x = strips_x + 3 * 124 + 4
        per_column = min(4, max(int(height // 120), 1))
        tile = min((height + 8) / per_column - 8, 150.0)
        columns = max(-(-tiles // per_column), 1)
        return cls(
            100, height, scale, wide, sagittal_x, coronal_x, strips_x, tiles_x, tile,
            per_column, tiles_x + columns * (tile + 8) + 8,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Warped:
    """A path with the template's cord brought to the subject, slice by slice."""

    path: Path
    grid: Grid
    slices: np.ndarray
    """Covered, rising."""
    dice: np.ndarray
    distance: np.ndarray
    """Per slice of the grid; NaN where not covered. Distances in mm."""

    @classmethod
    def of(cls, path: Path, template: Template, grid: Grid, mask: np.ndarray) -> _Warped:
        box = _box(mask, grid)
        first = box[2].start
        near = DisplacementField(
            np.stack(
                [grid.ordered(path.field.vectors[..., axis])[box] for axis in range(3)], axis=-1
            ),
            grid.part(box).affine,
            grid.ordered(path.field.valid)[box],
        )
        subject, valid = mask[box], near.valid
        warped = near.resample(template.cord.view(np.uint8), template.affine, 0) > 0
        both, size, other = (
            np.count_nonzero(part, axis=(0, 1)) for part in (subject & warped, subject, warped)
        )
        covered = (size > 0) & (other > 0)
        covered &= np.count_nonzero(subject & valid, axis=(0, 1)) >= _MIN_VALID * size
        heights = np.flatnonzero(covered)
        dice, distance = (np.full(grid.shape[2], np.nan) for _ in range(2))
        dice[heights + first] = 2 * both[heights] / (size + other)[heights]
        apart = _middles(subject[..., heights]) - _middles(warped[..., heights])
        distance[heights + first] = np.linalg.norm(apart * grid.spacing[:2], axis=-1)
        return cls(path, grid, np.flatnonzero(np.isfinite(dice)), dice, distance)

    def on(self, section: Section, template: Template) -> tuple[Section, Section]:
        """The template's image and cord on a section; 0 where the field is not defined."""
        moved, valid = self.path.field.map_points(self.grid.world(section.mm))
        images = []
        for data in (template.image, template.cord.view(np.uint8)):
            values = np.zeros(valid.shape, np.float32)
            values[valid] = sample(data, template.affine, moved[valid], 1)
            images.append(section.like(values))
        return images[0], images[1]


def _middles(mask: np.ndarray) -> np.ndarray:
    """Middle of a mask in each slice (voxels); shape (s, 2)."""
    size = np.count_nonzero(mask, axis=(0, 1))
    profiles = (np.count_nonzero(mask, axis=1 - axis) for axis in range(2))
    return np.stack([np.arange(len(profile)) @ profile / size for profile in profiles], axis=-1)


def _box(mask: np.ndarray, grid: Grid) -> tuple[slice, ...]:
    """The cord and what lies near it: nothing else is warped."""
    margin = (_NEAR_MM / grid.spacing).astype(int)
    margin[2] = 0
    return filled_box(mask, margin)


def _template_window(template: Template) -> tuple[float, float]:
    values = template.image[::2, ::2, ::8]
    low, high = np.percentile(values[values > 0], [0.5, 99.5]) if (values > 0).any() else (0, 1)
    return 0.0 if low > 0 else float(low), float(max(high, low + 1e-6))


def _strips(canvas, layout, rows, ranges, paths, grid, bounds, frames) -> None:
    """Dice, centre distance and landmark residuals along the cord, per frame's path."""
    heights = np.arange(grid.shape[2]) * grid.spacing[2]
    plots = (
        ('Dice per slice', (0.4, 1.0), 'cord_dice'),
        ('centres off (mm)', (0.0, 6.0), 'centre_distance_mm'),
        ('landmarks off (mm)', (-6.0, 6.0), 'landmark_residual_mm'),
    )
    for number, (label, limits, key) in enumerate(plots):
        axes = strip(
            canvas, layout.strips + number * 124, layout.top, 106, layout.height, rows=rows,
            limits=limits, label=label,
        )  # fmt: skip
        level_bands(axes, ranges)
        for bound, style in zip(bounds.get(key, ()), (':', '--'), strict=False):
            for side in (1, -1) if limits[0] < 0 else (1,):
                axes.axvline(side * bound, color=look.INK, lw=0.9, ls=style)
        if limits[0] < 0:
            axes.axvline(0, color=look.FAINT, lw=0.8)
        for frame, path in zip(frames[1:], paths, strict=True):
            shown = [*_uncovered(axes, path, rows, grid)]
            if key == 'landmark_residual_mm':
                shown += _residuals(axes, path, grid, limits)
            else:
                values = path.dice if key == 'cord_dice' else path.distance
                line = np.clip(values, *limits)
                shown += axes.plot(line, heights, color=look.TEMPLATE, lw=1.4)
            frame += shown
            if frame is frames[1]:
                frames[0].extend(shown)


def _uncovered(axes, path: _Warped, rows, grid: Grid) -> list:
    """Hatching over the heights that the field does not cover."""
    style = {'facecolor': 'none', 'edgecolor': look.FAINT, 'hatch': '...', 'lw': 0, 'alpha': 0.7}
    if not len(path.slices):
        return [axes.axhspan(*rows, **style)]
    half = grid.spacing[2] / 2
    low, high = path.slices[[0, -1]] * grid.spacing[2]
    ends = ((rows[0], low - half), (high + half, rows[1]))
    return [axes.axhspan(a, b, **style) for a, b in ends if b > a]


def _residuals(axes, path: _Warped, grid: Grid, limits) -> list:
    """A tick per landmark, as long as the field misses it by."""
    if not path.path.landmarks:
        return []
    points, residuals = zip(*path.path.landmarks.values(), strict=True)
    heights, ends = grid.mm(np.asarray(points))[:, 2], np.clip(residuals, *limits)
    colour = {'color': look.TEMPLATE}
    shown = [axes.hlines(heights, 0, ends, lw=2.5, **colour)]
    shown += axes.plot(ends, heights, marker='|', ms=7, ls='none', **colour)
    for name, height in zip(path.path.landmarks, heights, strict=True):
        shown.append(
            axes.text(
                limits[0] + 0.2, height, name, size=look.SMALL, color=look.INK, va='center',
                clip_on=True, bbox=look.BEHIND_TEXT,
            )
        )  # fmt: skip
    return shown


def _captions(canvas, paths, frames, bounded: bool) -> None:
    """What the frame shows, in words, and the colours."""
    texts = ['subject'] + [
        f'template, by {path.path.name}s' + (' — chosen' if number == 0 else '')
        for number, path in enumerate(paths)
    ]
    if len(paths) > 1:
        texts[2] += ' — NOT chosen'
    colours = (look.CORD, look.TEMPLATE, '#ffd166')
    for number, (text, frame) in enumerate(zip(texts, frames, strict=True)):
        caption = f'{number + 1}/{len(frames)}   {text}'
        frame.append(canvas.text(16, 54, caption, size=16, weight='bold', color=colours[number]))
    x, y = 16, canvas.height - 14
    for text, colour in (
        ('— cord of the subject', look.CORD), ('— cord of the template', look.TEMPLATE),
        ('speckled: not covered', look.FAINT),
        ('lines: WARN dotted, FAIL dashed' if bounded else '', look.FAINT),
    ):  # fmt: skip
        canvas.text(x, y, text, color=colour, weight='bold')
        x += 7.4 * len(text) + 20
