# SPDX-License-Identifier: Apache-2.0
"""Is everything there that should be, whole and right? By product table and records alone."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spinalprep import products
from spinalprep.errors import NothingToRunError
from spinalprep.layout import Layout
from spinalprep.products import STEP, Product, label_names
from spinalprep.record import COMPLETED, FAIL, WARN, label_of, problems_of

if TYPE_CHECKING:
    import nibabel as nb

GRID_TOLERANCE_VOXELS = 0.1
"""Largest shift of a corner of a grid that writing and reading headers may cause."""


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be."""

    path: Path
    text: str

    def __str__(self) -> str:
        return f'{self.path}: {self.text}'


@dataclass
class Findings:
    """What `check` found."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    """Verdicts WARN and figures that are not right: no problem, but worth a look."""
    subjects: int = 0
    """Records read."""
    files: int = 0
    """Products and figures checked."""


def check(out: Path) -> Findings:
    """Check all that step S2 wrote below an output folder.

    Parameters
    ----------
    out : Path
        The folder given as ``--out``, or as ``OUT_DIR``.

    Returns
    -------
    Findings

    Raises
    ------
    NothingToRunError
        If the step never ran there.
    """
    folders = sorted(path for path in (out / 'logs' / STEP).glob('*') if path.is_dir())
    if not folders:
        raise NothingToRunError(
            f'{out}: no run of {STEP} found there (no {out / "logs" / STEP}); '
            'give the folder that the run got as --out'
        )
    findings = Findings()
    for folder in folders:
        _check_dataset(out, folder, findings)
    return findings


def _check_dataset(out: Path, folder: Path, findings: Findings) -> None:
    selected = set()
    for path in sorted((folder / 'runs').glob('*.json')):
        content = _read_json(path, findings)
        selected |= set(content.get('selected', [])) if content else set()
    found = set()
    for path in sorted(folder.glob('*.json')):
        found.add(path.stem)
        content = _read_json(path, findings)
        if content is not None:
            findings.subjects += 1
            _check_record(out, path, content, findings)
    for label in sorted(selected - found):
        findings.problems.append(
            Problem(folder / f'{label}.json', f'{label} was selected and has no record')
        )


def _read_json(path: Path, findings: Findings) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        if isinstance(content, dict):
            return content
        reason = 'not a JSON object'
    except (OSError, ValueError) as error:
        reason = str(error)
    findings.problems.append(Problem(path, f'can not be read: {reason}'))
    return None


def _check_record(out: Path, path: Path, record: Mapping[str, Any], findings: Findings) -> None:
    wrong = problems_of(record)
    if wrong:
        findings.problems += [Problem(path, f'not a valid record: {text}') for text in wrong]
        return
    reasons = '; '.join(record['reasons']).replace('\n', ' ')
    if record['status'] != COMPLETED:
        findings.problems.append(Problem(path, f'{record["status"]}: {reasons}'))
    elif record['verdict'] == FAIL:
        findings.problems.append(Problem(path, f'verdict FAIL: {reasons}'))
    elif record['verdict'] == WARN:
        findings.warnings.append(Problem(path, f'verdict WARN: {reasons}'))
    label = label_of(record['subject'], record['session'])
    if label != path.stem:
        findings.problems.append(Problem(path, f'is the record of {label}'))
        return
    layout = Layout(out, record['dataset'], record['layout'])
    _check_products(layout.derivatives, record, findings)
    _check_figures(layout.derivatives, record, findings)


def _check_products(root: Path, record: Mapping[str, Any], findings: Findings) -> None:
    listed = record['products']
    for item in products.expected(record):
        if item.name not in listed:
            entities = record['source']['entities']
            name = products.file_name(item, entities, record['source']['modality'])
            path = root / products.subject_folder(entities) / item.folder / name
            findings.problems.append(Problem(path, f'{item.name} is not in the record'))
    grids = _Grids(record)
    for item in products.PRODUCTS:
        if item.name in listed:
            findings.files += 1
            path = root / listed[item.name]
            findings.problems += [Problem(path, text) for text in _judge(item, path, grids)]
    unlisted = list(_unlisted(root, record))
    if unlisted and record['status'] != COMPLETED:
        text = f'{len(unlisted)} files of products lie here, though the last run did not complete'
        findings.problems.append(Problem(root / products.subject_folder(_entities(record)), text))
    elif unlisted:
        findings.problems += [Problem(path, 'not in the record') for path in unlisted]


def _unlisted(root: Path, record: Mapping[str, Any]) -> Iterator[Path]:
    """Products in the subject's folders that its record does not know."""
    entities = _entities(record)
    known = {root / relative for relative in record['products'].values()}
    known |= {path.with_name(products.sidecar_name(path.name)) for path in known}
    for folder in sorted({item.folder for item in products.PRODUCTS}):
        for path in sorted((root / products.subject_folder(entities) / folder).glob('*')):
            if path not in known and products.is_product_file(path.name, entities):
                yield path


def _entities(record: Mapping[str, Any]) -> dict[str, str]:
    return {'sub': record['subject'], 'ses': record['session'] or ''}


def _check_figures(root: Path, record: Mapping[str, Any], findings: Findings) -> None:
    """A figure that is missing or broken spoils no number: it is a warning."""
    listed = record['figures']
    for item in products.expected(record, products.FIGURES):
        if item.name not in listed:
            source = record['source']
            name = products.file_name(item, source['entities'], source['modality'])
            folder = root / products.subject_folder(source['entities']) / item.folder
            findings.warnings.append(Problem(folder / name, f'{item.name} was not drawn'))
    for item in products.FIGURES:
        for relative in listed.get(item.name, ()):
            findings.files += 1
            if wrong := _judge_figure(root / relative):
                findings.warnings.append(Problem(root / relative, f'{item.name} {wrong}'))


def _judge_figure(path: Path) -> str | None:
    """What is wrong with the file of a figure; every frame is read to its end."""
    from PIL import Image, ImageSequence

    if not path.is_file():
        return 'is missing'
    try:
        with Image.open(path) as image:
            if image.format != path.suffix[1:].upper():
                return f'holds {image.format}, not what its name says'
            blank = all(
                low == high
                for frame in ImageSequence.Iterator(image)
                for low, high in frame.convert('RGB').getextrema()
            )
    except (OSError, EOFError, SyntaxError, ValueError) as error:  # SyntaxError: a broken PNG
        return f'can not be read to its end ({error})'
    # Pillow does not mind when the mark at the end is missing
    if not path.read_bytes().endswith(_LAST_BYTES[path.suffix]):
        return 'can not be read to its end (its last bytes are missing)'
    return 'is blank' if blank else None


_LAST_BYTES = {'.png': b'IEND\xaeB`\x82', '.gif': b';'}


class _Grids:
    """The grids of the two spaces, as far as they are known."""

    def __init__(self, record: Mapping[str, Any]):
        self._known: dict[str, tuple[tuple[int, ...], Any]] = {}
        grid = record['template_grid']
        if grid:
            self._known['template'] = (tuple(grid['shape']), grid['affine'])

    def differs(self, space: str, image: nb.Nifti1Image) -> str | None:
        """What is wrong with an image's grid; the first image of a space sets it."""
        import numpy as np

        shape, affine = image.shape[:3], image.affine
        if space not in self._known:
            self._known[space] = (shape, affine)
            return None
        own_shape, own_affine = self._known[space]
        if shape != own_shape:
            return f'shape {shape}, but the {space} has {own_shape}'
        corners = np.array(np.meshgrid(*([0, n - 1] for n in shape), [1])).reshape(4, -1)
        shift = np.linalg.norm(((affine - np.array(own_affine)) @ corners)[:3], axis=0).max()
        voxel = np.linalg.norm(affine[:3, :3], axis=0).min()
        if not shift <= GRID_TOLERANCE_VOXELS * voxel:
            return f'its grid is up to {shift:.3g} mm off that of the {space}'
        return None


def _judge(item: Product, path: Path, grids: _Grids) -> Iterator[str]:
    """Everything that is wrong with the file of a product."""
    if not path.is_file():
        yield f'{item.name} is missing'
        return
    yield from _judge_sidecar(path)
    try:
        content = _read(path)
        if item.kind == 'table':
            yield from _judge_table(item, content.decode('utf-8'))
            return
        image, data = _as_image(content)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        yield f'can not be read to its end ({error})'
        return
    if item.kind == 'warp':
        if image.ndim != 5 or image.shape[3:] != (1, 3):
            yield f'shape {image.shape} is not that of a displacement field (x, y, z, 1, 3)'
            return
    elif image.ndim != 3:
        yield f'{image.ndim} axes, 3 expected'
        return
    if wrong := grids.differs(item.space, image):
        yield wrong
    yield from _judge_values(item, data)


def _judge_sidecar(path: Path) -> Iterator[str]:
    sidecar = path.with_name(products.sidecar_name(path.name))
    try:
        json.loads(sidecar.read_text(encoding='utf-8'))
    except OSError:
        yield f'its sidecar {sidecar.name} is missing'
    except ValueError as error:
        yield f'its sidecar {sidecar.name} can not be read ({error})'


def _judge_table(item: Product, text: str) -> Iterator[str]:
    header, *rows = text.splitlines() or ['']
    if tuple(header.split('\t')) != item.columns:
        yield f'columns {header!r}, expected {" ".join(item.columns)}'
    if not rows:
        yield 'a table without rows'
    elif any(row.count('\t') != header.count('\t') for row in rows):
        yield 'rows of different length'


def _judge_values(item: Product, data: Any) -> Iterator[str]:
    import numpy as np

    allowed = label_names(item)
    if allowed is None:
        if not np.isfinite(data).all():
            yield 'some values are not finite'
        elif item.kind == 'image' and data.min() == data.max():
            yield f'all values are {data.flat[0]}'
        return
    values, counts = np.unique(data[data != 0], return_counts=True)
    if not values.size:
        yield 'empty'
    alien = [f'{value:g}' for value in values if value not in allowed]
    if alien:
        yield f'values that {item.name} never has: {", ".join(alien)}'
    if item.kind == 'points':
        repeated = [f'{value:g}' for value in values[counts > 1]]
        if repeated:
            yield f'more than one voxel for: {", ".join(repeated)}'


def _read(path: Path) -> bytes:
    """All bytes, unpacked; the checksum at the end is what tells a truncated file."""
    if path.suffix == '.gz':
        with gzip.open(path) as stream:
            return stream.read()
    return path.read_bytes()


def _as_image(content: bytes) -> tuple[nb.Nifti1Image, Any]:
    """Image and its values.

    Raises
    ------
    ValueError
        If these are not the bytes of a whole NIfTI image.
    """
    import nibabel as nb
    import numpy as np

    try:
        image = nb.Nifti1Image.from_bytes(content)
        return image, np.asanyarray(image.dataobj)
    except (nb.filebasedimages.ImageFileError, nb.spatialimages.HeaderDataError) as error:
        raise ValueError(str(error)) from error
