# SPDX-License-Identifier: Apache-2.0
"""Files that are there whole or not at all, whenever a run is stopped."""

from __future__ import annotations

import filecmp
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_SUFFIX = '.part'


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Temporary path in the target's folder that takes the target's place at the end.

    Parameters
    ----------
    path : path-like
        File to write; its folder is made where missing.

    Yields
    ------
    Path
        Write here. Removed, with the target untouched, when the block raises.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f'.{path.name}.', suffix=_SUFFIX, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; derivatives are shared as the umask says
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        # a write to a full disk fails without saying where
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def remove_abandoned(folder: Path, name: str = '*', *, older_s: float = 0.0) -> None:
    """Remove what processes that were killed have begun to write.

    Parameters
    ----------
    folder : Path
        Looked through, not those in it.
    name : str
        Of the files that were to be written, as a pattern.
    older_s : float
        Leave alone what is younger: another process may be at it.
    """
    for path in folder.glob(f'.{name}.*{_SUFFIX}'):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime >= older_s:
                path.unlink()


def write_text(path: Path | str, text: str) -> None:
    """Write a text file atomically, leaving one with the same text alone."""
    path = Path(path)
    if path.is_file() and path.read_bytes() == text.encode():
        return
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def write_json(path: Path | str, content: Any) -> None:
    """Write JSON atomically; see `plain` for what becomes of numbers and paths."""
    write_text(path, json.dumps(plain(content), indent=2, ensure_ascii=False) + '\n')


def read_json(path: Path | str) -> dict[str, Any]:
    """A JSON object; empty where there is none that can be read."""
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def copy(source: Path | str, target: Path | str) -> bool:
    """Copy a file atomically, with its time stamp.

    Returns
    -------
    bool
        False if the target already was the same file content, and was left alone.
    """
    source, target = Path(source), Path(target)
    if target.is_file() and filecmp.cmp(source, target, shallow=False):
        return False
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
        shutil.copystat(source, temporary)
    return True


def plain(value: Any) -> Any:
    """Value of plain JSON types: paths as text, numpy numbers as numbers, NaN as null.

    Raises
    ------
    TypeError
        If a value has no plain form.
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, 'tolist'):  # numpy scalars and arrays, without importing numpy
        return plain(value.tolist())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int, bool)):
        return value
    raise TypeError(f'no JSON form for {type(value).__name__}: {value!r}')
