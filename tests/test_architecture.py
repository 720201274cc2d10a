# SPDX-License-Identifier: Apache-2.0
"""The rooms of the package, and the one direction between them (docs/architecture.md)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import spinalprep

PACKAGE = Path(spinalprep.__file__).parent

LAYERS = (
    ('cli',),
    ('driver', 'check', 'preflight', 'status'),
    ('subject',),
    ('runs', 'execution', 'crashes', 'moved', 'incomplete', 'pages', 'estimates'),
    ('workflows', 'plugins'),
    ('interfaces',),
    ('description',),
    ('sidecars', 'lookup', 'verdict', 'reports'),
    ('unchanged',),
    ('selection',),
    ('exclusions', 'filters', 'given', 'ranking'),
    ('datasets', 'candidates', 'layout', 'record', 'demands'),
    ('givennames',),
    ('policy', 'naming'),
    ('products',),
    ('bounds',),
    ('toolbox', 'embedded', 'reports'),
    ('anatomy',),
    ('sidebyside', 'hashing', 'images', 'commandfiles'),
    ('data', 'atomic', 'errors', 'filestate', 'geometry', 'locks', 'machine', 'processes'),
)
"""Rooms from top to bottom; each may import from its own row and those below."""

ROW = {room: row for row, rooms in enumerate(LAYERS) for room in rooms}


def _imports(path: Path) -> set[str]:
    """Modules of this package that a file imports, wherever in the file it does."""
    package = ('spinalprep', *path.relative_to(PACKAGE).parent.parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = '.'.join((*base, *(node.module or '').split('.'))).strip('.')
            if module == 'spinalprep':
                found |= {f'spinalprep.{name.name}' for name in node.names}
            found.add(module)
    return {name for name in found if name.startswith('spinalprep.')}


def _files() -> list[Path]:
    return sorted(
        path for path in PACKAGE.rglob('*.py') if path.parent != PACKAGE or path.stem[0] != '_'
    )


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix('.py')


def test_every_room_is_known():
    assert {_room(path) for path in _files()} <= set(ROW)


@pytest.mark.parametrize('path', _files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_points_back(path):
    own = _room(path)
    for name in _imports(path):
        room = name.split('.')[1]
        if room in ROW:  # else a name of the package itself, such as __version__
            assert ROW[room] >= ROW[own], f'{own} imports {name}, which lies above it'


def test_only_the_demo_knows_the_embedded_sct():
    users = {
        str(path.relative_to(PACKAGE))
        for path in _files()
        if _room(path) != 'embedded'
        and any(name.startswith('spinalprep.embedded') for name in _imports(path))
    }
    assert users <= {'cli/demo.py'}


def test_anatomy_knows_no_nipype():
    for path in (PACKAGE / 'anatomy').glob('*.py'):
        assert 'nipype' not in path.read_text(encoding='utf-8'), path


def test_niworkflows_stays_in_workflows():
    users = {
        _room(path)
        for path in _files()
        if 'import' in (text := path.read_text()) and 'niworkflows' in text
    }
    assert users == {'workflows'}


def test_import_is_light_and_leaves_the_environment_alone():
    code = (
        'import os, sys; before = dict(os.environ); import spinalprep; '
        'assert dict(os.environ) == before; '
        'heavy = {"numpy", "nibabel", "nipype", "scipy", "yaml"} & set(sys.modules); '
        'assert not heavy, heavy'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


def test_modules_stay_small():
    for path in _files():
        assert len(path.read_text(encoding='utf-8').splitlines()) <= 400, path
