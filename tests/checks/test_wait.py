from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

import pytest
from clocks import SleptClock

from recover.checks import wait
from recover.checks.wait import MACHINE, ONCE, Patience, Waiter
from recover.evidence import Evidence

VIEW: Any = None  # the checks here look at nothing


@dataclass
class Scripted:
    """Answers one after the other, the last one for ever; each asking takes some seconds of the clock."""

    answers: list[bool | str | float]
    asked: int = 0
    about: frozenset[str] = field(default_factory=frozenset)
    clock: SleptClock | None = None
    takes: float = 0.0

    def ask(self, _view: object) -> Evidence:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if self.clock:
            self.clock.now += self.takes
        away = 0.0 if isinstance(answer, bool | str) else answer  # a limiter names the seconds to keep away
        return Evidence("is it so?", str(answer), passed=answer is True, hopeless=answer == "hopeless", again_in=away)


@pytest.fixture
def clock() -> SleptClock:
    return SleptClock()


def test_a_yes_is_taken_at_once(clock: SleptClock) -> None:
    check = Scripted([True])
    assert Waiter(VIEW, clock=clock).ask(check, Patience(within=60, every=60)).passed
    assert check.asked == 1
    assert clock.pauses == []


def test_a_question_is_asked_again_until_yes(clock: SleptClock) -> None:
    check = Scripted([False, False, True])
    assert Waiter(VIEW, clock=clock).ask(check, Patience(within=5, every=0.001)).passed
    assert check.asked == 3
    assert clock.pauses == [0.001, 0.001]


def test_pauses_grow_up_to_the_longest() -> None:
    clock, check = SleptClock(0.0), Scripted([False] * 7 + [True])
    assert Waiter(VIEW, clock=clock).ask(check, Patience(within=10, every=0.5)).passed
    assert clock.pauses == [0.05, 0.05, 0.1, 0.2, 0.4, 0.5, 0.5]


def test_the_last_no_is_the_answer_when_time_is_up() -> None:
    clock, check = SleptClock(0.0), Scripted([False])
    answer = Waiter(VIEW, clock=clock).ask(check, Patience(within=2, every=0.5))
    assert (answer.passed, answer.answer) == (False, "False")
    assert clock.pauses == [0.05, 0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5]  # the first seven end before the two seconds do
    assert check.asked == 9
    assert clock.now == pytest.approx(2.3)


def test_the_time_an_asking_takes_counts() -> None:
    clock = SleptClock(0.0)
    check = Scripted([False], clock=clock, takes=1.0)
    assert not Waiter(VIEW, clock=clock).ask(check, Patience(within=3, every=0.5)).passed
    assert check.asked == 4  # at 0 s, which begins the limit when it has ended; then until 3 s are over
    assert clock.now == pytest.approx(4.2)


def test_once_asks_once(clock: SleptClock) -> None:
    check = Scripted([False, True])
    assert not Waiter(VIEW, clock=clock).ask(check, ONCE).passed
    assert check.asked == 1
    assert clock.pauses == []


def test_a_hopeless_no_is_not_asked_again(clock: SleptClock) -> None:
    check = Scripted([False, "hopeless", True])
    assert not Waiter(VIEW, clock=clock).ask(check, Patience(within=60, every=0.001)).passed
    assert check.asked == 2
    assert clock.pauses == [0.001]


def test_during_a_single_no_is_the_answer(clock: SleptClock) -> None:
    check = Scripted([True, True, False, True])
    assert not Waiter(VIEW, clock=clock).ask(check, Patience(within=0, during=60, every=0.5)).passed
    assert check.asked == 3
    assert clock.pauses == [0.5, 0.5]


def test_what_stays_true_for_the_whole_time_passes_and_was_asked_at_the_end(clock: SleptClock) -> None:
    check = Scripted([True])
    assert Waiter(VIEW, clock=clock).ask(check, Patience(within=0, during=2.25, every=0.5)).passed
    assert clock.pauses == [0.5, 0.5, 0.5, 0.5, 0.25]
    assert check.asked == 6


def test_what_became_true_is_held_from_then_on(clock: SleptClock) -> None:
    check = Scripted([False, True])
    assert Waiter(VIEW, clock=clock).ask(check, Patience(within=5, during=1, every=0.5)).passed
    assert clock.pauses == [0.05, 0.5, 0.5]
    assert check.asked == 4


def test_what_never_became_true_is_not_held(clock: SleptClock) -> None:
    check = Scripted([False, "hopeless"])
    assert not Waiter(VIEW, clock=clock).ask(check, Patience(within=5, during=1, every=0.5)).passed
    assert clock.pauses == [0.05]


def test_a_limiter_is_left_alone_for_as_long_as_it_wants(clock: SleptClock) -> None:
    check = Scripted([7.0, 3.0, True])
    assert Waiter(VIEW, clock=clock).ask(check, Patience(within=10, every=0.5)).passed
    assert clock.pauses == [7.0, 3.0]


@pytest.mark.parametrize(("answers", "pauses"), [([11.0, True], []), ([7.0, 4.0, True], [7.0])])
def test_a_limiter_that_wants_more_than_there_is_ends_the_wait(
    clock: SleptClock, answers: list[bool | str | float], pauses: list[float]
) -> None:
    assert not Waiter(VIEW, clock=clock).ask(Scripted(answers), Patience(within=10, every=0.5)).passed
    assert clock.pauses == pauses


def test_while_it_is_held_a_limiters_refusal_is_no_answer(clock: SleptClock) -> None:
    check = Scripted([True, 4.0, True])
    assert Waiter(VIEW, clock=clock).ask(check, Patience(within=0, during=5, every=0.5)).passed
    assert clock.pauses == [0.5, 4.0, 0.5]
    assert check.asked == 3


def test_the_halt_ends_a_wait_at_once_with_the_last_answer(clock: SleptClock) -> None:
    halt, told = threading.Event(), []

    def hear(evidence: Evidence, waited: float, limit: float) -> None:
        told.append((evidence.answer, limit))
        halt.set()

    assert not Waiter(VIEW, hear, halt, clock).ask(Scripted([False]), Patience(within=3600, every=0.001)).passed
    assert told == [("False", 3600)]


def test_the_halt_ends_a_hold_at_once_with_the_last_answer(clock: SleptClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "LOOK", 60.0)  # seconds that the asking under way may take: it answers
    halt, check = threading.Event(), Scripted([True])

    def hear(evidence: Evidence, waited: float, limit: float) -> None:
        halt.set()

    assert Waiter(VIEW, hear, halt, clock).ask(check, Patience(within=0, during=3600)).passed
    assert check.asked == 2


def test_the_listener_hears_what_is_waited_for() -> None:
    told: list[tuple[str, float, float]] = []
    clock, check = SleptClock(0.0), Scripted([False, False, True])
    waiter = Waiter(VIEW, lambda e, waited, limit: told.append((e.answer, waited, limit)), clock=clock)
    waiter.ask(check, Patience(within=5, every=0.5))
    assert told == [("False", 0.05, 5), ("False", 0.1, 5)]


def test_the_listener_hears_what_is_held() -> None:
    told: list[tuple[str, float, float]] = []
    waiter = Waiter(VIEW, lambda e, waited, limit: told.append((e.answer, waited, limit)), clock=SleptClock(0.0))
    waiter.ask(Scripted([True]), Patience(within=0, during=1, every=0.5))
    assert told == [("True", 0, 1), ("True", 0.5, 1)]


def test_the_real_clock_lets_time_pass() -> None:
    began = time.monotonic()
    MACHINE.sleep(0.01, None)
    assert began + 0.01 <= MACHINE.monotonic() <= time.monotonic()
    assert Waiter(VIEW).clock is MACHINE


def test_the_real_clock_sleeps_in_the_halt_which_may_end_it() -> None:
    halt = Mock(spec=threading.Event)
    MACHINE.sleep(3600, halt)
    halt.wait.assert_called_once_with(3600)
