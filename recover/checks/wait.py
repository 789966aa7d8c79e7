"""Waiting: a question is asked again until it is answered yes (`within`), then as long as it must stay so (`during`).

Questions are retried, effects never are. tenacity is used here only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol

from recover.evidence import Evidence
from recover.halt import LOOK
from recover.world import Check, View


class Stop(Protocol):
    """A wish to stop."""

    def is_set(self) -> bool:
        """Is there one?"""

    def wait(self, timeout: float) -> bool:
        """Until there is one, for `timeout` seconds at most."""


class Clock(Protocol):
    """The time that a wait goes by."""

    def monotonic(self) -> float:
        """Seconds since some moment; they never run backwards."""

    def sleep(self, seconds: float, halt: Stop | None) -> None:
        """Let that time pass, or as much of it as there is before `halt` is set."""


class MachineClock:
    """The real one."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float, halt: Stop | None) -> None:
        (halt or threading.Event()).wait(seconds)


MACHINE = MachineClock()
Told = Callable[[Evidence, float, float], None]
"""Hears every answer that is not final: the evidence, seconds waited so far, the limit in seconds."""


@dataclass(frozen=True)
class Patience:
    """How long a question may take, in seconds.

    `within`: it must become true in this time (0: ask once). `during`: from then on it must stay
    true for this long. `every`: the longest pause between two askings; the first are shorter, because
    most things become true soon.
    """

    within: float = 10.0
    during: float = 0.0
    every: float = 0.5


ONCE = Patience(within=0.0)
FIRST_PAUSE = 0.05  # seconds; doubled each time up to `every`


def _nobody(_evidence: Evidence, _waited: float, _limit: float) -> None:
    """The listener where nobody listens."""


@dataclass(frozen=True)
class Waiter:
    """Asks a view patiently. `halt`, once set, ends every wait at once with the last answer.

    It does so in the middle of an asking too, if there is a `halt` at all: that one is then left to a thread.
    `clock` is another one in tests only.
    """

    view: View
    told: Told = _nobody
    halt: Stop | None = None
    clock: Clock = MACHINE

    def ask(self, check: Check, patience: Patience) -> Evidence:
        """The deciding answer. Raises what `check.ask` raises."""
        answer = self._ask_once(check)
        if not (answer.passed or answer.hopeless) and patience.within and not self._halted:
            answer = self._until_true(check, patience, answer)
        return self._while_true(check, patience, answer) if patience.during else answer

    def _until_true(self, check: Check, patience: Patience, first: Evidence) -> Evidence:
        from tenacity import Retrying, retry_if_result, wait_exponential

        began = self.clock.monotonic()

        def waited() -> float:
            return self.clock.monotonic() - began

        def again() -> Evidence:
            self.told(answers[-1], waited(), patience.within)
            answers.append(self._ask_once(check))
            return answers[-1]

        answers = [first]
        first_pause = min(FIRST_PAUSE, patience.every)
        rising = wait_exponential(multiplier=first_pause, max=patience.every)

        def worth_it(answer: Evidence) -> bool:
            in_time = waited() + answer.again_in <= patience.within
            return in_time and not (answer.passed or answer.hopeless or self._halted)

        if not worth_it(first):
            return first
        self._rest(max(first_pause, first.again_in))
        Retrying(
            retry=retry_if_result(worth_it),
            wait=lambda state: max(rising(state), answers[-1].again_in),
            sleep=self._rest,
        )(again)
        return answers[-1]

    def _while_true(self, check: Check, patience: Patience, answer: Evidence) -> Evidence:
        began = self.clock.monotonic()
        while answer.passed and (left := began + patience.during - self.clock.monotonic()) > 0 and not self._halted:
            self.told(answer, self.clock.monotonic() - began, patience.during)
            self._rest(min(patience.every, left))
            latest = self._ask_once(check)
            if latest.again_in and not latest.passed:  # a limiter's refusal is no answer to the question
                self._rest(min(latest.again_in, left))
            else:
                answer = latest
        return answer

    @property
    def _halted(self) -> bool:
        return self.halt is not None and self.halt.is_set()

    def _rest(self, seconds: float) -> None:
        self.clock.sleep(seconds, self.halt)

    def _ask_once(self, check: Check) -> Evidence:
        if self.halt is None:
            return check.ask(self.view)
        answers: SimpleQueue[Evidence | BaseException] = SimpleQueue()
        threading.Thread(target=_ask, args=(check, self.view, answers), daemon=True).start()
        while True:
            with suppress(Empty):
                answer = answers.get(timeout=LOOK)
                if isinstance(answer, BaseException):
                    raise answer
                return answer
            if self.halt.is_set():
                return Evidence("was there an answer?", "not before a signal came", passed=False, unseen=True)


def _ask(check: Check, view: View, answers: SimpleQueue[Evidence | BaseException]) -> None:
    try:
        answers.put(check.ask(view))
    except BaseException as error:  # whatever it is, the caller raises it
        answers.put(error)
