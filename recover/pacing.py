"""How often an address is asked: a budget of our own, and the limit that the other side names (Retry-After).

A login probe that spends the rate limit of the account it logs in with locks out the people it is to help.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from recover.errors import Limited

MINUTE = 60.0
LEAST = 1.0  # seconds; 0 would be no limit, and the refusal an answer
LONGEST = 365 * 86400.0  # seconds; what has no end could not be waited for at all
TOO_MANY = 429  # RFC 6585, section 4
UNSAID = 10.0
"""Seconds to keep away from an address that answers 429 without saying for how long."""


@dataclass
class Paces:
    """The calls of the last minute, per address. Safe between threads."""

    _calls: dict[str, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, address: str, per_minute: int | None) -> None:
        """Count one call; first wait, for a minute at most, until the budget has room for it."""
        while wait := self._room_in(address, per_minute):
            time.sleep(wait)

    def _room_in(self, address: str, per_minute: int | None) -> float:
        """Seconds until there is room; 0 when there is, and the call is counted."""
        with self._lock:
            now, calls = time.monotonic(), self._calls.setdefault(address, deque())
            while calls and calls[0] <= now - MINUTE:
                calls.popleft()
            if per_minute is not None and len(calls) >= per_minute:
                return calls[-per_minute] + MINUTE - now
            calls.append(now)
            return 0.0


def limited(url: str, said: Mapping[str, str]) -> Limited:
    """The error for a 429 with these headers (their names in small letters)."""
    seconds = retry_after(said.get("retry-after"))
    why = f"{url} answers 429, and wants to be left alone for {seconds:.0f} s"
    return Limited(f"{url} limits how often it is asked", seconds=seconds, where=url, why=why)


def retry_after(value: str | None, now: datetime | None = None) -> float:
    """Seconds that a Retry-After header asks for: a number, or a date (RFC 9110, section 10.2.3).

    A second at least, even where the date has passed by our clock, and a year at most.
    """
    text = (value or "").strip()
    if text.isdecimal():
        return _between(float(text))
    until = date_of(text)
    return UNSAID if until is None else _between((until - (now or datetime.now(UTC))).total_seconds())


def date_of(text: str) -> datetime | None:
    """A date of HTTP, None for what is none. Without a zone it is in UTC, as every one of them."""
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _between(seconds: float) -> float:
    return min(max(LEAST, seconds), LONGEST)
