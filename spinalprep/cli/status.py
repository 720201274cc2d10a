# SPDX-License-Identifier: Apache-2.0
"""``spinalprep status``."""

from __future__ import annotations

import json
from argparse import Namespace
from collections import Counter

from spinalprep.errors import ExitCode
from spinalprep.status import standings


def main(arguments: Namespace) -> int:
    """Print a line per subject and session, and one that counts them."""
    found = standings(arguments.out)
    if arguments.json:
        print(json.dumps([item.to_dict() for item in found], indent=2, ensure_ascii=False))
        return ExitCode.OK
    for item in found:
        print(item)
    counts = Counter(
        item.state if item.verdict is None else f'{item.state} {item.verdict}' for item in found
    )
    print(', '.join(f'{count} {state}' for state, count in sorted(counts.items())))
    return ExitCode.OK
