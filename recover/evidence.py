"""One question asked of the world, and its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The current instant, with its zone."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Evidence:
    """One question asked of the world and its answer.

    `hopeless`: asking again cannot help (the process has ended). `unseen`: what it is about did not answer.
    `again_in`: seconds for which the other side does not want to be asked again (429, Retry-After).
    `seen_at` is UTC. `attachment` is longer material (a response body, a log excerpt) that the journal stores
    beside the run, redacted.
    """

    question: str
    answer: str
    passed: bool
    hopeless: bool = False
    unseen: bool = False
    again_in: float = 0.0
    seen_at: datetime = field(default_factory=utc_now)
    attachment: str | None = None


SHOWN = 5


def few(faults: Sequence[str]) -> str:
    """The first five of them, and how many more there are: an answer is read at a glance. "" when there is none."""
    more = len(faults) - SHOWN
    return "; ".join([*faults[:SHOWN], *([f"and {more} more"] if more > 0 else [])])
