# SPDX-License-Identifier: Apache-2.0
"""What a command leaves in its node's folder: its record, and what it printed."""

import re
from pathlib import Path

LOG_FILE = 'command.log'
"""In the node's folder: all that the command printed."""

RECORD_FILE = 'command.json'
"""In the node's folder: what ran, which version, when, how long, how it ended. Without exit code
(null) as long as it runs, and for ever where it was cut off together with its node."""

_READ_BYTES = 64 * 1024


def printed_lines(log: Path) -> list[str]:
    """The last lines of a command's output, as a terminal showed them.

    Parameters
    ----------
    log
        The file; of a long one the last 64 KB are read.

    Returns
    -------
    list of str
        Without empty lines, colour codes, and what carriage returns hid.

    Raises
    ------
    OSError
        If it can't be read.
    """
    with log.open('rb') as stream:
        stream.seek(max(0, log.stat().st_size - _READ_BYTES))
        text = stream.read().decode(errors='replace')
    text = re.sub(r'\x1b\[[0-9;]*[A-Za-z]', '', text).replace('\r\n', '\n')
    shown = [line.rstrip().rpartition('\r')[2] for line in text.split('\n')]
    return [line for line in shown if line]
