# SPDX-License-Identifier: Apache-2.0
"""``spinalprep run``."""

from __future__ import annotations

from argparse import Namespace

from spinalprep.cli.dry_run import dry_run
from spinalprep.cli.execute import execute
from spinalprep.cli.plan import choose, make_plan, sources


def main(arguments: Namespace) -> int:
    """Run the step over the datasets asked for."""
    found, problems = sources(arguments)
    if arguments.dry_run:
        return dry_run(arguments, found, problems)
    return execute(make_plan(arguments, choose(arguments, found, problems)))
