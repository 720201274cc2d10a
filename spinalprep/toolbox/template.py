# SPDX-License-Identifier: Apache-2.0
"""The template folder: what its lists name, what is missing, and its identity."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from spinalprep.errors import ToolboxError

LISTING = 'info_label.txt'
"""Name of the list in each of the template's folders."""

CONTRAST_IDS = {'t1': 0, 't2': 1, 't2s': 2}
"""Id of the template image of each contrast."""

PART_IDS = {'cord': 3, 'levels': 7, 'disc': 10, 'spinal': 14, 'rootlets': 16, 'rootlets_mid': 17}
"""Ids of the parts that registration reads."""

_SPINAL_LEVELS = re.compile(r'(?<!_label)_spinal_levels\.nii')
_HORN = re.compile(r'\b(left|right) (dorsal|ventral) horn\b')


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
    listing = Path(template) / 'template' / LISTING
    if not listing.is_file():
        raise ToolboxError(f'no template at {template}: {listing} can not be read')
    return {number: path for number, _, path in _listed(listing)}


def atlas_files(template: Path) -> dict[str, Path]:
    """Files of a template's atlas, by the names that it gives them.

    Parameters
    ----------
    template
        Folder that may hold ``atlas/info_label.txt``.

    Returns
    -------
    dict
        Such as ``GM left dorsal horn`` to path; empty where there is no atlas.

    Raises
    ------
    ToolboxError
        If its list can't be read.
    """
    listing = Path(template) / 'atlas' / LISTING
    if not listing.is_file():
        return {}
    return {name: path for _, name, path in _listed(listing)}


def template_maps(template: Path) -> dict[str, Path]:
    """Files of a template that say what lies where in a subject, by the products they become.

    Parameters
    ----------
    template
        The folder.

    Returns
    -------
    dict
        ``cord_of_template``, ``vertebral_levels_of_template``, ``spinal_levels_of_template``,
        and the four horns of the grey matter, such as ``horn_left_dorsal``, to the path; those
        that are listed and there.

    Raises
    ------
    ToolboxError
        If a list can't be read.
    """
    files = template_files(template)
    maps = {
        'cord_of_template': files.get(PART_IDS['cord']),
        'vertebral_levels_of_template': files.get(PART_IDS['levels']),
        'spinal_levels_of_template': spinal_levels_file(files),
    }
    for name, path in atlas_files(template).items():
        if horn := _HORN.search(name):
            maps[f'horn_{horn[1]}_{horn[2]}'] = path
    return {name: path for name, path in maps.items() if path is not None and path.is_file()}


def spinal_levels_file(files: Mapping[int, Path]) -> Path | None:
    """The spinal levels among a template's files; None where it has none.

    PAM50 has listed them as 15 since 2023; before, 14 were points of a name much alike, and older
    releases have neither. So the name decides.
    """
    return next((path for path in files.values() if _SPINAL_LEVELS.search(path.name)), None)


def listed_files(template: Path) -> list[Path]:
    """The lists of a template and of its atlas, then the files that they name.

    Parameters
    ----------
    template
        The folder.

    Returns
    -------
    list of Path
        The files need not exist.

    Raises
    ------
    ToolboxError
        If the template's list is missing, or one can't be read.
    """
    files = [*sorted(template_files(template).values()), *sorted(atlas_files(template).values())]
    return [*sorted({path.parent / LISTING for path in files}), *files]


def template_identity(template: Path) -> str:
    """Name and short digest of a template: its lists, and the names and sizes of its files.

    Raises
    ------
    ToolboxError
        If the list is missing or can't be read.
    """
    digest = hashlib.sha256()
    for path in listed_files(template):
        if path.name == LISTING:
            digest.update(path.read_bytes())
        else:
            size = path.stat().st_size if path.exists() else -1
            digest.update(f'{path.name}:{size};'.encode())
    return f'{Path(template).name}@{digest.hexdigest()[:12]}'


def _listed(listing: Path) -> Iterator[tuple[int, str, Path]]:
    """Id, name and path of each file in a list; groups of them, which an atlas has, are not."""
    try:
        lines = listing.read_text(encoding='utf-8').splitlines()
    except OSError as error:
        raise ToolboxError(f'{listing} can not be read: {error.strerror}') from error
    except UnicodeDecodeError as error:
        line = error.object.count(b'\n', 0, error.start) + 1
        raise ToolboxError(f'{listing}, line {line}: not UTF-8; save the list as such') from error
    for number, line in enumerate(lines, start=1):
        if 'Keyword=' in line and 'Keyword=IndivLabels' not in line:
            return
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        parts = [part.strip() for part in line.split(',')]
        if len(parts) < 3 or not parts[0].isdigit():
            raise ToolboxError(f'{listing}, line {number}: not "id, name, file"')
        yield int(parts[0]), ', '.join(parts[1:-1]), listing.parent / parts[-1]
