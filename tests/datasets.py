# SPDX-License-Identifier: Apache-2.0
"""Small BIDS datasets, made as they are needed."""

from pathlib import Path


def write(root: Path, *names: str) -> Path:
    """Dataset of files that are no images: whatever the names alone decide."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'x')
    return root


def found(targets):
    """Names of the candidates, by subject and session."""
    return {
        target.label: [candidate.path.name for candidate in target.candidates]
        for target in targets
    }
