# SPDX-License-Identifier: Apache-2.0
"""Memory that commands need, by the table ``data/resources.yaml``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spinalprep.geometry import read_geometry

if TYPE_CHECKING:
    from spinalprep.policy import Crop

STRAYS_MM = (20.0, 60.0)
"""How far a cord runs right–left and front–back on its way down a neck."""

OWN = 'own'
"""Name of what spinalprep computes itself."""


@dataclass(frozen=True)
class ImageSize:
    """Size of a subject's image, in millions of voxels."""

    whole: float = 4.0
    """As acquired; by default that of a typical image, for graphs built before there is one."""
    cropped: float = 2.0
    """After it was cropped to the cord."""

    @classmethod
    def of(cls, path: Path, crop: Crop) -> ImageSize:
        """Of an image, by its header; typical where it can't be read.

        Parameters
        ----------
        path : Path
        crop : Crop
            The policy's margins. The cord itself is taken to stray as far as `STRAYS_MM`.
        """
        geometry = read_geometry(path)
        if geometry is None:
            return cls()  # whoever runs it tells what is wrong with it
        limits = (
            2 * crop.left_right_mm + STRAYS_MM[0],
            crop.anterior_mm + crop.posterior_mm + STRAYS_MM[1],
            math.inf,
        )
        kept = (
            min(number, limit / max(mm, 1e-6))
            for number, mm, limit in zip(geometry.voxels, geometry.voxel_mm, limits, strict=True)
        )
        return cls(math.prod(geometry.voxels) / 1e6, math.prod(kept) / 1e6)


def memory_gb(kind: str, command: str, megavoxels: float) -> float:
    """Memory (GB) that a command needs.

    Parameters
    ----------
    kind : str
        Kind of toolbox: ``embedded`` or another.
    command : str
        Name of the command, of a network with its task, such as ``sct_deepseg spine``; or `OWN`.
    megavoxels : float
        Millions of voxels of its image.

    Examples
    --------
    >>> memory_gb('installed', 'sct_deepseg spine', 4.0)
    12.0
    """
    commands = _commands(kind)
    entry = commands.get(command, commands['other'])
    return round(entry['base_gb'] + entry['gb_per_megavoxel'] * megavoxels, 2)


def largest_gb(kind: str, size: ImageSize) -> float:
    """Memory (GB) of the command that needs most of it, for one subject."""
    commands = [command for command in _commands(kind) if command != 'other']
    found = [memory_gb(kind, command, size.cropped) for command in commands]
    return max(*found, memory_gb(kind, 'sct_deepseg spinalcord', size.whole))


def _commands(kind: str) -> Mapping[str, Any]:
    table = _table()
    return table['embedded' if kind == 'embedded' else 'installed'] | {OWN: table[OWN]}


@cache
def _table() -> Mapping[str, Any]:
    import yaml

    from spinalprep.data import load

    return yaml.safe_load(load('resources.yaml').read_text(encoding='utf-8'))
