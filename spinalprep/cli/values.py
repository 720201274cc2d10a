# SPDX-License-Identifier: Apache-2.0
"""Values of arguments, from the words on the command line."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path


def positive(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'at least 1 expected, got {value}')
    return value


def gigabytes(text: str) -> float:
    """Memory (GB), such as ``16`` or ``16G``."""
    value = float(text.upper().removesuffix('B').removesuffix('G'))
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'more than 0 expected, got {text}')
    return value


def product_and_path(text: str) -> tuple[str, str]:
    """``PRODUCT=PATH``."""
    name, found, path = text.partition('=')
    if not found or not path:
        raise argparse.ArgumentTypeError(f'PRODUCT=PATH expected, got {text!r}')
    return name, path


def name_and_path(text: str) -> tuple[str, Path]:
    """``NAME=PATH``, taken apart; NAME is for BIDS URIs, in which two names are ours."""
    name, _, path = text.partition('=')
    if not path or name in ('raw', 'template') or not re.fullmatch('[A-Za-z0-9_-]+', name):
        raise argparse.ArgumentTypeError(
            'NAME=PATH expected, with a NAME of letters and digits other than raw and template, '
            f'got {text!r}'
        )
    return name, Path(path)
