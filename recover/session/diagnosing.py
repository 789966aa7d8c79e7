"""diagnose: why is it broken? Looks at everything, changes nothing."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from recover.checks.tls import TlsIsGood
from recover.diagnosis.causes import causes
from recover.diagnosis.scene import Source, look
from recover.diagnosis.verdict import Suspect, Verdict, judge
from recover.enums.expected import Expected
from recover.errors import Precondition, RecoverError, Unreachable, UsageError
from recover.evidence import few
from recover.playbook.model import StepSpec
from recover.postgres.session import Server, Session, server_of
from recover.report import diagnosis as shown
from recover.runtimes import RUNTIMES, Site
from recover.secrets import Redactor
from recover.session.doctor import declared
from recover.session.loading import load_playbook
from recover.session.opening import LOCK_PATIENCE, Opened, masking, opened, project_of, require_there
from recover.session.options import Options
from recover.session.saying import note, say, say_json
from recover.steps.enum import RepairEnum
from recover.steps.tls import ReissueCertificate
from recover.world import Check, RunPlace

QUIET = ("logs", "enum")
"""Kinds of probes that say nothing beyond what a diagnosis looks at itself."""
LONGEST = 10 * 365 * 86400.0  # seconds that any log goes back


def diagnose(path: Path | None, dsn: str | None, options: Options, since: float) -> int:
    """Say what is wrong, why that is so, and what to type. 0 when nothing is, 1 when something is, 7 when nothing is
    in what could be seen, and not everything could.

    `since` in seconds: log lines from then on. Raises UsageError when there is nothing to look at.
    """
    began = time.monotonic()
    with _source(path, dsn, options) as (source, redactor):
        note("looking at services, logs and databases; nothing is changed")
        seen = look(replace(source, tell=note), timedelta(seconds=min(since, LONGEST)))
        verdict = judge(seen, causes())
        _require_seen(verdict, options)
        next = _next(verdict, path, options)
        if options.json:
            say_json(redactor.data({**shown.data(verdict, next), "seconds": round(time.monotonic() - began, 3)}))
        else:
            say(*map(redactor.text, shown.text(verdict, next)))
    if verdict.root:
        return 1
    return Unreachable.exit_code if verdict.scene.unseen else 0


def _require_seen(verdict: Verdict, options: Options) -> None:
    """Raises Unreachable when nothing at all could be looked at: that is not the same as nothing being wrong."""
    scene = verdict.scene
    if scene.states or verdict.root:
        return
    if scene.unseen:
        raise Unreachable("nothing could be looked at", why=few([*dict.fromkeys(scene.unseen.values())]))
    if scene.source.services:
        what = f"there is no service of the project {options.project}" if options.project else "there is no service"
        raise Unreachable(what, next="docker compose ls --all" if options.project else "")


@contextmanager
def _source(path: Path | None, dsn: str | None, options: Options) -> Iterator[tuple[Source, Redactor]]:
    if path is not None and dsn is not None:
        raise UsageError("the playbook says where its databases are", next=f"recover diagnose {path}, without --dsn")
    if path is not None:
        with _of_playbook(path, options) as found:
            yield found
        return
    if not (dsn or options.project):
        raise UsageError("diagnose takes a playbook, or --project and --dsn", next="recover diagnose PLAYBOOK")
    redactor = Redactor()
    with masking(redactor):
        yield replace(_by_hand(dsn, options, redactor), hide=redactor.text), redactor


def _by_hand(dsn: str | None, options: Options, redactor: Redactor) -> Source:
    """A project of the engine, found by its labels, and a database."""
    services = None
    if options.project:
        folder = options.state / options.project
        services = RUNTIMES["compose"](Site((), options.project, folder, folder, looking=True))
    if dsn is None:
        return Source(services)
    server = server_of(dsn)
    if server.password:
        redactor.learn(server.password)
    databases = {server.dbname or "the database": partial(Session, server, run="diagnose", lock_patience=LOCK_PATIENCE)}
    return Source(services, databases, {name: name for name in databases}, psql=lambda _name: _psql(server))


@contextmanager
def _of_playbook(path: Path, options: Options) -> Iterator[tuple[Source, Redactor]]:
    playbook = load_playbook(path, options)
    place = RunPlace("diagnose", options.state / project_of(playbook, options) / "diagnose")
    with opened(playbook, options, place, looking=True, patient=True) as session:
        _require_replica(session)
        yield source_of(session), session.redactor


def _require_replica(session: Opened) -> None:
    """Raises Unreachable when there is no replica at all: each file in it would seem to be what is missing."""
    if session.target.services.runtime == "local" and not Path(session.scope.target["folder"]).exists():
        require_there(session.runtime)


def source_of(session: Opened) -> Source:
    """Everything that a playbook on its target knows to look at."""
    probes, tls = _questions(session)
    folders = [Path(session.scope.target["folder"]), session.playbook.folder]
    files = {name for name, secret in session.playbook.secrets.items() if secret.file is not None}
    return Source(
        services=session.live.services,
        databases={name: partial(session.databases, name) for name in session.target.databases},
        dbnames={name: database.dbname for name, database in session.target.databases.items()},
        view=session.live,
        expected=_expected(session),
        probes=probes,
        certificates=tls,
        steps=frozenset(spec.kind for spec in session.specs if spec.kind),
        folders=[folder for folder in folders if folder.exists()],
        lacking=[why for name, why in session.lacking.items() if name in files],
        unasked={f"secret {name}": why for name, why in session.lacking.items() if name not in files},
        hide=session.redactor.text,
        psql=partial(_psql_of, session),
    )


def _psql_of(session: Opened, name: str) -> str:
    with suppress(RecoverError):
        return _psql(session.databases(name).server)
    return ""


def _psql(server: Server) -> str:
    """The options of psql that lead to the server, as the same role; the password it asks for itself."""
    given = {"-h": server.host, "-p": str(server.port or ""), "-U": server.user, "-d": server.dbname}
    return "".join(f" {flag} {shlex.quote(value)}" for flag, value in given.items() if value)


def _expected(session: Opened) -> Mapping[str, Expected]:
    """Per database what its enum.repair steps expect."""
    try:
        known = declared(session)
    except RecoverError:
        return {}
    steps = (spec.args for spec in session.specs if spec.work_type is RepairEnum)
    names = {str(args["database"]) for args in steps if isinstance(args, dict)}
    return {name: known for name in names if known}


def _questions(session: Opened) -> tuple[dict[str, Check], list[Check]]:
    """The playbook's own: its probes that every step asks alike, and its checks of certificates.

    One that lacks a secret is left out: that it is lacking is said anyway. A certificate that ends soon breaks nothing
    yet, so only one that has ended counts.
    """
    probes: dict[str, Check] = {}
    tls: dict[str, Check] = {}
    for spec in session.specs:
        for check in (*spec.checks, *spec.done_when, *spec.guards):
            if check.varies:
                continue
            kind = tls if check.kind == "tls" else probes if check.probe and check.kind not in QUIET else {}
            with suppress(Precondition):
                kind.setdefault(check.probe or check.sha256, check.bind(session.scope).check)
        if spec.work_type is ReissueCertificate:
            with suppress(Precondition):
                tls |= {f"{spec.id} {n}": proof for n, proof in enumerate(_proofs(session, spec))}
    return probes, [replace(check, days_left=0) if isinstance(check, TlsIsGood) else check for check in tls.values()]


def _proofs(session: Opened, spec: StepSpec) -> list[Check]:
    work = session.bind(spec, ()).work
    return [proof for proof, _ in work.proofs()] if work else []


def same_playbook(path: Path, options: Options) -> str:
    """The words of a next command on this playbook, with all that was given."""
    return " ".join([shlex.quote(str(path)), *_given(options)]) + options.project_flags


def _next(verdict: Verdict, path: Path | None, options: Options) -> list[str]:
    """What to type: what the answer knows, what the cause says, and the playbook where it has a step for it."""
    root = verdict.root
    if root is None:
        return []
    by_hand = [*root.told.next, *([] if root.told.next or root.cause.step else [root.cause.otherwise])]
    if path is None:
        return [line for line in (*by_hand, *_without_playbook(root, options)) if line]
    where = same_playbook(path, options)
    if root.cause.step and root.cause.step not in verdict.scene.source.steps:
        by_hand.append(root.cause.otherwise)
    return [line for line in (*by_hand, f"recover run {where}", f"recover plan {where}   # what that would do") if line]


def _given(options: Options) -> list[str]:
    """The words that say which target, and with which values."""
    target = ["--target", options.target] if options.target else []
    values = (word for name, value in options.variables.items() for word in ("-e", f"{name}={value}"))
    return [shlex.quote(word) for word in (*target, *values)]


def _without_playbook(root: Suspect, options: Options) -> list[str]:
    if root.cause.id == "enum-drift":
        expected = "recover enums expected --source DIR -o expected.yml   # or --models; then:"
        return [expected, "recover enums diff --expected expected.yml --dsn …"]
    named = " ".join(root.told.about)
    if not (options.project and named):
        return []
    return [f"docker compose --project-name {shlex.quote(options.project)} restart {named}"]
