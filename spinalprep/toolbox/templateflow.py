# SPDX-License-Identifier: Apache-2.0
"""PAM50 as TemplateFlow's client finds templates: a folder of links, under names of its kind.

PAM50 is not in TemplateFlow's archive, and what SCT ships decides which release counts. So a
private root links to that; nothing is copied, and nothing asks the network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spinalprep import atomic
from spinalprep.toolbox.template import (
    CONTRAST_IDS,
    PART_IDS,
    atlas_files,
    spinal_levels_file,
    template_files,
)

CLIENT_OPTIONS = {'autoupdate': False, 'use_datalad': False}
"""What ``TemplateFlowClient`` must be told besides its root, so that it never asks the network."""

_IMAGES = {
    CONTRAST_IDS['t1']: 'T1w',
    CONTRAST_IDS['t2']: 'T2w',
    CONTRAST_IDS['t2s']: 'T2star',
    PART_IDS['cord']: 'label-SC_mask',
    4: 'label-WM_probseg',
    5: 'label-GM_probseg',
    6: 'label-CSF_probseg',
    PART_IDS['levels']: 'seg-vertebrae_dseg',
    PART_IDS['disc']: 'seg-discs_dseg',
    PART_IDS['rootlets']: 'seg-rootlets_dseg',
}
_SPINAL_LEVELS = 'seg-spinallevels_dseg'
_MEANINGS = {
    'seg-vertebrae_dseg': 'levels',
    'seg-discs_dseg': 'discs',
    'seg-rootlets_dseg': 'spinal levels',
    _SPINAL_LEVELS: 'spinal levels',
}


def link_template(template: Path | str, root: Path | str, *, name: str = 'PAM50') -> Path:
    """Make a root for TemplateFlow's client of links into a template folder.

    Parameters
    ----------
    template : path-like
        Folder that holds ``template/info_label.txt``, and ``atlas/`` where it has one.
    root : path-like
        Folder that gets ``tpl-{name}/``. Made where missing. Links that are right are left alone,
        others are replaced, and those to what the template no longer has are removed; so
        several processes may do this at once.
    name : str
        Identifier of the template: what the client is asked for.

    Returns
    -------
    Path
        `root`, for ``TemplateFlowClient(root=…, autoupdate=False)``.

    Raises
    ------
    ToolboxError
        If a list of the template can't be read.
    OSError
        If links can't be made there.
    """
    template, folder = Path(template).resolve(), Path(root) / f'tpl-{name}'
    folder.mkdir(parents=True, exist_ok=True)
    stem = f'tpl-{name}_res-01'
    wanted = {
        f'{stem}_{ending}.nii.gz': path
        for ending, path in _named_files(template)
        # an empty file would send the client to the network for the real one
        if path.is_file() and path.stat().st_size
    }
    for link in folder.glob(f'{stem}_*.nii.gz'):
        if link.name not in wanted:
            link.unlink()
    for link, path in wanted.items():
        _link(path, folder / link)
    for ending, kind in _MEANINGS.items():
        if f'{stem}_{ending}.nii.gz' in wanted:
            atomic.write_text(folder / f'{stem}_{ending}.tsv', _table(kind))
    description = _description(name, wanted.get(f'{stem}_label-SC_mask.nii.gz'))
    atomic.write_json(folder / 'template_description.json', description)
    return Path(root)


def _named_files(template: Path) -> Iterator[tuple[str, Path]]:
    """How the name of each file ends in TemplateFlow's words, and where it is."""
    files = template_files(template)
    for number, ending in _IMAGES.items():
        if number in files:
            yield ending, files[number]
    if levels := spinal_levels_file(files):
        yield _SPINAL_LEVELS, levels
    for title, path in atlas_files(template).items():
        words = re.sub(r'\(.*?\)', '', title).replace('-', ' ').split()
        label = ''.join(word[0].upper() + word[1:] for word in words)
        yield f'atlas-PAM50_label-{label}_probseg', path


def _link(path: Path, link: Path) -> None:
    """Symbolic link that takes the place of whatever is there, at once."""
    if link.is_symlink() and os.readlink(link) == str(path):
        return
    part = link.with_name(f'.{link.name}.{os.getpid()}')
    part.unlink(missing_ok=True)
    part.symlink_to(path)
    part.replace(link)


def _table(kind: str) -> str:
    """What labels mean, as BIDS has it for segmentations."""
    from spinalprep.anatomy.labels import meanings

    rows = [f'{value}\t{name}' for value, name in meanings(kind).items()]
    return '\n'.join(['index\tname', *rows]) + '\n'


def _description(name: str, cord: Path | None) -> Mapping[str, Any]:
    """Content of ``template_description.json``."""
    description: dict[str, Any] = {
        'Identifier': name,
        'Name': f'{name}, as installed with the Spinal Cord Toolbox',
        'Authors': [
            'De Leener B',
            'Fonov VS',
            'Collins DL',
            'Callot V',
            'Stikov N',
            'Cohen-Adad J',
        ],
        'License': 'Distributed with the Spinal Cord Toolbox (LGPL-3.0); the template states none '
        'of its own',
        'BIDSVersion': '1.10.0',
        'TemplateFlowVersion': '1.0.0',
        'ReferencesAndLinks': [
            'https://doi.org/10.1016/j.neuroimage.2017.10.041',
            'https://github.com/spinalcordtoolbox/PAM50',
        ],
    }
    if cord is not None:
        import nibabel as nb

        image = nb.load(cord)
        description['res'] = {
            '01': {
                'origin': [float(x) for x in image.affine[:3, 3]],
                'shape': [int(n) for n in image.shape[:3]],
                'zooms': [round(float(mm), 4) for mm in image.header.get_zooms()[:3]],
            }
        }
    return description
