"""Which one of several parts breaks the service: each alone, all together, none, against the same questions.

The parts are the items of a step with for_each whose work depends on ${kept}: the middlewares of an application.
Every trial starts the service anew; at the end everything is as it was before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from recover.acting import Acting, Reach
from recover.checks.wait import Waiter
from recover.errors import Interrupted, JournalError, LostOwnership, RecoverError, StepError, UsageError
from recover.events import CheckAnswered, CheckWaiting, Observer, RollbackStarted, StepDone, StepIsolated, StepStarted
from recover.evidence import Evidence
from recover.halt import Halt
from recover.journal.progress import Progress
from recover.plan import Bind
from recover.playbook.model import StepSpec
from recover.undoing import Load, Undoing, require_possible, undos
from recover.world import World

NONE, ALL = "none", "all together"


@dataclass(frozen=True)
class Trial:
    """One combination: `kept` is what is on."""

    name: str
    spec: StepSpec
    kept: tuple[str, ...]

    @property
    def id(self) -> str:
        """The name its records go under."""
        return f"{self.spec.group}[{self.name.partition(' ')[0]}]"


@dataclass(frozen=True)
class Row:
    """What a combination answered: one evidence per question; `stopped` says why there is none."""

    trial: Trial
    answers: tuple[Evidence, ...] = ()
    stopped: str = ""

    @property
    def good(self) -> bool:
        """Did every question get its yes?"""
        return not self.stopped and all(answer.passed for answer in self.answers)

    @property
    def wrong(self) -> str:
        """What went wrong first."""
        return self.stopped or next((f"{a.question} {a.answer}" for a in self.answers if not a.passed), "")


@dataclass(frozen=True)
class Matrix:
    """All rows: none first, each alone, all together last."""

    rows: tuple[Row, ...] = ()

    @property
    def culprits(self) -> tuple[str, ...]:
        """The parts that break something by themselves. None of them, where it is broken without any part."""
        if not self.rows or not self.rows[0].good:
            return ()
        return tuple(row.trial.name for row in self.rows[1:-1] if not row.good)

    @property
    def verdict(self) -> str:
        """One sentence."""
        if not self.rows[0].good:
            return f"it is broken with none of them on: {self.rows[0].wrong}"
        if self.culprits:
            return f"broken by {', '.join(self.culprits)}"
        if not self.rows[-1].good:
            return f"each is good alone, and all together they are not: {self.rows[-1].wrong}"
        return "each alone and all together are good"

    @property
    def good(self) -> bool:
        """Is every combination good?"""
        return all(row.good for row in self.rows)


def trials(specs: Sequence[StepSpec], group: str | None) -> list[Trial]:
    """The combinations of that step, or of the only one that has any. Raises UsageError when there is none, or more."""
    groups = dict.fromkeys(spec.group for spec in specs if spec.group and spec.on_kept)
    if group is None and len(groups) == 1:
        group = next(iter(groups))
    if group not in groups:
        known = ", ".join(map(str, groups)) or "none"
        what = f"step {group} has no items to try" if group else "which step's items are to be tried?"
        raise UsageError(what, why=f"steps with for_each and ${{kept}}: {known}", next="--step ID")
    items = [spec for spec in specs if spec.group == group]
    names = tuple(str(spec.item) for spec in items)
    each = [Trial(name, spec, (name,)) for name, spec in zip(names, items, strict=True)]
    return [Trial(NONE, items[0], ()), *each, Trial(ALL, items[-1], names)]


@dataclass(frozen=True)
class Probing:
    """Tries combinations in a world, and takes all of it back."""

    world: World
    bind: Bind
    emit: Observer
    progress: Progress
    load: Load
    halt: Halt = field(default_factory=Halt)
    reach: Reach = lambda _step, _point: None

    def matrix(self, combinations: Sequence[Trial], told: Callable[[Row], None]) -> Matrix:
        """Every combination, and then as it was. Raises UndoFailed, Precondition where it cannot be as it was,
        Interrupted between two with everything taken back.
        """
        rows = []
        try:
            for trial in combinations:
                if self.halt.is_set():
                    raise self.halt.interrupted(f"before {trial.id}")
                rows.append(self._row(trial))
                told(rows[-1])
        finally:
            self._take_back([trial.id for trial in combinations])
        return Matrix(tuple(rows))

    def _row(self, trial: Trial) -> Row:
        began = time.monotonic()
        on = ", ".join(trial.kept) or "nothing"
        self.emit(StepStarted(trial.id, f"{trial.spec.group} with {on} on", trial.spec.stage))
        try:
            row = Row(trial, self._answers(trial))
        except (JournalError, LostOwnership, Interrupted):
            raise
        except RecoverError as error:
            row = Row(trial, stopped=f"{error.what}: {error.why}" if error.why else error.what)
        seconds = round(time.monotonic() - began, 3)
        self.emit(StepDone(trial.id, "done", seconds) if row.good else StepIsolated(trial.id, row.wrong))
        return row

    def _answers(self, trial: Trial) -> tuple[Evidence, ...]:
        step = self.bind(trial.spec, trial.kept)
        actions = step.decide(self.world)
        if stuck := [action.describe for action in actions if action.inverse() is None]:
            raise StepError("it is not tried: it could not be put back as it was", why="; ".join(stuck))
        Acting(self.world, self.emit, self.reach, trial.id).do(actions)

        def told(evidence: Evidence, waited: float, limit: float) -> None:
            self.emit(CheckWaiting(trial.id, evidence, waited, limit))

        waiter, answers = Waiter(self.world, told, self.halt), []
        for asked in step.checks:
            answers.append(evidence := waiter.ask(asked.check, asked.patience))
            if not evidence.passed and self.halt.is_set():
                raise self.halt.interrupted(f"while {trial.id} waited")
            self.emit(CheckAnswered(trial.id, evidence))
        return tuple(answers)

    def _take_back(self, steps: Sequence[str]) -> None:
        chain = undos(self.progress, steps, self.load)
        if chain:
            require_possible(chain, next=f"recover show {self.progress.run}")
            begin = RollbackStarted(tuple(steps), "it was tried out, and is put back as it was")
            Undoing(self.world, self.emit, self.reach, Halt()).take_back(chain, begin)
