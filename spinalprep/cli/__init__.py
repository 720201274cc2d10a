# SPDX-License-Identifier: Apache-2.0
"""The command line: arguments in, exit code out. Nothing heavy is imported for ``--help``."""
