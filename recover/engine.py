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

A preview (see previewing) is the same with `action.forecast` instead of `action.apply`. The engine prints
nothing and keeps nothing: observers of its events do.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NoReturn

from recover.acting import VANISHED, Acting, Reach, as_data
from recover.checks.wait import Waiter
from recover.errors import (
    Aborted,
    Drifted,
    InDoubt,
    Interrupted,
    JournalError,
    LeftOut,
    LostOwnership,
    NeedsApproval,
    Precondition,
    RecoverError,
    RolledBack,
    StepError,
    UndoFailed,
)
from recover.events import (
    CheckAnswered,
    CheckWaiting,
    Observer,
    RollbackStarted,
    RunAborted,
    RunEnded,
    StepDone,
    StepFailed,
    StepIsolated,
    StepNoLongerTrue,
    StepSkipped,
    StepStarted,
)
from recover.evidence import Evidence
from recover.guarding import GuardBroken, Guards, Watch
from recover.halt import Halt
from recover.journal.progress import Progress
from recover.journal.records import plain
from recover.plan import Bind, Plan, Planned
from recover.playbook.model import StepSpec
from recover.playbook.scope import Asked, Step
from recover.secrets import MASK
from recover.undoing import Load, Undoing, require_possible, undos, unloadable
from recover.world import Action, Resource, View, World

How = Literal["done", "already", "verified", "reconciled"]
_ENDS_HERE = (InDoubt, Drifted, NeedsApproval, Interrupted, Aborted)
_LOST = (JournalError, LostOwnership)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    exit_code: int
    text: str


def chosen_alone(plan: Plan) -> str:
    """What may be said of a stack of which a human left out what it lacks, or the final checks."""
    return f"done what was chosen; not verified: {', '.join(plan.missing)}"


Agreed = Callable[[StepSpec, Step, Sequence[Action]], None]
"""Told what a step is about to do, just before it does. Raises Drifted when something else was agreed upon."""


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
    agreed: Agreed = lambda _spec, _step, _actions: None
    watched_on: View | None = None

    def __post_init__(self) -> None:
        self._guards = Guards(self.watched_on or self.world, self.halt)

    def run(self, plan: Plan) -> Outcome:
        """Carry the plan out; emits RunEnded. Raises JournalError or Locked when the record is lost."""
        began = time.monotonic()
        outcome = self._carry_out(plan)
        self.emit(RunEnded(outcome.exit_code, outcome.text, time.monotonic() - began))
        return outcome

    def _carry_out(self, plan: Plan) -> Outcome:
        degraded: list[str] = []
        self._kept: dict[str, list[str]] = {}
        self._left_out: dict[str, str] = {}
        for item in plan.items:
            try:
                self._take(item, degraded)
            except _LOST:
                raise
            except (RolledBack, UndoFailed) as error:  # told of already
                return Outcome(error.exit_code, error.what)
            except Aborted as error:
                self.emit(RunAborted(error.by, error.why))
                return Outcome(error.exit_code, error.what)
            except RecoverError as error:
                self._report(item.spec, error)
                return Outcome(self._exit_code(error), f"stopped at step {item.spec.id}: {error.what}")
        if plan.missing:
            return Outcome(3, "; ".join((chosen_alone(plan), *degraded)))
        if degraded:
            return Outcome(3, f"recovered, degraded: {', '.join(degraded)}")
        return Outcome(0, "recovered and verified")

    def _take(self, item: Planned, degraded: list[str]) -> None:
        spec = item.spec
        if self.halt.is_set():
            raise self.halt.interrupted(f"before step {spec.id}", untouched=True)
        if item.status == "done":
            self._checkpoint(spec, "verified", 0.0)
            self._guard(spec)
        elif item.status == "not needed":
            self.emit(StepSkipped(spec.id, item.because))
            self._guard(spec)
        elif item.status == "isolated":
            degraded.append(f"{spec.item or spec.id} is left off")
        elif spec.stage in self._left_out:
            self._without(spec, self._left_out[spec.stage], degraded)
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
            with self._guards.watching(partial(self._claims, step)) as watch:
                how = self._attempt(spec, step, watch)
        except (*_LOST, *_ENDS_HERE):
            raise
        except LeftOut as word:
            self._left_out[spec.stage] = f"{word.what}: {word.why}" if word.why else word.what
            self._without(spec, self._left_out[spec.stage], degraded)
        except RecoverError as error:
            self._survive(spec, error, degraded)
        else:
            if step.unless:
                self.emit(StepSkipped(spec.id, step.unless))
            else:
                self._checkpoint(spec, how, time.monotonic() - began)
                self._guards.stand(step.guards)

    def _claims(self, step: Step) -> frozenset[Resource]:
        return step.work.claims(self.world) if step.work else frozenset()

    def _guard(self, spec: StepSpec) -> None:
        """What a step that was done, or true, before this process began guards is guarded here too."""
        if spec.guards and not (step := self.bind(spec, self._kept_with(spec))).unless:
            self._guards.stand_where_true(step.guards)

    def _without(self, spec: StepSpec, because: str, degraded: list[str]) -> None:
        self.emit(StepIsolated(spec.id, because))
        degraded.append(f"{spec.item or spec.id} is left off")

    def _checkpoint(self, spec: StepSpec, how: How, seconds: float) -> None:
        self.emit(StepDone(spec.id, how, round(seconds, 3)))
        if spec.group and spec.item:
            self._kept.setdefault(spec.group, []).append(spec.item)

    def _kept_with(self, spec: StepSpec, *, own: bool = True) -> list[str]:
        kept = self._kept.get(spec.group or "", [])
        return [*kept, spec.item] if own and spec.item else list(kept)

    # --- one step ---------------------------------------------------------------------------------

    def _attempt(self, spec: StepSpec, step: Step, watch: Watch) -> How:
        self._require_needs(spec)
        actions = self._still_owed(spec, step)
        self.agreed(spec, step, actions)
        self._act(spec.id, actions)
        if not actions:
            for point in ("before-act", "after-act", "after-effect"):
                self.reach(spec.id, point)
        self._prove(spec, step.checks, watch)
        watch.require(spec.id)
        if actions:
            self._still_guarded(spec, step.checks)
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
        say, with every effect recorded only its checks are asked. It is acted again on a human's word alone: `mark
        … retry` (its effects are then forgotten), or an accepted edit of what it does.
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
        return () if spec.id in self.progress.effects and not self._mended(spec, actions) else actions

    def _mended(self, spec: StepSpec, actions: Sequence[Action]) -> bool:
        """Was the step edited so that it does something else now? An edit of its checks alone does not act again.

        What the journal has masked may be anything: a doubt is no reason to act twice.
        """
        if spec.id not in self.progress.edited:
            return False
        now = json.dumps([plain(as_data(action)) for action in actions], sort_keys=True)
        then = json.dumps(self.progress.last_acts(spec.id, len(actions)), sort_keys=True)
        return not re.fullmatch(".*".join(map(re.escape, then.split(MASK))), now)

    def _act(self, step: str, actions: Sequence[Action]) -> None:
        Acting(self.world, self.emit, self.reach, step).do(actions)

    def _still_guarded(self, spec: StepSpec, asked: Sequence[Asked]) -> None:
        proven = {one.key for one in asked}
        self._guards.ask(spec.id, proven, lambda evidence: self.emit(CheckAnswered(spec.id, evidence)))
        if self._guards.standing and self.halt.is_set():
            raise self.halt.interrupted(f"while step {spec.id} waited")

    def _prove(self, spec: StepSpec, checks: Sequence[Asked], watch: Watch | None = None) -> None:
        def told(evidence: Evidence, waited: float, limit: float) -> None:
            self.emit(CheckWaiting(spec.id, evidence, waited, limit))

        waiter = Waiter(self.world, told, watch.stop if watch else self.halt)
        for asked in checks:
            evidence = waiter.ask(asked.check, asked.patience)
            if not evidence.passed and self.halt.is_set():
                raise self.halt.interrupted(f"while step {spec.id} waited")
            if watch and not evidence.passed:
                watch.require(spec.id)
            self.emit(CheckAnswered(spec.id, evidence))
            if not evidence.passed:
                raise StepError(f"{spec.name}: {evidence.question} no", where=spec.where, why=evidence.answer)

    # --- when it fails ----------------------------------------------------------------------------

    def _survive(self, spec: StepSpec, error: RecoverError, degraded: list[str]) -> None:
        """Go on as `on_failure` says, or raise."""
        if spec.on_failure == "isolate" and not self._stands_from_before(spec):
            self._leave_off(spec, error)
            self._without(spec, f"{error.what}: {error.why}" if error.why else error.what, degraded)
        elif spec.on_failure in ("continue", "isolate") and not isinstance(error, GuardBroken):
            self._report(spec, error, goes_on=True)
            degraded.append(f"step {spec.id} failed")
        elif spec.on_failure == "rollback":
            self._report(spec, error)
            self._take_back(spec, error)
        else:
            raise error

    def _stands_from_before(self, spec: StepSpec) -> bool:
        """Is what the step would do there, and not this run's doing? Then it is not left off: it only fails."""
        if spec.on_kept or undos(self.progress, (spec.id,), self.load):
            return False
        try:
            step = self.bind(spec, self._kept_with(spec))
            return step.work is not None and not step.decide(self.world)
        except RecoverError:
            return False

    def _leave_off(self, spec: StepSpec, error: RecoverError) -> None:
        """Bring the step's subject back to what was proven before this item was tried, and so what is guarded."""
        if spec.on_kept:
            step = self.bind(spec, self._kept_with(spec, own=False))
            self._act(spec.id, step.decide(self.world))
            self._prove(spec, step.checks)
        else:
            try:
                self._undo(spec, error)
            except Precondition:
                raise error from None
        self._still_guarded(spec, ())

    def _take_back(self, spec: StepSpec, error: RecoverError) -> NoReturn:
        """Undo what the step did. Raises RolledBack, or UndoFailed."""
        try:
            self._undo(spec, error)
        except Precondition as stuck:
            what = f"step {spec.id} failed, and not everything it did can be taken back"
            raise UndoFailed(what, why=stuck.why, next=stuck.next) from None
        raise RolledBack(f"step {spec.id} failed; what it did is taken back, and verified")

    def _undo(self, spec: StepSpec, error: RecoverError) -> None:
        """Take back what the step did, also in an earlier process. Raises Precondition, UndoFailed."""
        chain = undos(self.progress, (spec.id,), self.load)
        require_possible(chain, next=f"recover show {self.progress.run}")
        begin = RollbackStarted((spec.id,), f"step {spec.id} failed: {error.what}")
        Undoing(self.world, self.emit, self.reach, self.halt).take_back(chain, begin)

    def _report(self, spec: StepSpec, error: RecoverError, *, goes_on: bool = False) -> None:
        untouched = isinstance(error, Interrupted) and error.untouched
        vanished = isinstance(error, VANISHED) and bool(self.progress.pending) and not untouched
        where = error.where or spec.where
        self.emit(StepFailed(spec.id, error.what, where, error.why, error.next, goes_on=goes_on, in_doubt=vanished))

    def _exit_code(self, error: RecoverError) -> int:
        """A precondition is one only as long as nothing was touched; afterwards a step has failed."""
        return StepError.exit_code if isinstance(error, Precondition) and self.progress.acted else error.exit_code
