"""A superuser's recover on a database of a hostile role: whatever it looks at or changes, nothing of his is run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import PostgresServer, query
from hostile import Hostile, hostile
from poolers import refusing_options

from recover.checks.sql import SqlAnswers
from recover.drill.score import count
from recover.enums.expected import Expected
from recover.enums.look import diagnose, examine
from recover.enums.planning import plan
from recover.errors import Precondition, StepError
from recover.postgres.clone import _require_harmless
from recover.postgres.connection import ask, connect
from recover.postgres.lease import DatabaseLease
from recover.postgres.session import Session, knows_restriction, ping
from recover.session.dropping import SESSIONS
from recover.world import Statement

pytestmark = pytest.mark.postgres
Doctor = Callable[..., str]
DSN = "postgresql://{0.user}:{1}@{0.host}:{0.port}/{0.dbname}"
EXPECTED = "types:\n  userrole: [ADMIN, USER]\n  {more}\ncolumns: {{public.users.state: [ON]}}\n"


@pytest.fixture(scope="module")
def made() -> Iterator[Callable[[PostgresServer], Hostile]]:
    """One such database on each server, for all tests of this module."""
    known: dict[int, Hostile] = {}
    with ExitStack() as stack:

        def of(postgres: PostgresServer) -> Hostile:
            if postgres.major not in known:
                known[postgres.major] = stack.enter_context(hostile(postgres, f"hostile_{postgres.major}"))
            return known[postgres.major]

        yield of


@pytest.fixture
def theirs(postgres: PostgresServer, made: Callable[[PostgresServer], Hostile]) -> Hostile:
    return made(postgres)


@pytest.fixture
def doctor(theirs: Hostile, tmp_path: Path) -> Doctor:
    """Run `recover enums VERB …` there as the superuser."""

    assert theirs.admin.password
    dsn = DSN.format(theirs.admin, theirs.admin.password.reveal())

    def run(verb: str, *words: str, expect: int = 0, more: str = "") -> str:
        (tmp_path / "expected.yml").write_text(EXPECTED.format(more=more))
        done = subprocess.run(
            [sys.executable, "-m", "recover", "enums", verb, "--dsn", dsn, *words],
            cwd=tmp_path,
            env=dict(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.mark.every_postgres
def test_the_traps_are_traps(theirs: Hostile) -> None:
    """Else the other tests prove nothing. The owner himself walks into them."""
    query(theirs.owner, "select 1 from pg_class where oid = 'pg_class'::regclass limit 1")
    query(theirs.owner, "select 1 from pg_type limit 1")
    query(theirs.owner, "select format('a'::pg_catalog.text), mood::pg_catalog.text from public.moods")
    by = f" as {theirs.owner.user}"
    wanted = {"operator = oid regclass", "view pg_type", "function format", "cast to text", "domain regclass"}
    assert {line.removesuffix(by) for line in theirs.trapped()} >= wanted
    for beyond in (
        "create event trigger e on ddl_command_start execute function public.trap()",
        "alter default privileges for role postgres grant all on tables to public",
        "alter role postgres set search_path = public",
        "alter system set search_path = public",
        "set session_preload_libraries = 'x'",
        "create operator class o default for type public.userrole using btree as operator 3 =",
    ):  # what the server itself keeps from him
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.CantChangeRuntimeParam)):
            query(theirs.owner, beyond)


@pytest.mark.every_postgres
def test_the_life_of_a_repair_runs_nothing_of_theirs(theirs: Hostile, doctor: Doctor) -> None:
    told = ("--expected", "expected.yml")
    rewriting = (*told, "--rewrite-dependants")
    assert "userrole" in doctor("diff", *told, expect=4)
    assert "mood" in doctor("diff", *told, expect=4, more="mood: [SAD]")
    doctor("plan", *rewriting, "-o", "plan.json")
    doctor("rehearse", *rewriting)
    doctor("repair", *rewriting, "--plan", "plan.json", "--yes")
    doctor("verify", *told)
    doctor("undo", "--yes")
    query(theirs.admin, "drop schema recover cascade")
    assert by_us(theirs) == set()


@pytest.mark.every_postgres
def test_a_cast_of_theirs_is_refused_where_a_repair_would_run_it(theirs: Hostile, doctor: Doctor) -> None:
    told = ("--expected", "expected.yml", "--rewrite-dependants")
    said = doctor("plan", *told, expect=7, more="mood: [SAD]")
    assert "the cast from public.mood to json runs public.cast_to_json(public.mood) of mallory" in said
    assert f"connect as {theirs.owner.user}" in said
    assert by_us(theirs) == set()


def test_a_condition_of_an_index_of_theirs_is_refused_where_a_plan_would_run_it(
    theirs: Hostile, doctor: Doctor
) -> None:
    query(theirs.owner, "create function public.cond(pg_catalog.text) returns pg_catalog.bool immutable"
          " language plpgsql as $$ begin return public.trap('condition'); end $$")  # fmt: skip
    query(theirs.owner, "create unique index by_state on public.users (state, id) where public.cond(state)")
    query(theirs.owner, "update public.users set state = 'on '")
    try:
        said = doctor("plan", "--expected", "expected.yml", "--rewrite-dependants", expect=7)
        assert "its unique index public.by_state runs function public.cond(text) of mallory" in said
        assert by_us(theirs) == set()
    finally:
        query(theirs.owner, "drop index public.by_state; drop function public.cond(pg_catalog.text)")


WRITTEN = {
    "a check": "alter table public.users add constraint c check (public.trap('check'))",
    "a check by SQL in a text": "alter table public.users add constraint c check"
    " (pg_catalog.query_to_xml('select public.trap(''xml'')', true, true, '') is not null) not valid",
    "a rule": "create rule c as on update to public.users do also select public.trap('rule')",
    "a domain": "create domain public.d as pg_catalog.int4 check (public.trap('domain'));"
    "alter table public.users add column c public.d[]",
    "a generated column": "create function public.made(pg_catalog.int4) returns pg_catalog.int4 immutable"
    " language plpgsql as $$ begin perform public.trap('generated'); return 1; end $$;"
    "alter table public.users add column c pg_catalog.int4 generated always as (public.made(id)) stored",
    "an index": "create function public.keyed(pg_catalog.int4) returns pg_catalog.int4 immutable language plpgsql"
    " as $$ begin perform public.trap('index'); return 1; end $$; create index c on public.users (public.keyed(id))",
}


@pytest.mark.every_postgres
@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_what_writing_rows_would_run_is_refused(theirs: Hostile, tmp_path: Path, written: str) -> None:
    """Nobody but a login as the owner is safe from it: SET ROLE can be taken back by the function itself."""
    expected = Expected(columns={"public.users.state": ("ON",)})
    query(theirs.owner, "update public.users set state = 'on '")
    try:
        query(theirs.owner, written)
        with closing(Session(theirs.admin)) as session:
            with pytest.raises(Precondition) as caught:
                plan(session, diagnose(session, expected))
            assert f"{theirs.owner.user}'s to say, as this superuser" in caught.value.why
            assert f"connect as {theirs.owner.user}" in caught.value.next
            if "rule" not in written:  # which a restore makes last
                with pytest.raises(Precondition, match="made by a dump would run"):
                    _require_harmless(session)
        with closing(Session(theirs.owner)) as session:
            assert plan(session, diagnose(session, expected)) is not None
        assert by_us(theirs) == set()
    finally:
        query(theirs.owner, "alter table public.users drop constraint if exists c, drop column if exists c")
        query(theirs.owner, "drop index if exists public.c; drop rule if exists c on public.users")
        query(theirs.owner, "drop function if exists public.made, public.keyed; drop domain if exists public.d")


@pytest.mark.every_postgres
def test_looking_backing_up_and_holding_the_lease_run_nothing_of_theirs(theirs: Hostile, tmp_path: Path) -> None:
    admin = theirs.admin
    assert ping(admin.host, admin.port, admin.dbname, admin.user, admin.password, timeout=10) == ""
    with closing(Session(admin, run="r", step=lambda: "s")) as session:
        assert session.identity()["database"] == admin.dbname
        assert session.rows("sessions", SESSIONS) == []
        assert count(session).rows == 4
        session.dump(tmp_path / "dump")
        lease = DatabaseLease(session, "r", "eva@berlin")
        lease.require()
        lease.require(breaking=True)
        lease.release()
        assert session.end_leftovers("r", patience=0.1) == 0
        assert by_us(theirs) == set()


def test_through_a_pooler_that_takes_no_options_it_is_the_same_and_nothing_of_ours_stays_behind(
    theirs: Hostile,
) -> None:
    with refusing_options(theirs.admin) as pooled:
        assert ping(pooled.host, pooled.port, pooled.dbname, pooled.user, pooled.password, timeout=10) == ""
        with closing(Session(pooled, run="r")) as session:
            found = examine(session, diagnose(session, Expected(types={"userrole": ("ADMIN", "USER")})))
            assert [each.object for each in found.breaks] == ["function is_admin(userrole)", "view admins"]
            lease = DatabaseLease(session, "r", "eva@berlin")
            lease.require()
            lease.release()
        with closing(connect(pooled, "recover", 5.0)) as connection:
            ask(connection, "SELECT pg_catalog.now()")
            [row] = connection.execute("show search_path").fetchall()  # what the next client of a pooler gets
            assert row["search_path"] == "public, pg_catalog"
    assert by_us(theirs) == set()


def test_a_connection_starts_with_our_path_and_with_the_options_that_the_user_gave(
    theirs: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c search_path=public -c work_mem=5MB")
    with closing(connect(theirs.admin, "recover", 5.0)) as connection:
        seen = [connection.execute(f"show {name}").fetchall()[0][name] for name in ("search_path", "work_mem")]
        assert seen == ["pg_catalog,pg_temp", "5MB"]


def test_a_playbooks_own_sql_has_the_path_of_its_role(theirs: Hostile) -> None:
    """What it names is its author's to say; what is sent around it is ours, and runs nothing."""
    with closing(Session(theirs.admin, run="r")) as session:
        world: Any = OnlyOne(session)
        shown = SqlAnswers("main", Statement("show search_path", role_path=True), "public, pg_catalog").ask(world)
        assert shown.passed, shown.answer
        ours = SqlAnswers("main", Statement("show search_path"), "pg_catalog, pg_temp").ask(world)
        assert ours.passed, ours.answer
        limits = {"lock_timeout": 1.0, "statement_timeout": 5.0}
        own = Statement("insert into users values (9); delete from users", role_path=True)
        mixed = [Statement("create table public.t ()"), own, Statement("drop table public.t")]
        with pytest.raises(StepError, match="not made"):
            session.execute([*mixed, Statement("select * from users")], **limits)  # ours, and not told where
        with pytest.raises(StepError, match="not made"):
            session.execute([Statement("create table t ()")], **limits)
        assert by_us(theirs) == set()
    given = replace(theirs.admin, further=(("options", "-c search_path=app,public -c work_mem=5MB"),))
    with closing(Session(given)) as session:
        [row] = session.rows("settings", Statement("show search_path", role_path=True))
        assert row["search_path"] == "app,public"
        [row] = session.rows("settings", Statement("show work_mem"))
        assert row["work_mem"] == "5MB"


@pytest.mark.every_postgres
def test_a_table_that_has_become_a_view_is_not_read(theirs: Hostile) -> None:
    """Between the look at the catalog and the read its owner may exchange it (CVE-2024-7348)."""
    query(theirs.owner, "create view public.swapped as select public.trap('swapped') as id")
    with closing(Session(theirs.admin)) as session:
        version = int(session.identity()["server_version_num"])
        if not knows_restriction(version):
            pytest.skip(f"PostgreSQL {version} cannot be told")
        with pytest.raises(StepError) as caught:
            session.rows("rows", Statement("SELECT * FROM public.swapped"))
        assert "view" in caught.value.why
        assert by_us(theirs) == set()


def by_us(theirs: Hostile) -> set[str]:
    """What of theirs was run as the superuser."""
    return {line for line in theirs.trapped() if line.endswith(f" as {theirs.admin.user}")}


class OnlyOne:
    """As much of a view as a check of one database needs."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def database(self, _name: str) -> Session:
        return self.session
