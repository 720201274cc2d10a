# SPDX-License-Identifier: Apache-2.0
"""``spinalprep run``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from importlib import import_module

from spinalprep.cli.array import write_array_script
from spinalprep.cli.dry_run import dry_run
from spinalprep.cli.execute import execute
from spinalprep.cli.plan import Source, check_places, choose, make_plan, sources
from spinalprep.sidebyside import beside


def main(arguments: Namespace) -> int:
    """Run the step over the datasets asked for."""
    return carry_out(arguments, *sources(arguments))


def carry_out(arguments: Namespace, found: Sequence[Source], problems: Sequence[str] = ()) -> int:
    """Run datasets, or say what would run, or write the job array that runs it."""
    check_places(arguments)
    if arguments.dry_run:
        return dry_run(arguments, found, problems)
    # PyBIDS takes a second to import, and memory that no process of a subject needs
    with beside(partial(choose, arguments, found, problems)) as chosen:
        import_module('spinalprep.workflows.anat')  # what planning takes longest for
        choice = chosen()
    plan = make_plan(arguments, choice)
    return write_array_script(arguments, plan) if arguments.array_script else execute(plan)
