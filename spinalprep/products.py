# SPDX-License-Identifier: Apache-2.0
"""The one table of products: what is written, under which name, when, and how it is checked.

The sink, ``spinalprep check``, the documentation and the report read this table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

STEP = 'S2_anat_cordref'

ENTITY_ORDER = (
    'sub', 'ses', 'sample', 'task', 'tracksys', 'acq', 'ce', 'trc', 'stain', 'rec', 'dir', 'run',
    'mod', 'echo', 'flip', 'inv', 'mt', 'part', 'proc', 'chunk',
)  # fmt: skip
"""Entities that a derivative takes over from its source, in BIDS order."""

CONDITIONS = {
    'always': 'in every completed subject',
    'spine': 'where TotalSpineSeg ran or its map was given',
    'spine_or_discs': 'where there is a map of TotalSpineSeg, or numbered discs',
    'discs': 'where numbered discs were found or given',
    'levels': 'where discs number the levels along the cord',
    'rootlets': 'where rootlets were segmented or given',
    'two_paths': 'where both registration paths gave a result',
    'template_maps': 'where the template has it, in the range that the registration covers',
}
"""When a product must exist, in words; `is_expected` evaluates them on a record."""


@dataclass(frozen=True)
class Product:
    """One product of step S2."""

    name: str
    """Name of the field of the workflow's outputnode."""
    folder: Literal['anat', 'xfm', 'figures']
    seed: str
    """File name, as a pattern of ``{source}``, ``{modality}``, ``{template}`` and ``{path}``."""
    kind: Literal['image', 'mask', 'labels', 'points', 'probability', 'warp', 'table', 'figure']
    space: Literal['cordref', 'template']
    when: str
    """Key of `CONDITIONS`."""
    description: str
    values: str | None = None
    """Which values may stand beside 0, for masks, labels and points: see `label_names`."""
    columns: tuple[str, ...] = ()
    """Of a table."""

    @property
    def registered(self) -> bool:
        """Whether it rests on the registration."""
        registered = self.when == 'template_maps' or self.folder == 'xfm'
        return registered or self.space == 'template'

    @property
    def extension(self) -> str:
        """Of the file name: ``.nii.gz``, ``.tsv``, ``.png`` or ``.gif``."""
        return '.nii.gz' if self.seed.endswith('.nii.gz') else f'.{self.seed.rpartition(".")[2]}'


PRODUCTS: tuple[Product, ...] = (
    Product(
        'cordref', 'anat', '{source}_desc-cordref_{modality}.nii.gz', 'image', 'cordref', 'always',
        'Anatomical cord reference: the chosen image, reoriented and cropped along the cord.',
    ),
    Product(
        'cord_dseg', 'anat', '{source}_desc-cord_dseg_{modality}.nii.gz', 'mask', 'cordref',
        'always', 'Mask of the spinal cord.', 'cord',
    ),
    Product(
        'canal_dseg', 'anat', '{source}_desc-canal_dseg_{modality}.nii.gz', 'mask', 'cordref',
        'spine', "Mask of the spinal canal, the cord included (TotalSpineSeg's labels 1 and 2).",
        'canal',
    ),
    Product(
        'totalspineseg_dseg', 'anat', '{source}_desc-totalspineseg_dseg_{modality}.nii.gz',
        'labels', 'cordref', 'spine',
        "TotalSpineSeg's map: cord, canal, vertebrae and discs.", 'spine',
    ),
    Product(
        'vertebral_labels', 'anat', '{source}_desc-vertebral_labels_{modality}.nii.gz', 'labels',
        'cordref', 'spine', 'Whole vertebrae, with the values of the TotalSpineSeg map.',
        'vertebrae',
    ),
    Product(
        'vertebral_levels', 'anat', '{source}_desc-vertebral_levels_{modality}.nii.gz', 'labels',
        'cordref', 'levels', 'Vertebral levels on the cord, as `-vertfile` of SCT expects them.',
        'levels',
    ),
    Product(
        'disc_labels', 'anat', '{source}_desc-disc_labels_{modality}.nii.gz', 'points', 'cordref',
        'discs', 'One voxel per intervertebral disc, at its posterior edge, numbered as by SCT.',
        'discs',
    ),
    Product(
        'rootlets_dseg', 'anat', '{source}_desc-rootlets_dseg_{modality}.nii.gz', 'labels',
        'cordref', 'rootlets', 'Nerve rootlets, numbered by spinal level.', 'spinal levels',
    ),
    Product(
        'csa_per_slice', 'anat', '{source}_desc-perslice_csa_{modality}.tsv', 'table', 'cordref',
        'always', 'Cross-sectional area of the cord per slice, corrected for its angle.',
        columns=(
            'slice', 'level', 'area_mm2', 'angle_ap_deg', 'angle_rl_deg', 'diameter_ap_mm',
            'diameter_rl_mm', 'eccentricity', 'orientation_deg', 'solidity', 'length_mm',
        ),
    ),
    Product(
        'csa_per_level', 'anat', '{source}_desc-perlevel_csa_{modality}.tsv', 'table', 'cordref',
        'levels', 'Cross-sectional area of the cord per vertebral level.',
        columns=('level', 'area_mm2', 'slices', 'length_mm'),
    ),
    Product(
        'csa_per_spinal_level', 'anat', '{source}_desc-perspinallevel_csa_{modality}.tsv',
        'table', 'cordref', 'template_maps',
        "Cross-sectional area of the cord per spinal level, by the template's spinal levels as "
        'the registration brings them to the subject.',
        columns=('spinal_level', 'area_mm2', 'slices', 'length_mm'),
    ),
    Product(
        'cordref_in_template', 'anat', '{source}_space-{template}_desc-cordref_{modality}.nii.gz',
        'image', 'template', 'always', "The cord reference resampled on the template's grid.",
    ),
    Product(
        'cord_of_template', 'anat', '{source}_desc-{template}_cord_dseg_{modality}.nii.gz', 'mask',
        'cordref', 'template_maps', "The template's cord in the subject.", 'cord',
    ),
    Product(
        'vertebral_levels_of_template', 'anat',
        '{source}_desc-{template}_vertebral_levels_{modality}.nii.gz', 'labels', 'cordref',
        'template_maps', "The template's vertebral levels in the subject.", 'levels',
    ),
    Product(
        'spinal_levels_of_template', 'anat',
        '{source}_desc-{template}_spinal_levels_{modality}.nii.gz', 'labels', 'cordref',
        'template_maps', "The template's spinal levels in the subject.", 'spinal levels',
    ),
    *(
        Product(
            f'horn_{side}_{place}', 'anat',
            f'{{source}}_desc-{{template}}_horn_{side}_{place}_probseg_{{modality}}.nii.gz',
            'probability', 'cordref', 'template_maps',
            f"Share of grey matter of the {side} {place} horn, by the template's atlas.",
        )
        for place in ('dorsal', 'ventral') for side in ('left', 'right')
    ),
    Product(
        'horns_dseg', 'anat', '{source}_desc-{template}_horns_dseg_{modality}.nii.gz', 'labels',
        'cordref', 'template_maps',
        'The horn that has the largest share of a voxel, where that is at least one half.',
        'horns',
    ),
    Product(
        'warp_cordref2template', 'xfm', '{source}_from-cordref_to-{template}_warp.nii.gz', 'warp',
        'template', 'always',
        'Resamples images of the cord reference into the template: a displacement field (ITK, '
        "LPS, mm) on the template's grid. Points of the template go to the cord reference by it.",
    ),
    Product(
        'warp_template2cordref', 'xfm', '{source}_from-{template}_to-cordref_warp.nii.gz', 'warp',
        'cordref', 'always',
        'Resamples images of the template into the cord reference: a displacement field (ITK, '
        'LPS, mm) on its grid. Points of the cord reference go to the template by it.',
    ),
    Product(
        'valid_in_cordref', 'xfm', '{source}_space-cordref_desc-valid_mask.nii.gz', 'mask',
        'cordref', 'always', 'Where the field on the grid of the cord reference is defined.',
        'valid',
    ),
    Product(
        'valid_in_template', 'xfm', '{source}_space-{template}_desc-valid_mask.nii.gz', 'mask',
        'template', 'always', "Where the field on the template's grid is defined.",
        'valid',
    ),
    Product(
        'warp_cordref2template_other', 'xfm',
        '{source}_from-cordref_to-{template}_desc-{path}_warp.nii.gz', 'warp', 'template',
        'two_paths', 'As the warp without desc-, by the path that was not chosen.',
    ),
    Product(
        'warp_template2cordref_other', 'xfm',
        '{source}_from-{template}_to-cordref_desc-{path}_warp.nii.gz', 'warp', 'cordref',
        'two_paths', 'As the warp without desc-, by the path that was not chosen.',
    ),
)  # fmt: skip
"""The table: what later steps read, each with a sidecar."""

FIGURES: tuple[Product, ...] = (
    Product(
        'figure_crop_box', 'figures', '{source}_desc-S2_crop_box_sagittal.png', 'figure',
        'cordref', 'always', 'The whole image, the cord found in it, and the box that is kept.',
    ),
    Product(
        'figure_cord_mask', 'figures', '{source}_desc-S2_cordmask_montage.png', 'figure',
        'cordref', 'always', 'The cord mask in three directions, and its area along the cord.',
    ),
    Product(
        'figure_spine', 'figures', '{source}_desc-S2_totalspineseg_montage.png', 'figure',
        'cordref', 'spine_or_discs',
        'Vertebrae, discs, canal and cord by name, and the disc points that were used.',
    ),
    Product(
        'figure_rootlets', 'figures', '{source}_desc-S2_rootlets_montage.gif', 'figure',
        'cordref', 'rootlets', 'Rootlets, one spinal level after the other.',
    ),
    Product(
        'figure_overlay', 'figures', '{source}_desc-S2_pam50_reg_overlay.gif', 'figure',
        'cordref', 'always', 'Cord reference and warped template in turn, at the same places.',
    ),
)  # fmt: skip
"""Figures, for eyes only: one that is missing spoils no number. They have no sidecars."""

PATHS = ('disc', 'rootlet')
"""Registration paths."""

PRECOMPUTABLE = ('cord_dseg', 'totalspineseg_dseg', 'disc_labels', 'rootlets_dseg')
"""Products that can be given instead of computed."""


def product(name: str) -> Product:
    """The product of that name."""
    return next(item for item in (*PRODUCTS, *FIGURES) if item.name == name)


def label_names(item: Product) -> dict[int, str] | None:
    """Meaning of the values that a product may hold beside 0.

    Returns
    -------
    dict or None
        Value to name, in anatomical order; None for a product without labels.

    Examples
    --------
    >>> label_names(product('canal_dseg'))
    {1: 'canal'}
    >>> list(label_names(product('disc_labels')).values())[:3]
    ['top of C1', 'C1/C2', 'C2/C3']
    """
    from spinalprep.anatomy.labels import meanings

    return meanings(item.values) if item.values else None


def source_stem(entities: Mapping[str, str]) -> str:
    """Entities in BIDS order, as a file name begins.

    Examples
    --------
    >>> source_stem({'run': '1', 'sub': '01', 'acq': 'sag'})
    'sub-01_acq-sag_run-1'
    """
    return '_'.join(f'{key}-{entities[key]}' for key in ENTITY_ORDER if entities.get(key))


def subject_folder(entities: Mapping[str, str]) -> str:
    """Folder of a subject (and session) below the derivatives' root.

    Examples
    --------
    >>> subject_folder({'sub': '01', 'ses': 'a'})
    'sub-01/ses-a'
    """
    return '/'.join(f'{key}-{entities[key]}' for key in ('sub', 'ses') if entities.get(key))


def file_name(
    item: Product,
    entities: Mapping[str, str],
    modality: str,
    *,
    template: str = 'PAM50',
    path: str = 'disc',
) -> str:
    """File name of a product.

    Parameters
    ----------
    item : Product
    entities : mapping
        Entities of the chosen anatomy, by their short keys (``sub``, ``ses``, ``acq`` …).
    modality : str
        ``T2w`` or ``T1w``.
    template : str
        Name of the template in file names.
    path : str
        The path that was not chosen; only the products of that path use it.

    Returns
    -------
    str

    Examples
    --------
    >>> file_name(product('cord_dseg'), {'sub': '01', 'acq': 'sag'}, 'T2w')
    'sub-01_acq-sag_desc-cord_dseg_T2w.nii.gz'
    >>> file_name(product('warp_template2cordref_other'), {'sub': '01'}, 'T2w', path='rootlet')
    'sub-01_from-PAM50_to-cordref_desc-rootlet_warp.nii.gz'
    """
    return item.seed.format(
        source=source_stem(entities), modality=modality, template=template, path=path
    )


def sidecar_name(name: str) -> str:
    """Name of the JSON sidecar of a product's file.

    Examples
    --------
    >>> sidecar_name('sub-01_desc-cordref_T2w.nii.gz')
    'sub-01_desc-cordref_T2w.json'
    """
    for extension in ('.nii.gz', '.tsv'):
        name = name.removesuffix(extension)
    return f'{name}.json'


def is_product_file(name: str, entities: Mapping[str, str]) -> bool:
    """Whether a file name is that of a product, or its sidecar, of this subject and session.

    Other entities of the anatomy are free: a product of an anatomy that was
    chosen earlier is recognised too.
    """
    return _matching(PRODUCTS, name, entities) is not None


def figure_of(name: str, entities: Mapping[str, str]) -> Product | None:
    """The figure whose file of this subject and session has that name, if any."""
    return _matching(FIGURES, name, entities)


def _matching(items: Iterable[Product], name: str, entities: Mapping[str, str]) -> Product | None:
    stem = source_stem({key: entities.get(key, '') for key in ('sub', 'ses')})
    fields = {
        'source': f'{re.escape(stem)}(?:_[a-z]+-[A-Za-z0-9+]+)*?',
        'modality': '(?:T1w|T2w)',
        'template': '[A-Za-z0-9]+',
        'path': f'(?:{"|".join(PATHS)})',
    }
    for item in items:
        endings = re.escape(item.extension) + ('' if item.kind == 'figure' else '|[.]json')
        if re.fullmatch(f'{_as_pattern(item, fields)}(?:{endings})', name):
            return item
    return None


def _as_pattern(item: Product, fields: Mapping[str, str]) -> str:
    """Regular expression of a product's file name without its extension."""
    pieces = re.split(r'\{(\w+)\}', item.seed.removesuffix(item.extension))
    return ''.join(fields[p] if i % 2 else re.escape(p) for i, p in enumerate(pieces))


def is_expected(item: Product, record: Mapping[str, Any]) -> bool:
    """Whether a completed subject must have this product, by what its record states.

    Parameters
    ----------
    item : Product
    record : mapping
        The record; ``spine``, ``discs``, ``levels`` and ``rootlets`` each with a
        ``status``, ``registration`` with ``other``, and ``template_maps`` with a ``status``
        for each product.

    Returns
    -------
    bool
    """
    if record.get('status') != 'completed':
        return False
    if item.when == 'always':
        return True
    if item.when == 'spine_or_discs':
        return any(
            (record.get(stage) or {}).get('status') in ('computed', 'given')
            for stage in ('spine', 'discs')
        )
    if item.when == 'two_paths':
        return bool((record.get('registration') or {}).get('other'))
    stage = record.get(item.when) or {}
    if item.when == 'template_maps':
        stage = stage.get(item.name) or {}
    return stage.get('status') in ('computed', 'given')


def expected(
    record: Mapping[str, Any], items: Iterable[Product] = PRODUCTS
) -> tuple[Product, ...]:
    """The products, or figures, that a subject must have by its record."""
    return tuple(item for item in items if is_expected(item, record))


def names(items: Iterable[Product] = PRODUCTS) -> tuple[str, ...]:
    """Names of products, in the table's order."""
    return tuple(item.name for item in items)
