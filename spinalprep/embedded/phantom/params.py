# SPDX-License-Identifier: Apache-2.0
"""What a caller may choose about a phantom."""

from __future__ import annotations

from dataclasses import dataclass

CONTRASTS = ('T2w', 'T1w')


@dataclass(frozen=True)
class PhantomParams:
    """Choices for one phantom; everything else is drawn from the seed.

    Attributes
    ----------
    seed : int
        Draws the individual: curve, vertebral heights, cord area, offsets. The anatomy
        depends on the seed (and on `bend`, `stretch`, `offset_sd`) alone, so two
        contrasts or voxel sizes of one seed show the same person.
    contrast : {'T2w', 'T1w'}
    voxel_mm : tuple of float
        Voxel size right–left, anterior–posterior, superior–inferior (mm), whatever the
        stored orientation.
    orientation : str
        nibabel axis codes of the stored array, for example ``'LAS'`` or ``'PSR'``.
    snr : float or None
        Mean cord signal over the noise's standard deviation; None is noise-free.
    cnr : float or None
        Difference of CSF and cord signal over the noise's standard deviation. None
        keeps the contrast's usual ratio of CSF to cord; without noise it must be None.
    bias : float
        Strength of the multiplicative field: the log of its range, roughly.
    bend : float
        Scales all angles of the cord's curve; 0 is straight.
    stretch : float
        Scales lengths along the cord.
    offset_sd : float
        Standard deviation of the vertebral–spinal offset, in vertebral levels.
    rootlet_contrast : float
        0 hides the rootlets, 1 gives them the cord's signal.
    marker : bool
        A bright capsule behind the skin on the subject's right.
    top_mm : float
        How far the field of view reaches above the top of C1 (mm); negative cuts the
        brainstem off.
    bottom_level : float
        The field of view ends at this vertebral level coordinate: ``k`` is the disc
        above vertebra ``k`` (14 = T6/T7), 14.3 lies a third into T7.
    field_mm : tuple of float
        Field of view right–left and anterior–posterior (mm).
    oblique_deg : float
        Rotates grid and anatomy together in world coordinates.
    """

    seed: int = 0
    contrast: str = 'T2w'
    voxel_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    orientation: str = 'LAS'
    snr: float | None = 20.0
    cnr: float | None = None
    bias: float = 0.3
    bend: float = 1.0
    stretch: float = 1.0
    offset_sd: float = 0.5
    rootlet_contrast: float = 0.85
    marker: bool = True
    top_mm: float = 40.0
    bottom_level: float = 14.2
    field_mm: tuple[float, float] = (74.0, 124.0)
    oblique_deg: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what can't be drawn.

        Raises
        ------
        ValueError
            Naming the field.
        """
        if self.contrast not in CONTRASTS:
            raise ValueError(f'contrast must be one of {CONTRASTS}, got {self.contrast!r}')
        if len(self.voxel_mm) != 3 or min(self.voxel_mm) <= 0:
            raise ValueError(f'voxel_mm must be three sizes above 0, got {self.voxel_mm!r}')
        if sorted({'L': 'R', 'P': 'A', 'I': 'S'}.get(c, c) for c in self.orientation) != [
            'A',
            'R',
            'S',
        ]:
            raise ValueError(f"orientation must be like 'LAS', got {self.orientation!r}")
        if self.snr is None and self.cnr is not None:
            raise ValueError('cnr is relative to the noise: it needs snr')
        if not 3 <= self.bottom_level <= 17:
            raise ValueError(f'bottom_level must lie in 3..17, got {self.bottom_level}')
