# SPDX-License-Identifier: Apache-2.0
"""Is the file of a figure a real picture, whole?"""

from __future__ import annotations

from pathlib import Path

_LAST_BYTES = {'.png': b'IEND\xaeB`\x82', '.gif': b';'}


def judge_figure(path: Path) -> str | None:
    """What is wrong with the file of a figure; every frame is read to its end.

    Parameters
    ----------
    path : Path
        PNG or GIF by its name.

    Returns
    -------
    str or None
        None when all is well.
    """
    from PIL import Image, ImageSequence

    if not path.is_file():
        return 'is missing'
    try:
        with Image.open(path) as image:
            if image.format != path.suffix[1:].upper():
                return f'holds {image.format}, not what its name says'
            blank = all(
                low == high
                for frame in ImageSequence.Iterator(image)
                for low, high in frame.convert('RGB').getextrema()
            )
    except (OSError, EOFError, SyntaxError, ValueError) as error:  # SyntaxError: a broken PNG
        return f'can not be read to its end ({error})'
    # Pillow does not mind when the mark at the end is missing
    if not path.read_bytes().endswith(_LAST_BYTES[path.suffix]):
        return 'can not be read to its end (its last bytes are missing)'
    return 'is blank' if blank else None
