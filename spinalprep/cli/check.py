# SPDX-License-Identifier: Apache-2.0
"""``spinalprep check``."""

from __future__ import annotations

from argparse import Namespace

from spinalprep.check import check
from spinalprep.errors import ExitCode


def main(arguments: Namespace) -> int:
    """Print one line per problem, and one at the end."""
    findings = check(arguments.out)
    for problem in findings.problems:
        print(problem)
    for warning in findings.warnings:
        print(warning)
    print(
        f'{findings.subjects} subjects or sessions, {findings.files} products: '
        f'{len(findings.problems)} problems, {len(findings.warnings)} warnings'
    )
    return ExitCode.SUBJECT if findings.problems else ExitCode.OK
