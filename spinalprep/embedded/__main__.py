# SPDX-License-Identifier: Apache-2.0
"""``python -m spinalprep.embedded COMMAND ARGS…``: one command of the embedded SCT."""

from __future__ import annotations

import importlib
import sys

from spinalprep.embedded.shell import CommandFailed, banner

# module of each command; imported only when asked for, start-up time counts
COMMANDS = {
    'sct_version': 'shell',
    'sct_image': 'images',
    'sct_crop_image': 'images',
    'sct_create_mask': 'images',
    'sct_maths': 'maths',
    'sct_label_utils': 'labels',
    'sct_label_vertebrae': 'labels',
    'sct_deepseg': 'deepseg',
    'sct_get_centerline': 'morphometry',
    'sct_process_segmentation': 'morphometry',
    'sct_register_to_template': 'register',
    'sct_apply_transfo': 'transforms',
    'sct_concat_transfo': 'transforms',
    'sct_warp_template': 'transforms',
}

_HELP = f"""usage: python -m spinalprep.embedded COMMAND ARGS…

A stand-in for the Spinal Cord Toolbox for demonstrations and tests: the commands that
spinalprep calls, computed from image intensities without any trained network. Not for
research data.

commands:
  {
    '''
  '''.join(COMMANDS)
}
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : list of str, optional
        Command name and its arguments; those of the process if not given.

    Returns
    -------
    int
        Exit code as SCT's: 0 done, 1 the command failed, 2 it can't be understood.
    """
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ('-h', '--help'):
        print(_HELP, file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 2
    name, *arguments = argv
    if name not in COMMANDS:
        print(f'{name}: not one of the commands of the embedded SCT', file=sys.stderr)
        return 2
    if name != 'sct_version':
        print(banner(name, arguments), flush=True)
    command = getattr(importlib.import_module(f'spinalprep.embedded.{COMMANDS[name]}'), name)
    try:
        command(arguments)
    except CommandFailed as error:
        print(f'ERROR: {error}', flush=True)
        return 1
    except (OSError, ValueError) as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
