# SPDX-License-Identifier: Apache-2.0
"""What a job of `GuardedSLURM` does on its computer: run one node, and leave word of it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from traceback import format_exception

from spinalprep import atomic

TASK, OUTCOME = 'task.pklz', 'outcome.json'
"""In the task's folder: the node, put there by the submitter; word of what came of it."""


def main(folder: Path | str) -> int:
    """Run the node of a task.

    Parameters
    ----------
    folder : path-like
        With ``task.pklz``; ``outcome.json`` is written there, whole or not at all, with the
        traceback of what failed, or null.

    Returns
    -------
    int
        Exit code: 0 if the node ended well, 1 if not.
    """
    folder = Path(folder)
    traceback = None
    try:
        _run(folder / TASK)
    except BaseException as error:  # noqa: BLE001 - told by the submitter, who waits for it
        traceback = format_exception(error)
    atomic.write_json(folder / OUTCOME, {'host': socket.gethostname(), 'traceback': traceback})
    return 0 if traceback is None else 1


def _run(file: Path) -> None:
    from nipype import config, logging
    from nipype.utils.filemanip import loadpkl

    task = loadpkl(file)
    node = task['node']
    config.update_config(node.config)
    logging.update_logging(config)
    os.environ.setdefault('MPLBACKEND', node.config['execution']['matplotlib_backend'])
    node.run(updatehash=task['updatehash'])
