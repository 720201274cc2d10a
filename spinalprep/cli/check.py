# SPDX-License-Identifier: Apache-2.0
"""``spinalprep check``."""

from __future__ import annotations

import json
from argparse import Namespace

from spinalprep.check import Findings, check
from spinalprep.errors import ExitCode


def main(arguments: Namespace) -> int:
    """Print one line per problem and one at the end, or all of it as JSON."""
    findings = check(arguments.out, arguments.dataset_key or ())
    good = findings.good(arguments.strict)
    if arguments.json:
        print(json.dumps({'good': good} | findings.to_dict(), indent=2, ensure_ascii=False))
    else:
        _print(findings)
    return ExitCode.OK if good else ExitCode.SUBJECT


def _print(findings: Findings) -> None:
    for problem in (*findings.problems, *findings.warnings):
        print(problem)
    print(
        f'{findings.subjects} subjects or sessions, {findings.files} products: '
        f'{len(findings.problems)} problems, {len(findings.warnings)} warnings'
    )
