# SPDX-License-Identifier: Apache-2.0
"""File names of products, in both schemes: from the table to a name, and back.

``seed`` names are those that the later steps of the pipeline read. ``bids`` names are valid in
BIDS derivatives. The patterns of both stand in the table of products.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from spinalprep.products import FIGURES, PATHS, WRITTEN, Product

SCHEMES = ('seed', 'bids')
"""Naming schemes."""

ENTITY_ORDER = (
    'sub', 'ses', 'sample', 'task', 'tracksys', 'acq', 'ce', 'trc', 'stain', 'rec', 'dir', 'run',
    'mod', 'echo', 'flip', 'inv', 'mt', 'part', 'proc', 'chunk',
)  # fmt: skip
"""Entities that a derivative takes over from its source, in BIDS order."""

_NEVER_OF_ANATOMY = ('task', 'dir')
"""Entities that only functional and diffusion images have."""

_BIDS_ORDER = (
    *ENTITY_ORDER[:-1], 'hemi', 'from', 'to', 'mode', 'space', 'chunk', 'atlas', 'seg', 'scale',
    'res', 'label', 'desc',
)  # fmt: skip
"""Entities of derivatives in BIDS order, which puts ``chunk`` among those of ours."""


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


def location(
    item: Product,
    entities: Mapping[str, str],
    modality: str,
    *,
    scheme: str = 'seed',
    template: str = 'PAM50',
    path: str = 'disc',
) -> str:
    """Where the file of a product lies, below the derivatives' root.

    Parameters
    ----------
    item : Product
    entities : mapping
        Entities of the chosen anatomy, by their short keys (``sub``, ``ses``, ``acq`` …).
    modality : str
        ``T2w`` or ``T1w``.
    scheme : str
        One of `SCHEMES`.
    template : str
        Name of the template in file names.
    path : str
        The path that was not chosen; only the products of that path use it.

    Returns
    -------
    str

    Examples
    --------
    >>> from spinalprep.products import product
    >>> location(product('cord_dseg'), {'sub': '01', 'acq': 'sag'}, 'T2w')
    'sub-01/anat/sub-01_acq-sag_desc-cord_dseg_T2w.nii.gz'
    >>> location(product('warp_template2cordref'), {'sub': '01'}, 'T2w')
    'sub-01/xfm/sub-01_from-PAM50_to-cordref_warp.nii.gz'
    >>> location(product('warp_template2cordref'), {'sub': '01'}, 'T2w', scheme='bids')
    'sub-01/anat/sub-01_from-PAM50_to-T2w_mode-image_xfm.nii.gz'
    """
    pattern = {'seed': item.seed, 'bids': item.bids}[scheme]
    name = pattern.format(
        source=source_stem(entities), modality=modality, template=template, path=path
    )
    folder = item.folder
    if scheme == 'bids':
        name = _in_bids_order(name)
        folder = 'anat' if folder == 'xfm' else folder  # BIDS knows no folder of transforms
    return f'{subject_folder(entities)}/{folder}/{name}'


def file_name(item: Product, entities: Mapping[str, str], modality: str, **options: str) -> str:
    """File name of a product; parameters as for `location`.

    Examples
    --------
    >>> from spinalprep.products import product
    >>> file_name(product('cord_dseg'), {'sub': '01', 'chunk': '2'}, 'T2w', scheme='bids')
    'sub-01_space-T2w_chunk-2_label-SC_mask.nii.gz'
    """
    return location(item, entities, modality, **options).rpartition('/')[2]


def _in_bids_order(name: str) -> str:
    *entities, suffix = name.split('_')
    entities.sort(key=lambda entity: _BIDS_ORDER.index(entity.partition('-')[0]))
    return '_'.join([*entities, suffix])


def source_uri(path: Path, root: Path | None, name: str = 'raw') -> str:
    """BIDS URI of a file of a dataset; of another file, where it is on this machine.

    Parameters
    ----------
    path, root : Path
        File and root of the dataset, absolute.
    name : str
        Of the dataset, among the ``DatasetLinks``.

    Examples
    --------
    >>> source_uri(Path('/ds/sub-01/anat/sub-01_T2w.nii.gz'), Path('/ds'))
    'bids:raw:sub-01/anat/sub-01_T2w.nii.gz'
    >>> source_uri(Path('/elsewhere/cord.nii.gz'), Path('/ds'))
    'file:///elsewhere/cord.nii.gz'
    """
    if root is not None and path.is_relative_to(root):
        return f'bids:{name}:{quote(path.relative_to(root).as_posix())}'
    return path.as_uri()


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


def sidecar_of(path: Path) -> Path:
    """Where the JSON sidecar of a product's file lies."""
    return path.with_name(sidecar_name(path.name))


def product_of(name: str, entities: Mapping[str, str], template: str = 'PAM50') -> Product | None:
    """The product whose file, or sidecar, of this subject and session has that name, if any.

    Both schemes are known, and other entities of the anatomy are free: a product of an anatomy
    that was chosen earlier, or under its other name, is recognised too. Files of later steps and
    of other software in the same folders are not.
    """
    return _matching(WRITTEN, name, entities, template)


def figure_of(name: str, entities: Mapping[str, str]) -> Product | None:
    """The figure whose file of this subject and session has that name, if any."""
    return _matching(FIGURES, name, entities, '')


def _matching(
    items: Iterable[Product], name: str, entities: Mapping[str, str], template: str
) -> Product | None:
    stem = source_stem({key: entities.get(key, '') for key in ('sub', 'ses')})
    free = '|'.join(key for key in ENTITY_ORDER if key not in ('sub', 'ses', *_NEVER_OF_ANATOMY))
    fields = {
        'source': f'{re.escape(stem)}(?:_(?:{free})-[A-Za-z0-9+]+)*',
        'modality': '(?:T1w|T2w)',
        'template': re.escape(template),
        'path': f'(?:{"|".join(PATHS)})',
    }
    # in BIDS order it stands among the product's own
    name = re.sub('_chunk-[A-Za-z0-9+]+', '', name)
    for item in items:
        endings = re.escape(item.extension) + ('' if item.kind == 'figure' else '|[.]json')
        for pattern in (item.seed, item.bids):
            stem_pattern = _as_pattern(pattern.removesuffix(item.extension), fields)
            if re.fullmatch(f'{stem_pattern}(?:{endings})', name):
                return item
    return None


def _as_pattern(text: str, fields: Mapping[str, str]) -> str:
    """Regular expression of a pattern of the table."""
    pieces = re.split(r'\{(\w+)\}', text)
    return ''.join(fields[p] if i % 2 else re.escape(p) for i, p in enumerate(pieces))
