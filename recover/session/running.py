"""run, resume."""

from __future__ import annotations

import difflib
import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shlex import join, quote

from recover import __version__, inputs, plan
from recover.agreement import Agreement, read
from recover.choosing import leave_out, missed
from recover.engine import chosen_alone
from recover.errors import Drifted, Interrupted, Precondition, UsageError
from recover.events import RunResumed, RunStarted, RunTakenOver, StepApproved
from recover.journal.lock import project_lock, who
from recover.journal.records import NAME, FileJournal, create, forget, write_private
from recover.journal.runs import AGAIN, find, progress, require_begun
from recover.moment import Moment
from recover.previewing import preview
from recover.session.agreeing import require_unused
from recover.session.carrying import Carrying, closing_journal
from recover.session.loading import load_playbook
from recover.session.opening import Opened, opened, project_of
from recover.session.options import Options
from recover.session.reopening import PLAYBOOK, Reopened, reopened
from recover.session.rolling_back import go_on as go_on_rolling_back
from recover.session.saying import note, say, say_json
from recover.ui.plan import data as plan_data
from recover.world import RunPlace

PLAN = "plan.json"


def run(path: Path | None, options: Options, plan_file: Path | None = None) -> int:
    """Carry the playbook out on its target, or do nothing when nothing is to do; the exit code.

    With a plan file exactly what it says. Raises Drifted, with nothing touched, when the world is not as it was.
    """
    agreement = read(plan_file, options.state) if plan_file else None
    path, options = _asked_for(path, options, agreement)
    playbook = load_playbook(path, options)
    project = project_of(playbook, options)
    place = RunPlace(run_id := new_run_id(), options.state / project / run_id)
    with (
        opened(playbook, options, place) as session,
        project_lock(options.state, project, run_id) as owned,
        session.leased(run_id),
    ):
        _no_secret_in_variables(session, options)
        folder = create(options.state, project, run_id)
        write_private(folder / AGAIN, _command(path, options, project, plan_file))
        with (
            closing_journal(FileJournal(folder / NAME, session.redactor, owned)) as journal,
            _forgotten_unless_begun(journal),
        ):
            note(f"looking at {len(session.specs)} steps of {playbook.name} on {session.target.name} ({project})")
            _warn_of_secrets(agreement)
            if agreement:
                require_unused(agreement, session, options)
            planned = plan.fresh(session.specs, session.bind, Moment(session.live))
            left_out = agreement.left_out if agreement else options.choice.left_out(session.specs)
            planned = without(planned, left_out)
            if agreement:
                agreement.require_same_needs(planned)
            if planned.nothing_to_do:
                return _nothing(session, planned, options)
            if not _wanted(session, planned, options):
                say("nothing was done")
                return 0
            write_private(folder / PLAYBOOK, playbook.text)
            text = inputs.text(plan_file, inputs.PLAN) if plan_file else _plan_text(session, planned)
            write_private(folder / PLAN, text)
            carrying = Carrying(session, options, folder, journal, agreement=agreement)
            begin = replace(_started(session, options, run_id, agreement), left_out=left_out)
            return carrying.out(begin, planned)


@contextmanager
def _forgotten_unless_begun(journal: FileJournal) -> Iterator[None]:
    """Leave no record of a run that ended by itself before its first line.

    One that was killed or stopped while it looked stays the latest run: `resume` must not take the one before it.
    """
    try:
        yield
    except (KeyboardInterrupt, Interrupted):
        raise
    except BaseException:
        forget(journal)
        raise
    forget(journal)


def _asked_for(path: Path | None, options: Options, agreement: Agreement | None) -> tuple[Path, Options]:
    """The playbook and the options, as they were planned where there is a plan. Raises UsageError."""
    if agreement is None:
        if path is None:
            raise UsageError("run takes a playbook or a plan", next="recover run PLAYBOOK, or recover run --plan FILE")
        return path, options
    own = [path is not None, options.target, options.project, options.variables, options.choice]
    if any(own):
        raise UsageError("the plan says what runs where", next=f"recover run --plan {agreement.path}, and no more")
    planned = replace(options, target=agreement.target, project=agreement.project, variables=agreement.variables)
    return agreement.playbook, planned


def resume(name: str | None, options: Options, *, accept_edits: bool = False) -> int:
    """Go on with a run: probe what is done, do what is not; the exit code. A rollback that was cut off goes on."""
    folder = find(options.state, name, options.project, flags=options.flags)
    before = progress(folder)
    require_begun(before, folder, options.flags)
    if before.aborted:
        raise Precondition(
            f"run {before.run} was aborted by {before.aborted['by']}: {before.aborted['because']}",
            next=f"recover rollback {before.run}{options.flags}, or begin anew: "
            f"recover run {before.playbook}{options.flags}",
        )
    if not before.resumable:
        raise Precondition(
            f"nothing to resume: run {before.run} has ended: {before.ended and before.ended['outcome']}",
            why="how the stack is now was not looked at",
            next=_command(
                Path(before.playbook),
                replace(options, target=before.target, variables=before.variables),
                folder.parent.name,
            ),
        )
    with reopened(folder, options) as it:
        if it.before.rolling_back:
            return go_on_rolling_back(it)
        return go_on(it, accept_edits=accept_edits)


def _command(path: Path, options: Options, project: str, plan_file: Path | None = None) -> str:
    """The command that begins such a run again."""
    if plan_file:
        return f"recover run --plan {quote(str(plan_file.absolute()))}{options.flags}"
    words = ["recover", "run", str(path.absolute()), "--project", project]
    words += ["--target", options.target] if options.target else []
    for name, value in options.variables.items():
        words += ["-e", f"{name}={value}"]
    words += ["--from", options.choice.since] if options.choice.since else []
    for flag in ("only", "tags", "skip"):
        for value in getattr(options.choice, flag):
            words += [f"--{flag}", value]
    return f"{join(words)}{options.flags}"


def go_on(it: Reopened, *, accept_edits: bool = False, said: StepApproved | RunTakenOver | None = None) -> int:
    """What is done probed again, what is not done; `said` is kept first."""
    steps = _same_steps(it, accept_edits=accept_edits)
    it.require_same_target()
    it.end_leftovers()
    note(f"looking at what run {it.folder.name} did")
    planned = plan.resumed(it.session.specs, it.before, it.session.bind, Moment(it.session.live))
    agreement = read(it.folder / PLAN, it.options.state) if it.before.plan else None
    _warn_of_secrets(agreement)
    with it.journal() as journal:
        if said and (record := journal(said)):
            it.before.add(record)
        begin = RunResumed(*who(), steps)
        return Carrying(it.session, it.options, it.folder, journal, it.before, agreement).out(begin, planned)


def new_run_id() -> str:
    """Sorts by time, two of one second too, and is unique: 20260810-231500-3f9a.

    The first half of the last word are 256ths of the second.
    """
    now = datetime.now(UTC)
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond * 256 // 1_000_000:02x}{secrets.token_hex(1)}"


def _warn_of_secrets(agreement: Agreement | None) -> None:
    if agreement and agreement.key is None:
        note("warning: this plan was made with another state folder, or by another user: whether the secrets are those")
        note("  that it was made with cannot be compared; all else is")


# --- before it begins -------------------------------------------------------------------------------


def _no_secret_in_variables(session: Opened, options: Options) -> None:
    """Variables are kept in the journal as they are, for resume. Raises UsageError when one holds a secret."""
    for name, value in options.variables.items():
        if session.redactor.text(value) != value:
            raise UsageError(
                f"-e {name}=… holds the value of a secret", next="give it as one of the playbook's secrets"
            )


def without(planned: plan.Plan, left_out: Sequence[str]) -> plan.Plan:
    """The plan without these steps; what is likely to go wrong then is said."""
    for warning in missed(planned, left_out):
        note(f"mind: {warning}")
    return leave_out(planned, left_out)


def _started(session: Opened, options: Options, run_id: str, agreement: Agreement | None) -> RunStarted:
    person, host = who()
    steps = {spec.id: spec.sha256 for spec in session.specs}
    source = str(session.playbook.source.absolute())
    bound, plan = (agreement.binding, agreement.sha256) if agreement else ({}, "")
    who_and_what = (run_id, source, session.target.name, steps, person, host, __version__)
    return RunStarted(*who_and_what, options.variables, bound, plan)


def _nothing(session: Opened, planned: plan.Plan, options: Options) -> int:
    wanted = f"{session.playbook.name} on {session.target.name} is as the playbook wants it, and proven"
    if options.json:
        data = {"steps": len(session.specs), "not_verified": list(planned.missing)}
        say_json({"v": 1, "event": "NothingToDo", "data": data})
    else:
        say(f"nothing to do: {chosen_alone(planned) if planned.missing else wanted}")
    return 3 if planned.missing else 0


def _wanted(session: Opened, planned: plan.Plan, options: Options) -> bool:
    """At a terminal the human sees how much it is and says yes; without one the command was the yes."""
    if options.step_by_step and not options.ask:
        raise UsageError("--step asks before each step, and nobody can be asked here", next="the same at a terminal")
    if options.yes or not options.ask:
        return True
    todo = [item for item in planned.items if item.status == "to do"]
    question = f"{session.playbook.name} on {session.target.name} ({session.project}): carry out {len(todo)} steps?"
    return session.live.gate.wants(f"{question} (recover plan shows them)")


def _plan_text(session: Opened, planned: plan.Plan) -> str:
    steps = plan_data(preview(planned, session.bind, session.forecast(), ask=False), {})
    return json.dumps(session.redactor.data({"v": 1, "steps": steps}), indent=1, ensure_ascii=False)


def _same_steps(it: Reopened, *, accept_edits: bool) -> dict[str, str]:
    """The steps now, if they are those the run began with or the edits are accepted. Raises Drifted."""
    session, before, folder = it.session, it.before, it.folder
    now = {spec.id: spec.sha256 for spec in session.specs}
    if list(now.items()) == list(before.steps.items()) or accept_edits:
        return {} if now == before.steps else now
    changed = [step for step in {**before.steps, **now} if before.steps.get(step) != now.get(step)]
    old, new = inputs.text(folder / PLAYBOOK, inputs.YAML), session.playbook.text
    diff = "\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), "as begun", "now", lineterm="", n=1))
    raise Drifted(
        f"the playbook was edited since the run began: {', '.join(changed) or 'the order of its steps'}",
        where=str(session.playbook.source),
        why=diff,
        next=f"revert the edit, or: recover resume {folder.name}{it.options.flags} --accept-edits",
    )
