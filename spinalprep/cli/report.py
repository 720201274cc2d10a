# SPDX-License-Identifier: Apache-2.0
"""``spinalprep report``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from spinalprep.errors import ExitCode, NothingToRunError, ToolboxError
from spinalprep.layout import Layout, folders_of_records
from spinalprep.pages.redraw import redraw
from spinalprep.pages.write import read_records, write_dataset_page, write_subject_page
from spinalprep.record import COMPLETED, label_of


def main(arguments: Namespace) -> int:
    """Make figures and pages again, and say which figures stay as they are."""
    layouts = _layouts(arguments.out, arguments.dataset_key or ())
    template = None if arguments.pages_only else _template(arguments.template)
    for layout in layouts:
        for record in read_records(layout):
            label = label_of(record['subject'], record['session'])
            if record['status'] == COMPLETED and not arguments.pages_only:
                for note in redraw(layout, record, template):
                    print(f'{layout.dataset} {label}: {note}')
            write_subject_page(layout, record)
        print(write_dataset_page(layout))
    return ExitCode.OK


def _layouts(out: Path, datasets: list[str] | tuple[()]) -> list[Layout]:
    """Datasets below an output folder, in both ways of laying them out."""
    found = [
        layout
        for name in folders_of_records(out, datasets)
        for kind in ('run', 'bids-app')
        if read_records(layout := Layout(out, name, kind))
    ]
    if not found:
        raise NothingToRunError(
            f'{out}: no record of {", ".join(datasets) or "any dataset"} there yet; '
            'wait for its run to end, or run it again'
        )
    return found


def _template(given: Path | None) -> Path | None:
    """The template that is named, else that of the SCT on this machine, if there is one."""
    from spinalprep.toolbox import find_toolbox

    if given is not None:
        return given
    try:
        return find_toolbox('auto').template
    except ToolboxError:
        return None
