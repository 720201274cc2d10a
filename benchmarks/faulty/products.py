# SPDX-License-Identifier: Apache-2.0
"""Products of a phantom as the embedded SCT makes them, and the evidence on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from spinalprep.anatomy.assessment import assess_path
from spinalprep.anatomy.coverage import crop_box
from spinalprep.anatomy.evidence import CordSpace, path_offset, template_course
from spinalprep.anatomy.labels import (
    EXTRAPOLATED_DISCS,
    disc_name,
    label_points,
    spinal_level_name,
)
from spinalprep.anatomy.landmarks import MIN_DISCS, MIN_ROOTLET_LEVELS
from spinalprep.anatomy.quality import substeps
from spinalprep.anatomy.quality.descent import Descents, numbering_shift
from spinalprep.anatomy.quality.rootlets import rootlet_numbers
from spinalprep.anatomy.warps import DisplacementField
from spinalprep.policy import Policy
from spinalprep.verdict import judge_numbers, judge_path, judge_registration, verdict_of, worst

MIN_LANDMARKS = {'disc': MIN_DISCS, 'rootlet': MIN_ROOTLET_LEVELS}

PATHS = ('disc', 'rootlet')

GROUPS = ('view', 'segmentation', 'labels', 'rootlets', 'numbering', *PATHS)
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
    paths: dict[str, Path] = field(default_factory=dict)
    template: Template | None = None
    """What the subject is registered to; None: the phantom's."""

    def but(self, **changes: Any) -> Products:
        """The same with some products replaced."""
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, eq=False)
class Template:
    """A template: its cord, its landmarks, and how its rootlets descend."""

    shape: tuple[int, ...]
    affine: np.ndarray
    frame: Any
    by_disc: CordSpace
    by_rootlet: CordSpace
    descents: Descents

    @classmethod
    def of(
        cls, cord: np.ndarray, affine: np.ndarray, discs: dict, midpoints: dict, descents: Descents
    ) -> Template:
        """Template of a cord mask, and points of discs and rootlets."""
        from spinalprep.embedded.registration import CordFrame

        spaces = (CordSpace.of(cord, affine, points) for points in (discs, midpoints))
        return cls(cord.shape, affine, CordFrame.from_mask(cord, affine), *spaces, descents)


@cache
def phantom_template() -> Template:
    """The phantom's template."""
    from spinalprep.embedded.phantom import make_template

    model = make_template()
    descents = Descents.of(
        model.rootlets.astype(int), model.disc_points, model.cord > 0, model.affine
    )
    return Template.of(model.cord, model.affine, model.disc_points, model.rootlet_points, descents)


def phantom(seed: int, **params: Any):
    """Phantom of a seed: every third one is T1w."""
    from spinalprep.embedded.phantom import PhantomParams, make_phantom

    contrast = 'T1w' if seed % 3 == 2 else 'T2w'
    return make_phantom(
        PhantomParams(**{'seed': seed, 'contrast': contrast, 'bottom_level': 10.2, **params})
    )


def make_products(seed: int, *, registered: bool = True, **params: Any) -> Products:
    """Clean products of a seed, found in its image."""
    made = phantom(seed, **params)
    # where the top is out of view, a network still knows the numbers
    anchor = None
    if params.get('top_mm', 0) < 0:
        anchor = min((v, p) for v, p in made.disc_points.items() if v >= 3)
    image = np.asarray(made.image.dataobj, dtype=np.float32)
    products = find_products(image, made.affine, made.params.contrast, anchor)
    if products.rootlets is not None:
        products = products.but(rootlets=_numbered(products, made.rootlet_points))
    return products.but(paths=register(products)) if registered else products


def _numbered(products: Products, truth: dict[int, np.ndarray]) -> np.ndarray:
    """Rootlets with their true numbers: the embedded SCT is a level off in a few people."""
    found = label_points(products.rootlets.astype(int), products.affine)
    values = np.array(list(truth))
    heights = np.array([point[2] for point in truth.values()])
    steps = [v - values[np.abs(heights - point[2]).argmin()] for v, point in found.items()]
    return np.where(products.rootlets > 0, products.rootlets - round(np.median(steps)), 0)


def find_products(
    image: np.ndarray,
    affine: np.ndarray,
    modality: str,
    anchor: tuple[int, np.ndarray] | None = None,
) -> Products:
    """What the embedded SCT finds in an image, without the registration.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        In nibabel orientation LAS.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    modality : {'T2w', 'T1w'}
        Rootlets are sought on T2w alone.
    anchor : tuple of int and ndarray, optional
        SCT's value of one disc, and where it is.
    """
    from spinalprep.anatomy.canal import segment_canal
    from spinalprep.anatomy.finder import find_cord
    from spinalprep.embedded.rootlets import segment_rootlets
    from spinalprep.embedded.spine import segment_spine

    found = find_cord(image, affine)
    canal = segment_canal(image, affine, found.mask)
    spine = segment_spine(image, affine, found, canal, anchor)
    rootlets = None
    if modality == 'T2w':
        labels = segment_rootlets(image, affine, found, canal, spine).map
        rootlets = labels.astype(np.int16) if labels.any() else None
    cord = np.asarray(found.mask) > 0
    return Products(
        modality=modality,
        image=image,
        affine=affine,
        cord=cord,
        canal=np.asarray(canal) > 0,
        spine=np.asarray(spine.map).astype(np.int16),
        discs=dict(spine.points),
        rootlets=rootlets,
        box=crop_box(cord, affine, **dataclasses.asdict(Policy().crop)),
        cord_affine=affine,
    )


def register(products: Products, only: Iterable[str] = PATHS) -> dict[str, Path]:
    """Paths as the embedded SCT registers; those not asked for stay as they are."""
    from spinalprep.embedded.registration import CordFrame, map_cords

    template = products.template or phantom_template()
    own = CordFrame.from_mask(products.cord, products.affine)
    paths = {name: path for name, path in products.paths.items() if name not in only}
    for name in only:
        space = template.by_disc if name == 'disc' else template.by_rootlet
        used = _landmarks(products, name, space.landmarks)
        targets = {value: space.landmarks[value] for value in used}
        try:
            mapping = map_cords(own, template.frame, used, targets)
        except ValueError:
            # too few, out of order, or far off the cord: this path gives no result
            continue
        if len(used) >= MIN_LANDMARKS[name]:
            paths[name] = Path(
                used,
                mapping.field_on_subject(products.cord.shape, products.affine),
                mapping.field_on_template(template.shape, template.affine),
            )
    return paths


def _landmarks(products: Products, name: str, known: dict) -> dict[int, np.ndarray]:
    """Landmarks of a path that the template has, too."""
    if name == 'disc':
        points = {v: p for v, p in products.discs.items() if v not in EXTRAPOLATED_DISCS}
    elif products.rootlets is None:
        points = {}
    else:
        points = label_points(products.rootlets.astype(int), products.affine)
    return {value: point for value, point in points.items() if value in known}


def measure(products: Products, groups: Collection[str] = GROUPS) -> dict[str, Any]:
    """Evidence by group: numbers, and for the paths all that is known of them.

    Parameters
    ----------
    products : Products
    groups : collection of str
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
        found['labels'] = substeps.labels(
            products.cord,
            products.spine,
            products.discs,
            products.affine,
            rootlets=products.rootlets is not None,
            given=False,
        )
    if 'rootlets' in groups and products.rootlets is not None:
        found['rootlets'] = rootlet_numbers(
            products.rootlets, products.cord, products.canal, products.affine, dorsal_only=False
        )
    if 'numbering' in groups and products.rootlets is not None:
        found['numbering'] = {'numbering_shift': numbering(products)}
    for name in PATHS:
        wanted = name == 'disc' or products.rootlets is not None
        if name in groups and wanted:
            found[name] = assess(products, name) if name in products.paths else None
    if set(PATHS) & set(groups) and len(products.paths) == 2:
        found['offset'] = offset(products)
    return found


def assess(products: Products, name: str) -> dict[str, Any]:
    """Evidence on a path."""
    template, path = products.template or phantom_template(), products.paths[name]
    return assess_path(
        CordSpace.of(products.cord, products.affine, path.landmarks),
        template.by_disc if name == 'disc' else template.by_rootlet,
        path.to_subject,
        path.to_template,
        name=disc_name if name == 'disc' else spinal_level_name,
    )


def numbering(products: Products) -> float | None:
    """By how much rootlets and discs number differently, by the rootlets' descent."""
    own = Descents.of(
        products.rootlets.astype(int), products.discs, products.cord, products.affine
    )
    return numbering_shift(own, (products.template or phantom_template()).descents)


def offset(products: Products) -> tuple[float, float] | None:
    """Vertebral–spinal offset."""
    subject = CordSpace.of(products.cord, products.affine, {})
    template = (products.template or phantom_template()).by_disc
    courses = (
        template_course(subject, template, products.paths[name].to_template)
        for name in ('disc', 'rootlet')
    )
    return path_offset(template, *courses)


def judge(found: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """The subject's verdict, and the numbers behind it, as the graph would give them.

    Parameters
    ----------
    found : dict
        As :func:`measure` gives it, of all groups.
    """
    bounds = Policy().verdict
    values: dict[str, Any] = {}
    for group in ('view', 'segmentation', 'labels', 'rootlets', 'numbering'):
        values |= found.get(group, {})
    numbers = judge_numbers(values, bounds)
    missed = [name for name in PATHS if name in found and found[name] is None]
    paths = {}
    for name in PATHS:
        if found.get(name) is not None:
            judged = judge_path(name, found[name], bounds)
            verdict, reasons = verdict_of(judged)
            paths[name] = {
                **found[name],
                'numbers': judged,
                'verdict': verdict,
                'reasons': reasons,
            }
    gone = [
        {'name': 'no result', 'where': name, 'verdict': 'WARN', 'value': None, 'reason': ''}
        for name in missed
    ]
    if not paths:
        return 'FAIL', numbers + gone
    registration = judge_registration(
        paths, {}, found.get('offset'), prefer_rootlets=True, required_levels=(), bounds=bounds
    )
    own, _ = verdict_of(numbers + gone)
    return worst([own, registration['verdict']]), numbers + gone + registration['numbers']
