"""Guards: what was proven is asked again in the background while later steps run, and the step that broke it is named.

A guard stands from the checkpoint of the step that has it. Before each later step ends, what it guards is asked once
more: so whatever breaks was whole when the step began, and belongs to that step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from recover.checks.wait import Patience, Waiter
from recover.errors import StepError
from recover.evidence import Evidence
from recover.halt import LOOK
from recover.playbook.scope import Asked
from recover.world import Resource, View


class GuardBroken(StepError):
    """Something that was proven does not hold any more, since this step."""


@dataclass(frozen=True)
class Either:
    """Two wishes to stop, as one."""

    one: threading.Event
    other: threading.Event

    def is_set(self) -> bool:
        """Is one of them?"""
        return self.one.is_set() or self.other.is_set()

    def wait(self, timeout: float) -> bool:
        """Until one of them is, for `timeout` seconds at most."""
        left = timeout
        while left > 0 and not self.is_set():
            self.one.wait(min(left, LOOK))
            left -= LOOK
        return self.is_set()


@dataclass
class Watch:
    """One step under guard. `stop` is set when something broke, or the run is to stop."""

    stop: Either
    broken: threading.Event
    found: dict[str, Evidence] = field(default_factory=dict)

    def require(self, step: str) -> None:
        """Raises GuardBroken, naming the step, when something broke."""
        for name, evidence in self.found.items():
            raise broken(step, name, evidence)


def broken(step: str, name: str, evidence: Evidence) -> GuardBroken:
    """The error of a step since which a guarded check fails."""
    what = f"{name} was proven before, and fails since step {step}"
    return GuardBroken(what, why=f"{evidence.question} {evidence.answer}")


@dataclass
class Guards:
    """The checks that stand guarded, by name, and the view they are asked on: one that no other thread uses."""

    view: View
    halt: threading.Event
    standing: dict[str, Asked] = field(default_factory=dict)

    def stand(self, guards: Mapping[str, Asked]) -> None:
        """From now on these are guarded too."""
        self.standing.update(guards)

    def stand_where_true(self, guards: Mapping[str, Asked]) -> None:
        """The same for those that hold now: their step was done in an earlier process, or not needed."""
        self.standing.update({name: asked for name, asked in guards.items() if asked.check.ask(self.view).passed})

    @contextmanager
    def watching(self, claims: Callable[[], frozenset[Resource]]) -> Iterator[Watch]:
        """Ask in the background until the block is left.

        A check about what the step itself changes may be untrue meanwhile: that one is asked at the end only.
        """
        broken, over = threading.Event(), threading.Event()
        watch = Watch(Either(self.halt, broken), broken)
        watched = self._watched(claims) if self.standing else {}
        threads = [
            threading.Thread(target=self._watch_while_it_can, args=(name, asked, watch, over), daemon=True)
            for name, asked in watched.items()
        ]
        for thread in threads:
            thread.start()
        try:
            yield watch
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def ask(self, step: str, proven: Collection[str], tell: Callable[[Evidence], None]) -> None:
        """Every guarded check once more, each with its patience, but those whose key was `proven` just now.

        Raises GuardBroken, naming the step. A limiter that does not want to be asked is no answer.
        """
        waiter = Waiter(self.view, halt=self.halt)
        for name, asked in self.standing.items():
            if asked.key in proven:
                continue
            evidence = waiter.ask(asked.check, Patience(asked.patience.within))
            if self.halt.is_set():
                return
            tell(evidence)
            if not (evidence.passed or evidence.again_in):
                raise broken(step, name, evidence)

    def _watched(self, claims: Callable[[], frozenset[Resource]]) -> dict[str, Asked]:
        own = claims()
        return {name: asked for name, asked in self.standing.items() if not asked.about & own}

    def _watch_while_it_can(self, name: str, asked: Asked, watch: Watch, over: threading.Event) -> None:
        """What cannot be asked is asked at the end of the step, where its error is caught; here it would be printed."""
        with suppress(Exception):
            self._watch(name, asked, watch, over)

    def _watch(self, name: str, asked: Asked, watch: Watch, over: threading.Event) -> None:
        waiter, pause = Waiter(self.view, halt=Either(self.halt, over)), asked.patience.every
        while not over.wait(pause) and not watch.stop.is_set():
            evidence = waiter.ask(asked.check, Patience(asked.patience.within))
            pause = max(asked.patience.every, evidence.again_in)
            if not (evidence.passed or evidence.again_in or over.is_set() or self.halt.is_set()):
                watch.found[name] = evidence
                watch.broken.set()
