# SPDX-License-Identifier: Apache-2.0
"""Images in which no cord can be found: what must be refused, not answered."""

from __future__ import annotations

from collections.abc import Callable

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter

from spinalprep.embedded.phantom.generate import as_image, make_phantom
from spinalprep.embedded.phantom.params import CONTRASTS, PhantomParams
from spinalprep.embedded.phantom.tissues import SIGNALS

SCALE = 400.0
"""Stored value of the cord's signal."""
SHORT_MM = 18.0
"""Height of the field of view that is too short."""


def refusal_image(kind: str, seed: int = 0) -> nib.Nifti1Image:
    """Image of one kind; the same for the same seed.

    Parameters
    ----------
    kind : str
        One of :data:`REFUSALS`.
    seed : int
        Draws sizes, texture and noise; even seeds look like T2w, odd ones like T1w where
        a contrast applies.

    Returns
    -------
    nibabel.Nifti1Image
        int16.

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    if kind not in REFUSALS:
        raise ValueError(f'kind must be one of {", ".join(REFUSALS)}, got {kind!r}')
    return REFUSALS[kind](np.random.default_rng([seed, 23]), seed)


def _noise(rng: np.random.Generator, seed: int) -> nib.Nifti1Image:
    """Magnitude noise; every other time smooth along one to three voxels."""
    shape = (80, 100, 140)
    parts = rng.standard_normal((2, *shape), np.float32)
    if seed % 2:
        parts = np.stack([gaussian_filter(part, rng.uniform(1.0, 3.0)) for part in parts])
    return _image(np.hypot(*parts) / parts.std(), (1.0, 1.0, 1.0))


def _bottle(rng: np.random.Generator, seed: int) -> nib.Nifti1Image:
    """Bottle of fluid on a cushion: wall, neck with an air bubble, and the coil's field."""
    zooms = (1.0, 1.0, 1.5)
    x, y, z = _grid((110, 110, 120), zooms)
    radius = rng.uniform(28, 45)
    lean = rng.uniform(-0.1, 0.1, 2)
    off = np.hypot(x - lean[0] * z, y - lean[1] * z)
    narrow = np.clip((z - 50) / 25, 0, 1)
    edge = radius * (1 - narrow) + 9.0 * narrow
    image = np.where(off < edge + 2.0, 0.05, 0.02)
    image = np.where(off < edge, 2.0, image)
    image = np.where((off < edge) & (z > 78), 0.02, image)
    image *= np.exp(-0.2 * y / 30 + 0.1 * x / 30)
    return _image(_noisy(image, rng, 0.05), zooms)


def _brain(rng: np.random.Generator, seed: int) -> nib.Nifti1Image:
    """Head down to the foramen magnum: folded cortex, ventricles, cerebellum, brainstem."""
    zooms = (1.2, 1.2, 1.2)
    tissue = SIGNALS[CONTRASTS[seed % 2]]
    x, y, z = _grid((124, 150, 116), zooms)
    z = z - 10.0

    def ball(centre, radii):
        parts = zip((x, y, z), centre, radii, strict=True)
        return sum(((axis - middle) / half) ** 2 for axis, middle, half in parts) < 1

    size = rng.uniform(0.94, 1.04)
    folds = gaussian_filter(
        rng.standard_normal(np.broadcast_shapes(*(a.shape for a in (x, y, z)))), 2.2
    )
    folds /= folds.std()
    image = np.full(folds.shape, tissue['air'])
    for depth, name in ((74, 'fat'), (69, 'cortex'), (67, 'marrow'), (63, 'cortex'), (61, 'csf')):
        radii = (depth * size, (depth + 13) * size, (depth - 4) * size)
        image[ball((0, 0, 0), radii)] = tissue[name]
    cerebrum = ball((0, 0, 6), (58 * size, 70 * size, 48 * size))
    deep = ball((0, 0, 8), (50 * size, 62 * size, 40 * size))
    image[cerebrum & ((folds > -0.7) | deep)] = tissue['grey']
    image[deep & (folds > -0.4)] = tissue['white']
    for side in (-1, 1):
        image[ball((side * 9, 0, 12), (4, 26, 8))] = tissue['csf']
    cerebellum = ball((0, -36, -34), (44, 24, 20))
    image[cerebellum] = tissue['brain'] * (1 + 0.15 * np.cos(1.4 * (y + z) + 0 * x))[cerebellum]
    low = (z < -15) & (z > -78)
    girth = np.interp(z, [-78, -55, -45, -20], [6.4, 7.5, 13.0, 15.0]) + 0 * x + 0 * y
    off = np.hypot(x, (y + 8))
    image[low & (off < girth + 4)] = tissue['csf']
    image[low & (off < girth)] = tissue['brain']
    return _image(_noisy(image, rng, 0.05), zooms)


def _ringless(rng: np.random.Generator, seed: int) -> nib.Nifti1Image:
    """Neck in which fluid and cord have about one signal, as in T2*-weighted images."""
    coarse = seed % 3 == 0
    params = PhantomParams(
        seed=seed,
        contrast=CONTRASTS[seed % 2],
        voxel_mm=(0.7, 0.7, 5.0) if coarse else (1.0, 1.0, 1.0),
        cnr=float(rng.uniform(-1.0, 4.0)),
        rootlet_contrast=0.0,
        top_mm=-5.0,
    )
    return make_phantom(params).image


def _beside(rng: np.random.Generator, seed: int) -> nib.Nifti1Image:
    """Sagittal slab of a neck that misses the cord and its canal."""
    phantom = make_phantom(
        PhantomParams(seed=seed, contrast=CONTRASTS[seed % 2], field_mm=(110.0, 124.0))
    )
    data = np.asarray(phantom.image.dataobj)
    first = int(np.flatnonzero(phantom.canal.any(axis=(1, 2)))[-1]) + 4
    affine = phantom.affine @ nib.affines.from_matvec(np.eye(3), (first, 0, 0))
    return as_image(np.ascontiguousarray(data[first:]), affine)


def _short(rng: np.random.Generator, seed: int) -> nib.Nifti1Image:
    """A few centimetres of neck."""
    phantom = make_phantom(PhantomParams(seed=seed, contrast=CONTRASTS[seed % 2]))
    first = phantom.image.shape[2] // 3
    affine = phantom.affine @ nib.affines.from_matvec(np.eye(3), (0, 0, first))
    part = np.asarray(phantom.image.dataobj)[:, :, first : first + round(SHORT_MM)]
    return as_image(np.ascontiguousarray(part), affine)


REFUSALS: dict[str, Callable] = {
    'noise': _noise,
    'bottle': _bottle,
    'brain': _brain,
    'ringless': _ringless,
    'beside': _beside,
    'short': _short,
}
"""What each kind is, in the docstrings of its maker."""


def _grid(shape: tuple, zooms: tuple) -> list[np.ndarray]:
    """Coordinates about the middle (mm), open for broadcasting."""
    axes = [(np.arange(n) - (n - 1) / 2) * h for n, h in zip(shape, zooms, strict=True)]
    return list(np.meshgrid(*axes, indexing='ij', sparse=True))


def _noisy(image: np.ndarray, rng: np.random.Generator, sigma: float) -> np.ndarray:
    """Magnitude of a signal in noise."""
    real, imaginary = sigma * rng.standard_normal((2, *image.shape), np.float32)
    return np.hypot(image + real, imaginary)


def _image(array: np.ndarray, zooms: tuple) -> nib.Nifti1Image:
    affine = np.diag([-zooms[0], zooms[1], zooms[2], 1.0])
    affine[:3, 3] = -(np.array(array.shape) - 1) / 2 * np.diag(affine)[:3]
    return as_image(np.clip(np.rint(array * SCALE), 0, 32000).astype(np.int16), affine)
