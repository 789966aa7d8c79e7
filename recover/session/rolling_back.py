"""rollback: what a run did, taken back, the last act first."""

from __future__ import annotations

from recover.errors import NeedsApproval, Precondition, UsageError
from recover.events import RollbackStarted, RunResumed
from recover.journal.lock import who
from recover.journal.progress import Progress
from recover.journal.runs import find, folders, progress, require_begun
from recover.session.carrying import Carrying
from recover.session.options import Options
from recover.session.reopening import Reopened, reopened
from recover.session.saying import note, say, say_json
from recover.steps import load_action
from recover.ui import rollback as shown
from recover.undoing import Undo, require_possible, undos


def rollback(name: str | None, options: Options, *, to: str | None, because: str) -> int:
    """Show what would be taken back, ask, and do it; the exit code.

    Back to before the run, or to where step `to` was done. Raises Precondition, with nothing touched, when a later
    run acted or an act cannot be taken back, NeedsApproval when nobody said yes.
    """
    folder = find(options.state, name, options.project, flags=options.flags)
    before = progress(folder)
    require_begun(before, folder, options.flags)
    steps = _after(before, to)
    _require_latest(options, before.run, folder.parent.name)
    with reopened(folder, options) as it:
        it.require_same_target()
        it.end_leftovers()
        chain = undos(it.before, steps, load_action)
        if not chain and it.before.rolling_back:
            return go_on(it)  # it was cut off when all but its end was there
        _show(it, chain)
        if not chain:
            return 0
        require_possible(chain, next=_shorter(chain, before, folder.name) + options.flags)
        if not _wanted(it, options):
            say("nothing was done")
            return 0
        return _carry_out(it, chain, RollbackStarted(steps, because))


def go_on(it: Reopened) -> int:
    """Go on with a rollback that was cut off; the exit code."""
    it.require_same_target()
    it.end_leftovers()
    note(f"run {it.folder.name} was being rolled back: that goes on")
    chain = undos(it.before, it.before.rolling_back, load_action)
    require_possible(chain, next=f"recover show {it.folder.name}{it.options.flags}")
    return _carry_out(it, chain, RollbackStarted(it.before.rolling_back, "the rollback was cut off"))


def _carry_out(it: Reopened, chain: list[Undo], begin: RollbackStarted) -> int:
    with it.journal() as journal:
        carrying = Carrying(it.session, it.options, it.folder, journal, it.before)
        return carrying.back(RunResumed(*who()), chain, begin)


def _after(before: Progress, to: str | None) -> tuple[str, ...]:
    """The steps behind that one in the order of the playbook, those that it has no more, and of a rollback cut off."""
    order = list(before.steps)
    if to is not None and to not in before.steps:
        raise UsageError(f"the run has no step {to!r}", why=f"its steps: {', '.join(order)}")
    gone = [act["step"] for act in before.acts.values() if act["step"] not in before.steps]
    begun = before.rolling_back
    return tuple(dict.fromkeys([*(order[order.index(to) + 1 :] if to else order), *gone, *begun]))


def _require_latest(options: Options, run: str, project: str) -> None:
    """Raises Precondition when a later run of the project acted: its acts lie on top of this one's."""
    later = [folder for folder in folders(options.state, project) if folder.name > run and progress(folder).acts]
    if later:
        last = later[-1].name
        what = f"run {last} came after it and changed things: that goes first"
        raise Precondition(what, next=f"recover rollback {last}{options.flags}")


def _shorter(chain: list[Undo], before: Progress, run: str) -> str:
    """How to take back at least what came after the last act that cannot be."""
    stuck = next((undo.step for undo in chain if undo.inverse is None), "")
    return f"recover rollback {run} --to {stuck}" if stuck in before.steps else f"recover show {run}"


def _show(it: Reopened, chain: list[Undo]) -> None:
    redactor = it.session.redactor
    if it.options.json:
        say_json({"v": 1, "event": "RollbackPlanned", "data": redactor.data(shown.data(it.folder.name, chain))})
    else:
        say(*map(redactor.text, shown.text(it.folder.name, chain)))


def _wanted(it: Reopened, options: Options) -> bool:
    """At a terminal the human sees the plan and says yes; without one --yes has to. Raises NeedsApproval."""
    if options.yes:
        return True
    if not options.ask:
        raise NeedsApproval("the rollback waits for a yes; nothing was touched", next="the same with --yes")
    return it.session.live.gate.wants(f"roll back run {it.folder.name} on {it.session.target.name}?")
