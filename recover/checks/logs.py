"""Key `logs`: what does a service's log say?"""

from __future__ import annotations

import re
from dataclasses import dataclass

from recover.errors import PlaybookError, RecoverError
from recover.evidence import Evidence
from recover.world import Resource, View

SHOWN = 300  # characters of the first matching line in the answer
KEPT = 20  # matching lines in the attachment


@dataclass(frozen=True)
class LogsAre:
    """No line of the present incarnation matches `absent`, and at least one matches `present`.

    Both are regular expressions, searched in each line (Python documentation, "re"). At least one is
    needed. Raises PlaybookError when one is none.
    """

    service: str
    absent: str | None = None
    present: str | None = None

    def __post_init__(self) -> None:
        if self.absent is None and self.present is None:
            raise PlaybookError("logs needs absent or present")
        for pattern in (self.absent, self.present):
            try:
                re.compile(pattern or "")
            except re.error as error:
                raise PlaybookError(f"{pattern!r} is no regular expression", why=str(error)) from None

    @property
    def about(self) -> frozenset[Resource]:
        """The service."""
        return frozenset({f"service:{self.service}"})

    def ask(self, view: View) -> Evidence:
        """Read the log once from the start of the present incarnation."""
        wanted = [f"free of {self.absent!r}"] if self.absent is not None else []
        wanted += [f"with {self.present!r}"] if self.present is not None else []
        question = f"is the log of {self.service} {' and '.join(wanted)}?"
        try:
            lines, unwanted, needed = self._matches(view)
        except RecoverError as error:
            return Evidence(question, f"{error.what}: {error.why or error.next}", passed=False)
        if unwanted.count:
            return Evidence(question, unwanted.answer, passed=False, attachment=unwanted.attachment)
        answer = needed.answer if needed.count else f"no line of {lines} matches"
        return Evidence(question, answer, passed=self.present is None or needed.count > 0)

    def _matches(self, view: View) -> tuple[int, Matches, Matches]:
        unwanted, needed, lines = Matches(self.absent), Matches(self.present), 0
        for line in view.services.logs(self.service):
            lines += 1
            unwanted.see(line)
            needed.see(line)
        return lines, unwanted, needed


class Matches:
    """How many lines match a pattern (None matches nothing), and the first few of them."""

    def __init__(self, pattern: str | None) -> None:
        self._search = re.compile(pattern).search if pattern is not None else lambda _line: None
        self._first: list[str] = []
        self.count = 0

    def see(self, line: str) -> None:
        """Count the line if it matches."""
        if self._search(line):
            self.count += 1
            if self.count <= KEPT:
                self._first.append(line)

    @property
    def answer(self) -> str:
        """The number and the first line."""
        lines = "1 line matches" if self.count == 1 else f"{self.count} lines match"
        return f"{lines}: {self._first[0][:SHOWN]}"

    @property
    def attachment(self) -> str:
        """The first lines."""
        return "\n".join(self._first)
