# SPDX-License-Identifier: Apache-2.0
"""``spinalprep doctor``."""

from __future__ import annotations

import platform
from argparse import Namespace
from importlib.metadata import version

from spinalprep import __version__
from spinalprep.errors import ExitCode


def main(arguments: Namespace) -> int:
    """Print one line per check, with what mends it where it fails."""
    from spinalprep.toolbox import check_toolbox, find_toolbox

    print(
        f'ok   spinalprep: {__version__}, Python {platform.python_version()}, '
        f'Nipype {version("nipype")}'
    )
    toolbox = find_toolbox(arguments.sct, template=arguments.template)
    needs = {'spinalcord', 'spine', 'rootlets', 'registration'}
    if not toolbox.dialect.lacks('lrootlet'):
        needs.add('lrootlet')
    checks = check_toolbox(toolbox, needs)
    for item in checks:
        mend = f'. To mend it: {item.remedy}' if item.remedy else ''
        print(f'{"ok  " if item.ok else "FAIL"} {item.name}: {item.detail}{mend}')
    return ExitCode.OK if all(item.ok for item in checks) else ExitCode.ENVIRONMENT
