# SPDX-License-Identifier: Apache-2.0
"""The BIDS validator, where it is installed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

SEARCHED = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get('PATH', '')])
VALIDATOR = shutil.which('bids-validator-deno', path=SEARCHED)
MISSING = 'the BIDS validator is not here: pip install "spinalprep[bids]"'


def complaints(folder):
    """Errors of the validator, as code and place; its warnings are advice."""
    command = [VALIDATOR, str(folder), '--format', 'json']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert found['summary']['totalFiles'] > 0
    return [
        (issue['code'], issue['location'])
        for issue in found['issues']['issues']
        if issue['severity'] == 'error'
    ]
