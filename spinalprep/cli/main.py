# SPDX-License-Identifier: Apache-2.0
"""The ``spinalprep`` command: find the subcommand, run it, turn errors into exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence

from spinalprep.cli.arguments import COMMANDS, bids_app_parser, parser
from spinalprep.errors import ExitCode, SpinalprepError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; those of this process if not given.

    Returns
    -------
    int
        Exit code, see `spinalprep.errors.ExitCode`.
    """
    # Nipype asks the internet for its newest version at the first interface otherwise
    os.environ.setdefault('NIPYPE_NO_ET', '1')
    os.environ.setdefault('NO_ET', '1')
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv:
        parser().print_help()
        return ExitCode.USAGE
    if argv[0] in COMMANDS or argv[0] in ('-h', '--help', '--version'):
        arguments = parser().parse_args(argv)
    else:
        arguments = bids_app_parser().parse_args(argv)
    command = importlib.import_module(f'spinalprep.cli.{arguments.command}')
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return command.main(arguments)
    except SpinalprepError as error:
        print(f'spinalprep: {error}', file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(
            'spinalprep: interrupted; the same command goes on with what is not finished',
            file=sys.stderr,
        )
        return ExitCode.SUBJECT
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(number: int, frame: object) -> None:
    """A cluster's way to end us is treated as the user's: what was started is cleaned up."""
    raise KeyboardInterrupt
