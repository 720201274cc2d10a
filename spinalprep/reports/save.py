# SPDX-License-Identifier: Apache-2.0
"""Figures to small files: PNG with a palette, and animated GIF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from PIL import Image

GREYS = 40
"""Shades of the images. Finer ones are noise, which does not compress."""


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


def pixels_of(figure: Figure) -> np.ndarray:
    """The drawn figure; uint8, shape (height, width, 3)."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


def save_png(figure: Figure, path: Path | str) -> None:
    """Write a figure as PNG with a palette."""
    pixels = pixels_of(figure)
    _indexed(pixels, _palette([pixels])).save(path, optimize=True)


def save_gif(animation: Animation, path: Path | str) -> None:
    """Write an animation as GIF that repeats for ever."""
    frames = []
    for number in range(len(animation.frames)):
        animation.show(number)
        frames.append(pixels_of(animation.figure))
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
    coloured = np.concatenate([_coloured(pixels) for pixels in frames])
    colours = np.zeros((0, 3), np.uint8)
    if len(coloured):
        strip = Image.fromarray(coloured[None])
        best = strip.quantize(256 - GREYS, Image.Quantize.MEDIANCUT)
        colours = np.array(best.getpalette(), np.uint8).reshape(-1, 3)[: 256 - GREYS]
    entries = np.concatenate([greys, colours])
    image = Image.new('P', (1, 1))
    image.putpalette(entries.tobytes())
    return image


def _coloured(pixels: np.ndarray) -> np.ndarray:
    """The pixels that are not grey; shape (n, 3)."""
    spread = pixels.max(axis=-1).astype(int) - pixels.min(axis=-1)
    return pixels[spread > 12]


def _indexed(pixels: np.ndarray, palette: Image.Image) -> Image.Image:
    return Image.fromarray(pixels).quantize(palette=palette, dither=Image.Dither.NONE)
