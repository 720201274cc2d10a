# SPDX-License-Identifier: Apache-2.0
"""Products of a phantom as the embedded SCT makes them, and the evidence on them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from spinalprep.anatomy.assessment import assess_path
from spinalprep.anatomy.coverage import crop_box
from spinalprep.anatomy.evidence import CordSpace, path_offset
from spinalprep.anatomy.labels import (
    EXTRAPOLATED_DISCS,
    disc_name,
    label_points,
    spinal_level_name,
)
from spinalprep.anatomy.quality import substeps
from spinalprep.anatomy.quality.rootlets import rootlet_numbers
from spinalprep.anatomy.warps import DisplacementField
from spinalprep.policy import Policy
from spinalprep.verdict import judge_numbers, judge_path, judge_registration, verdict_of

GROUPS = ('view', 'segmentation', 'labels', 'rootlets', 'disc', 'rootlet')
"""Parts of the evidence, each from some of the products."""


@dataclass(frozen=True, eq=False)
class Path:
    """One registration path: its landmarks and its fields."""

    landmarks: dict[int, np.ndarray]
    to_subject: DisplacementField
    """On the subject's grid; moves subject points to the template."""
    to_template: DisplacementField


@dataclass(frozen=True, eq=False)
class Products:
    """Everything that the evidence rests on."""

    modality: str
    image: np.ndarray
    affine: np.ndarray
    cord: np.ndarray
    canal: np.ndarray
    spine: np.ndarray
    discs: dict[int, np.ndarray]
    rootlets: np.ndarray | None
    box: tuple[tuple[int, int], ...]
    """Of the crop, in voxels of the image; the products are on the whole image's grid."""
    cord_affine: np.ndarray
    """That the mask's file states."""
    top_mm: float = 0.0
    """By how much the crop reaches higher than the image here."""
    paths: dict[str, Path] = field(default_factory=dict)

    def but(self, **changes: Any) -> Products:
        """The same with some products replaced."""
        return dataclasses.replace(self, **changes)


@cache
def template() -> tuple[Any, Any, CordSpace, CordSpace]:
    """The phantom's template, its cord's frame, and its two cord spaces."""
    from spinalprep.embedded.phantom import make_template
    from spinalprep.embedded.registration import CordFrame

    model = make_template()
    frame = CordFrame.from_mask(model.cord, model.affine)
    spaces = (
        CordSpace.of(model.cord, model.affine, points)
        for points in (model.disc_points, model.rootlet_points)
    )
    return model, frame, *spaces


def phantom(seed: int, **params: Any):
    """Phantom of a seed: every third one is T1w."""
    from spinalprep.embedded.phantom import PhantomParams, make_phantom

    contrast = 'T1w' if seed % 3 == 2 else 'T2w'
    return make_phantom(
        PhantomParams(**{'seed': seed, 'contrast': contrast, 'bottom_level': 10.2, **params})
    )


def make_products(seed: int, **params: Any) -> Products:
    """Clean products of a seed, found in its image."""
    from spinalprep.anatomy.canal import segment_canal
    from spinalprep.anatomy.finder import find_cord
    from spinalprep.embedded.rootlets import segment_rootlets
    from spinalprep.embedded.spine import segment_spine

    made = phantom(seed, **params)
    affine = made.affine
    image = np.asarray(made.image.dataobj, dtype=np.float32)
    cord = find_cord(image, affine)
    canal = segment_canal(image, affine, cord.mask)
    # where the top is out of view, a network still knows the numbers
    anchor = None
    if params.get('top_mm', 0) < 0:
        anchor = min((v, p) for v, p in made.disc_points.items() if v >= 3)
    spine = segment_spine(image, affine, cord, canal, anchor)
    rootlets = None
    if made.params.contrast == 'T2w':
        found = segment_rootlets(image, affine, cord, canal, spine)
        rootlets = found.map.astype(np.int16) if found.map.any() else None
    cord = np.asarray(cord.mask) > 0
    products = Products(
        modality=made.params.contrast,
        image=image,
        affine=affine,
        cord=cord,
        canal=np.asarray(canal) > 0,
        spine=np.asarray(spine.map).astype(np.int16),
        discs=dict(spine.points),
        rootlets=rootlets,
        box=_box(cord, affine),
        cord_affine=affine,
    )
    return products.but(paths=register(products))


def _box(cord: np.ndarray, affine: np.ndarray) -> tuple[tuple[int, int], ...]:
    return crop_box(cord, affine, **dataclasses.asdict(Policy().crop))


def register(products: Products) -> dict[str, Path]:
    """Both paths, as the embedded SCT registers."""
    from spinalprep.embedded.registration import CordFrame, map_cords

    model, frame, *_ = template()
    own = CordFrame.from_mask(products.cord, products.affine)
    landmarks = {'disc': (products.discs, model.disc_points)}
    if products.rootlets is not None:
        points = label_points(products.rootlets.astype(int), products.affine)
        landmarks['rootlet'] = (points, model.rootlet_points)
    paths = {}
    for name, (points, targets) in landmarks.items():
        used = {
            value: point
            for value, point in points.items()
            if value in targets and (name != 'disc' or value not in EXTRAPOLATED_DISCS)
        }
        if len(used) < 3:
            continue
        mapping = map_cords(own, frame, used, {value: targets[value] for value in used})
        paths[name] = Path(
            used,
            mapping.field_on_subject(products.cord.shape, products.affine),
            mapping.field_on_template(model.cord.shape, model.affine),
        )
    return paths


def measure(products: Products, groups: tuple[str, ...] = GROUPS) -> dict[str, Any]:
    """Evidence by group: numbers, and for the paths all that is known of them.

    Parameters
    ----------
    products : Products
    groups : tuple of str
        Those that are asked for.
    """
    policy, found = Policy(), {}
    if 'view' in groups:
        found['view'] = substeps.view(products.image, products.cord, products.affine, products.box)
    if 'segmentation' in groups:
        shape = products.image.shape
        found['segmentation'] = substeps.segmentation(
            products.image,
            products.cord,
            products.canal,
            products.affine,
            grids=[(products.cord_affine, products.cord.shape), (products.affine, shape)],
            area_mm2=policy.segmentation.area_mm2,
            csf_is_bright=products.modality == 'T2w',
        )
    if 'labels' in groups:
        numbers = substeps.labels(
            products.cord,
            products.spine,
            products.discs,
            products.affine,
            rootlets=products.rootlets is not None,
            given=False,
        )
        if numbers['brain_kept_mm'] is not None:
            numbers['brain_kept_mm'] += products.top_mm
        found['labels'] = numbers
    if 'rootlets' in groups and products.rootlets is not None:
        found['rootlets'] = rootlet_numbers(
            products.rootlets, products.cord, products.canal, products.affine, dorsal_only=False
        )
    for name in ('disc', 'rootlet'):
        if name in groups and name in products.paths:
            found[name] = assess(products, name)
    if ('disc' in groups or 'rootlet' in groups) and len(products.paths) == 2:
        found['offset'] = offset(products)
    return found


def assess(products: Products, name: str) -> dict[str, Any]:
    """Evidence on a path."""
    _, _, by_disc, by_rootlet = template()
    path = products.paths[name]
    return assess_path(
        CordSpace.of(products.cord, products.affine, path.landmarks),
        by_disc if name == 'disc' else by_rootlet,
        path.to_subject,
        path.to_template,
        name=disc_name if name == 'disc' else spinal_level_name,
    )


def offset(products: Products) -> tuple[float, float] | None:
    """Vertebral–spinal offset."""
    _, _, by_disc, _ = template()
    return path_offset(
        CordSpace.of(products.cord, products.affine, {}),
        by_disc,
        products.paths['disc'].to_template,
        products.paths['rootlet'].to_template,
    )


def judge(found: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """The subject's verdict, and the numbers behind it, as the graph would give them.

    Parameters
    ----------
    found : dict
        As :func:`measure` gives it, of all groups.
    """
    bounds = Policy().verdict
    values: dict[str, Any] = {}
    for group in ('view', 'segmentation', 'labels', 'rootlets'):
        values |= found.get(group, {})
    numbers = judge_numbers(values, bounds)
    paths = {}
    for name in ('disc', 'rootlet'):
        if name in found:
            judged = judge_path(name, found[name], bounds)
            verdict, reasons = verdict_of(judged)
            paths[name] = {
                **found[name],
                'numbers': judged,
                'verdict': verdict,
                'reasons': reasons,
            }
    registration = judge_registration(
        paths, {}, found.get('offset'), prefer_rootlets=True, required_levels=(), bounds=bounds
    )
    numbers += registration['numbers']
    own, _ = verdict_of(numbers[: len(numbers) - len(registration['numbers'])])
    order = ('PASS', 'WARN', 'FAIL')
    return max(own, registration['verdict'], key=order.index), numbers
