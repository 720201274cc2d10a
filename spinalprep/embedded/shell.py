# SPDX-License-Identifier: Apache-2.0
"""What all commands of the embedded SCT share: parsing, banner, failures, version."""

from __future__ import annotations

import argparse
import sys

from spinalprep import __version__

VERSION = f'embedded-{__version__}'
"""What ``sct_version`` says."""


class CommandFailed(Exception):
    """A command ends with exit code 1 and this message on standard output, as SCT's do."""


class CommandParser(argparse.ArgumentParser):
    """Parser with SCT's habits: single-dash options, ``-v`` everywhere, exit code 2.

    Only what is covered is declared: anything else is a usage error.
    """

    def __init__(self, name: str, *, temporary: bool = False):
        super().__init__(
            prog=name,
            description='Part of the embedded SCT; speaks the command line of SCT 7.4.',
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        self.add_argument('-v', type=int, choices=(0, 1, 2), default=1, help='verbosity')
        if temporary:
            self.add_argument(
                '-r', type=int, choices=(0, 1), default=1, help='there are no temporary files'
            )

    def error(self, message: str):
        """Say what can't be understood and exit with code 2."""
        self.print_usage(sys.stderr)
        self.exit(2, f'\n{self.prog}: error: {message} (embedded SCT)\n')


def banner(name: str, arguments: list[str]) -> str:
    """Lines that every command but ``sct_version`` begins with."""
    return f'\n--\nEmbedded SCT ({VERSION})\n\n{name} {" ".join(arguments)}\n--\n'


def sct_version(argv: list[str]) -> None:
    """``sct_version``: the version and nothing else."""
    CommandParser('sct_version').parse_args(argv)
    print(VERSION)


def number_list(text: str) -> list[int]:
    """Whole numbers as SCT lists them: ``2:5,8`` is 2, 3, 4, 5, 8.

    Examples
    --------
    >>> number_list('2:5,8')
    [2, 3, 4, 5, 8]
    """
    numbers = []
    for part in filter(None, text.replace(';', ',').split(',')):
        first, _, last = part.partition(':')
        numbers += range(int(first), int(last or first) + 1)
    return sorted(set(numbers))


def format_numbers(numbers: list[int]) -> str:
    """Inverse of :func:`number_list` with SCT's separators.

    Examples
    --------
    >>> format_numbers([2, 3, 4, 8])
    '2:4;8'
    """
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ';'.join(str(r[0]) if len(r) == 1 else f'{r[0]}:{r[-1]}' for r in runs)
