# SPDX-License-Identifier: Apache-2.0
"""How long a subject will take, and how much disk: rough figures by voxel, for people."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

from spinalprep.demands import ImageSize, largest_gb
from spinalprep.policy import Policy

PAM50 = 141 * 141 * 991 / 1e6
"""Size of the template, in millions of voxels, where it can't be looked at."""


@dataclass(frozen=True)
class Estimate:
    """What one subject takes; added up, what several do."""

    seconds: float
    """Of its commands one after the other, without a GPU."""
    memory_gb: float
    """Of the command that needs most of it."""
    results_gb: float
    work_gb: float

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(
            self.seconds + other.seconds,
            max(self.memory_gb, other.memory_gb),
            self.results_gb + other.results_gb,
            self.work_gb + other.work_gb,
        )


def estimate(
    image: ImageSize,
    modality: str,
    policy: Policy,
    *,
    kind: str = 'installed',
    template: float = PAM50,
    given: Collection[str] = (),
) -> Estimate:
    """What a subject takes, from its image's size.

    Parameters
    ----------
    image : ImageSize
        Of the image that will be taken.
    modality : str
        ``T2w`` or ``T1w``.
    policy : Policy
    kind : str
        Kind of toolbox: ``embedded`` or another.
    template : float
        Size of the template's grid, in millions of voxels.
    given : collection of str
        Products that need not be computed.

    Returns
    -------
    Estimate
        See ``data/estimates.yaml`` for what was measured.
    """
    table = _table()
    seconds = table['seconds']['embedded' if kind == 'embedded' else 'installed']
    size = table['bytes_per_voxel']
    whole, crop = image.whole, image.cropped
    has_rootlets = policy.rootlets.enabled and modality in policy.rootlets.modalities
    paths = 2 if has_rootlets or 'rootlets_dseg' in given else 1
    megavoxels = {'rest': crop, 'registration': paths * (crop + template)}
    if 'cord_dseg' not in given:
        megavoxels['discover'] = whole
        if not policy.segmentation.reuse_discovery:
            megavoxels['cord'] = crop
    if 'totalspineseg_dseg' not in given and policy.labelling.method == 'totalspineseg':
        megavoxels['spine'] = crop
    if has_rootlets and 'rootlets_dseg' not in given:
        megavoxels['rootlets'] = crop
    results = crop * size['results_crop'] + template * size['results_template']
    return Estimate(
        sum(
            seconds[name]['base'] + seconds[name]['per_megavoxel'] * number
            for name, number in megavoxels.items()
        ),
        memory_gb=largest_gb(kind, image),
        results_gb=results / 1e3,
        work_gb=(results * size['work_per_result'] + whole * size['work_image']) / 1e3,
    )


@cache
def _table() -> dict[str, Any]:
    import yaml

    from spinalprep.data import load

    return yaml.safe_load(load('estimates.yaml').read_text(encoding='utf-8'))
