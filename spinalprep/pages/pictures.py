# SPDX-License-Identifier: Apache-2.0
"""Figures as they are put into a page: each frame as a data URI."""

from __future__ import annotations

import base64
import io
from pathlib import Path

REACH = 4
"""Pixels around a change that are shown with it. A browser that shows a picture larger or
smaller mixes neighbours; without them the frame beneath would shine through at the edges."""


def frames(path: Path) -> list[str]:
    """Data URIs of a figure's frames.

    Parameters
    ----------
    path : Path
        PNG, or GIF whose frames have one palette.

    Returns
    -------
    list of str
        PNG. The frames of a GIF are to be shown one above the other: those after the first
        are transparent where nothing changes, which takes half the bytes.

    Raises
    ------
    OSError
        If it is no picture, or not whole.
    """
    import numpy as np
    from PIL import Image, ImageSequence
    from scipy import ndimage

    if path.suffix == '.png':
        with Image.open(path) as image:
            image.verify()
        return [_uri('image/png', path.read_bytes())]
    found, before = [], None
    with Image.open(path) as image:
        palette = image.convert('P')
        colours = bytes(palette.getpalette()).ljust(3 * 256, b'\0')
        for frame in ImageSequence.Iterator(image):
            picture = frame.convert('RGB').quantize(palette=palette, dither=Image.Dither.NONE)
            pixels, options = np.array(picture), {}
            unused = np.flatnonzero(np.bincount(pixels.ravel(), minlength=256) == 0)
            if before is not None and len(unused):
                options['transparency'] = int(unused[-1])
                changes = ndimage.maximum_filter(pixels != before, 2 * REACH + 1)
                picture = Image.fromarray(np.where(changes, pixels, np.uint8(unused[-1])))
                picture.putpalette(colours)
            before = pixels
            stream = io.BytesIO()
            # more effort takes twice as long, and yields a twentieth
            picture.save(stream, 'PNG', compress_level=4, **options)
            found.append(_uri('image/png', stream.getvalue()))
    return found


def _uri(kind: str, content: bytes) -> str:
    return f'data:{kind};base64,{base64.b64encode(content).decode()}'
