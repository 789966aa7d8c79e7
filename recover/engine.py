"""The one loop. Each step: look, decide every action, carry them out, prove it, checkpoint.

    for step in plan:
        actions = step.decide(view)
        for action in actions:       # those that may be done together are: see acting
            emit(ActionStarted)      # durable
            action.apply(world)
            emit(ActionDone)         # durable
        for check in step.checks:
            emit(CheckAnswered)
        emit(StepDone)               # durable: the checkpoint

A preview is the same with `action.forecast` instead of `action.apply`. The engine prints nothing and
keeps nothing: observers of its events do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from recover.acting import VANISHED, Acting, Halt, Reach
from recover.checks.wait import ONCE, Waiter
from recover.errors import (
    Drifted,
    InDoubt,
    Interrupted,
    JournalError,
    LostOwnership,
    NeedsApproval,
    NotYetKnown,
    Precondition,
    RecoverError,
    RolledBack,
    StepError,
    UndoFailed,
    Unreachable,
)
from recover.events import (
    CheckAnswered,
    CheckWaiting,
    Observer,
    RollbackStarted,
    RunEnded,
    StepDone,
    StepFailed,
    StepIsolated,
    StepNoLongerTrue,
    StepSkipped,
    StepStarted,
)
from recover.evidence import Evidence
from recover.journal.progress import Progress
from recover.plan import Bind, Plan, Planned
from recover.playbook.model import StepSpec
from recover.playbook.scope import Asked, Step
from recover.undoing import Load, Undoing, lasting, require_possible, undos, unloadable
from recover.world import Action, Forecast, Resource, World

How = Literal["done", "already", "verified", "reconciled"]
_ENDS_HERE = (InDoubt, Drifted, NeedsApproval, Interrupted)
_LOST = (JournalError, LostOwnership)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    exit_code: int
    text: str


@dataclass
class Engine:
    """Runs a plan on a world. Re-entrant: everything it needs is handed in, nothing is global."""

    world: World
    bind: Bind
    emit: Observer
    progress: Progress = field(default_factory=Progress)
    halt: Halt = field(default_factory=Halt)
    reach: Reach = lambda _step, _point: None
    load: Load = unloadable

    def run(self, plan: Plan) -> Outcome:
        """Carry the plan out; emits RunEnded. Raises JournalError or Locked when the record is lost."""
        began = time.monotonic()
        outcome = self._carry_out(plan)
        self.emit(RunEnded(outcome.exit_code, outcome.text, time.monotonic() - began))
        return outcome

    def _carry_out(self, plan: Plan) -> Outcome:
        degraded: list[str] = []
        self._kept: dict[str, list[str]] = {}
        for item in plan.items:
            try:
                self._take(item, degraded)
            except _LOST:
                raise
            except (RolledBack, UndoFailed) as error:  # told of already
                return Outcome(error.exit_code, error.what)
            except RecoverError as error:
                self._report(item.spec, error)
                return Outcome(self._exit_code(error), f"stopped at step {item.spec.id}: {error.what}")
        if degraded:
            return Outcome(3, f"recovered, degraded: {', '.join(degraded)}")
        return Outcome(0, "recovered and verified")

    def _take(self, item: Planned, degraded: list[str]) -> None:
        spec = item.spec
        if self.halt.is_set():
            raise Interrupted(f"stopped by a signal before step {spec.id}", signal=self.halt.signal)
        if item.status == "done":
            self._checkpoint(spec, "verified", 0.0)
        elif item.status == "not needed":
            self.emit(StepSkipped(spec.id, item.because))
        elif item.status == "isolated":
            degraded.append(f"{spec.item or spec.id} is left off")
        else:
            if item.status == "no longer true":
                self.emit(StepNoLongerTrue(spec.id, item.because))
                self.progress.effects.clear()
                self.progress.in_flight, self.progress.pending = None, ()
            self._do(spec, degraded)

    def _do(self, spec: StepSpec, degraded: list[str]) -> None:
        began = time.monotonic()
        self.emit(StepStarted(spec.id, spec.name, spec.stage))
        try:
            step = self.bind(spec, self._kept_with(spec))
            how = self._attempt(spec, step)
        except (*_LOST, *_ENDS_HERE):
            raise
        except RecoverError as error:
            self._survive(spec, error, degraded)
        else:
            if step.unless:
                self.emit(StepSkipped(spec.id, step.unless))
            else:
                self._checkpoint(spec, how, time.monotonic() - began)

    def _checkpoint(self, spec: StepSpec, how: How, seconds: float) -> None:
        self.emit(StepDone(spec.id, how, round(seconds, 3)))
        if spec.group and spec.item:
            self._kept.setdefault(spec.group, []).append(spec.item)

    def _kept_with(self, spec: StepSpec, *, own: bool = True) -> list[str]:
        kept = self._kept.get(spec.group or "", [])
        return [*kept, spec.item] if own and spec.item else list(kept)

    # --- one step ---------------------------------------------------------------------------------

    def _attempt(self, spec: StepSpec, step: Step) -> How:
        self._require_needs(spec)
        actions = self._still_owed(spec, step)
        self._act(spec.id, actions)
        if not actions:
            for point in ("before-act", "after-act", "after-effect"):
                self.reach(spec.id, point)
        self._prove(spec, step.checks)
        if actions:
            return "done"
        return "reconciled" if self.progress.in_flight == spec.id else "already" if step.work else "done"

    def _require_needs(self, spec: StepSpec) -> None:
        missing = [need for need in spec.needs if need in self.progress.isolated or need in self.progress.failed]
        if missing:
            raise StepError(f"step {spec.id} needs {', '.join(missing)}, which is not done", where=spec.where)

    def _still_owed(self, spec: StepSpec, step: Step) -> tuple[Action, ...]:
        """What is left to do, in the light of an earlier attempt that was cut off.

        A step that can see its own outcome decides from the world. One that cannot, and may not be
        repeated, is never acted twice: with an effect unrecorded and its checks false a human has to
        say, with every effect recorded only its checks are asked.
        """
        actions = step.decide(self.world)
        if not actions or step.repeatable:
            return actions
        if self.progress.in_flight == spec.id and self.progress.pending:
            raise InDoubt(
                f"step {spec.id} was begun and whether it happened cannot be seen",
                where=spec.where,
                why="its done_when is not true, and it is not declared repeatable",
                next=f"look yourself, then: recover mark {self.progress.run} {spec.id} done --because 'what you saw' "
                "(or retry in place of done)",
            )
        return () if spec.id in self.progress.effects else actions

    def _act(self, step: str, actions: Sequence[Action]) -> None:
        Acting(self.world, self.emit, self.reach, step).do(actions)

    def _prove(self, spec: StepSpec, checks: Sequence[Asked]) -> None:
        def told(evidence: Evidence, waited: float, limit: float) -> None:
            self.emit(CheckWaiting(spec.id, evidence, waited, limit))

        waiter = Waiter(self.world, told, self.halt)
        for asked in checks:
            evidence = waiter.ask(asked.check, asked.patience)
            if not evidence.passed and self.halt.is_set():
                raise Interrupted(f"stopped by a signal while step {spec.id} waited", signal=self.halt.signal)
            self.emit(CheckAnswered(spec.id, evidence))
            if not evidence.passed:
                raise StepError(f"{spec.name}: {evidence.question} no", where=spec.where, why=evidence.answer)

    # --- when it fails ----------------------------------------------------------------------------

    def _survive(self, spec: StepSpec, error: RecoverError, degraded: list[str]) -> None:
        """Go on as `on_failure` says, or raise."""
        if spec.on_failure == "isolate":
            self._leave_off(spec)
            because = f"{error.what}: {error.why}" if error.why else error.what
            self.emit(StepIsolated(spec.id, because))
            degraded.append(f"{spec.item or spec.id} is left off")
        elif spec.on_failure == "continue":
            self._report(spec, error, goes_on=True)
            degraded.append(f"step {spec.id} failed")
        elif spec.on_failure == "rollback":
            self._report(spec, error)
            self._take_back(spec, error)
        else:
            raise error

    def _leave_off(self, spec: StepSpec) -> None:
        """Bring the step's subject back to what was proven before this item was tried."""
        step = self.bind(spec, self._kept_with(spec, own=False))
        self._act(spec.id, step.decide(self.world))
        self._prove(spec, step.checks)

    def _take_back(self, spec: StepSpec, error: RecoverError) -> NoReturn:
        """Undo what the step did, also in an earlier process. Raises RolledBack, or UndoFailed."""
        chain = undos(self.progress, (spec.id,), self.load)
        try:
            require_possible(chain, next=f"recover show {self.progress.run}")
        except Precondition as stuck:
            what = f"step {spec.id} failed, and not everything it did can be taken back"
            raise UndoFailed(what, why=stuck.why, next=stuck.next) from None
        begin = RollbackStarted((spec.id,), f"step {spec.id} failed: {error.what}")
        Undoing(self.world, self.emit, self.reach, self.halt).take_back(chain, begin)
        raise RolledBack(f"step {spec.id} failed; what it did is taken back, and verified")

    def _report(self, spec: StepSpec, error: RecoverError, *, goes_on: bool = False) -> None:
        vanished = isinstance(error, VANISHED) and bool(self.progress.pending)
        where = error.where or spec.where
        self.emit(StepFailed(spec.id, error.what, where, error.why, error.next, goes_on=goes_on, in_doubt=vanished))

    def _exit_code(self, error: RecoverError) -> int:
        """A precondition is one only as long as nothing was touched; afterwards a step has failed."""
        return StepError.exit_code if isinstance(error, Precondition) and self.progress.acted else error.exit_code


# --- preview --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Foreseen:
    """What a step would do. `actions` are (what, because) and touch the resources in `touches`; `for_good` are those
    that nothing takes back. `status` is the word the plan prints.
    """

    spec: StepSpec
    status: Literal["will", "already", "at run time", "will check", "done", "not needed", "isolated"]
    because: str = ""
    actions: tuple[tuple[str, str], ...] = ()
    touches: frozenset[Resource] = frozenset()
    for_good: tuple[str, ...] = ()


def preview(plan: Plan, bind: Bind, forecast: Forecast, *, ask: bool = True) -> list[Foreseen]:
    """What `run` would do with this plan, step by step, without doing it.

    With `ask` the checks of steps that have nothing to do are asked, to tell what is true already.
    """
    kept: dict[str, list[str]] = {}
    foreseen = []
    for item in plan.items:
        spec = item.spec
        if spec.group and spec.item and item.status != "isolated":
            kept.setdefault(spec.group, []).append(spec.item)
        if item.status in ("done", "not needed", "isolated"):
            foreseen.append(Foreseen(spec, item.status, item.because))
            continue
        forecast.step = spec.id
        foreseen.append(_foresee(spec, bind(spec, kept.get(spec.group or "", [])), forecast, ask=ask))
    return foreseen


def _foresee(spec: StepSpec, step: Step, forecast: Forecast, *, ask: bool) -> Foreseen:
    if step.unless:
        return Foreseen(spec, "not needed", step.unless)
    try:
        actions = step.decide(forecast)
    except (NotYetKnown, Unreachable) as unknown:
        if step.work:
            forecast.changes(*step.work.claims(forecast))
        return Foreseen(spec, "at run time", str(unknown).partition("\n")[0])
    for action in actions:
        action.forecast(forecast)
    if actions:
        touches = frozenset(resource for action in actions for resource in action.touches)
        for_good = tuple(a.describe for a in actions if lasting(a.touches) and a.inverse() is None)
        said = tuple((action.describe, action.because) for action in actions)
        return Foreseen(spec, "will", "", said, touches, for_good)
    return _foresee_checks(spec, step, forecast) if ask else Foreseen(spec, "already" if step.work else "will check")


def _foresee_checks(spec: StepSpec, step: Step, forecast: Forecast) -> Foreseen:
    waiter = Waiter(forecast)
    try:
        answers = [waiter.ask(asked.check, ONCE) for asked in step.checks]
    except NotYetKnown as unknown:
        return Foreseen(spec, "already" if step.work else "will check", str(unknown))
    wrong = next((f"{a.question} {a.answer}" for a in answers if not a.passed), "")
    return Foreseen(spec, "will check", f"now: {wrong}") if wrong else Foreseen(spec, "already")
