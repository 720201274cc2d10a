# SPDX-License-Identifier: Apache-2.0
"""Figures to small files: PNG with a palette, and animated GIF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from PIL import Image

GREYS = 40
"""Shades of the images. Finer ones are noise, which does not compress."""

COLOURS = 255 - GREYS
"""Other colours. One place of the palette stays free, for what is transparent on a page."""


_plain_letters = rc_context({'text.hinting': 'none'})
"""Letters as they are: fitted to the pixels, texts take half as long again."""


@dataclass(frozen=True, eq=False)
class Animation:
    """A figure of which some parts take turns.

    Attributes
    ----------
    figure : Figure
    frames : sequence of sequence of Artist
        The parts that each frame shows; all other frames' parts are hidden.
    seconds : float
        How long each frame is shown.
    """

    figure: Figure
    frames: Sequence[Sequence[Artist]]
    seconds: float

    def show(self, number: int) -> None:
        """Set the figure to one frame."""
        for frame in self.frames:
            for part in frame:
                part.set_visible(False)
        for part in self.frames[number]:
            part.set_visible(True)


@_plain_letters
def pixels_of(figure: Figure) -> np.ndarray:
    """The drawn figure; uint8, shape (height, width, 3)."""
    figure.canvas.draw()
    return _opaque(figure)


@_plain_letters
def frames_of(animation: Animation) -> list[np.ndarray]:
    """Each frame drawn, as `pixels_of` gives it; what they share is drawn once.

    Beneath what takes turns lies one picture, above it another one, and both stay.
    """
    figure = animation.figure
    turns = {part for frame in animation.frames for part in frame}
    between, above = _on_top(figure, turns)
    hidden = [part for part in (*between, *above) if part.get_visible()]
    for part in hidden:
        part.set_visible(False)
    figure.canvas.draw()
    beneath = figure.canvas.copy_from_bbox(figure.bbox)
    for part in hidden:
        part.set_visible(True)
    renderer = figure.canvas.get_renderer()
    renderer.clear()
    for part in above:
        part.draw(renderer)
    cover = _drawn(figure).reshape(-1, 4)
    covered = np.flatnonzero(cover[:, 3] > 0)
    opacity = cover[covered, 3:] / np.float32(255)
    colours = cover[covered, :3] * opacity
    frames = []
    for number in range(len(animation.frames)):
        animation.show(number)
        figure.canvas.restore_region(beneath)
        for part in between:
            if part.get_visible():
                part.draw(renderer)
        frame = _opaque(figure)
        pixels = frame.reshape(-1, 3)
        pixels[covered] = np.rint(colours + pixels[covered] * (1 - opacity))
        frames.append(frame)
    return frames


def _drawn(figure: Figure) -> np.ndarray:
    """View of what is drawn by now; uint8, shape (height, width, 4)."""
    return np.asarray(figure.canvas.buffer_rgba())


def _opaque(figure: Figure) -> np.ndarray:
    """Copy of what is drawn by now; uint8, shape (height, width, 3)."""
    # in a third of the time of a copy of three of the array's four values
    return np.array(Image.fromarray(_drawn(figure)).convert('RGB'))


def _on_top(figure: Figure, turns: set[Artist]) -> tuple[list[Artist], list[Artist]]:
    """What is drawn between the first and the last part that takes turns, and what after."""
    between = [part for part in figure.texts if part in turns]
    above: list[Artist] = []
    for axes in figure.axes:
        parts = [part for part in axes.get_children() if part is not axes.patch]
        parts.sort(key=lambda part: part.zorder)
        places = [place for place, part in enumerate(parts) if part in turns]
        if places:
            between += parts[places[0] : places[-1] + 1]
            above += parts[places[-1] + 1 :]
    return between, above


def save_png(figure: Figure, path: Path | str) -> None:
    """Write a figure as PNG with a palette."""
    pixels = pixels_of(figure)
    # the usual level makes files a tenth smaller in twice the time
    _indexed(pixels, _palette([pixels])).save(path, compress_level=4)


def save_gif(animation: Animation, path: Path | str) -> None:
    """Write an animation as GIF that repeats for ever."""
    frames = frames_of(animation)
    palette = _palette(frames)
    first, *rest = (_indexed(pixels, palette) for pixels in frames)
    first.save(
        path,
        save_all=True,
        append_images=rest,
        duration=round(1000 * animation.seconds),
        loop=0,
        optimize=False,
    )


def _palette(frames: Sequence[np.ndarray]) -> Image.Image:
    """Palette for all frames: evenly spaced greys, and the colours that occur."""
    greys = np.repeat(np.linspace(0, 255, GREYS).round().astype(np.uint8)[:, None], 3, axis=1)
    # frames are alike, and so are neighbours: of all together a third to half of what one has;
    # an odd step meets all rows and columns
    step = 2 * len(frames) + 1
    coloured = np.concatenate([_coloured(pixels.reshape(-1, 3)[::step]) for pixels in frames])
    colours = np.zeros((0, 3), np.uint8)
    if len(coloured):
        strip = Image.fromarray(coloured[None])
        best = strip.quantize(COLOURS, Image.Quantize.MEDIANCUT)
        colours = np.array(best.getpalette(), np.uint8).reshape(-1, 3)[:COLOURS]
    entries = np.concatenate([greys, colours])
    image = Image.new('P', (1, 1))
    image.putpalette(entries.tobytes())
    return image


def _coloured(pixels: np.ndarray) -> np.ndarray:
    """The pixels, of shape (m, 3), that are not grey; shape (n, 3)."""
    red, green, blue = np.moveaxis(pixels, -1, 0)
    highest = np.maximum(np.maximum(red, green), blue)
    lowest = np.minimum(np.minimum(red, green), blue)
    return pixels[highest - lowest > 12]


def _indexed(pixels: np.ndarray, palette: Image.Image) -> Image.Image:
    return Image.fromarray(pixels).quantize(palette=palette, dither=Image.Dither.NONE)
