# SPDX-License-Identifier: Apache-2.0
"""The one table of names under which masks and labels of an image may be given.

Ours, those of BIDS, and those that labs use who correct by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from spinalprep.naming import SCHEMES, file_name, source_stem
from spinalprep.products import product

Scheme = Literal['seed', 'bids', 'lab']

EXTENSIONS = ('.nii.gz', '.nii')

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
    item = product(name)
    own, bids = (
        file_name(item, entities, modality, scheme=scheme).removesuffix(item.extension)
        for scheme in SCHEMES
    )
    lab = (
        pattern.format(source=source_stem(entities), modality=modality)
        for pattern in LAB_NAMES.get(name, ())
    )
    # where a subject has one image, its name may be left out
    short = bids.replace(f'_space-{modality}', '')
    stems = {'seed': (own,), 'bids': (bids, short), 'lab': tuple(lab)}
    return tuple(
        f'{stem}{extension}'
        for scheme in schemes
        for stem in stems[scheme]
        for extension in EXTENSIONS
    )
