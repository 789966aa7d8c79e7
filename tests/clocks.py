"""Time that passes only by sleeping: a test of waiting needs none of its own, and sees each pause."""

from __future__ import annotations

from dataclasses import dataclass, field

from recover.checks.wait import Stop


@dataclass
class SleptClock:
    """A clock that stands still but for the pauses it was asked for."""

    now: float = 1000.0
    pauses: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, halt: Stop | None = None) -> None:
        self.pauses.append(seconds)
        if not (halt and halt.is_set()):
            self.now += seconds
