"""Log lines by their shape: what stays the same in them, and how often, since when, in which service.

A record is a line with the lines that belong to it (a traceback). Its level is the one it says itself, never a word
in its logger's name. What varies is masked: quoted words, and every word with a digit or an @ in it. A quoted word
that is the whole message stays (`msg="started"`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from recover.log_lines import Level, level_of, time_of, without_colours
from recover.secrets import beginning

MASKED = "<*>"
REST = "… lines of so many shapes that they are only counted"
MOST = 500  # shapes of one service; twice as many where the further ones speak of a known cause
SAMPLES = 20  # different records of one shape that are kept
SAMPLED = 8000  # characters of them, together
TAIL = 6  # lines of a traceback that are kept: those that are not indented
LONGEST = 2000  # characters of a line that are looked at: its beginning, and its end
CUT = "…"
BAD: tuple[Level | None, ...] = ("warning", "error", "critical")

_BETWEEN = r"\s\"'=,;()\[\]{}<>|"
_SAYS = ("msg", "message", "event", "error", "err", "reason")
_NOT_SAID = "".join(rf'(?<!\b{key}=)(?<!"{key}":)(?<!"{key}":\s)' for key in _SAYS)
_VARIES = re.compile(
    rf"""
    (?=["'])(?<!\w){_NOT_SAID}(?:"[^"\s]*+"|'[^'\s]*+')(?!\s*:)  # one quoted word that is no key: a message has blanks
    | (?<![^{_BETWEEN}])[^{_BETWEEN}\d@]*+[\d@][^{_BETWEEN}]*+   # a word with a digit or an @ in it
    """,
    re.VERBOSE,
)


def shape_of(line: str) -> str:
    """The line with everything that varies masked."""
    return _VARIES.sub(MASKED, line if len(line) <= LONGEST else beginning(line, LONGEST))


def shortened(line: str) -> str:
    """The beginning and the end of a long line: a traceback in one line of JSON says at its end what was raised.

    The end begins with a whole word, because a part of a secret would not be known for one.
    """
    half = LONGEST // 2
    if len(line) <= LONGEST:
        return line
    return f"{beginning(line, half)} {CUT} {line[3 - half :].partition(' ')[2]}"


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
        if self._has_room and record not in self.samples:
            self.samples.append(record)

    @property
    def _has_room(self) -> bool:
        return len(self.samples) < SAMPLES and sum(map(len, self.samples)) < SAMPLED


@dataclass
class Shapes:
    """The shapes of all services. What is `telling` has a shape of its own for longer, when a log has too many."""

    telling: Callable[[str], bool] = lambda _record: False
    found: dict[tuple[str, Level | None, str], Shape] = field(default_factory=dict)
    lines: int = 0
    _many: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Shape]:
        return iter(self.found.values())

    def read(self, service: str, lines: Iterable[str], zone: tzinfo | None = UTC) -> None:
        """Take in the log of a service, line by line. `zone` is that of its times that name none."""
        for record in records(self._counted(lines), zone):
            self._see(service, record)

    def _counted(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self.lines += 1
            yield line

    def _see(self, service: str, record: Record) -> None:
        said = "\n".join(record.lines)
        key = (service, record.level, "\n".join(map(shape_of, record.lines)))
        if key not in self.found and self._is_full(service, said):
            key = (service, record.level, REST)
        if key not in self.found:
            self.found[key] = Shape(*key)
            self._many[service] += 1
        self.found[key].see(said, record.at)

    def _is_full(self, service: str, said: str) -> bool:
        many = self._many[service]
        return many >= 2 * MOST or (many >= MOST and not self.telling(said))


@dataclass
class Record:
    """One line, and of those that follow it and belong to it the ones that say what was raised."""

    level: Level | None
    at: datetime | None
    lines: list[str]
    in_sql: bool = False
    plain: int = 0

    @property
    def has_head(self) -> bool:
        """Does it begin with a time or a level, so that a line without either belongs to it?"""
        return self.level is not None or self.at is not None

    def takes(self, line: str) -> bool:
        """Does this line without time and level belong to it? A long run of plain lines is no traceback any more."""
        return self.has_head and (self.in_sql or self.plain < TAIL or not line[:1].strip())

    def add(self, line: str) -> None:
        """Of a traceback the frames are indented; what was raised is not. A statement beside it is left out."""
        of_sql, line = self.in_sql or line.startswith("[SQL: "), _IN_GROUP.sub("", line)
        self.in_sql = of_sql and not line.endswith("]") and not line.startswith("Traceback")
        if not line[:1].strip() or line.startswith("Traceback"):
            self.plain = 0
        elif not (of_sql or _BESIDE.match(line)):
            self.plain += 1
            self.lines.append(shortened(line))
            del self.lines[1:-TAIL]


_IN_GROUP = re.compile(r"\s+\| (?=\S)")  # an ExceptionGroup's traceback is indented as a whole
_BESIDE = re.compile(
    r"LINE \d+: |\[parameters: |\(Background on this error at: "
    r"|During handling of the above exception|The above exception was the direct cause"
)
"""What comes with an error and does not say which: where in its statement, with which values, a page to read."""


def records(lines: Iterable[str], zone: tzinfo | None = UTC) -> Iterator[Record]:
    """The records of a log. Where lines have neither time nor level, each is one."""
    now: Record | None = None
    for line in map(without_colours, lines):
        level, at = level_of(line), time_of(line, zone)
        if level is None and at is None and now is not None and now.takes(line):
            now.add(line)
            continue
        if now is not None:
            yield now
        now = Record(level, at, [shortened(line)])
    if now is not None:
        yield now
