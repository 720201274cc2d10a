# SPDX-License-Identifier: Apache-2.0
"""Tables beside images of labels: what each value means, and its colour in the figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spinalprep.anatomy.labels import HORNS, LAST_DISC
from spinalprep.products import LABEL_COLUMNS, Product, label_names


def label_table(item: Product) -> str:
    """The lookup table of a product's labels, as TSV.

    Parameters
    ----------
    item : Product
        With label values.

    Returns
    -------
    str
        A row per value, in anatomical order: value, name, and colour as ``#rrggbb``.

    Examples
    --------
    >>> from spinalprep.products import product
    >>> print(label_table(product('totalspineseg_dseg')).splitlines()[1].split('\\t'))
    ['1', 'cord', '#4c93ff']
    """
    from matplotlib.colors import to_hex

    colour = _colours().get(item.values)
    rows = [
        (str(value), name, to_hex(colour(value)) if colour else 'n/a')
        for value, name in label_names(item).items()
    ]
    return ''.join('\t'.join(row) + '\n' for row in (LABEL_COLUMNS, *rows))


HORN_COLOURS = dict(zip(HORNS, ('#e69f00', '#d55e00', '#56b4e9', '#0072b2'), strict=True))
"""Warm ventral, cold dorsal, the right darker; of the palette of Okabe and Ito (2008), which
colour-blind eyes tell apart. No figure shows them."""


def _colours() -> dict[str, Callable[[int], Any]]:
    """Kind of values to what colours them in the figures."""
    from spinalprep.reports.look import FAINT, level_colour
    from spinalprep.reports.spine import map_colour

    return {
        'spine': map_colour,
        'vertebrae': map_colour,
        'levels': level_colour,
        'spinal levels': level_colour,
        'horns': HORN_COLOURS.__getitem__,
        'discs': lambda value: level_colour(value - 0.5) if value <= LAST_DISC else FAINT,
    }
