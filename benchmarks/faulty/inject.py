# SPDX-License-Identifier: Apache-2.0
"""Faults: what is done to clean products, at graded strength."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from benchmarks.faulty.fields import warp_along, warp_folded, warp_moved, warp_rotated
from benchmarks.faulty.products import (
    PATHS,
    Products,
    make_products,
    register,
)
from spinalprep.anatomy.centerline import Centerline, superior_axis
from spinalprep.anatomy.labels import DISC_POINT_OF_MAP, VERTEBRAE
from spinalprep.anatomy.quality.view import brain_kept

WARN, FAIL, TOLD = 'WARN', 'FAIL', '–'


@dataclass(frozen=True)
class Fault:
    """One kind of fault."""

    name: str
    unit: str
    """Of the strength."""
    strengths: tuple[float, ...]
    """Rising; the last is full strength."""
    due: str
    """Verdict that full strength must have at least; ``TOLD``: none, evidence can't always see it.
    Such a fault is tried only where graded strengths are."""
    touches: tuple[str, ...]
    """Groups of evidence that may change."""
    inject: Callable[[Products, float, int], Products | None]
    """Products, strength and seed to faulty products; None where it can't be had."""
    view: tuple[tuple[str, float], ...] = ()
    """Of phantoms that it needs, where not the usual ones: parameters and values."""
    modality: str | None = None
    """Of phantoms that it needs, where not either."""


BY_DISC = ('labels', 'numbering', 'disc')
BY_ROOTLETS = ('rootlets', 'numbering', 'rootlet')
CORD = ('view', 'segmentation')

NO_C1 = (('top_mm', -55.0),)
C2_TO_C5 = (('top_mm', -10.0), ('bottom_level', 6.2))
C5_TO_T1 = (('top_mm', -75.0),)


def _sizes(products: Products) -> np.ndarray:
    return np.linalg.norm(products.affine[:3, :3], axis=0)


def discs_shifted(products: Products, levels: float, seed: int) -> Products:
    """Each disc point moved down towards, or onto, the next one; then registered anew."""
    values = sorted(products.discs)
    moved = {
        value: products.discs[value]
        + levels * (products.discs[values[n + 1]] - products.discs[value])
        for n, value in enumerate(values[:-1])
    }
    faulty = products.but(discs=moved)
    return faulty.but(paths=register(faulty, ['disc']))


def all_shifted(products: Products, levels: float, seed: int) -> Products:
    """Discs and vertebrae called one or two higher than they are; then registered anew."""
    step = round(levels) * (1 if seed % 2 else -1)
    order = list(VERTEBRAE)
    discs_of_map = list(DISC_POINT_OF_MAP)
    spine = products.spine.copy()
    for values in (order, discs_of_map):
        for n, value in enumerate(values):
            goal = n + step
            spine[products.spine == value] = values[goal] if 0 <= goal < len(values) else 0
    discs = {v + step: p for v, p in products.discs.items() if v >= 3 and v + step >= 3}
    faulty = products.but(discs=discs, spine=spine)
    return faulty.but(paths=register(faulty, ['disc']))


def disc_missing(products: Products, count: float, seed: int) -> Products:
    """Discs in the middle are gone."""
    values = sorted(value for value in products.discs if value >= 3)
    gone = values[len(values) // 2 : len(values) // 2 + round(count)]
    faulty = products.but(discs={v: p for v, p in products.discs.items() if v not in gone})
    return faulty.but(paths=register(faulty, ['disc']))


def discs_swapped(products: Products, count: float, seed: int) -> Products:
    """Two discs have each other's number."""
    values = sorted(value for value in products.discs if value >= 3)
    middle = len(values) // 2
    one, other = values[middle], values[min(middle + round(count), len(values) - 1)]
    discs = products.discs | {one: products.discs[other], other: products.discs[one]}
    return products.but(discs=discs)


def mask_mirrored(products: Products, offset_mm: float, seed: int) -> Products:
    """The mask mirrored left to right about a plane beside the cord."""
    axis = int(np.argmax(np.abs(products.affine[0, :3])))
    size = _sizes(products)[axis]
    flipped = np.flip(products.cord, axis)
    centre = np.argwhere(products.cord)[:, axis].mean()
    back = np.argwhere(flipped)[:, axis].mean()
    shift = round(centre - back + 2 * offset_mm / size)
    return products.but(cord=_moved(flipped, axis, shift))


def _moved(mask: np.ndarray, axis: int, shift: int) -> np.ndarray:
    moved = np.roll(mask, shift, axis)
    edge = [slice(None)] * 3
    edge[axis] = slice(0, shift) if shift > 0 else slice(mask.shape[axis] + shift, None)
    if shift:
        moved[tuple(edge)] = False
    return moved


def header_flipped(products: Products, _: float, seed: int) -> Products:
    """The mask's header says that left is right."""
    axis = int(np.argmax(np.abs(products.affine[0, :3])))
    turn = np.eye(4)
    turn[axis, axis] = -1
    turn[axis, 3] = products.cord.shape[axis] - 1
    return products.but(cord_affine=products.affine @ turn)


def leak(products: Products, length_mm: float, seed: int) -> Products:
    """The mask fills the canal on a stretch."""
    return products.but(cord=_on_stretch(products, length_mm, products.canal | products.cord))


def _on_stretch(products: Products, length_mm: float, other: np.ndarray) -> np.ndarray:
    axis, _ = superior_axis(products.affine)
    slices = np.flatnonzero(products.cord.any(_but(axis)))
    count = max(round(length_mm / _sizes(products)[axis]), 1)
    first = slices[len(slices) // 2] - count // 2
    where = [slice(None)] * 3
    where[axis] = slice(first, first + count)
    cord = products.cord.copy()
    cord[tuple(where)] = other[tuple(where)]
    return cord


def _but(axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(3) if other != axis)


def gap(products: Products, length_mm: float, seed: int) -> Products:
    """Slices without mask in the middle."""
    nothing = np.zeros_like(products.cord)
    return products.but(cord=_on_stretch(products, length_mm, nothing))


def grown(products: Products, by_mm: float, seed: int) -> Products:
    """The mask with its outline moved outwards, or inwards."""
    axis, _ = superior_axis(products.affine)
    spacing = _sizes(products)
    spacing[axis] = 1e4
    outside = ndimage.distance_transform_edt(~products.cord, spacing)
    inside = ndimage.distance_transform_edt(products.cord, spacing)
    depth = np.where(products.cord, 0.5 - inside, outside - 0.5)
    return products.but(cord=depth <= by_mm)


def eroded(products: Products, by_mm: float, seed: int) -> Products:
    """The mask with its outline moved inwards."""
    return grown(products, -by_mm, seed)


def other_grid(products: Products, by_mm: float, seed: int) -> Products:
    """The mask's grid lies beside that of the image."""
    affine = products.affine.copy()
    affine[1, 3] += by_mm
    return products.but(cord_affine=affine)


def cord_cut(products: Products, depth_mm: float, seed: int) -> Products:
    """A side face of the crop lies in the cord."""
    axis = int(np.argmax(np.abs(products.affine[seed % 2, :3])))
    place = np.argwhere(products.cord)[:, axis]
    box = list(products.box)
    box[axis] = (int(place.min() + np.ceil(depth_mm / _sizes(products)[axis])), box[axis][1])
    return products.but(box=tuple(box))


def into_brain(products: Products, more_mm: float, seed: int) -> Products | None:
    """The crop reaches higher, where it reaches C1."""
    if (brain_kept(products.discs, products.affine, products.cord.shape) or 0) <= 0:
        return None
    axis, sign = superior_axis(products.affine)
    width = [(0, 0)] * 3
    count = round(more_mm / _sizes(products)[axis])
    width[axis] = (0, count) if sign > 0 else (count, 0)
    affine = products.affine.copy()
    affine[:3, 3] -= affine[:3, axis] * width[axis][0]
    cord, spine = (np.pad(labels, width) for labels in (products.cord, products.spine))
    return products.but(cord=cord, spine=spine, affine=affine)


def rootlets_shifted(products: Products, levels: float, seed: int) -> Products | None:
    """Rootlets called one or two lower than they are; then registered anew."""
    if products.rootlets is None:
        return None
    step = round(levels) * (1 if seed % 2 else -1)
    rootlets = np.where(products.rootlets > 0, products.rootlets + step, 0)
    rootlets[(rootlets < 2) | (rootlets > 9)] = 0
    faulty = products.but(rootlets=rootlets)
    return faulty.but(paths=register(faulty, ['rootlet']))


def one_sided(products: Products, share: float, seed: int) -> Products | None:
    """Rootlets on one side are gone, level by level from above."""
    if products.rootlets is None:
        return None
    voxels, _, offsets = _around(products)
    side = offsets[:, 0] > 0 if seed % 2 else offsets[:, 0] < 0
    chance = np.random.default_rng(seed).random(len(voxels))
    rootlets = products.rootlets.copy()
    rootlets[tuple(voxels[side & (chance < share)].T)] = 0
    return products.but(rootlets=rootlets)


def _around(products: Products) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxels of rootlets, their places along the cord, and their offsets from it."""
    voxels = np.argwhere(products.rootlets > 0)
    line = Centerline.from_mask(products.cord, products.affine)
    world = voxels @ products.affine[:3, :3].T + products.affine[:3, 3]
    return voxels, *line.project(world)


def to_ventral(products: Products, share: float, seed: int) -> Products | None:
    """Rootlets on both sides turned about the cord towards the front."""
    if products.rootlets is None:
        return None
    voxels, arcs, offsets = _around(products)
    radius = np.hypot(offsets[:, 0], offsets[:, 1])
    angle = np.arctan2(offsets[:, 1], np.abs(offsets[:, 0]))
    # at full strength all lie between the side and the front
    angle = angle + share * np.radians(60)
    across = np.sign(offsets[:, 0]) * radius * np.cos(angle)
    turned = np.stack([across, radius * np.sin(angle), np.zeros_like(radius)], axis=1)
    line = Centerline.from_mask(products.cord, products.affine)
    inverse = np.linalg.inv(products.affine)
    world = line.to_world(arcs, turned)
    places = np.rint(world @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    places = np.clip(places, 0, np.array(products.rootlets.shape) - 1)
    rootlets = np.zeros_like(products.rootlets)
    rootlets[tuple(places.T)] = products.rootlets[tuple(voxels.T)]
    return products.but(rootlets=rootlets)


def other_subject(products: Products, _: float, seed: int) -> Products:
    """Labels of another person, where they lay in the scanner; then registered anew."""
    other = make_products(seed + 5000, registered=False)
    # both grids have the same axes and voxel sizes
    shift = np.linalg.inv(other.affine) @ products.affine[:, 3]
    spine = _placed(other.spine, np.rint(shift[:3]).astype(int), products.spine.shape)
    canal = (spine == 1) | (spine == 2)
    inverse = np.linalg.inv(products.affine)
    discs = {
        value: point
        for value, point in other.discs.items()
        if ((voxel := (inverse @ [*point, 1])[:3]) >= 0).all()
        and (voxel <= np.array(spine.shape) - 1).all()
    }
    faulty = products.but(spine=spine, discs=discs, canal=canal)
    return faulty.but(paths=register(faulty, ['disc']))


def _placed(labels: np.ndarray, shift: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Array of a shape whose voxel v is the voxel ``v + shift`` of another one, else 0."""
    placed = np.zeros(shape, labels.dtype)
    low = np.maximum(-shift, 0)
    high = np.minimum(np.array(labels.shape) - shift, shape)
    if (high > low).all():
        into = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        source = tuple(slice(a, b) for a, b in zip(low + shift, high + shift, strict=True))
        placed[into] = labels[source]
    return placed


def noise(products: Products, snr: float, seed: int) -> Products:
    """Noise added until the cord has this signal-to-noise ratio; strengths count downwards."""
    signal = np.median(products.image[products.cord])
    rng = np.random.default_rng(seed)
    real, imaginary = rng.standard_normal((2, *products.image.shape), np.float32) * signal * snr
    return products.but(image=np.hypot(products.image + real, imaginary))


def ghost(products: Products, share: float, seed: int) -> Products:
    """A copy of the image, half a field of view away, added to it."""
    axis = seed % 3
    moved = np.roll(products.image, products.image.shape[axis] // 2, axis)
    return products.but(image=products.image + share * moved)


FAULTS: tuple[Fault, ...] = (
    Fault('discs shifted', 'levels', (0.25, 0.5, 1), FAIL, BY_DISC, discs_shifted),
    Fault('discs and vertebrae shifted, C1 in view', 'levels', (1,), WARN,
          BY_DISC, all_shifted),
    Fault('discs and vertebrae shifted, rootlets but no C1 in view', 'levels', (1,), WARN,
          BY_DISC, all_shifted, NO_C1, 'T2w'),
    Fault('discs and vertebrae shifted, neither in view', 'levels', (1,), WARN,
          BY_DISC, all_shifted, NO_C1, 'T1w'),
    Fault('discs missing in the middle', 'discs', (1,), WARN, BY_DISC,
          disc_missing),
    Fault('discs swapped', 'places apart', (1,), FAIL, ('labels',), discs_swapped),
    Fault('mask mirrored about a plane beside the cord', 'mm', (0.5, 1, 2, 4), FAIL, CORD,
          mask_mirrored),
    Fault('mask with left and right swapped in its header', '', (1,), FAIL, ('segmentation',),
          header_flipped),
    Fault('leak into the CSF', 'mm of cord', (3, 10, 30), WARN, CORD, leak),
    Fault('gap in the mask', 'mm', (1, 2, 6), WARN, CORD, gap),
    Fault('mask eroded', 'mm', (0.5, 1, 2), WARN, CORD, eroded),
    Fault('mask dilated', 'mm', (0.5, 1, 2), WARN, CORD, grown),
    Fault('mask on another grid', 'mm', (0.02, 0.1, 1), FAIL, ('segmentation',), other_grid),
    Fault('crop cuts the cord', 'mm', (0, 1, 3), FAIL, ('view',), cord_cut),
    Fault('crop reaches into the brain', 'mm more', (10, 20, 40), WARN, ('labels',), into_brain),
    Fault('rootlets shifted', 'levels', (1,), FAIL, BY_ROOTLETS, rootlets_shifted),
    Fault('rootlets shifted, C2 to C5 in view', 'levels', (1,), TOLD, BY_ROOTLETS,
          rootlets_shifted, C2_TO_C5),
    Fault('rootlets shifted, C5 to T1 in view', 'levels', (1,), TOLD, BY_ROOTLETS,
          rootlets_shifted, C5_TO_T1),
    Fault('rootlets on one side', 'share lost', (0.5, 0.8, 1), WARN, ('rootlets',), one_sided),
    Fault('rootlets turned to the front', 'of 60°', (0.33, 0.67, 1), WARN, ('rootlets',),
          to_ventral),
    Fault('warp rotated', '°', (5, 10, 15), WARN, PATHS, warp_rotated),
    Fault('warp beside the cord', 'mm', (1, 3, 6), FAIL, PATHS, warp_moved),
    Fault('warp too high or low', 'mm', (2, 5, 15), FAIL, PATHS, warp_along),
    Fault('warp folded', 'mm of wave', (3, 6, 12), FAIL, PATHS, warp_folded),
    Fault("another subject's labels", '', (1,), WARN, ('segmentation', *BY_DISC),
          other_subject),
    Fault('noise', 'of the signal', (0.1, 0.2, 0.4), WARN, CORD, noise),
    Fault('ghost', 'of the signal', (0.05, 0.1, 0.3), WARN, CORD, ghost),
)  # fmt: skip
