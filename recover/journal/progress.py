"""What the records of a run add up to: a fold, computed anew each time, kept nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recover.journal.records import Record


@dataclass
class Progress:
    """Where a run stands.

    `steps` maps every step's id to its content hash, in order. `done` holds how each finished step
    was finished; a step that was skipped as not needed is in `skipped`. `in_flight` is the step
    with an intent and no end; `pending` are those of its intents whose effect is unrecorded: in doubt.
    `reached` are the steps that were begun, or left off, and not taken back since, also those to be done again: what
    they determine is no longer as the steps before them left it. `acts` are all intents that were not taken back, by
    the number of their record: each may have had an effect.
    `approvals` are the yeses at a gate that is not passed yet, `asked` when it was first asked (UTC). `aborted`: by
    whom and why the run was ended for good.
    `edited` are steps whose text was changed, with a human's word, since the run began.
    `rolling_back` are the steps of a rollback that has not come to its end; `taken_back`: the last thing that the
    run did was a rollback that has.
    """

    run: str = ""
    playbook: str = ""
    target: str = ""
    by: str = ""
    host: str = ""
    epoch: int = 0
    started: datetime | None = None
    steps: dict[str, str] = field(default_factory=dict)
    binding: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    plan: str = ""
    left_out: tuple[str, ...] = ()
    done: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    isolated: dict[str, str] = field(default_factory=dict)
    failed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)
    touched: dict[str, set[str]] = field(default_factory=dict)
    effects: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    acts: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    approvals: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    asked: dict[str, datetime] = field(default_factory=dict)
    aborted: Mapping[str, Any] | None = None
    edited: set[str] = field(default_factory=set)
    rolling_back: tuple[str, ...] = ()
    taken_back: bool = False
    in_flight: str | None = None
    pending: tuple[Mapping[str, Any], ...] = ()
    current: str = ""
    ended: Mapping[str, Any] | None = None
    last: Record | None = None

    @property
    def finished(self) -> set[str]:
        """Steps that a resumed run does not do again unless the world has changed."""
        return {*self.done, *self.skipped, *self.isolated}

    @property
    def acted(self) -> bool:
        """Has the run changed anything?"""
        return bool(self.acts)

    def last_acts(self, step: str, count: int) -> list[object]:
        """The data of the last `count` actions that the step began, as the journal has them."""
        return [act["action"] for act in self.acts.values() if act["step"] == step][-count:]

    @property
    def resumable(self) -> bool:
        """Is there anything left that a resume could do?"""
        over = self.ended is not None and self.ended["exit_code"] in (0, 3) and not self.taken_back
        return bool(self.run) and not over and not self.aborted

    def add(self, record: Record) -> None:
        """Take one record in. Unknown events (of a newer version) are passed over."""
        self.epoch = record.epoch
        if record.event != "RunEnded":
            self.ended = None
        if meaning := _MEANING.get(record.event):
            meaning(self, record.data)
        if record.event == "RunStarted":
            self.started = record.at
        if record.event == "ActionStarted":
            self.acts[record.n] = record.data
            self.asked.setdefault(record.data["step"], record.at)
        self.last = record


def fold(records: Iterable[Record]) -> Progress:
    """The progress that the records add up to."""
    progress = Progress()
    for record in records:
        progress.add(record)
    return progress


def _run_started(p: Progress, data: Mapping[str, Any]) -> None:
    p.run, p.playbook, p.target, p.by, p.host = (data[k] for k in ("run", "playbook", "target", "by", "host"))
    p.steps = dict(data["steps"])
    p.binding = dict(data.get("binding", {}))
    p.variables = dict(data.get("variables", {}))
    p.plan, p.left_out = data.get("plan", ""), tuple(data.get("left_out", ()))


def _run_resumed(p: Progress, data: Mapping[str, Any]) -> None:
    p.by, p.host = data["by"], data["host"]
    steps = data.get("steps", {})
    p.edited |= {step for step, sha256 in steps.items() if p.steps.get(step) != sha256}
    p.steps = dict(steps) or p.steps


def _step_started(p: Progress, data: Mapping[str, Any]) -> None:
    p.current, p.taken_back = data["step"], False
    p.reached.add(data["step"])
    p.failed.pop(data["step"], None)


def _action_started(p: Progress, data: Mapping[str, Any]) -> None:
    """Intents in a row are in flight together; one after anything else was decided anew, and replaces old ones."""
    together = p.pending if p.last is not None and p.last.event == "ActionStarted" else ()
    p.in_flight, p.pending = data["step"], (*together, data)
    p.touched.setdefault(data["step"], set()).update(data["touches"])


def _action_done(p: Progress, data: Mapping[str, Any]) -> None:
    p.pending = _without(p.pending, data["describe"])
    p.effects.setdefault(data["step"], []).append(data)


def _step_done(p: Progress, data: Mapping[str, Any]) -> None:
    p.done[data["step"]] = data["how"]
    _landed(p, data["step"])


def _step_skipped(p: Progress, data: Mapping[str, Any]) -> None:
    p.skipped[data["step"]] = data["because"]


def _step_isolated(p: Progress, data: Mapping[str, Any]) -> None:
    p.isolated[data["step"]], p.taken_back = data["because"], False
    _landed(p, data["step"])


def _step_failed(p: Progress, data: Mapping[str, Any]) -> None:
    p.failed[data["step"]] = data
    if not data.get("in_doubt"):  # the other side said no: the act has no effect to wonder about
        p.pending = ()


def _step_marked(p: Progress, data: Mapping[str, Any]) -> None:
    p.failed.pop(data["step"], None)
    if data["verdict"] == "done":
        p.done[data["step"]] = "marked"
    else:
        p.effects.pop(data["step"], None)  # the acts stay: a rollback has to think of both
    _landed(p, data["step"])


def _no_longer_true(p: Progress, data: Mapping[str, Any]) -> None:
    """From this step on nothing counts as done any more, and its effects are to be had again."""
    order = list(p.steps)
    for step in order[order.index(data["step"]) :] if data["step"] in p.steps else [data["step"]]:
        _forget(p, step)
        p.failed.pop(step, None)
    p.in_flight, p.pending = None, ()


def _forget(p: Progress, step: str) -> None:
    """The step is to be done anew, if it is needed; a gate asks anew."""
    for book in (p.done, p.skipped, p.isolated, p.touched, p.effects, p.approvals, p.asked):
        book.pop(step, None)
    if p.in_flight == step:
        p.in_flight, p.pending = None, ()


def _take_back(p: Progress, step: str) -> None:
    """Forget it, and leave what it determines to the steps before it."""
    _forget(p, step)
    p.reached.discard(step)


def _approved(p: Progress, data: Mapping[str, Any]) -> None:
    p.approvals.setdefault(data["step"], []).append(data)


def _aborted(p: Progress, data: Mapping[str, Any]) -> None:
    p.aborted = data


def _rollback_started(p: Progress, data: Mapping[str, Any]) -> None:
    p.rolling_back = tuple(data["steps"])


def _undo_started(p: Progress, data: Mapping[str, Any]) -> None:
    """From now on the step cannot be counted upon, whatever becomes of the undo."""
    p.current = data["step"]
    _take_back(p, data["step"])


def _undo_done(p: Progress, data: Mapping[str, Any]) -> None:
    p.acts.pop(data["act"], None)
    _take_back(p, data["step"])


def _rollback_done(p: Progress, data: Mapping[str, Any]) -> None:
    for step in data["steps"]:
        _take_back(p, step)
    p.rolling_back, p.current, p.taken_back = (), "", True


def _bound(p: Progress, data: Mapping[str, Any]) -> None:
    p.binding.update(data["binding"])


def _ended(p: Progress, data: Mapping[str, Any]) -> None:
    p.ended = data


def _landed(p: Progress, step: str) -> None:
    p.reached.add(step)
    if p.in_flight == step:
        p.in_flight, p.pending = None, ()
    p.current = ""


def _without(pending: tuple[Mapping[str, Any], ...], describe: str) -> tuple[Mapping[str, Any], ...]:
    """One intent fewer: the one that says this, or else the first (a secret learned meanwhile masks the words)."""
    said = [intent["describe"] for intent in pending]
    n = said.index(describe) if describe in said else 0
    return pending[:n] + pending[n + 1 :]


_MEANING: dict[str, Callable[[Progress, Mapping[str, Any]], None]] = {
    "RunStarted": _run_started,
    "RunResumed": _run_resumed,
    "TargetBound": _bound,
    "StepStarted": _step_started,
    "ActionStarted": _action_started,
    "ActionDone": _action_done,
    "StepDone": _step_done,
    "StepSkipped": _step_skipped,
    "StepIsolated": _step_isolated,
    "StepFailed": _step_failed,
    "StepMarked": _step_marked,
    "StepNoLongerTrue": _no_longer_true,
    "StepApproved": _approved,
    "RunAborted": _aborted,
    "RollbackStarted": _rollback_started,
    "UndoStarted": _undo_started,
    "UndoDone": _undo_done,
    "RollbackDone": _rollback_done,
    "RunEnded": _ended,
}
