# SPDX-License-Identifier: Apache-2.0
"""``spinalprep BIDS_DIR OUT_DIR participant``."""

from __future__ import annotations

from argparse import Namespace

from spinalprep.cli.plan import Source
from spinalprep.cli.run import carry_out
from spinalprep.errors import UsageError
from spinalprep.layout import Layout, dataset_name


def main(arguments: Namespace) -> int:
    """Run the step as a BIDS App."""
    if arguments.out.resolve() == arguments.bids_dir.resolve():
        raise UsageError(
            f'{arguments.out}: derivatives do not go into the dataset itself; '
            f'name another folder, such as {arguments.bids_dir / "derivatives" / "spinalprep"}'
        )
    name = dataset_name(arguments.bids_dir)
    layout = Layout(arguments.out, name, 'bids-app', arguments.work_dir)
    source = Source(
        layout, arguments.bids_dir, arguments.participant_label, arguments.session_label
    )
    return carry_out(arguments, [source])
