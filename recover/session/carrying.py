"""One process's part of a run: engine, journal, screen and signals put together."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import FrameType

from recover.acting import CrashPoint
from recover.agreement import Agreement
from recover.engine import Engine, Outcome
from recover.errors import Interrupted, NeedsApproval, RecoverError, StepError, UndoFailed
from recover.events import (
    ActionStarted,
    Event,
    RollbackStarted,
    RunEnded,
    RunResumed,
    RunStarted,
    ScreenLost,
    StepDone,
    StepFailed,
    StepSkipped,
    StepStarted,
    TargetBound,
    UndoStarted,
)
from recover.halt import Halt
from recover.journal.progress import Progress
from recover.journal.records import FileJournal, Record
from recover.live import SERVICES, of_database, same_target
from recover.plan import Plan
from recover.playbook.model import StepSpec
from recover.playbook.scope import Step
from recover.previewing import preview
from recover.probing import Matrix, Probing, Trial
from recover.session.explaining import block
from recover.session.opening import Opened
from recover.session.options import Options
from recover.session.saying import note, say
from recover.steps import load_action
from recover.ui import plan as shown
from recover.ui import streams
from recover.ui.lines import Lines
from recover.undoing import Undo, Undoing
from recover.world import Action

CRASH_AT = "RECOVER_CRASH_AT"
BETWEEN_ACTS = (StepStarted, StepDone, StepSkipped, StepFailed, UndoStarted, RunEnded)
"""Events before which no intent is open: intents that stand in a row belong together."""


@dataclass
class Carrying:
    """One process's part of a run: engine, journal and screen put together."""

    session: Opened
    options: Options
    folder: Path
    journal: FileJournal
    progress: Progress = field(default_factory=Progress)
    agreement: Agreement | None = None
    _lost: set[str] = field(default_factory=set)

    def out(self, begin: RunStarted | RunResumed, planned: Plan) -> int:
        """Carry the plan out; the exit code."""
        halt = self.session.halt
        with screen(self.session, self.options, self.folder) as self._draw, signals(halt):
            self._emit(begin)
            self.session.live.learned = self._learn
            self._learn(SERVICES, self.session.runtime.identity())
            gate = self.session.live.gate
            gate.progress, gate.approved, gate.explain = self.progress, self._emit, partial(self._after, planned)
            world, bind = self.session.live, self.session.bind
            reach = crash_point(os.environ)
            with closing(world.beside()) as beside:
                tell = self._emit
                engine = Engine(world, bind, tell, self.progress, halt, reach, load_action, self._agreed, beside)
                outcome = engine.run(planned)
        self._explain(outcome)
        return self._told(outcome, self._aftercare())

    def _explain(self, outcome: Outcome) -> None:
        """Why the step failed that the run stopped at, below the failure itself."""
        if outcome.exit_code != StepError.exit_code or self.options.json or not self.progress.failed:
            return
        for line in block(self.session, self.folder, list(self.progress.failed)[-1], self.options):
            note(line)

    def back(self, begin: RunResumed, chain: Sequence[Undo], start: RollbackStarted) -> int:
        """Take the acts back; the exit code."""
        halt = self.session.halt
        with screen(self.session, self.options, self.folder) as self._draw, signals(halt):
            self._emit(begin)
            began = time.monotonic()
            self.session.live.learned = self._learn
            undoing = Undoing(self.session.live, self._emit, crash_point(os.environ), halt)
            try:
                undoing.take_back(chain, start)
                outcome = Outcome(0, "rolled back and verified")
            except (UndoFailed, Interrupted) as error:
                outcome = Outcome(error.exit_code, error.what)
            self._emit(RunEnded(outcome.exit_code, outcome.text, time.monotonic() - began))
        return self._told(outcome, [])

    def probe(self, begin: Sequence[Event], combinations: Sequence[Trial]) -> Matrix:
        """Try the combinations, and put everything back as it was."""
        halt = self.session.halt
        with screen(self.session, replace(self.options, json=False), self.folder) as self._draw, signals(halt):
            for event in begin:
                self._emit(event)
            began = time.monotonic()
            self.session.live.learned = self._learn
            reach = crash_point(os.environ)
            world, bind = self.session.live, self.session.bind
            try:
                probing = Probing(world, bind, self._emit, self.progress, load_action, halt, reach)
                matrix = probing.matrix(combinations, lambda _row: None)
            except RecoverError as error:
                self._emit(RunEnded(error.exit_code, error.what, time.monotonic() - began))
                raise
            self._emit(RunEnded(0 if matrix.good else 3, matrix.verdict, time.monotonic() - began))
        return matrix

    def _told(self, outcome: Outcome, aftercare: Sequence[str]) -> int:
        if not self.options.json:
            record = f"record {self.folder}; head {self.journal.head.short}"
            lines = (*aftercare, f"{outcome.text}; run {self.folder.name}; {record}")
            say(*map(self.session.redactor.text, lines))
        return outcome.exit_code

    def _emit(self, event: Event) -> None:
        """Journal first: what cannot be kept must not look as if it had happened."""
        if isinstance(event, BETWEEN_ACTS):
            self._note_lost_screens()
        if isinstance(event, (StepStarted, UndoStarted)):
            self.session.databases.step = self.session.live.gate.step = event.step
        if isinstance(event, (ActionStarted, UndoStarted)):
            self.session.require_lease()
        record = self.journal(event)
        if record:
            self.progress.add(record)
        self._draw(event, record)

    def _note_lost_screens(self) -> None:
        """A screen that is gone does not stop a recovery: the journal has it all, and says so."""
        for name, why in streams.lost().items():
            if name not in self._lost:
                self._lost.add(name)
                if record := self.journal(ScreenLost(name, why)):
                    self.progress.add(record)

    def _agreed(self, spec: StepSpec, step: Step, actions: Sequence[Action]) -> None:
        """Raises Drifted when the step is about to do something else than the plan says, NeedsApproval when a human who
        goes step by step does not want it.
        """
        if self.options.step_by_step and actions:
            said = "".join(f"\n  {self.session.redactor.text(action.describe)}" for action in actions)
            if not self.session.live.gate.wants(f"step {spec.id}: {spec.name}{said}\ngo on?"):
                again = f"recover resume {self.folder.name}{self.options.flags} --step"
                raise NeedsApproval(f"step {spec.id} is not wanted now", next=again)
        if self.agreement is None:
            return
        facts = partial(step.work.fingerprint, self.session.live) if step.work else dict[str, str]
        begun = bool(self.progress.touched.get(spec.id))
        self.agreement.require_step(spec, actions, facts, self.session.redactor, begun=begun)

    def _after(self, planned: Plan, gate: str) -> list[str]:
        """What would be done behind the gate, as `recover plan` says it."""
        ids = [item.spec.id for item in planned.items]
        behind = Plan(planned.items[ids.index(gate) + 1 :])
        foreseen = preview(behind, self.session.bind, self.session.forecast(), ask=False)
        return [self.session.redactor.text(line) for line in shown.text(f"behind the gate {gate}:", foreseen, {})]

    def _learn(self, name: str, identity: Mapping[str, str]) -> None:
        bound = of_database(self.progress.binding, name)
        same_target(name, bound, identity)
        if not bound and identity:
            self._emit(TargetBound({f"{name}.{key}": value for key, value in identity.items()}))

    def _aftercare(self) -> list[str]:
        """What the playbook says is left for a human, for the steps that acted."""
        acted = {spec.id for spec in self.session.specs if self.progress.effects.get(spec.id)}
        return [f"mind: {spec.warn}" for spec in self.session.specs if spec.warn and spec.id in acted]


@contextmanager
def closing_journal(journal: FileJournal) -> Iterator[FileJournal]:
    """Close it whatever happens."""
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def screen(session: Opened, options: Options, folder: Path) -> Iterator[Callable[[Event, Record | None], None]]:
    """The observer for this terminal: JSON Lines, live view, or plain lines."""
    if options.json:
        lines = Lines()
        yield lambda _event, record: lines(record) if record else None
        return
    live = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if live:
        from recover.ui.console import Live as View
    else:
        from recover.ui.plain import Plain as View  # type: ignore[assignment]  # the same three methods
    with View(f"{folder.name}{options.flags}", str(folder), session.redactor) as view:
        yield lambda event, _record: view(event)


@contextmanager
def signals(halt: Halt) -> Iterator[None]:
    """The first SIGINT or SIGTERM ends the run after the current act; a second SIGINT ends it at once."""

    def first(number: int, _frame: FrameType | None) -> None:
        halt.signal = number
        halt.set()
        signal.signal(signal.SIGINT, former[signal.SIGINT])

    former = {number: signal.signal(number, first) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def crash_point(environment: Mapping[str, str]) -> Callable[[str, CrashPoint], None]:
    """For tests of resume: RECOVER_CRASH_AT=STEP:POINT[:N] kills this process with SIGKILL there, the Nth time."""
    step, _, rest = environment.get(CRASH_AT, "").partition(":")
    point, _, nth = rest.partition(":")
    passed: list[str] = []

    def reach(here: str, now: CrashPoint) -> None:
        if (here, now) == (step, point):
            passed.append(now)
            if len(passed) == int(nth or 1):
                os.kill(os.getpid(), signal.SIGKILL)

    return reach
