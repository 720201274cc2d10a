# SPDX-License-Identifier: Apache-2.0
"""``python -m spinalprep``."""

import sys

from spinalprep.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
