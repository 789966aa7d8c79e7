"""explain, and the block below a step that failed: why, as far as it can be seen. Looks, and changes nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recover.checks.service import masked
from recover.diagnosis.causes import causes
from recover.diagnosis.scene import Scene, look
from recover.diagnosis.verdict import judge
from recover.errors import RecoverError, UsageError
from recover.evidence import Evidence
from recover.journal.progress import Progress
from recover.journal.records import NAME, records
from recover.journal.runs import find, progress
from recover.report import explanation as shown
from recover.report.explanation import Account, Explanation, account
from recover.session.bugs import report_bug
from recover.session.diagnosing import source_of
from recover.session.loading import load_playbook
from recover.session.opening import Opened, opened
from recover.session.options import Options
from recover.session.saying import say, say_json
from recover.session.trusting import require_trusted
from recover.world import RunPlace

BEFORE = timedelta(minutes=1)
"""Log lines from a little before the step began: what made it fail may have been said then."""


def explain(run: str | None, step: str | None, options: Options) -> int:
    """Why a step of a run failed; without `step` the one that it stands at. 0.

    Raises UsageError for a step that the run does not have, and for a run in which none failed.
    """
    folder = find(options.state, run, options.project, flags=options.flags)
    require_trusted(folder, options)  # its playbook is opened, with our secrets, on our machine
    now = progress(folder)
    told = account(records(folder / NAME), _step(now, step, options.flags))
    options = replace(options, target=now.target, project=folder.parent.name, variables=now.variables)
    playbook = load_playbook(Path(now.playbook), options)
    with opened(playbook, options, RunPlace(folder.name, folder), looking=True, patient=True) as session:
        it = _explained(session, told, _commands(now, options.flags), thorough=True)
        if options.json:
            say_json(session.redactor.data(shown.data(it)))
        else:
            say(*map(session.redactor.text, shown.text(it)))
    return 0


def block(session: Opened, folder: Path, step: str, options: Options) -> list[str]:
    """The same, quickly, just after the step failed: what its own checks answered is not asked again.

    It never raises: the failure itself was told, and the run ends with its exit code.
    """
    try:
        told = account(records(folder / NAME), step)
        it = _explained(session, told, _commands(progress(folder), options.flags), thorough=False)
        return [session.redactor.text(line) for line in shown.text(it)]
    except RecoverError:
        return []
    except Exception as error:
        return [f"why step {step} failed cannot be said: {report_bug(error, session.redactor).where}"]


def _step(now: Progress, step: str | None, flags: str) -> str:
    known = [
        *now.failed,
        *([now.in_flight] if now.in_flight else []),
        *([now.current] if now.current else []),
        *now.isolated,
    ]
    if step is None:
        if not known:
            raise UsageError(f"no step of run {now.run} failed", next=f"recover show {now.run}{flags}")
        return known[0]
    if step not in {*now.steps, *known}:
        raise UsageError(f"run {now.run} has no step {step!r}", why=f"its steps: {', '.join(now.steps)}")
    return step


def _commands(now: Progress, flags: str) -> tuple[tuple[str, str], ...]:
    on = (("go on", f"recover resume {now.run}{flags}"),) if now.resumable else ()
    return (
        ("look", f"recover show {now.run}{flags}"),
        ("undo", f"recover rollback {now.run}{flags}"),
        ("hand over", f"recover status {now.run} --handover{flags}"),
        *on,
    )


def _explained(session: Opened, told: Account, commands: tuple[tuple[str, str], ...], *, thorough: bool) -> Explanation:
    source = source_of(session)
    since = datetime.now(UTC) - told.began + BEFORE if told.began else BEFORE
    scene = look(source, since) if thorough else look(replace(source, probes={}), since, settle=0.0)
    if told.question:
        scene.answers.setdefault(told.step, Evidence(told.question, masked(told.answer), passed=False))
    return Explanation(told, judge(scene, causes()), _services(session, told.step, scene), commands)


def _services(session: Opened, step: str, scene: Scene) -> tuple[str, ...]:
    """What the step works on and asks about, and of what those need whatever is down."""
    spec = next((spec for spec in session.specs if spec.id == step), None)
    found: set[str] = set()
    with suppress(RecoverError):
        bound = session.bind(spec, (spec.item,) if spec.item else ()) if spec else None
        about = frozenset[str]().union(*(asked.about for asked in bound.checks)) if bound else frozenset()
        about |= bound.work.claims(session.live) if bound and bound.work else frozenset()
        found = {resource.removeprefix("service:") for resource in about if resource.startswith("service:")}
    found |= {
        state.name
        for state in scene.down()
        if any(state.name in scene.states[n].needs for n in found if n in scene.states)
    }
    return tuple(name for name in scene.states if name in found)
