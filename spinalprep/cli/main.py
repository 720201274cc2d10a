# SPDX-License-Identifier: Apache-2.0
"""The ``spinalprep`` command: find the subcommand, run it, turn errors into exit codes."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from spinalprep.cli.arguments import COMMANDS, bids_app_parser, joined, parser
from spinalprep.errors import ExitCode, SpinalprepError
from spinalprep.processes import interruptible


def program() -> NoReturn:
    """The process of the ``spinalprep`` command."""
    code = main()
    # else the interpreter looks through all that was imported for garbage, for a third of a second
    gc.freeze()
    sys.exit(code)


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
    argv = joined(sys.argv[1:] if argv is None else argv)
    if not argv:
        parser().print_help()
        return ExitCode.USAGE
    if argv[0] in COMMANDS or argv[0] in ('-h', '--help', '--version'):
        arguments = parser().parse_args(argv)
    else:
        arguments = bids_app_parser().parse_args(argv)
    arguments.argv = argv
    command = importlib.import_module(f'spinalprep.cli.{arguments.command.replace("-", "_")}')
    try:
        with interruptible():
            return command.main(arguments)
    except SpinalprepError as error:
        print(f'spinalprep: {error}', file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(
            f'spinalprep: {error.strerror or error}: {error.filename or arguments.command}. '
            'Mend it and give the same command again: it goes on with what is not finished.',
            file=sys.stderr,
        )
        return ExitCode.ENVIRONMENT
    except KeyboardInterrupt:
        print(
            'spinalprep: interrupted; the same command goes on with what is not finished',
            file=sys.stderr,
        )
        return ExitCode.SUBJECT
