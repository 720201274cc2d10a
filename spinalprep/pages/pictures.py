# SPDX-License-Identifier: Apache-2.0
"""Figures as they are put into a page: each frame as a data URI."""

from __future__ import annotations

import base64
import io
from pathlib import Path

QUALITY = 82
"""Of WebP: contours stay sharp, and a page stays below a few megabytes."""


def frames(path: Path) -> list[str]:
    """Data URIs of a figure's frames.

    Parameters
    ----------
    path : Path
        PNG or GIF.

    Returns
    -------
    list of str
        A PNG as it is; the frames of a GIF as WebP each.

    Raises
    ------
    OSError
        If it is no picture, or not whole.
    """
    from PIL import Image, ImageSequence

    if path.suffix == '.png':
        with Image.open(path) as image:
            image.verify()
        return [_uri('image/png', path.read_bytes())]
    found = []
    with Image.open(path) as image:
        for frame in ImageSequence.Iterator(image):
            stream = io.BytesIO()
            frame.convert('RGB').save(stream, 'WEBP', quality=QUALITY, method=4)
            found.append(_uri('image/webp', stream.getvalue()))
    return found


def _uri(kind: str, content: bytes) -> str:
    return f'data:{kind};base64,{base64.b64encode(content).decode()}'
