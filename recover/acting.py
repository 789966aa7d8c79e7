"""Carrying actions out: the intent durable before each act, the effect recorded after it.

    for neighbours in actions:           # one action, or several that may be done together
        for action in neighbours:
            emit(ActionStarted)          # durable
        for action in neighbours, as each returns from action.apply(world):
            emit(ActionDone)             # durable

Only `apply` runs in threads: observers are told from the caller's own thread, one event after another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, fields
from functools import partial
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import Literal, TypeVar

from recover.errors import InDoubt, Interrupted, RecoverError, Unreachable
from recover.events import ActionDone, ActionStarted, Observer
from recover.world import Action, World

CrashPoint = Literal["before-act", "after-act", "after-effect", "before-undo", "after-undo", "after-undo-effect"]
Reach = Callable[[str, CrashPoint], None]
"""Told of every crash point as it is passed; a drill kills the process there."""

VANISHED = (Unreachable, InDoubt, Interrupted)
"""After these nobody knows whether the act had its effect."""

AT_ONCE = 8
"""How many acts run at the same time: enough for a stack, few enough for a container engine."""

TURN = 0.2
"""Seconds for which a second Ctrl-C may be missed."""

T = TypeVar("T")


@dataclass(frozen=True)
class Acting:
    """Does actions to a world for one step, and tells of them."""

    world: World
    emit: Observer
    reach: Reach
    step: str

    def do(self, actions: Sequence[Action]) -> None:
        """In order; neighbours that may be done together are. Raises what the first neighbours to fail raise."""
        for together in neighbours(actions):
            self._do_together(together)

    def _do_together(self, actions: Sequence[Action]) -> None:
        """Every effect is recorded before a failure is raised. An interruption or a lost record leaves at once."""
        for action in actions:
            self.emit(ActionStarted(self.step, action.describe, action.because, action.touches, as_data(action)))
            self.reach(self.step, "before-act")
        failures: dict[int, BaseException] = {}
        with closing(at_once([partial(_timed, action, self.world) for action in actions])) as ends:
            for n, end in ends:
                if isinstance(end, BaseException):
                    failures[n] = end
                else:
                    self._record(actions[n], *end)
        if failures:
            raise _as_one([failures[n] for n in sorted(failures)])

    def _record(self, action: Action, outcome: Mapping[str, object], seconds: float) -> None:
        self.reach(self.step, "after-act")
        self.emit(ActionDone(self.step, action.describe, outcome, round(seconds, 3)))
        self.reach(self.step, "after-effect")


def neighbours(actions: Sequence[Action]) -> Iterator[list[Action]]:
    """The actions in order: each run of parallel ones together, every other one alone."""
    for parallel, run in groupby(actions, lambda action: action.parallel):
        if parallel:
            yield list(run)
        else:
            yield from ([action] for action in run)


def at_once(jobs: Sequence[Callable[[], T]], limit: int = AT_ONCE) -> Generator[tuple[int, T | BaseException]]:
    """The number and the result, or the exception, of each job, as they end; one job alone needs no thread.

    Closed before its end it begins no further job, and leaves alone those that run: their threads are
    daemons, which nothing waits for when the process ends (an executor's would be joined at exit).
    """
    if len(jobs) == 1:
        yield 0, jobs[0]()
        return
    waiting: SimpleQueue[tuple[int, Callable[[], T]]] = SimpleQueue()
    ended: SimpleQueue[tuple[int, T | BaseException]] = SimpleQueue()
    for numbered in enumerate(jobs):
        waiting.put(numbered)
    try:
        for _ in jobs[:limit]:
            threading.Thread(target=_work, args=(waiting, ended), daemon=True).start()
        for _ in jobs:
            yield _next(ended)
    finally:
        with suppress(Empty):
            while True:
                waiting.get_nowait()


def _next(ended: SimpleQueue[T]) -> T:
    """Waits in short turns: a signal that comes just before a wait does not end it, but is seen after its turn."""
    while True:
        with suppress(Empty):
            return ended.get(timeout=TURN)


def _work(waiting: SimpleQueue[tuple[int, Callable[[], T]]], ended: SimpleQueue[tuple[int, T | BaseException]]) -> None:
    while True:
        try:
            n, job = waiting.get_nowait()
        except Empty:
            return
        try:
            ended.put((n, job()))
        except BaseException as error:  # whatever it is, the caller waits for it and raises it
            ended.put((n, error))


def _timed(action: Action, world: World) -> tuple[Mapping[str, object], float]:
    began = time.monotonic()
    outcome = action.apply(world)
    return outcome, time.monotonic() - began


def _as_one(failures: Sequence[BaseException]) -> BaseException:
    """The first, naming the others in its `why`; one that leaves doubt goes before one that leaves none."""
    first = min(failures, key=_certainty)
    others = [f"also failed: {_said(failure)}" for failure in failures if failure is not first]
    if isinstance(first, RecoverError):
        first.why = "; ".join([*([first.why] if first.why else []), *others])
    return first


def _said(failure: BaseException) -> str:
    if not isinstance(failure, RecoverError):
        return f"{type(failure).__name__}: {failure}"
    return f"{failure.what}: {failure.why}" if failure.why else failure.what


def _certainty(failure: BaseException) -> int:
    """0 for a bug, 1 when the other side vanished, 2 when it said no: the effect is known to be none."""
    return 1 if isinstance(failure, VANISHED) else 2 if isinstance(failure, RecoverError) else 0


def as_data(action: Action) -> dict[str, object]:
    """The action's fields, with its type's name: enough to print it and to load it again."""
    data = {f.name: getattr(action, f.name) for f in fields(action)}  # type: ignore[arg-type]  # actions are dataclasses
    return {"type": type(action).__name__, **data}
