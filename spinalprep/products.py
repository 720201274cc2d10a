# SPDX-License-Identifier: Apache-2.0
"""The one table of products: what is written, under which name, when, and how it is checked.

The sink, ``spinalprep check``, the documentation and the report read this table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

STEP = 'S2_anat_cordref'

CONDITIONS = {
    'always': 'in every completed subject',
    'spine': 'where TotalSpineSeg ran or its map was given',
    'canal': 'where there is a map of TotalSpineSeg, or the canal was given',
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
    bids: str
    """The same for names that are valid in BIDS."""
    kind: Literal[
        'image', 'mask', 'labels', 'points', 'probability', 'warp', 'table', 'label table',
        'figure',
    ]  # fmt: skip
    space: Literal['cordref', 'template']
    when: str
    """Key of `CONDITIONS`."""
    description: str
    values: str | None = None
    """Which values may stand beside 0, for masks, labels and points: see `label_names`."""
    columns: tuple[str, ...] = ()
    """Of a table."""
    sources: tuple[str, ...] = ('cordref',)
    """Products that it is made from, and: ``anat``, the image of the dataset; ``{path}``, the
    landmarks of the registration path; ``template``, its image."""

    def __post_init__(self) -> None:
        for pattern in (self.seed, self.bids):
            if not pattern.startswith('{source}_') or not pattern.endswith(self.extension):
                raise ValueError(f'{self.name}: {pattern!r} is no pattern of a file name')

    @property
    def registered(self) -> bool:
        """Whether it rests on the registration."""
        registered = self.when == 'template_maps' or self.folder == 'xfm'
        return registered or self.space == 'template'

    @property
    def extension(self) -> str:
        """Of the file name: ``.nii.gz``, ``.tsv``, ``.png`` or ``.gif``."""
        return '.nii.gz' if self.seed.endswith('.nii.gz') else f'.{self.seed.rpartition(".")[2]}'


FROM_TEMPLATE = ('template', 'warp_template2cordref')
"""What the template's maps in the subject are made from."""

PRODUCTS: tuple[Product, ...] = (
    Product(
        'cordref', 'anat', '{source}_desc-cordref_{modality}.nii.gz',
        '{source}_desc-cordref_{modality}.nii.gz', 'image', 'cordref', 'always',
        'Anatomical cord reference: the chosen image, reoriented and cropped along the cord.',
        sources=('anat',),
    ),
    Product(
        'cord_dseg', 'anat', '{source}_desc-cord_dseg_{modality}.nii.gz',
        '{source}_space-{modality}_label-SC_mask.nii.gz', 'mask', 'cordref',
        'always', 'Mask of the spinal cord.', 'cord',
    ),
    Product(
        'canal_dseg', 'anat', '{source}_desc-canal_dseg_{modality}.nii.gz',
        '{source}_space-{modality}_label-canal_mask.nii.gz', 'mask', 'cordref',
        'canal', "Mask of the spinal canal, the cord included (TotalSpineSeg's labels 1 and 2).",
        'canal', sources=('totalspineseg_dseg',),
    ),
    Product(
        'totalspineseg_dseg', 'anat', '{source}_desc-totalspineseg_dseg_{modality}.nii.gz',
        '{source}_space-{modality}_seg-totalspineseg_dseg.nii.gz',
        'labels', 'cordref', 'spine',
        "TotalSpineSeg's map: cord, canal, vertebrae and discs.", 'spine',
    ),
    Product(
        'vertebral_labels', 'anat', '{source}_desc-vertebral_labels_{modality}.nii.gz',
        '{source}_space-{modality}_seg-vertebrae_dseg.nii.gz', 'labels',
        'cordref', 'spine', 'Whole vertebrae, with the values of the TotalSpineSeg map.',
        'vertebrae', sources=('totalspineseg_dseg',),
    ),
    Product(
        'vertebral_levels', 'anat', '{source}_desc-vertebral_levels_{modality}.nii.gz',
        '{source}_space-{modality}_seg-vertebrallevels_dseg.nii.gz', 'labels',
        'cordref', 'levels', 'Vertebral levels on the cord, as `-vertfile` of SCT expects them.',
        'levels', sources=('cord_dseg', 'disc_labels'),
    ),
    Product(
        'disc_labels', 'anat', '{source}_desc-disc_labels_{modality}.nii.gz',
        '{source}_space-{modality}_seg-discs_dseg.nii.gz', 'points', 'cordref',
        'discs', 'One voxel per intervertebral disc, at its posterior edge, numbered as by SCT.',
        'discs', sources=('totalspineseg_dseg',),
    ),
    Product(
        'rootlets_dseg', 'anat', '{source}_desc-rootlets_dseg_{modality}.nii.gz',
        '{source}_space-{modality}_seg-rootlets_dseg.nii.gz', 'labels',
        'cordref', 'rootlets', 'Nerve rootlets, numbered by spinal level.', 'spinal levels',
    ),
    Product(
        'csa_per_slice', 'anat', '{source}_desc-perslice_csa_{modality}.tsv',
        '{source}_space-{modality}_label-SC_desc-perslice_morph.tsv', 'table', 'cordref',
        'always', 'Cross-sectional area of the cord per slice, corrected for its angle.',
        columns=(
            'slice', 'level', 'area_mm2', 'angle_ap_deg', 'angle_rl_deg', 'diameter_ap_mm',
            'diameter_rl_mm', 'eccentricity', 'orientation_deg', 'solidity', 'length_mm',
        ), sources=('cord_dseg', 'vertebral_levels'),
    ),
    Product(
        'csa_per_level', 'anat', '{source}_desc-perlevel_csa_{modality}.tsv',
        '{source}_space-{modality}_label-SC_desc-perlevel_morph.tsv', 'table', 'cordref',
        'levels', 'Cross-sectional area of the cord per vertebral level.',
        columns=('level', 'area_mm2', 'slices', 'length_mm'),
        sources=('cord_dseg', 'vertebral_levels'),
    ),
    Product(
        'csa_per_spinal_level', 'anat', '{source}_desc-perspinallevel_csa_{modality}.tsv',
        '{source}_space-{modality}_label-SC_desc-perspinallevel_morph.tsv', 'table', 'cordref',
        'template_maps',
        "Cross-sectional area of the cord per spinal level, by the template's spinal levels as "
        'the registration brings them to the subject.',
        columns=('spinal_level', 'area_mm2', 'slices', 'length_mm'),
        sources=('csa_per_slice', 'spinal_levels_of_template'),
    ),
    Product(
        'cordref_in_template', 'anat', '{source}_space-{template}_desc-cordref_{modality}.nii.gz',
        '{source}_space-{template}_desc-cordref_{modality}.nii.gz',
        'image', 'template', 'always', "The cord reference resampled on the template's grid.",
        sources=('cordref', 'warp_cordref2template', 'template'),
    ),
    Product(
        'cord_of_template', 'anat', '{source}_desc-template_cord_dseg_{modality}.nii.gz',
        '{source}_space-{modality}_label-SC_desc-template_mask.nii.gz', 'mask', 'cordref',
        'template_maps', "The template's cord in the subject.", 'cord', sources=FROM_TEMPLATE,
    ),
    Product(
        'vertebral_levels_of_template', 'anat',
        '{source}_desc-template_vertebral_levels_{modality}.nii.gz',
        '{source}_space-{modality}_seg-vertebrallevels_desc-template_dseg.nii.gz', 'labels',
        'cordref', 'template_maps', "The template's vertebral levels in the subject.", 'levels',
        sources=FROM_TEMPLATE,
    ),
    Product(
        'spinal_levels_of_template', 'anat',
        '{source}_desc-template_spinal_levels_{modality}.nii.gz',
        '{source}_space-{modality}_seg-spinallevels_desc-template_dseg.nii.gz', 'labels',
        'cordref', 'template_maps', "The template's spinal levels in the subject.",
        'spinal levels', sources=FROM_TEMPLATE,
    ),
    *(
        Product(
            f'horn_{side}_{place}', 'anat',
            f'{{source}}_desc-template_horn_{side}_{place}_probseg_{{modality}}.nii.gz',
            f'{{source}}_space-{{modality}}_label-{side}{place.title()}Horn_desc-template'
            '_probseg.nii.gz',
            'probability', 'cordref', 'template_maps',
            f"Share of grey matter of the {side} {place} horn, by the template's atlas.",
            sources=FROM_TEMPLATE,
        )
        for place in ('dorsal', 'ventral') for side in ('left', 'right')
    ),
    Product(
        'horns_dseg', 'anat', '{source}_desc-template_horns_dseg_{modality}.nii.gz',
        '{source}_space-{modality}_seg-horns_desc-template_dseg.nii.gz', 'labels', 'cordref',
        'template_maps',
        'The horn that has the largest share of a voxel, where that is at least one half.',
        'horns', sources=FROM_TEMPLATE,
    ),
    Product(
        'warp_cordref2template', 'xfm', '{source}_from-cordref_to-{template}_warp.nii.gz',
        '{source}_from-{modality}_to-{template}_mode-image_xfm.nii.gz', 'warp',
        'template', 'always',
        'Resamples images of the cord reference into the template: a displacement field (ITK, '
        "LPS, mm) on the template's grid. Points of the template go to the cord reference by it.",
        sources=('cordref', 'cord_dseg', '{path}', 'template'),
    ),
    Product(
        'warp_template2cordref', 'xfm', '{source}_from-{template}_to-cordref_warp.nii.gz',
        '{source}_from-{template}_to-{modality}_mode-image_xfm.nii.gz', 'warp',
        'cordref', 'always',
        'Resamples images of the template into the cord reference: a displacement field (ITK, '
        'LPS, mm) on its grid. Points of the cord reference go to the template by it.',
        sources=('cordref', 'cord_dseg', '{path}', 'template'),
    ),
    Product(
        'valid_in_cordref', 'xfm', '{source}_space-cordref_desc-valid_mask.nii.gz',
        '{source}_space-{modality}_desc-valid_mask.nii.gz', 'mask',
        'cordref', 'always', 'Where the field on the grid of the cord reference is defined.',
        'valid', sources=('warp_template2cordref',),
    ),
    Product(
        'valid_in_template', 'xfm', '{source}_space-{template}_desc-valid_mask.nii.gz',
        '{source}_space-{template}_desc-valid{modality}_mask.nii.gz', 'mask',
        'template', 'always', "Where the field on the template's grid is defined.",
        'valid', sources=('warp_cordref2template',),
    ),
    Product(
        'warp_cordref2template_other', 'xfm',
        '{source}_from-cordref_to-{template}_desc-{path}_warp.nii.gz',
        '{source}_from-{modality}_to-{template}_mode-image_desc-{path}_xfm.nii.gz',
        'warp', 'template', 'two_paths',
        'As the warp without desc-, by the path that was not chosen.',
        sources=('cordref', 'cord_dseg', '{path}', 'template'),
    ),
    Product(
        'warp_template2cordref_other', 'xfm',
        '{source}_from-{template}_to-cordref_desc-{path}_warp.nii.gz',
        '{source}_from-{template}_to-{modality}_mode-image_desc-{path}_xfm.nii.gz',
        'warp', 'cordref', 'two_paths',
        'As the warp without desc-, by the path that was not chosen.',
        sources=('cordref', 'cord_dseg', '{path}', 'template'),
    ),
)  # fmt: skip
"""The table: what later steps read, each with a sidecar."""

LABEL_COLUMNS = ('index', 'name', 'color')


def _label_table(item: Product) -> Product:
    """The table that tells the values of an image of labels, beside it."""
    return Product(
        f'{item.name}_table', item.folder, f'{item.seed.removesuffix(item.extension)}_dseg.tsv',
        f'{item.bids.removesuffix(item.extension)}.tsv', 'label table', item.space, item.when,
        f'Values of `{item.name}`: name and colour.', item.values, LABEL_COLUMNS, (item.name,),
    )  # fmt: skip


LABEL_TABLES = tuple(_label_table(item) for item in PRODUCTS if item.kind in ('labels', 'points'))
"""Tables that the sink writes beside images of labels."""

WRITTEN = (*PRODUCTS, *LABEL_TABLES)
"""All that must be there for a subject to be whole."""

FIGURES: tuple[Product, ...] = (
    Product(
        'figure_crop_box', 'figures', '{source}_desc-S2_crop_box_sagittal.png',
        '{source}_desc-cropbox_{modality}.png', 'figure',
        'cordref', 'always', 'The whole image, the cord found in it, and the box that is kept.',
    ),
    Product(
        'figure_cord_mask', 'figures', '{source}_desc-S2_cordmask_montage.png',
        '{source}_desc-cordmask_{modality}.png', 'figure',
        'cordref', 'always', 'The cord mask in three directions, and its area along the cord.',
    ),
    Product(
        'figure_spine', 'figures', '{source}_desc-S2_totalspineseg_montage.png',
        '{source}_desc-spine_{modality}.png', 'figure',
        'cordref', 'spine_or_discs',
        'Vertebrae, discs, canal and cord by name, and the disc points that were used.',
    ),
    Product(
        'figure_rootlets', 'figures', '{source}_desc-S2_rootlets_montage.gif',
        '{source}_desc-rootlets_{modality}.gif', 'figure',
        'cordref', 'rootlets', 'Rootlets, one spinal level after the other.',
    ),
    Product(
        'figure_overlay', 'figures', '{source}_desc-S2_pam50_reg_overlay.gif',
        '{source}_desc-overlay_{modality}.gif', 'figure',
        'cordref', 'always', 'Cord reference and warped template in turn, at the same places.',
    ),
)  # fmt: skip
"""Figures, for eyes only: one that is missing spoils no number. They have no sidecars."""

LANDMARKS = {'disc': 'disc_labels', 'rootlet': 'rootlets_dseg'}
"""Registration path → product that its landmarks come from."""

PATHS = tuple(LANDMARKS)
"""Registration paths."""

PRECOMPUTABLE = (
    'cord_dseg', 'canal_dseg', 'totalspineseg_dseg', 'disc_labels', 'rootlets_dseg',
)  # fmt: skip
"""Products that can be given instead of computed."""


def product(name: str) -> Product:
    """The product of that name."""
    return next(item for item in (*WRITTEN, *FIGURES) if item.name == name)


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


def is_expected(item: Product, record: Mapping[str, Any]) -> bool:
    """Whether a completed subject must have this product, by what its record states.

    Parameters
    ----------
    item : Product
    record : mapping
        The record; ``spine``, ``discs``, ``levels`` and ``rootlets`` each with a
        ``status``, ``registration`` with ``other``, ``precomputed``, and ``template_maps`` with
        a ``status`` for each product.

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
    if item.when == 'canal' and 'canal_dseg' in record.get('precomputed', {}):
        return True
    if item.when == 'two_paths':
        return bool((record.get('registration') or {}).get('other'))
    stage = record.get('spine' if item.when == 'canal' else item.when) or {}
    if item.when == 'template_maps':
        stage = stage.get(item.sources[0] if item.kind == 'label table' else item.name) or {}
    return stage.get('status') in ('computed', 'given')


def expected(record: Mapping[str, Any], items: Iterable[Product] = WRITTEN) -> tuple[Product, ...]:
    """The products, or figures, that a subject must have by its record."""
    return tuple(item for item in items if is_expected(item, record))


def names(items: Iterable[Product] = PRODUCTS) -> tuple[str, ...]:
    """Names of products, in the table's order."""
    return tuple(item.name for item in items)
