# SPDX-License-Identifier: Apache-2.0
"""The template folder: what ``info_label.txt`` lists, what is missing, and its identity."""

import hashlib
from pathlib import Path

from spinalprep.errors import ToolboxError

CONTRAST_IDS = {'t1': 0, 't2': 1, 't2s': 2}
"""Id of the template image of each contrast."""

PART_IDS = {'cord': 3, 'levels': 7, 'disc': 10, 'spinal': 14, 'rootlets': 16, 'rootlets_mid': 17}
"""Ids of the parts that registration reads."""


def template_files(template: Path) -> dict[int, Path]:
    """Files that a template lists, by their id.

    Parameters
    ----------
    template
        Folder that holds ``template/info_label.txt``.

    Returns
    -------
    dict
        Id to path; the files need not exist.

    Raises
    ------
    ToolboxError
        If the list is missing or can't be read.

    Notes
    -----
    Lines of the list are ``id, name, file``; those that begin with ``#`` are comments or titles.
    """
    listing = Path(template) / 'template' / 'info_label.txt'
    try:
        lines = listing.read_text().splitlines()
    except OSError as error:
        raise ToolboxError(f'no template at {template}: {listing} can not be read') from error
    files = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        parts = [part.strip() for part in line.split(',')]
        if len(parts) < 3 or not parts[0].isdigit():
            raise ToolboxError(f'{listing}, line {number}: not "id, name, file"')
        files[int(parts[0])] = listing.parent / parts[-1]
    return files


def template_identity(template: Path) -> str:
    """Name and short digest of a template: its list, and the names and sizes of its files.

    Raises
    ------
    ToolboxError
        If the list is missing or can't be read.
    """
    template = Path(template)
    files = template_files(template)
    digest = hashlib.sha256((template / 'template' / 'info_label.txt').read_bytes())
    for path in sorted(files.values()):
        size = path.stat().st_size if path.exists() else -1
        digest.update(f'{path.name}:{size};'.encode())
    return f'{template.name}@{digest.hexdigest()[:12]}'
