# SPDX-License-Identifier: Apache-2.0
"""The networks of an installation: which are there, which SCT would throw away at the next call.

SCT compares the address in a network's ``source.json`` with the one in its own code; where they
differ it deletes the network and fetches the new one, in this order. Without internet one call
thus destroys a working network, so the same comparison is made here first. SCT's code is read as
text and never imported: that would need SCT's own interpreter.
"""

import ast
import hashlib
import json
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path
from typing import Any, Literal

from spinalprep.toolbox.dialect import Dialect

WEIGHTS = ('*.pth', '*.ckpt', '*.pt', '*.onnx')


@dataclass(frozen=True)
class ModelState:
    """State of one network.

    Parameters
    ----------
    folder
        Where the network is, or should be.
    state
        ``'current'``; ``'custom'`` (installed from an address of the user's: SCT keeps it);
        ``'unchecked'`` (there, but its age can't be told); ``'absent'``; ``'outdated'``.
    detail
        The same in words.
    """

    folder: Path
    state: Literal['current', 'custom', 'unchecked', 'absent', 'outdated']
    detail: str


def model_state(root: Path, dialect: Dialect, task: str) -> ModelState:
    """State of the network of a canonical task.

    Raises
    ------
    ToolboxError
        If this release has no such task.
    """
    name = dialect.task(task).model
    folder = root / 'data' / 'deepseg_models' / name
    if not any(next(folder.rglob(pattern), None) for pattern in WEIGHTS):
        return ModelState(folder, 'absent', f'no network in {folder}')
    if not dialect.row['provenance']:
        return ModelState(folder, 'unchecked', f'{folder} (this release never replaces networks)')
    source = _source(folder)
    if source is None:
        return ModelState(folder, 'outdated', f'{folder} has no readable source.json')
    urls = source['model_urls']
    if source.get('custom') is True:
        return ModelState(folder, 'custom', f'{folder}, from {_words(urls)}')
    expected = expected_urls(root, source.get('model_name', name))
    if expected is None:
        return ModelState(
            folder, 'unchecked', f'{folder}; which one this SCT expects could not be read'
        )
    if _same(urls, expected):
        return ModelState(folder, 'current', f'{folder}, from {_words(urls)}')
    return ModelState(
        folder,
        'outdated',
        f'{folder} is from {_words(urls)}, this SCT wants {_words(expected)}: it would delete the '
        'one that is there before it fetches the other',
    )


def model_identity(root: Path, dialect: Dialect, task: str) -> str:
    """Identity of the network of a canonical task, to tell results of different networks apart.

    Returns
    -------
    str
        Name and digest of where the network came from, or of its files where that is not known;
        ``'NAME@absent'`` if it is not there.
    """
    name = dialect.task(task).model
    folder = root / 'data' / 'deepseg_models' / name
    source = _source(folder)
    if source is not None:
        what = json.dumps([source['model_urls'], source.get('custom') is True], sort_keys=True)
    else:
        files = [path for pattern in WEIGHTS for path in folder.rglob(pattern)]
        if not files:
            return f'{name}@absent'
        what = json.dumps(sorted((path.name, path.stat().st_size) for path in files))
    return f'{name}@{hashlib.sha256(what.encode()).hexdigest()[:12]}'


def expected_urls(root: Path, model: str) -> Any:
    """Address, or addresses, that the installed SCT has in its own code for a network.

    Returns
    -------
    list, dict or None
        Mirrors, or address by part of the network; ``None`` if it can't be read.

    Notes
    -----
    TotalSpineSeg's addresses are not in SCT's code but in the metadata of its Python package.
    """
    code = root / 'spinalcordtoolbox' / 'deepseg' / 'models.py'
    try:
        tree = ast.parse(code.read_text())
    except (OSError, SyntaxError, ValueError):
        return None
    for node in tree.body:
        names = [target.id for target in getattr(node, 'targets', ()) if hasattr(target, 'id')]
        if names != ['MODELS'] or not isinstance(node.value, ast.Dict):
            continue
        entry = _entry(node.value, model)
        if entry is None:
            return []
        try:
            return ast.literal_eval(_entry(entry, 'url'))
        except (ValueError, TypeError):
            return _package_urls(root)
    return None


def _entry(node: ast.AST, name: str) -> ast.AST | None:
    """Value of a key in a dictionary of the code."""
    if not isinstance(node, ast.Dict):
        return None
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and key.value == name:
            return value
    return None


def _package_urls(root: Path) -> dict[str, str] | None:
    """Addresses in the metadata of the package ``totalspineseg`` of SCT's interpreter."""
    for site in _site_packages(root):
        for file in site.glob('totalspineseg-*.dist-info/METADATA'):
            pairs = Parser().parsestr(file.read_text(), headersonly=True).get_all('Project-URL')
            urls = dict(pair.split(', ', 1) for pair in pairs or () if ', ' in pair)
            return {name: url for name, url in urls.items() if name.startswith('Dataset')}
    return None


def _site_packages(root: Path) -> list[Path]:
    """Where the packages of SCT's interpreter may be: its own environment, then the shebang's."""
    environments = list(root.glob('python/envs/*'))
    program = root / 'bin' / 'sct_deepseg'
    if program.is_file():
        with program.open('rb') as stream:
            first = stream.readline(4096).decode(errors='replace')
        if first.startswith('#!/'):
            environments.append(Path(first[2:].split()[0]).parent.parent)
    return [site for found in environments for site in found.glob('lib/python*/site-packages')]


def _source(folder: Path) -> dict[str, Any] | None:
    """What ``source.json`` says, or ``None`` if it is not there or says nothing."""
    try:
        source = json.loads((folder / 'source.json').read_text())
    except (OSError, ValueError):
        return None
    return source if isinstance(source, dict) and 'model_urls' in source else None


def _same(actual: Any, expected: Any) -> bool:
    """SCT's comparison: one of the mirrors, or for every part the part's address."""
    if isinstance(actual, str) and isinstance(expected, list):
        return actual in expected
    if isinstance(actual, dict) and isinstance(expected, dict):
        return actual.keys() == expected.keys() and all(
            url in expected[part] for part, url in actual.items()
        )
    return False


def _words(urls: Any) -> str:
    """Addresses for a message."""
    if isinstance(urls, dict):
        urls = list(urls.values())
    return ', '.join(map(str, urls)) if isinstance(urls, list) else str(urls)
