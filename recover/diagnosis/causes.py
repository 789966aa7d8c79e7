"""The known causes: `recover/causes.yml`, read once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from recover.diagnosis.shapes import Shape
from recover.marked_yaml import read
from recover.playbook.decode import decode

FILE = Path(__file__).parents[1] / "causes.yml"
BEGINNING = 500  # characters of a line


@dataclass(frozen=True)
class Cause:
    """One cause, as the head of the file says."""

    id: str
    meaning: str
    depth: int
    lines: tuple[str, ...]
    services: str = ""
    echoes: tuple[str, ...] = ()
    ask: str = ""
    always: bool = False
    step: str = ""
    otherwise: str = ""
    unrelated: bool = False

    @cached_property
    def _lines(self) -> re.Pattern[str] | None:
        return re.compile("|".join(self.lines), re.IGNORECASE) if self.lines else None

    @cached_property
    def _echoes(self) -> re.Pattern[str] | None:
        return re.compile("|".join(self.echoes)) if self.echoes else None

    def speaks_in(self, shape: Shape) -> bool:
        """Does a record of this shape speak of it?"""
        if self.services and not re.search(self.services, shape.service):
            return False
        return any(map(self.reads, shape.samples))

    def reads(self, record: str) -> bool:
        """Does it, whichever service said it?"""
        return bool(self._lines and self._lines.search(record))

    def echoes_in(self, shape: Shape) -> bool:
        """Is it explained by it, as long as there is nothing nearer?"""
        return bool(self._echoes and any(map(self._echoes.search, shape.samples)))


@dataclass(frozen=True)
class _File:
    causes: tuple[Cause, ...] = field(default_factory=tuple)


def is_known(record: str) -> bool:
    """Does the record of a log speak of any of them? Made for many records: it looks at the beginnings of lines only,
    and there at those of words.
    """
    return any(_any_of_them().search(line[:BEGINNING]) for line in record.split("\n"))


@cache
def _any_of_them() -> re.Pattern[str]:
    lines = "|".join(f"(?:{line})" for cause in causes() for line in cause.lines)
    return re.compile(f"(?<![a-z])(?:{lines})", re.IGNORECASE)


@cache
def causes() -> tuple[Cause, ...]:
    """All of them, the deepest first. Raises PlaybookError for a mistake in the file."""
    found = decode(read(FILE), _File, folder=FILE.parent).causes
    return tuple(sorted(found, key=lambda cause: cause.depth))
