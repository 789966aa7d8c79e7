"""rehearse: the database steps of a playbook, carried out for real on a copy of the database, which is dropped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from recover.checks.wait import ONCE, Waiter
from recover.enums.familiar import familiar
from recover.errors import Precondition, RecoverError
from recover.evidence import Evidence
from recover.playbook.model import StepSpec
from recover.playbook.scope import Step
from recover.postgres.clone import cloned
from recover.postgres.session import Session
from recover.session.loading import load_playbook
from recover.session.opening import Opened, opened, project_of
from recover.session.options import Options
from recover.session.saying import note, say, say_json
from recover.world import Row, RunPlace, Statement

FAILED = 1
HELD = """DROP SCHEMA IF EXISTS recover_rehearsal CASCADE;
CREATE SCHEMA recover_rehearsal;
CREATE TABLE recover_rehearsal.locks AS
SELECT DISTINCT coalesce(l.relation::pg_catalog.regclass::pg_catalog.text,
                         t.oid::pg_catalog.regtype::pg_catalog.text) AS object, l.mode
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_type t ON l.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = l.objid
LEFT JOIN pg_catalog.pg_class r ON r.oid = l.relation
WHERE l.pid = pg_catalog.pg_backend_pid() AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
  AND (t.oid IS NOT NULL OR (l.relation >= 16384
       AND r.relnamespace::pg_catalog.regnamespace::pg_catalog.text NOT IN ('recover', 'pg_toast')))
UNION ALL
SELECT NULL, coalesce(pg_catalog.sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del), 0)::pg_catalog.text
FROM pg_catalog.pg_stat_xact_user_tables s WHERE s.schemaname <> 'recover'"""
"""The locks that a transaction holds just before its COMMIT, on what is not the catalog's (oids from 16384 on)
and not recover's own, and in a row without an object how many rows it has written."""


@dataclass
class Copy:
    """A copy of one database, as a `world.Database` that keeps what each change took.

    `seconds` is the whole transaction, the longest that any of its locks was held.
    """

    session: Session
    rows_touched: int = 0
    seconds: float = 0.0
    locks: list[str] = field(default_factory=list)

    def rows(self, about: str, statement: Statement) -> list[Row]:
        """As the session."""
        return self.session.rows(about, statement)

    def execute(self, statements: Sequence[Statement], *, lock_timeout: float, statement_timeout: float) -> list[int]:
        """As the session; the last thing in the transaction is a look at its own locks."""
        limits = {"lock_timeout": lock_timeout, "statement_timeout": statement_timeout}
        began = time.monotonic()
        counts = self.session.execute([*statements, Statement(HELD)], **limits)[:-1]
        self.seconds += time.monotonic() - began
        held = self.session.rows("locks", Statement("SELECT object, mode FROM recover_rehearsal.locks ORDER BY 1, 2"))
        self.rows_touched += sum(int(str(row["mode"])) for row in held if row["object"] is None)
        told = familiar(self.session)
        self.locks += [f"{row['mode']} on {told(str(row['object']))}" for row in held if row["object"] is not None]
        self.session.execute([Statement("DROP SCHEMA recover_rehearsal CASCADE")], **limits)
        return counts

    def dump(self, path: Path) -> Mapping[str, object]:
        """A copy is not backed up."""
        raise Precondition(f"a rehearsal makes no dump: {path}")


@dataclass(frozen=True)
class Copies:
    """As much of a world as database steps need."""

    copies: Mapping[str, Copy]

    def database(self, name: str) -> Copy:
        """The copy of the database of that name."""
        return self.copies[name]


@dataclass(frozen=True)
class Tried:
    """What one step did on the copy. `error` is why it failed, or ""; `unasked` are checks that need more than it."""

    step: str
    statements: Sequence[str]
    rows: int
    seconds: float
    locks: Sequence[str]
    checks: Sequence[Evidence]
    unasked: int
    error: str = ""

    @property
    def passed(self) -> bool:
        """It was carried out and proven."""
        return not self.error and all(check.passed for check in self.checks)


def rehearse(path: Path, options: Options) -> int:
    """Carry the database steps out on copies, say what each took, drop the copies. 0, or 1 when one failed."""
    playbook = load_playbook(path, options)
    place = RunPlace("rehearsal", options.state / project_of(playbook, options) / "rehearsal")
    with opened(playbook, options, place, looking=True) as session, _copies(session) as (world, how):
        tried = []
        for spec, step in _concerned(session):
            note(f"rehearsing step {spec.id}")
            tried.append(_try(spec, step, world))
            if not tried[-1].passed:
                break
        if options.json:
            steps = [{**asdict(each), "checks": [_told(check) for check in each.checks]} for each in tried]
            passed = all(each.passed for each in tried)
            say_json({"v": 1, "how": how, "steps": session.redactor.data(steps), "passed": passed})
        else:
            say(*(session.redactor.text(line) for line in _lines(tried, how)))
    return 0 if all(each.passed for each in tried) else FAILED


@contextmanager
def _copies(session: Opened) -> Iterator[tuple[Copies, Mapping[str, str]]]:
    """A copy of every database of the target, and how each was made."""
    with ExitStack() as stack:
        copies, how = {}, {}
        for name in session.target.databases:
            note(f"making a copy of {name}")
            with closing(session.databases(name)) as original:
                server = original.server
            clone, how[name] = stack.enter_context(cloned(server))
            copies[name] = Copy(stack.enter_context(closing(Session(clone, run="rehearsal"))))
        yield Copies(copies), how


def _concerned(session: Opened) -> Iterator[tuple[StepSpec, Step]]:
    """The steps that change or ask nothing but databases, in order."""
    for spec in session.specs:
        step = session.bind(spec, ())
        about = step.work.claims(session.live) if step.work else frozenset().union(*(a.about for a in step.checks))
        if about and not step.unless and all(resource.startswith("database:") for resource in about):
            yield spec, step


def _try(spec: StepSpec, step: Step, world: Copies) -> Tried:
    for copy in world.copies.values():
        copy.rows_touched, copy.seconds, copy.locks = 0, 0.0, []
    statements: list[str] = []
    checks: list[Evidence] = []
    error, unasked = "", 0
    try:
        for action in step.decide(world):  # type: ignore[arg-type]  # a world of databases only
            statements += action.describe.splitlines()
            action.apply(world)  # type: ignore[arg-type]
        waiter = Waiter(world)  # type: ignore[arg-type]
        mine = [a for a in step.checks if all(resource.startswith("database:") for resource in a.about)]
        checks, unasked = [waiter.ask(asked.check, ONCE) for asked in mine], len(step.checks) - len(mine)
    except RecoverError as failure:
        error = f"{failure.what}: {failure.why}" if failure.why else failure.what
    rows, seconds = sum(c.rows_touched for c in world.copies.values()), sum(c.seconds for c in world.copies.values())
    locks = [lock for copy in world.copies.values() for lock in copy.locks]
    return Tried(spec.id, statements, rows, round(seconds, 3), locks, checks, unasked, error)


def _lines(tried: Sequence[Tried], how: Mapping[str, str]) -> list[str]:
    made = ", ".join(f"{name} (by {word})" for name, word in how.items())
    return [
        f"rehearsed on a copy of {made}, which is dropped",
        *(line for each in tried for line in _about(each)),
        "everything passed" if all(each.passed for each in tried) else "NOT everything passed",
    ]


def _about(tried: Tried) -> list[str]:
    did = f"{len(tried.statements)} statements in {tried.seconds:g} s, {tried.rows} rows written"
    return [
        f"{tried.step}: {did if tried.statements else 'nothing to do'}",
        *(f"  held until COMMIT: {lock}" for lock in tried.locks),
        *(f"  {'ok' if check.passed else 'NO'}  {check.question} {check.answer}" for check in tried.checks),
        *([f"  {tried.unasked} checks need more than the database: not asked"] if tried.unasked else []),
        *([f"  FAILED: {tried.error}"] if tried.error else []),
    ]


def _told(check: Evidence) -> Mapping[str, object]:
    return {"question": check.question, "answer": check.answer, "passed": check.passed}
