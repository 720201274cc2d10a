# SPDX-License-Identifier: Apache-2.0
"""What stands beside the subjects: the dataset's description, README and .bidsignore."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from spinalprep import atomic
from spinalprep.sidecars import generated_by

BIDS_VERSION = '1.10.0'

_PAGES = {
    '*.html': 'pages of subjects and of the dataset: BIDS has no rule for reports',
    'figures': 'their figures: BIDS has no such folder',
    'group_S2.*': 'table of all subjects: BIDS has no rule for tables of derivatives at the root',
    'work': 'working files, where a run was started in this folder',
}

IGNORED: dict[str, dict[str, str]] = {
    'seed': {
        **_PAGES,
        'anat': 'names such as `_desc-cord_dseg_T2w` are not those of BIDS',
        'xfm': 'BIDS has no such folder',
    },
    'bids': {
        **_PAGES,
        '*_xfm.*': 'transforms: BIDS shows such names in examples and has no rule for them yet',
        '*_morph.*': 'morphometry: BIDS has no rule for measurements of a structure yet',
    },
}
"""Naming scheme → what a BIDS validator is told to leave alone, and why.

Folders stand without a slash: the validator tests their paths so."""

README = """\
Anatomical cord references for spinal-cord fMRI, made by spinalprep.

Each subject has the cord reference (desc-cordref), masks and labels on its grid, warps to the
template and back, and tables of the cord's cross-sectional area. Every file has a JSON sidecar,
which says what it is, what it was made from and by which versions, and the verdict on it. The
pages (index.html, sub-*.html) show all of it; the records in the run's logs have every number.
"""


def bidsignore(scheme: str) -> str:
    """Content of ``.bidsignore``.

    Examples
    --------
    >>> bidsignore('bids').split()[-2:]
    ['*_xfm.*', '*_morph.*']
    """
    return ''.join(f'{pattern}\n' for pattern in IGNORED[scheme])


def dataset_description(
    dataset: str, toolbox: Mapping[str, Any], bids_dir: Path, template: Path | None
) -> dict[str, Any]:
    """Content of ``dataset_description.json``.

    Parameters
    ----------
    dataset : str
        Name of the dataset.
    toolbox : mapping
        Facts of SCT, see :func:`spinalprep.sidecars.provenance`.
    bids_dir : Path
        Source dataset; licence and DOI are taken from its description.
    template : Path or None
        Folder of the template.

    Returns
    -------
    dict
        ``DatasetLinks`` has the names that BIDS URIs in sidecars use.
    """
    url = bids_dir.resolve().as_uri()
    raw = atomic.read_json(bids_dir / 'dataset_description.json')
    source = {'URL': url} | ({'DOI': raw['DatasetDOI']} if raw.get('DatasetDOI') else {})
    links = {'raw': url} | ({'template': template.resolve().as_uri()} if template else {})
    licence = {'License': raw['License']} if raw.get('License') else {}
    return {
        'Name': f'Anatomical cord reference of {dataset}',
        'BIDSVersion': BIDS_VERSION,
        'DatasetType': 'derivative',
        **licence,
        'GeneratedBy': generated_by(toolbox),
        'SourceDatasets': [source],
        'DatasetLinks': links,
    }


def source_folder(derivatives: Path) -> Path | None:
    """The dataset that derivatives were made from, as their description says.

    Parameters
    ----------
    derivatives : Path
        Folder that holds `dataset_description`.

    Returns
    -------
    Path or None
        It may be gone by now. None where nothing is said of a folder.
    """
    links = atomic.read_json(derivatives / 'dataset_description.json').get('DatasetLinks')
    url = links.get('raw') if isinstance(links, dict) else None
    if not isinstance(url, str) or not url.startswith('file:///'):
        return None
    return Path(os.fsdecode(unquote_to_bytes(url.removeprefix('file://'))))
