# SPDX-License-Identifier: Apache-2.0
"""``spinalprep demo``: a computed dataset, and the whole step on it."""

from __future__ import annotations

import shutil
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from spinalprep.cli.execute import execute
from spinalprep.cli.plan import Source, check_places, choose, make_plan
from spinalprep.errors import ToolboxError
from spinalprep.layout import Layout
from spinalprep.products import STEP

DATASET = 'demo'


def main(arguments: Namespace) -> int:
    """Write the dataset and the template where they are missing, run, say where to look."""
    from spinalprep.embedded.phantom import write_dataset, write_template

    check_places(arguments)
    out: Path = arguments.out
    _write_once(out / 'bids', write_dataset)
    _write_once(out / 'template', write_template)
    layout = Layout(out, DATASET, 'run', arguments.work_dir)
    settings = Namespace(
        **vars(arguments),
        template=out / 'template',
        policy=None,
        gpu=False,
        precomputed=[],
        manual_dir=None,
        derivatives=[],
        exclude_from=None,
        bids_filter_file=None,
        acq=None,
        run=None,
    )
    settings.sct = _choose_sct(arguments.sct)
    code = execute(make_plan(settings, choose(settings, [Source(layout, out / 'bids')])))
    print(f'Dataset:     {out / "bids"}')
    print(f'Derivatives: {layout.derivatives}')
    print(f'Page:        {layout.derivatives / "index.html"}')
    print(f'Records:     {layout.logs}')
    print(f'Check them:  spinalprep check {STEP} --out {out}')
    return code


def _choose_sct(asked: str) -> str:
    """SCT where there is one, else the stand-in: the demo alone may choose for itself."""
    from spinalprep.toolbox import find_toolbox

    if asked != 'auto':
        return asked
    try:
        toolbox = find_toolbox('auto')
    except ToolboxError:
        print('SCT was not found: the embedded stand-in is used, and all results are marked so.')
        return 'embedded'
    print(f'SCT {toolbox.version} is used: {toolbox.root}')
    return asked


def _write_once(folder: Path, write: Callable[[Path], object]) -> None:
    """Write a folder, whole or not at all; one that is there is kept."""
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f'.{folder.name}.part')
    if part.exists():
        shutil.rmtree(part)
    write(part)
    part.rename(folder)
