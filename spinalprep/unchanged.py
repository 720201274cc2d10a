# SPDX-License-Identifier: Apache-2.0
"""Is a subject's last result still that of its inputs? Then nothing needs to run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from spinalprep.naming import sidecar_of
from spinalprep.record import COMPLETED, Record, problems_of

_CHUNK = 1 << 20


def fingerprint(files: Iterable[Path], **decided: Any) -> dict[str, Any]:
    """What a result rests on.

    Parameters
    ----------
    files : iterable of Path
        Images and given files that are there.
    **decided
        Whatever else decides about the result, as plain JSON types.

    Returns
    -------
    dict
        ``files``: path → size (bytes), time stamp (ns) and SHA-256; ``decided``.
    """
    return {
        'files': {str(path): _state(path) | {'sha256': _digest(path)} for path in files},
        'decided': json.loads(json.dumps(decided)),
    }


def _state(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {'size': stat.st_size, 'mtime_ns': stat.st_mtime_ns}


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open('rb') as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def unchanged(record_file: Path, root: Path, **decided: Any) -> Record | None:
    """The last record, if it still holds.

    Parameters
    ----------
    record_file : Path
    root : Path
        Of the derivatives.
    **decided
        As for :func:`fingerprint`: as it is now.

    Returns
    -------
    Record or None
        None unless the subject completed, from the same files and decisions, and everything
        that was written is still there. A file is read only if its size is the same and its
        time stamp is not.
    """
    try:
        content = json.loads(record_file.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None
    if problems_of(content) or content['status'] != COMPLETED:
        return None
    known = content['inputs']
    if not known or known['decided'] != json.loads(json.dumps(decided)):
        return None
    if not all(_same(Path(path), was) for path, was in known['files'].items()):
        return None
    written = [root / path for path in content['products'].values()]
    written += [sidecar_of(path) for path in written]
    written += [root / path for paths in content['figures'].values() for path in paths]
    if not all(path.is_file() for path in written):
        return None
    return Record(**content)


def _same(path: Path, was: Mapping[str, Any]) -> bool:
    try:
        state = _state(path)
        if state['size'] != was['size']:
            return False
        return state['mtime_ns'] == was['mtime_ns'] or _digest(path) == was['sha256']
    except OSError:
        return False
