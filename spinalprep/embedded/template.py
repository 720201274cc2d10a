# SPDX-License-Identifier: Apache-2.0
"""The files of a template folder, by the numbers that SCT gives them."""

from __future__ import annotations

from pathlib import Path

CORD, LEVELS, DISCS, SPINAL, ROOTLETS_MIDPOINTS = 3, 7, 10, 14, 17
CONTRASTS = {'t1': 0, 't2': 1, 't2s': 2}


def template_files(folder: str | Path) -> dict[int, Path]:
    """Files listed in ``<folder>/template/info_label.txt``.

    Parameters
    ----------
    folder : path-like
        What ``-t`` names.

    Returns
    -------
    dict of int to Path
        Number → file.

    Raises
    ------
    FileNotFoundError
        If the list is missing.
    ValueError
        If a file that it names is missing, or a line can't be read.
    """
    table = Path(folder) / 'template' / 'info_label.txt'
    files = {}
    for number, line in enumerate(table.read_text().splitlines(), start=1):
        if not line.strip() or line.startswith('#'):
            continue
        fields = [field.strip() for field in line.split(',')]
        if len(fields) < 3 or not fields[0].isdigit():
            raise ValueError(f'{table}, line {number}: not "ID, name, file": {line}')
        path = table.parent / fields[-1]
        if not path.is_file():
            raise ValueError(f"{table}, line {number}: file {fields[-1]} doesn't exist")
        files[int(fields[0])] = path
    return files
