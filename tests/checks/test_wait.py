from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from recover.checks.wait import ONCE, Patience, Waiter
from recover.evidence import Evidence

VIEW: Any = None  # the checks here look at nothing


@dataclass
class Scripted:
    """Answers one after the other; the last one for ever."""

    answers: list[bool | str]
    asked: int = 0
    about: frozenset[str] = field(default_factory=frozenset)

    def ask(self, _view: object) -> Evidence:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return Evidence("is it so?", str(answer), passed=answer is True, hopeless=answer == "hopeless")


def test_a_yes_is_taken_at_once() -> None:
    check = Scripted([True])
    assert Waiter(VIEW).ask(check, Patience(within=60, every=60)).passed
    assert check.asked == 1


def test_a_question_is_asked_again_until_yes() -> None:
    check = Scripted([False, False, True])
    assert Waiter(VIEW).ask(check, Patience(within=5, every=0.001)).passed
    assert check.asked == 3


def test_the_last_no_is_the_answer_when_time_is_up() -> None:
    check = Scripted([False])
    assert not Waiter(VIEW).ask(check, Patience(within=0.02, every=0.005)).passed
    assert check.asked > 1


def test_once_asks_once() -> None:
    check = Scripted([False, True])
    assert not Waiter(VIEW).ask(check, ONCE).passed
    assert check.asked == 1


def test_a_hopeless_no_is_not_asked_again() -> None:
    check = Scripted([False, "hopeless", True])
    assert not Waiter(VIEW).ask(check, Patience(within=60, every=0.001)).passed
    assert check.asked == 2


def test_during_a_single_no_is_the_answer() -> None:
    check = Scripted([True, True, False, True])
    assert not Waiter(VIEW).ask(check, Patience(within=0, during=60, every=0.001)).passed
    assert check.asked == 3


def test_what_stays_true_for_the_whole_time_passes_and_was_asked_at_the_end() -> None:
    check = Scripted([True])
    assert Waiter(VIEW).ask(check, Patience(within=0, during=0.02, every=0.005)).passed
    assert check.asked > 2


def test_the_halt_ends_a_wait_at_once_with_the_last_answer() -> None:
    halt, told = threading.Event(), []

    def hear(evidence: Evidence, waited: float, limit: float) -> None:
        told.append((evidence.answer, limit))
        halt.set()

    assert not Waiter(VIEW, hear, halt).ask(Scripted([False]), Patience(within=3600, every=0.001)).passed
    assert told == [("False", 3600)]


def test_the_listener_hears_what_is_waited_for() -> None:
    told: list[str] = []
    answers: Iterator[bool] = iter([False, False, True])
    check = Scripted(list(answers))
    Waiter(VIEW, lambda e, w, limit: told.append(e.answer)).ask(check, Patience(within=5, every=0.001))
    assert told == ["False", "False"]
