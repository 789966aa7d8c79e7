"""Taking back what a run did, the last act first.

    for undo in undos:
        for proof in undo.inverse.proofs():   # taken back already, or it never happened: nothing to do
        emit(UndoStarted)                     # durable
        inverse.apply(world)
        for proof in undo.inverse.proofs():
        emit(UndoDone)                        # durable
    for proof in those of the state at the end:
    emit(RollbackDone)

An act whose effect is not known is taken back like any other: its proofs tell whether there is anything to
take back. So a rollback that was cut off is simply begun again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recover.acting import Reach, as_data
from recover.checks.wait import ONCE, Patience, Waiter
from recover.errors import Interrupted, JournalError, LostOwnership, Precondition, RecoverError, StepError, UndoFailed
from recover.events import Observer, RollbackDone, RollbackFailed, RollbackStarted, UndoDone, UndoStarted
from recover.halt import Halt
from recover.journal.progress import Progress
from recover.secrets import MASK
from recover.world import Action, Inverse, World

Load = Callable[[Mapping[str, Any]], Action]
"""The action that a journal kept as this data. Raises ValueError for what it does not know."""


def unloadable(data: Mapping[str, Any]) -> Action:
    """The `Load` of one who knows no actions."""
    raise ValueError(f"{data['type']} is not known here")


PATIENCE = Patience(within=30.0)
"""How long what was taken back may need to be seen so."""

EVIDENCE = "backup:"
"""What an act has only added to the run's evidence stays when the act is taken back."""


NO_INVERSE = "no act takes it back"

SERVICE = "service:"


@dataclass(frozen=True)
class Undo:
    """One act, by the number of its record, and what takes it back: None, with `why`, where nothing can."""

    act: int
    step: str
    did: str
    inverse: Inverse | None
    why: str = ""


def undos(progress: Progress, steps: Iterable[str], load: Load) -> list[Undo]:
    """What takes back everything that these steps did, the last act first. Acts that changed nothing are left out."""
    wanted = set(steps)
    return [
        _undo(n, act, load)
        for n, act in sorted(progress.acts.items(), reverse=True)
        if act["step"] in wanted and lasting(act["touches"])
    ]


def lasting(touches: Iterable[str]) -> bool:
    """Has an act that touches this an effect that stays, beside the run's evidence?"""
    return any(not resource.startswith(EVIDENCE) for resource in touches)


def _undo(n: int, act: Mapping[str, Any], load: Load) -> Undo:
    step, did = act["step"], act["describe"]
    try:
        inverse = load(act["action"]).inverse()
    except ValueError as error:
        return Undo(n, step, did, None, f"another version of recover wrote it: {error}")
    if inverse and MASK in str(as_data(inverse)):
        return Undo(n, step, did, None, "it would need a secret, and secrets are not kept")
    return Undo(n, step, did, inverse, "" if inverse else NO_INVERSE)


def require_possible(chain: Sequence[Undo], next: str) -> None:
    """Raises Precondition naming everything that nothing can take back. Nothing is touched then."""
    stuck = [undo for undo in chain if undo.inverse is None]
    if stuck:
        why = "\n".join(f"step {undo.step}: {undo.did.splitlines()[0]}: {undo.why}" for undo in stuck)
        raise Precondition("not everything can be taken back", why=why, next=next)


@dataclass(frozen=True)
class Undoing:
    """Takes acts back in a world, and tells of it."""

    world: World
    emit: Observer
    reach: Reach = lambda _step, _point: None
    halt: Halt = field(default_factory=Halt)
    patience: Patience = PATIENCE

    def take_back(self, chain: Sequence[Undo], begin: RollbackStarted) -> None:
        """All of it, in order; then the state at the end is proven.

        Raises UndoFailed at the first that fails, Interrupted between two, JournalError when the record is lost.
        """
        self.emit(begin)
        for undo in chain:
            if self.halt.is_set():
                raise Interrupted(
                    "stopped by a signal in the middle of a rollback", signal=getattr(self.halt, "signal", 2)
                )
            self._guarded(undo, self._take_one)
        for undo in at_the_end(chain):
            if not self._out_of_sight(undo, chain):
                self._guarded(undo, self._require_proven)
        self.emit(RollbackDone(begin.steps))

    def _guarded(self, undo: Undo, do: Callable[[Undo], None]) -> None:
        try:
            do(undo)
        except (JournalError, LostOwnership, Interrupted):
            raise
        except RecoverError as error:
            self._fail(undo, error)

    def _take_one(self, undo: Undo) -> None:
        inverse = _possible(undo)
        if self._wrong(inverse, ONCE) == "":
            self.emit(UndoDone(undo.act, undo.step, inverse.describe, "already", 0.0))
            return
        began = time.monotonic()
        self.emit(UndoStarted(undo.act, undo.step, inverse.describe, inverse.touches, as_data(inverse)))
        self.reach(undo.step, "before-undo")
        inverse.apply(self.world)
        self.reach(undo.step, "after-undo")
        self._require_proven(undo)
        self.emit(UndoDone(undo.act, undo.step, inverse.describe, "done", round(time.monotonic() - began, 3)))
        self.reach(undo.step, "after-undo-effect")

    def _require_proven(self, undo: Undo) -> None:
        if wrong := self._wrong(_possible(undo), self.patience):
            raise StepError(f"what step {undo.step} did is not taken back", why=wrong)

    def _out_of_sight(self, undo: Undo, chain: Sequence[Undo]) -> bool:
        """Was it proven, and is its server down again, as it was before the run?"""
        later = (resource for other in chain[chain.index(undo) + 1 :] for resource in _possible(other).touches)
        if not any(resource.startswith(SERVICE) for resource in later):
            return False
        return any(proof.ask(self.world).unseen for proof in _possible(undo).proofs())

    def _wrong(self, inverse: Inverse, patience: Patience) -> str:
        waiter = Waiter(self.world, halt=self.halt)
        answers = (waiter.ask(proof, patience) for proof in inverse.proofs())
        wrong = next((f"{answer.question} {answer.answer}" for answer in answers if not answer.passed), "")
        if wrong and self.halt.is_set():
            raise self.halt.interrupted("during a rollback")
        return wrong

    def _fail(self, undo: Undo, error: RecoverError) -> None:
        next = "look at it, then: recover rollback goes on with what is left"
        why = error.what + (f": {error.why}" if error.why else "")
        self.emit(RollbackFailed(undo.step, f"the undo of step {undo.step} failed", error.where, why, next))
        raise UndoFailed(f"the undo of step {undo.step} failed", where=error.where, why=why, next=next) from None


def _possible(undo: Undo) -> Inverse:
    if undo.inverse is None:
        raise StepError(f"{undo.did.splitlines()[0]} cannot be taken back", why=undo.why)
    return undo.inverse


def at_the_end(chain: Sequence[Undo]) -> list[Undo]:
    """Those whose proofs hold at the end: per thing that is touched, the one that is undone last."""
    last = {resource: undo for undo in chain if undo.inverse for resource in undo.inverse.touches}
    return [undo for undo in chain if undo in last.values()]
