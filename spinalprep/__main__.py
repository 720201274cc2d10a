# SPDX-License-Identifier: Apache-2.0
"""``python -m spinalprep``."""

from spinalprep.cli.main import program

if __name__ == '__main__':
    program()
