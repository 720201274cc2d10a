# SPDX-License-Identifier: Apache-2.0
"""The one table of names under which masks and labels of an image may be given.

Ours, those of BIDS, and those that labs use who correct by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from spinalprep.products import file_name, product, source_stem

Scheme = Literal['seed', 'bids', 'lab']

EXTENSIONS = ('.nii.gz', '.nii')

BIDS_NAMES: Mapping[str, tuple[str, ...]] = {
    'cord_dseg': ('{source}_space-{modality}_label-SC_mask', '{source}_label-SC_mask'),
    'canal_dseg': ('{source}_space-{modality}_label-canal_mask', '{source}_label-canal_mask'),
    'totalspineseg_dseg': (
        '{source}_space-{modality}_seg-totalspineseg_dseg',
        '{source}_seg-totalspineseg_dseg',
    ),
    'disc_labels': ('{source}_space-{modality}_seg-discs_dseg', '{source}_seg-discs_dseg'),
    'rootlets_dseg': ('{source}_space-{modality}_seg-rootlets_dseg', '{source}_seg-rootlets_dseg'),
}
"""Product → names by the rules of BIDS, which has no place for the source's suffix."""

LAB_NAMES: Mapping[str, tuple[str, ...]] = {
    'cord_dseg': (
        '{source}_{modality}_label-SC_seg',
        '{source}_{modality}_label-SC_mask',
        '{source}_{modality}_seg-manual',
        '{source}_{modality}_seg',
        '{source}_label-SC_seg',
    ),
    'canal_dseg': (
        '{source}_{modality}_label-canal_seg',
        '{source}_{modality}_label-canal_mask',
        '{source}_{modality}_canal-manual',
        '{source}_label-canal_seg',
    ),
    'disc_labels': (
        '{source}_{modality}_label-discs_dlabel',
        '{source}_{modality}_labels-disc-manual',
        '{source}_{modality}_labels-disc',
        '{source}_label-discs_dlabel',
    ),
    'rootlets_dseg': (
        '{source}_{modality}_label-rootlets_dseg',
        '{source}_{modality}_rootlets-manual',
        '{source}_label-rootlets_dseg',
    ),
}
"""Product → names of the datasets of NeuroPoly (spine-generic among them), new and old."""


def given_names(
    name: str,
    entities: Mapping[str, str],
    modality: str,
    schemes: tuple[Scheme, ...] = ('seed', 'bids', 'lab'),
) -> tuple[str, ...]:
    """File names under which a product of an image may be given.

    Parameters
    ----------
    name : str
        Product.
    entities : mapping
        All entities of the image, by their short keys: a name holds the same ones.
    modality : str
        Suffix of the image; a name that holds a suffix holds this one.
    schemes : tuple of str
        Whose names: ours (``seed``), those of BIDS, those of labs.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> given_names('cord_dseg', {'sub': '01', 'acq': 'sag'}, 'T2w', ('seed',))
    ('sub-01_acq-sag_desc-cord_dseg_T2w.nii.gz', 'sub-01_acq-sag_desc-cord_dseg_T2w.nii')
    >>> 'sub-01_T2w_labels-disc.nii.gz' in given_names('disc_labels', {'sub': '01'}, 'T2w')
    True
    """
    own = file_name(product(name), entities, modality)
    stems = {'seed': (own.removesuffix(product(name).extension),)}
    for scheme, table in (('bids', BIDS_NAMES), ('lab', LAB_NAMES)):
        stems[scheme] = tuple(
            pattern.format(source=source_stem(entities), modality=modality)
            for pattern in table.get(name, ())
        )
    return tuple(
        f'{stem}{extension}'
        for scheme in schemes
        for stem in stems[scheme]
        for extension in EXTENSIONS
    )
