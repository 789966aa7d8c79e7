"""What happens in a run, as data. The engine emits these; the journal keeps them, the UI draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from recover.evidence import Evidence

Json = object  # whatever json.dumps takes; checked where it is written


@dataclass(frozen=True)
class RunStarted:
    """The first record: what runs, on what, by whom. `binding` pins the target's identity, `plan` is the sha256 of the
    plan file that it carries out, `left_out` are the steps that a human does not want."""

    run: str
    playbook: str
    target: str
    steps: Mapping[str, str]
    by: str
    host: str
    version: str
    variables: Mapping[str, str] = field(default_factory=dict)
    binding: Mapping[str, str] = field(default_factory=dict)
    plan: str = ""
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunResumed:
    """Another process goes on with the run. The record's epoch rises by one with each owner.

    `steps` are the steps as they are now, when edits were accepted.
    """

    by: str
    host: str
    steps: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TargetBound:
    """The identity of a database, learned once it answered; a later mismatch is drift."""

    binding: Mapping[str, str]


@dataclass(frozen=True)
class StepStarted:
    """The engine looks at a step. Nothing has been done for it yet."""

    step: str
    name: str
    stage: str


@dataclass(frozen=True)
class ActionStarted:
    """The intent: on disk before the act. `action` is the action's data, `touches` its resources."""

    step: str
    describe: str
    because: str
    touches: tuple[str, ...]
    action: Mapping[str, Json]


@dataclass(frozen=True)
class ActionDone:
    """The effect: the act returned. `outcome` is what it reported (a file's size and sha256, …)."""

    step: str
    describe: str
    outcome: Mapping[str, Json]
    seconds: float


@dataclass(frozen=True)
class CheckWaiting:
    """A question was answered no and will be asked again. Shown, not kept."""

    step: str
    evidence: Evidence
    waited: float
    limit: float


@dataclass(frozen=True)
class CheckAnswered:
    """The final answer to one question of a step."""

    step: str
    evidence: Evidence


@dataclass(frozen=True)
class StepDone:
    """The checkpoint. `how`: done, already (true before), verified (done earlier, true still),
    reconciled (was in doubt, the world shows that it happened)."""

    step: str
    how: Literal["done", "already", "verified", "reconciled"]
    seconds: float


@dataclass(frozen=True)
class StepSkipped:
    """The step was not needed or its condition is false."""

    step: str
    because: str


@dataclass(frozen=True)
class StepNoLongerTrue:
    """A step that was done is not true any more: the run goes on from here."""

    step: str
    because: str


@dataclass(frozen=True)
class StepIsolated:
    """The step failed, was left off, and the run goes on: it will end degraded."""

    step: str
    because: str


@dataclass(frozen=True)
class StepFailed:
    """The step failed and the run stops here (or goes on, degraded, when `goes_on`).

    `in_doubt`: the act was begun and the other side vanished, so its effect is not known.
    """

    step: str
    what: str
    where: str
    why: str
    next: str
    goes_on: bool = False
    in_doubt: bool = False


@dataclass(frozen=True)
class StepMarked:
    """A human said what became of a step in doubt: done (it is still verified) or retry."""

    step: str
    verdict: Literal["done", "retry"]
    by: str
    because: str


@dataclass(frozen=True)
class RunTakenOver:
    """Somebody goes on with a colleague's run; `holder` is who held it then, or ""."""

    by: str
    host: str
    because: str
    holder: str


@dataclass(frozen=True)
class StepApproved:
    """A human said yes at a gate; `how`: at the terminal, by `recover approve`, or beforehand."""

    step: str
    by: str
    host: str
    because: str
    how: str


@dataclass(frozen=True)
class RunAborted:
    """A human ended the run for good."""

    by: str
    because: str


@dataclass(frozen=True)
class RollbackStarted:
    """What these steps did is taken back, last act first; `because` of a failed step, or as a human wants it."""

    steps: tuple[str, ...]
    because: str


@dataclass(frozen=True)
class UndoStarted:
    """The intent to take an act back: on disk before it. `act` is the number of the act's own record."""

    act: int
    step: str
    describe: str
    touches: tuple[str, ...]
    action: Mapping[str, Json]


@dataclass(frozen=True)
class UndoDone:
    """The act is taken back, and that is proven. `how`: done, or already (it had not happened, or was undone)."""

    act: int
    step: str
    describe: str
    how: Literal["done", "already"]
    seconds: float


@dataclass(frozen=True)
class RollbackDone:
    """Everything is taken back, and the state at the end proven: these steps count as not done."""

    steps: tuple[str, ...]


@dataclass(frozen=True)
class RollbackFailed:
    """An undo failed, and the rollback stops before the acts that came before it."""

    step: str
    what: str
    where: str
    why: str
    next: str


@dataclass(frozen=True)
class ScreenLost:
    """What the run says on this stream (stdout or stderr) reaches nobody any more: the run goes on."""

    stream: str
    because: str


@dataclass(frozen=True)
class RunEnded:
    """The last record of a process that ended by itself."""

    exit_code: int
    outcome: str
    seconds: float


Event = (
    RunStarted
    | RunResumed
    | TargetBound
    | StepStarted
    | ActionStarted
    | ActionDone
    | CheckWaiting
    | CheckAnswered
    | StepDone
    | StepSkipped
    | StepNoLongerTrue
    | StepIsolated
    | StepFailed
    | StepMarked
    | RunTakenOver
    | StepApproved
    | RunAborted
    | RollbackStarted
    | UndoStarted
    | UndoDone
    | RollbackDone
    | RollbackFailed
    | ScreenLost
    | RunEnded
)
Observer = Callable[[Event], None]
