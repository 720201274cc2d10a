# SPDX-License-Identifier: Apache-2.0
"""The registry of datasets: which there are, which a scope takes in, where they lie here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinalprep.candidates import normalise
from spinalprep.errors import NothingToRunError, UsageError

REGISTRY_NAME = 'datasets.yaml'
"""Registry that is read if none is named: beside the file of local paths."""

SCOPE_WORDS = {'reg': 'regression', 'full': 'v1_validation'}
"""Short scopes; any other scope is an intended use by its own word."""


@dataclass(frozen=True)
class Dataset:
    """A dataset of the registry, or one that has only a local path."""

    key: str
    intended_use: tuple[str, ...] = ()
    subjects: tuple[str, ...] | None = None
    """Without prefix; None for all."""
    sessions: tuple[str, ...] | None = None


@dataclass(frozen=True)
class LocalDataset:
    """A dataset and where it lies; ``folder`` is None where it has no local path."""

    dataset: Dataset
    folder: Path | None
    problem: str = ''
    """Why it can't be run, in words."""


def load_registry(path: Path) -> dict[str, Dataset]:
    """Datasets of a registry, by their keys.

    Parameters
    ----------
    path : Path
        YAML with a list ``datasets``; of each item, ``key``, ``intended_use`` and
        ``selection`` count here.

    Returns
    -------
    dict

    Raises
    ------
    UsageError
        If the file can't be read, or an item can't be understood.
    """
    content = _read_yaml(path)
    items = content.get('datasets') if isinstance(content, dict) else None
    if not isinstance(items, list):
        raise UsageError(f'{path}: a list named datasets expected')
    found: dict[str, Dataset] = {}
    for number, item in enumerate(items, start=1):
        dataset = _dataset(item, f'{path}: dataset {number}')
        if dataset.key in found:
            raise UsageError(f'{path}: the key {dataset.key} is there twice')
        found[dataset.key] = dataset
    return found


def load_local(path: Path) -> dict[str, Path]:
    """Local paths of datasets, by their keys; relative ones start at the current folder.

    Raises
    ------
    UsageError
        If the file can't be read, or is not a flat list of ``key: path``.
    """
    content = _read_yaml(path)
    if not isinstance(content, dict):
        raise UsageError(f'{path}: lines of "key: path" expected')
    for key, value in content.items():
        if not isinstance(value, str):
            raise UsageError(f'{path}: {key}: a path expected, got {value!r}')
    return {str(key): Path(value).expanduser().absolute() for key, value in content.items()}


def by_key(key: str, local_file: Path, registry_file: Path | None = None) -> LocalDataset:
    """The dataset of a key.

    Parameters
    ----------
    key : str
    local_file : Path
        File of local paths.
    registry_file : Path, optional
        The registry; by default `REGISTRY_NAME` beside `local_file`, which need not
        exist: a dataset may be known by its local path alone.

    Raises
    ------
    UsageError
        If neither file knows the key.
    NothingToRunError
        If the key has no local path, or there is no such folder.
    """
    local = load_local(local_file)
    registry = _registry(local_file, registry_file)
    if key not in local and key not in registry:
        known = ', '.join(sorted({*local, *registry})) or 'none'
        raise UsageError(f'--dataset-key {key}: unknown; known are {known}')
    _check_key(key, f'--dataset-key {key}')
    found = _locate(registry.get(key, Dataset(key)), local, local_file)
    if found.problem:
        raise NothingToRunError(found.problem)
    return found


def by_scope(
    scope: str, local_file: Path, registry_file: Path | None = None
) -> tuple[LocalDataset, ...]:
    """The datasets of a scope; those that can't be run have a ``problem``.

    Raises
    ------
    UsageError
        If there is no registry, or no dataset of it has this intended use.
    """
    path = registry_file or local_file.with_name(REGISTRY_NAME)
    if not path.is_file():
        raise UsageError(
            f'{path}: --scope needs the registry of datasets; name it with --datasets'
        )
    registry = load_registry(path)
    word = SCOPE_WORDS.get(scope, scope)
    members = [item for item in registry.values() if word in item.intended_use]
    if not members:
        uses = sorted({use for item in registry.values() for use in item.intended_use})
        raise UsageError(
            f'--scope {scope}: no dataset of {path} has the intended use {word}; '
            f'there are {", ".join(uses) or "none"}'
        )
    local = load_local(local_file)
    return tuple(_locate(item, local, local_file) for item in members)


def _registry(local_file: Path, registry_file: Path | None) -> dict[str, Dataset]:
    if registry_file is not None:
        return load_registry(registry_file)
    beside = local_file.with_name(REGISTRY_NAME)
    return load_registry(beside) if beside.is_file() else {}


def _locate(dataset: Dataset, local: Mapping[str, Path], local_file: Path) -> LocalDataset:
    folder = local.get(dataset.key)
    if folder is None:
        problem = f'{dataset.key}: no local path; add "{dataset.key}: PATH" to {local_file}'
        return LocalDataset(dataset, None, problem)
    if not folder.is_dir():
        return LocalDataset(
            dataset, None, f'{dataset.key}: no such folder: {folder} (from {local_file})'
        )
    return LocalDataset(dataset, folder)


def _dataset(item: Any, where: str) -> Dataset:
    if not isinstance(item, dict) or not isinstance(item.get('key'), str):
        raise UsageError(f'{where}: a mapping with a text "key" expected')
    where = f'{where} ({item["key"]})'
    _check_key(item['key'], where)
    uses = item.get('intended_use', [])
    if not isinstance(uses, list) or not all(isinstance(use, str) for use in uses):
        raise UsageError(f'{where}: intended_use: a list of words expected')
    selection = item.get('selection') or {}
    if not isinstance(selection, dict) or not set(selection) <= {'mode', 'subjects', 'sessions'}:
        raise UsageError(f'{where}: selection: only mode, subjects and sessions expected')
    if selection.get('mode', 'all') not in ('all', 'subset'):
        raise UsageError(f'{where}: selection.mode: all or subset expected')
    if selection.get('mode') != 'subset':
        return Dataset(item['key'], tuple(uses))
    return Dataset(
        item['key'],
        tuple(uses),
        _labels(selection, 'subjects', 'sub-', where),
        _labels(selection, 'sessions', 'ses-', where),
    )


def _labels(
    selection: Mapping[str, Any], name: str, prefix: str, where: str
) -> tuple[str, ...] | None:
    values = selection.get(name) or []
    if not isinstance(values, list) or not all(isinstance(v, (str, int)) for v in values):
        raise UsageError(f'{where}: selection.{name}: a list of labels expected')
    return tuple(normalise(value, prefix) for value in values) or None


def _check_key(key: str, where: str) -> None:
    """A key names folders: nothing but a plain name will do."""
    if not re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9_.-]*', key):
        raise UsageError(f'{where}: a key has only letters, digits, "_", "-" and "."')


def _read_yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(Path(path).read_text(encoding='utf-8'))
    except OSError as error:
        raise UsageError(f'{path}: can not be read ({error.strerror})') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f'{path}: not valid YAML: {error}') from error
