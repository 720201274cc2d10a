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
    command = importlib.import_module(f'spinalprep.cli.{arguments.command.replace("-", "_")}')
    signals = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, _Interrupt()) for number in signals]
    try:
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
    finally:
        for number, handler in zip(signals, previous, strict=True):
            signal.signal(number, handler)


class _Interrupt:
    """A cluster's way to end us is treated as the user's: what was started is cleaned up.

    Workers inherit the handler; they end at once and in silence, and with them the
    commands that they watch.
    """

    def __init__(self) -> None:
        self._process = os.getpid()

    def __call__(self, number: int, frame: object) -> None:
        if os.getpid() != self._process:
            os._exit(128 + number)
        raise KeyboardInterrupt
