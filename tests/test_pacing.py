from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from clocks import SleptClock

from recover import pacing
from recover.pacing import LEAST, LONGEST, UNSAID, Paces, retry_after


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SleptClock:
    clock = SleptClock()
    monkeypatch.setattr(pacing, "time", clock)
    return clock


def test_no_minute_has_more_calls_than_the_budget(clock: SleptClock) -> None:
    paces, calls = Paces(), []
    for _ in range(30):
        paces.take("a", 10)
        calls.append(clock.now)
        clock.sleep(1)
    for n in range(len(calls) - 10):
        assert calls[n + 10] - calls[n] >= 60
    assert calls[9] - calls[0] == 9  # a budget that is not spent makes nobody wait


def test_each_address_has_a_budget_of_its_own(clock: SleptClock) -> None:
    paces = Paces()
    for address in ("a", "b", "c"):
        paces.take(address, 1)
    for _ in range(100):
        paces.take("d", None)
    assert clock.now == 1000


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("30", 30),
        ("Mon, 10 Aug 2026 12:01:00 GMT", 60),
        ("Mon, 10 Aug 2026 11:00:00 GMT", LEAST),
        ("0", LEAST),
        ("Mon, 10 Aug 2026 12:01:00", 60),
        ("Mon, 10 Aug 2026 12:01:00 -0000", 60),
        ("9" * 400, LONGEST),
        ("Fri, 10 Aug 9999 12:01:00 GMT", LONGEST),
        ("Mon, 10 Aug 99999999999999999999 12:01:00 GMT", UNSAID),
        ("soon", UNSAID),
        (None, UNSAID),
    ],
)
def test_retry_after_is_a_number_or_a_date(said: str | None, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "AAA-5")  # as POSIX has it: our own zone does not count
    time.tzset()
    try:
        assert retry_after(said, datetime(2026, 8, 10, 12, tzinfo=UTC)) == seconds
    finally:
        monkeypatch.undo()
        time.tzset()
