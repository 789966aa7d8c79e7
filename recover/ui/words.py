"""The sentences that both screens show, so that they cannot tell different stories."""

from __future__ import annotations

from dataclasses import dataclass, field

from recover.errors import InDoubt, NeedsApproval
from recover.events import (
    ActionDone,
    ActionStarted,
    Event,
    RollbackDone,
    RollbackFailed,
    RollbackStarted,
    RunAborted,
    RunEnded,
    RunResumed,
    RunStarted,
    RunTakenOver,
    StepApproved,
    StepDone,
    StepFailed,
    StepStarted,
    UndoDone,
    UndoStarted,
)

DEGRADED = 3
HOW = {"done": "done", "already": "already true", "verified": "still true", "reconciled": "had happened, verified"}


@dataclass
class Acts:
    """What is being done at this moment, in the order it was begun."""

    now: list[str] = field(default_factory=list)

    def see(self, event: Event) -> None:
        """Take one event in; an act that failed is told of by its step's end only."""
        match event:
            case StepStarted():
                self.now.clear()
            case ActionStarted():
                self.now.append(event.describe)
            case ActionDone() if event.describe in self.now:
                self.now.remove(event.describe)


def opening(event: RunStarted | RunResumed, folder: str) -> list[str]:
    """The first lines: which run, of what, where its record is."""
    if isinstance(event, RunStarted):
        return [f"run {event.run} of {event.playbook} on {event.target}", f"record {folder}"]
    return [f"resumed by {event.by} on {event.host}", f"record {folder}"]


def span(seconds: float) -> str:
    """A span for humans: 0.3 s, 12 s, 2 min 5 s."""
    if seconds < 10:  # noqa: PLR2004 - where a tenth stops mattering
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def first_line(text: str) -> str:
    """All that a screen has room for of an act of several lines."""
    return text.partition("\n")[0]


def finished(event: StepDone) -> str:
    """How a step came to its end."""
    return f"{HOW[event.how]}{f' in {span(event.seconds)}' if event.seconds >= 0.05 else ''}"  # noqa: PLR2004 - shown digit


def failure(event: StepFailed) -> list[str]:
    """The failure block: what, where, why, next."""
    return [event.what, *_parts(event)]


def human(event: Event) -> list[str]:  # noqa: PLR0911 - one case per event, no logic
    """What humans said, and what is taken back, as it goes; nothing for any other event."""
    match event:
        case RunTakenOver():
            return [f"taken over by {event.by} on {event.host}: {event.because}"]
        case StepApproved():
            return [f"  {event.by} said yes ({event.how}){f': {event.because}' if event.because else ''}"]
        case RunAborted():
            return [f"aborted by {event.by}{f': {event.because}' if event.because else ''}"]
        case RollbackStarted():
            return [f"rolling back: {event.because}"] if event.because else ["rolling back"]
        case UndoStarted():
            return [f"  undo of {event.step}: {line}" for line in event.describe.splitlines()]
        case UndoDone():
            return [f"  {event.step}: {'taken back' if event.how == 'done' else 'nothing to take back'}"]
        case RollbackDone():
            return ["rolled back, and the state at the end verified"]
        case RollbackFailed():
            return [event.what, *_parts(event)]
    return []


def _parts(event: StepFailed | RollbackFailed) -> list[str]:
    rest = (("at", event.where), ("because", event.why), ("next", event.next))
    return [f"  {label}: {text}" for label, text in rest if text]


def closing(event: RunEnded, run: str) -> list[str]:
    """The last lines: how it ended, and unless all is well commands to paste.

    `run` is the run's id with the options that a next command needs to find it.
    """
    lines = [f"{event.outcome} ({span(event.seconds)}, exit {event.exit_code})"]
    if event.exit_code == 0:
        return lines
    if event.exit_code == DEGRADED:
        return [*lines, f"why:    recover explain {run}"]
    lines.append(f"look:   recover show {run}")
    if event.exit_code not in (InDoubt.exit_code, NeedsApproval.exit_code):  # then the failure's own next comes first
        lines.append(f"go on:  recover resume {run}")
    return lines
