"""Log lines by their shape: what stays the same in them, and how often, since when, in which service.

A record is a line with the lines that belong to it (a traceback). Its level is the one it says itself, never a word
in its logger's name. What varies is masked: quoted words, and every word with a digit or an @ in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from recover.log_lines import Level, level_of, time_of

MASKED = "<*>"
SAMPLES = 20  # different records of one shape that are kept
TAIL = 6  # lines of a traceback that are kept: those that are not indented
LONGEST = 2000  # characters of a line that are looked at
BAD: tuple[Level | None, ...] = ("warning", "error", "critical")

_BETWEEN = r"\s\"'=,;()\[\]{}<>|"
_VARIES = re.compile(
    rf"""
    (?<!\w)(?:"[^"\s]*+"|'[^'\s]*+')(?!\s*:)            # one quoted word that is no key: a message has blanks
    | (?<![^{_BETWEEN}])[^{_BETWEEN}\d@]*+[\d@][^{_BETWEEN}]*+   # a word with a digit or an @ in it
    """,
    re.VERBOSE,
)


def shape_of(line: str) -> str:
    """The line with everything that varies masked."""
    return _VARIES.sub(MASKED, line[:LONGEST])


@dataclass
class Shape:
    """All records of one shape in one service. `samples` are different ones of them, the first ones.

    `first` and `last` are UTC, None where no record says its time.
    """

    service: str
    level: Level | None
    text: str
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    samples: list[str] = field(default_factory=list)

    @property
    def bad(self) -> bool:
        """Does it say itself that something is wrong?"""
        return self.level in BAD

    def see(self, record: str, at: datetime | None) -> None:
        """Count one more."""
        self.count += 1
        if at is not None:
            self.first = min(at, self.first or at)
            self.last = max(at, self.last or at)
        if len(self.samples) < SAMPLES and record not in self.samples:
            self.samples.append(record)


@dataclass
class Shapes:
    """The shapes of all services."""

    found: dict[tuple[str, Level | None, str], Shape] = field(default_factory=dict)
    lines: int = 0

    def __iter__(self) -> Iterator[Shape]:
        return iter(self.found.values())

    def read(self, service: str, lines: Iterable[str]) -> None:
        """Take in the log of a service, line by line."""
        for record in records(self._counted(lines)):
            self._see(service, record)

    def _counted(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self.lines += 1
            yield line

    def _see(self, service: str, record: Record) -> None:
        text = "\n".join(map(shape_of, record.lines))
        key = (service, record.level, text)
        shape = self.found.get(key)
        if shape is None:
            shape = self.found[key] = Shape(service, record.level, text)
        shape.see("\n".join(record.lines), record.at)


@dataclass
class Record:
    """One line, and of those that follow it and belong to it the ones that are not indented."""

    level: Level | None
    at: datetime | None
    lines: list[str]

    @property
    def has_head(self) -> bool:
        """Does it begin with a time or a level, so that a line without either belongs to it?"""
        return self.level is not None or self.at is not None


def records(lines: Iterable[str]) -> Iterator[Record]:
    """The records of a log. Where lines have neither time nor level, each is one."""
    now: Record | None = None
    for line in lines:
        level, at = level_of(line), time_of(line)
        if level is None and at is None and now is not None and now.has_head:
            _add(now, line)
            continue
        if now is not None:
            yield now
        now = Record(level, at, [line[:LONGEST]])
    if now is not None:
        yield now


def _add(record: Record, line: str) -> None:
    """Of a traceback the frames are indented; what was raised, and from what, is not."""
    if line[:1].strip() and not line.startswith("Traceback"):
        record.lines.append(line[:LONGEST])
        del record.lines[1:-TAIL]
