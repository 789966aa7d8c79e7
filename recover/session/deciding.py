"""approve, abort, takeover, mark: a human's word on a run."""

from __future__ import annotations

from recover.errors import Precondition, UsageError
from recover.events import RunAborted, RunEnded, RunTakenOver, StepApproved, StepMarked
from recover.journal.lock import take_from, who
from recover.journal.runs import find, progress
from recover.session.options import Options
from recover.session.reopening import reopened
from recover.session.running import go_on
from recover.session.saying import note, say
from recover.session.trusting import require_trusted


def approve(name: str, step: str, because: str, options: Options) -> int:
    """Say yes at the gate that the run waits at, and go on with it; the exit code."""
    folder = find(options.state, name, options.project, flags=options.flags)
    with reopened(folder, options) as it:
        spec = next((spec for spec in it.session.specs if spec.id == step), None)
        if spec is None or spec.kind != "confirm":
            gates = ", ".join(s.id for s in it.session.specs if s.kind == "confirm") or "it has none"
            raise UsageError(f"{step!r} is no gate of the run", why=f"its gates: {gates}")
        if step in it.before.finished or step not in it.before.asked:
            asked = "is passed" if step in it.before.finished else "was not asked yet"
            raise Precondition(f"the gate {step} {asked}", next=f"recover status {folder.name}{options.flags}")
        person, host = who()
        if any(each["by"] == person for each in it.before.approvals.get(step, [])):
            raise Precondition(f"{person} has said yes to {step} already: another person has to")
        return go_on(it, said=StepApproved(step, person, host, because, "recover approve"))


def abort(name: str | None, because: str, options: Options) -> int:
    """End a run for good; what it did stays. 0."""
    folder = find(options.state, name, options.project, flags=options.flags)
    if not progress(folder).resumable:
        raise Precondition(f"run {folder.name} has ended already", next=f"recover status {folder.name}{options.flags}")
    with reopened(folder, options) as it, it.journal() as journal:
        person, _ = who()
        journal(RunAborted(person, because))
        journal(RunEnded(1, f"aborted by {person}", 0.0))
    say(f"run {folder.name} is aborted; what it did stays: recover rollback {folder.name}{options.flags} takes it back")
    return 0


def takeover(name: str, because: str, options: Options) -> int:
    """Go on with a colleague's run, whether its holder is dead, frozen or only away; the exit code.

    A holder that lives notices at its next line that it was taken over, and stops before its next act.
    """
    folder = find(options.state, name, options.project, flags=options.flags)
    if not progress(folder).resumable:
        raise Precondition(f"run {folder.name} has ended", next=f"recover status {folder.name}{options.flags}")
    require_trusted(folder, options)  # before anything is taken from anybody
    former = take_from(options.state, folder.parent.name)
    note(f"taking run {folder.name} over from {former}" if former else f"nobody holds run {folder.name}")
    with reopened(folder, options, breaking=True) as it:
        return go_on(it, said=RunTakenOver(*who(), because, former))


def mark(name: str, step: str, verdict: str, because: str, options: Options) -> int:
    """Record a human's word on a step in doubt. Raises UsageError when it cannot be meant."""
    folder = find(options.state, name, options.project, flags=options.flags)
    if verdict not in ("done", "retry"):
        raise UsageError(f"a step is marked done or retry, not {verdict!r}")
    if step not in progress(folder).steps:
        raise UsageError(f"the run has no step {step!r}", next=f"recover status {folder.name}{options.flags}")
    with reopened(folder, options) as it, it.journal() as journal:
        journal(StepMarked(step, "done" if verdict == "done" else "retry", who()[0], because))
    say(f"{step} is marked {verdict}", f"next: recover resume {folder.name}{options.flags}")
    return 0
