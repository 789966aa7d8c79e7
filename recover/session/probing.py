"""probe: the playbook's named questions, asked now; or which middleware breaks the service."""

from __future__ import annotations

from pathlib import Path

from recover import __version__
from recover.errors import NeedsApproval, StepError
from recover.events import RunAborted, RunStarted
from recover.journal.lock import project_lock, who
from recover.journal.records import NAME, FileJournal, create, write_private
from recover.playbook.scope import Asked
from recover.probing import Matrix, Row, Trial, trials
from recover.session.carrying import Carrying, closing_journal
from recover.session.diagnosing import same_playbook
from recover.session.loading import load_playbook
from recover.session.opening import Opened, opened, project_of
from recover.session.options import Options
from recover.session.reopening import PLAYBOOK
from recover.session.running import new_run_id
from recover.session.saying import say, say_json
from recover.world import RunPlace

BROKEN = 3
BEGUN_ANEW = "a probe is begun anew and not resumed; rollback takes back what it left"


def ask(path: Path, options: Options) -> int:
    """Ask each probe that the playbook uses once; 0 when all answer yes, 1 when one does not. Nothing is changed."""
    playbook = load_playbook(path, options)
    place = RunPlace("probe", options.state / project_of(playbook, options) / "probe")
    with opened(playbook, options, place, looking=True) as session:
        found = {name: asked.check.ask(session.live) for name, asked in _probes(session).items()}
        told = {name: (session.redactor.text(a.question), session.redactor.text(a.answer)) for name, a in found.items()}
    if options.json:
        answers = {name: {"question": q, "answer": a, "passed": found[name].passed} for name, (q, a) in told.items()}
        say_json({"v": 1, "probes": answers})
    else:
        say(*(f"{'ok' if found[name].passed else 'NO'}  {name}: {q} {a}" for name, (q, a) in told.items()))
        say(*([] if told else ["the playbook has no probes"]))
    if all(answer.passed for answer in found.values()):
        return 0
    if not options.json:
        say(f"next: recover diagnose {same_playbook(path, options)}")
    return StepError.exit_code


def _probes(session: Opened) -> dict[str, Asked]:
    """Those that the playbook uses and that are the same at every step."""
    checks = [check for spec in session.specs for check in (*spec.checks, *spec.done_when, *spec.guards)]
    return {check.probe: check.bind(session.scope) for check in checks if check.probe and not check.varies}


def each(path: Path, options: Options, step: str | None) -> int:
    """Try the items of the step; 0 when each combination is good, 3 when one is not.

    Raises UsageError when there is no such step, NeedsApproval when nobody said yes: the service is restarted.
    """
    playbook = load_playbook(path, options)
    combinations = trials(playbook.steps, step)
    project = project_of(playbook, options)
    place = RunPlace(run := new_run_id(), options.state / project / run)
    with (
        opened(playbook, options, place) as session,
        project_lock(options.state, project, run) as owned,
        session.leased(run),
    ):
        if not _wanted(session, combinations, options):
            say("nothing was done")
            return 0
        folder = create(options.state, project, run)
        write_private(folder / PLAYBOOK, playbook.text)
        with closing_journal(FileJournal(folder / NAME, session.redactor, owned)) as journal:
            matrix = Carrying(session, options, folder, journal).probe(
                _begin(session, options, run, combinations), combinations
            )
    _tell(matrix, options)
    if not matrix.rows[0].good and not options.json:
        say(f"next: recover diagnose {same_playbook(path, options)}")
    return 0 if matrix.good else BROKEN


def _begin(session: Opened, options: Options, run: str, combinations: list[Trial]) -> tuple[RunStarted, RunAborted]:
    """What nobody may resume: its steps are not those of the playbook."""
    person, host = who()
    steps = {trial.id: trial.spec.sha256 for trial in combinations}
    source = str(session.playbook.source.absolute())
    started = RunStarted(run, source, session.target.name, steps, person, host, __version__, options.variables)
    return started, RunAborted(person, BEGUN_ANEW)


def _wanted(session: Opened, combinations: list[Trial], options: Options) -> bool:
    if options.yes:
        return True
    group, times = combinations[0].spec.group, len(combinations)
    if not options.ask:
        raise NeedsApproval(f"the probe restarts what step {group} starts, {times} times", next="the same with --yes")
    question = f"restart what step {group} starts {times} times, on {session.target.name} ({session.project})?"
    return session.live.gate.wants(question)


def _tell(matrix: Matrix, options: Options) -> None:
    if options.json:
        rows = [
            {"on": list(row.trial.kept), "name": row.trial.name, "good": row.good, "answers": _answers(row)}
            for row in matrix.rows
        ]
        say_json({"v": 1, "verdict": matrix.verdict, "culprits": list(matrix.culprits), "rows": rows})
        return
    width = max(len(row.trial.name) for row in matrix.rows)
    say(
        *(f"{row.trial.name:<{width}}  {'good' if row.good else f'NO    {row.wrong}'}" for row in matrix.rows),
        matrix.verdict,
    )


def _answers(row: Row) -> list[dict[str, object]]:
    told: list[dict[str, object]] = [
        {"question": a.question, "answer": a.answer, "passed": a.passed} for a in row.answers
    ]
    return told or [{"question": "could it be tried?", "answer": row.stopped, "passed": False}]
