"""Key `logs`: what does a service's log say?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from recover.errors import PlaybookError, RecoverError
from recover.evidence import Evidence, utc_now
from recover.log_lines import level_of, time_of, zone_named
from recover.secrets import beginning
from recover.world import Resource, Seconds, View

SHOWN = 300  # characters of the first matching line in the answer
KEPT = 20  # matching lines in the attachment
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}  # seconds
BAD = frozenset({"error", "critical"})
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(s|min|h)\s*")


@dataclass(frozen=True)
class LogsAre:
    """No line of the present incarnation matches `absent`, and at least one matches `present`.

    Both are regular expressions, searched in each line (Python documentation, "re"). `rate_below` ("10/min", "1/s",
    "100/h") is a limit to how often the lines came that match `matching`, a third one; without it the lines whose
    own level is error or worse. They are counted over the last `window` seconds, and a service that was started
    later than that wrote none before. A line without a time has that of the line before it; one without a zone
    is in UTC. At least one of the three is needed. Raises PlaybookError when a pattern or rate is none.
    """

    service: str
    absent: str | None = None
    present: str | None = None
    rate_below: str | None = None
    matching: str | None = None
    window: Seconds = Seconds(60)

    def __post_init__(self) -> None:
        if self.absent is None and self.present is None and self.rate_below is None:
            raise PlaybookError("logs needs absent or present, or rate_below")
        if self.rate_below is None and self.matching is not None:
            raise PlaybookError("matching says which lines rate_below counts, and there is no rate_below")
        if self.rate_below is not None and not _RATE.fullmatch(self.rate_below):
            raise PlaybookError(f"{self.rate_below!r} is no rate", next="a rate is 10/min, 1/s or 100/h")
        if self.window <= 0:
            raise PlaybookError("window has to be longer than nothing")
        for pattern in (self.absent, self.present, self.matching):
            try:
                re.compile(pattern or "")
            except re.error as error:
                raise PlaybookError(f"{pattern!r} is no regular expression", why=str(error)) from None

    @property
    def about(self) -> frozenset[Resource]:
        """The service."""
        return frozenset({f"service:{self.service}"})

    def ask(self, view: View) -> Evidence:
        """Read the log from the start of the present incarnation; for a rate, from where its window begins."""
        question = f"is the log of {self.service} {' and '.join(self._wanted)}?"
        try:
            lines, unwanted, needed = self._matches(view)
            often = self._often(view)
        except RecoverError as error:
            return Evidence(question, f"{error.what}: {error.why or error.next}", passed=False)
        if unwanted.count:
            return Evidence(question, unwanted.answer, passed=False, attachment=unwanted.attachment)
        answers = [] if lines is None else [needed.answer if needed.count else f"no line of {lines} matches"]
        passed = self.present is None or needed.count > 0
        if self.rate_below is None:
            return Evidence(question, answers[0], passed=passed)
        limited = self._rate(often.count) < float(self._limit[0])
        answer = "; ".join([*answers, self._says(often)])
        return Evidence(question, answer, passed=passed and limited, attachment=None if limited else often.attachment)

    @property
    def _wanted(self) -> list[str]:
        counted = "errors" if self.matching is None else f"lines with {self.matching!r}"
        wanted = [f"free of {self.absent!r}"] if self.absent is not None else []
        wanted += [f"with {self.present!r}"] if self.present is not None else []
        return wanted + ([f"with fewer than {self.rate_below} {counted}"] if self.rate_below is not None else [])

    def _matches(self, view: View) -> tuple[int | None, Matches, Matches]:
        """The number of lines, and those that match; None when only the rate is asked for."""
        unwanted, needed = Matches(_search(self.absent)), Matches(_search(self.present))
        if self.absent is None and self.present is None:
            return None, unwanted, needed
        lines = 0
        for line in view.services.logs(self.service):
            lines += 1
            unwanted.see(line)
            needed.see(line)
        return lines, unwanted, needed

    # --- the rate -----------------------------------------------------------------------------------

    def _often(self, view: View) -> Matches:
        """The lines of the window that count."""
        counted = Matches(_search(self.matching) if self.matching is not None else _is_bad)
        if self.rate_below is None:
            return counted
        state = view.services.state(self.service)
        begins = utc_now() - timedelta(seconds=self.window)
        lines = view.services.logs(self.service, max(begins, state.started_at) if state.started_at else begins)
        for line in _since(begins, lines, zone_named(state.zone)):
            counted.see(line)
        return counted

    @property
    def _limit(self) -> tuple[str, str]:
        """The number and the unit of `rate_below`."""
        number, unit = _RATE.findall(self.rate_below or "")[0]
        return number, unit

    def _rate(self, count: int) -> float:
        return count * UNITS[self._limit[1]] / self.window

    def _says(self, often: Matches) -> str:
        rate = f"{often.count} in the last {self.window:g} s, {self._rate(often.count):.3g}/{self._limit[1]}"
        return f"{rate}: {often.first}" if often.count else rate


def _search(pattern: str | None) -> Callable[[str], object]:
    """Whether a line has a match; None matches nothing."""
    return re.compile(pattern).search if pattern is not None else lambda _line: None


def _is_bad(line: str) -> bool:
    return level_of(line) in BAD


def _since(begins: datetime, lines: Iterable[str], zone: tzinfo | None) -> Iterator[str]:
    """The lines that are not older by their own word: a runtime may give more than it was asked for."""
    young = True
    for line in lines:
        at = time_of(line, zone)
        young = young if at is None else at >= begins
        if young:
            yield line


class Matches:
    """How many lines pass a test, and the first few of them."""

    def __init__(self, test: Callable[[str], object]) -> None:
        self._test = test
        self._kept: list[str] = []
        self.count = 0

    def see(self, line: str) -> None:
        """Count the line if it passes."""
        if self._test(line):
            self.count += 1
            if self.count <= KEPT:
                self._kept.append(line)

    @property
    def first(self) -> str:
        """The first one, cut."""
        return beginning(self._kept[0], SHOWN)

    @property
    def answer(self) -> str:
        """The number and the first line."""
        lines = "1 line matches" if self.count == 1 else f"{self.count} lines match"
        return f"{lines}: {self.first}"

    @property
    def attachment(self) -> str:
        """The first lines."""
        return "\n".join(self._kept)
