# SPDX-License-Identifier: Apache-2.0
"""Every layout of the table: what is taken, in which order, what not and why, and names."""

import pytest

from spinalprep.filters import by_options, read_filters
from spinalprep.naming import file_name
from spinalprep.products import product
from spinalprep.selection import select
from tests.layouts import LAYOUTS, Layout


def _select(layout, root, folder):
    asks = dict(layout.asks)
    filters = by_options(asks.pop('acq', None), asks.pop('run', None))
    content = asks.pop('filter_file', None)
    if content:
        path = folder / 'filter.json'
        path.write_text(content)
        filters += read_filters(path)
    return select(root, filters=filters, **asks)


def _state(root):
    return {path: path.lstat().st_mtime_ns for path in root.resolve().rglob('*')}


@pytest.mark.parametrize('layout', LAYOUTS, ids=lambda layout: layout.name.replace(' ', '-'))
def test_layout(layout, tmp_path):
    root = layout.build(tmp_path)
    folder = root / 'sub-01/anat'
    for name in layout.dropped:
        if not (folder / name).is_symlink() and not (folder / name).exists():
            (folder / name).write_bytes(b'x')
    before = _state(root)
    targets = _select(layout, root, tmp_path)
    assert _state(root) == before

    places = {target.label: target.label[4:].replace('_ses-', '/') for target in targets}
    taken = {
        target.label: [item.path.relative_to(root.resolve()).as_posix() for item in
                       target.candidates]
        for target in targets
    }  # fmt: skip
    assert taken == {
        label: [Layout.path(places.get(label, label), name) for name in names]
        for label, names in layout.taken.items()
    }
    dropped = {item.path.name: item.reason for target in targets for item in target.dropped}
    assert dropped.keys() == layout.dropped.keys()
    for name, words in layout.dropped.items():
        assert words in dropped[name]
    skipped = {target.label: target.why_skipped for target in targets if not target.candidates}
    assert skipped.keys() == layout.skipped.keys()
    for label, words in layout.skipped.items():
        assert words in skipped[label]
    if layout.cordref:
        best = targets[0].candidates[0]
        name = file_name(product('cordref'), dict(best.entities), best.modality)
        assert name == layout.cordref


def test_the_table_is_long_enough():
    assert len({layout.name for layout in LAYOUTS}) == len(LAYOUTS) >= 20
