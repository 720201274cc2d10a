# SPDX-License-Identifier: Apache-2.0
"""What the check has found, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be."""

    path: Path
    text: str
    subject: str | None = None
    """Such as ``sub-01_ses-a``; None for what belongs to the dataset."""

    def __str__(self) -> str:
        return f'{self.path}: {self.text}'

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {'subject': self.subject, 'path': str(self.path), 'text': self.text}


@dataclass
class Findings:
    """What `check` found."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    """Verdicts WARN, figures that are not right, files left behind: worth a look."""
    subjects: int = 0
    """Records read."""
    files: int = 0
    """Products and figures checked."""

    def good(self, strict: bool = False) -> bool:
        """Whether nothing is wrong; with `strict`, whether nothing is even worth a look."""
        return not self.problems and not (strict and self.warnings)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            'subjects': self.subjects,
            'files': self.files,
            'problems': [problem.to_dict() for problem in self.problems],
            'warnings': [warning.to_dict() for warning in self.warnings],
        }
