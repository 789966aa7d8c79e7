"""`recover enums …` as a user types it, on a real database: its life, its refusals, its forms of output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psycopg
import pytest
from conftest import PostgresServer
from enum_worlds import Sql, catalog, labels, rows
from replicas import until

from recover.postgres.session import Server

pytestmark = pytest.mark.postgres
Doctor = Callable[..., subprocess.CompletedProcess[str]]

SCHEMA = """
create type userrole as enum ('admin', 'user');
create type userstatus as enum ('pending_approval', 'active', 'ACTIVE');
create table users (id int primary key, role userrole default 'user', status userstatus, state text);
insert into users select g, 'user', case when g % 5 = 0 then 'active' else 'ACTIVE' end::userstatus, 'on '
    from generate_series(1, 20) g;
create view admins as select id from users where role::text = 'admin';
"""
EXPECTED = """
types:
  userrole: [ADMIN, USER]
  userstatus: [PENDING, ACTIVE, DISABLED]
map: {userstatus: {pending_approval: PENDING}}
columns: {public.users.state: [ON, "OFF"]}
"""


def dsn_of(server: Server) -> str:
    assert server.password is not None
    return f"postgresql+psycopg2://{server.user}:{server.password.reveal()}@{server.host}:{server.port}/{server.dbname}"


@pytest.fixture
def doctor(database: Server, tmp_path: Path) -> Doctor:
    """Run `recover enums VERB …` on the fresh database; the expected file is in the folder it runs in."""
    (tmp_path / "expected.yml").write_text(EXPECTED)

    def run(verb: str, *words: str, expect: int | None = 0, dsn: str | None = dsn_of(database), **env: str) -> Any:
        where = ["--dsn", dsn] if dsn is not None else []
        done = subprocess.run(
            [sys.executable, "-m", "recover", "enums", verb, *where, *words],
            cwd=tmp_path,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr + done.stdout
        assert expect in (None, done.returncode), done.stdout + done.stderr
        assert database.password
        assert database.password.reveal() not in done.stdout + done.stderr
        return done

    return run


E_ = ("--expected", "expected.yml")
OURS = "select count(*) from pg_stat_activity where application_name like 'recover%'"


def test_the_life_of_a_repair(doctor: Doctor, sql: Sql, admin_sql: Sql, tmp_path: Path) -> None:
    sql(SCHEMA)
    before = catalog(admin_sql), rows(admin_sql)
    found = doctor("diff", *E_, expect=4).stdout
    assert "'admin' becomes 'ADMIN'" in found
    assert "breaks silently (sure): view admins" in found
    assert "next: recover enums plan --dsn … --expected expected.yml\n" in found
    refused = doctor("plan", *E_, expect=7)
    assert "add --rewrite-dependants" in refused.stderr
    shown = doctor("plan", *E_, "--rewrite-dependants").stdout
    plan = doctor("plan", *E_, "--rewrite-dependants", "-o", "plan.json").stdout
    assert plan.splitlines()[-1].startswith("next: recover enums repair --dsn ")
    assert plan.endswith(" --plan plan.json\n")
    assert "next: the same with -o plan.json, then recover enums repair" in shown  # what was chosen is in the file
    assert "rewritten: view admins\n" in plan
    assert "-  WHERE ((role)::text = 'admin'::text);\n+  WHERE ((role)::text = 'ADMIN'::text);" in plan
    assert "mind: this assumes code that expects these labels (expected.yml)" in plan
    assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o600
    waits = doctor("repair", "--plan", "plan.json", expect=10)
    assert "the same with --yes" in waits.stderr
    assert all(line in waits.stdout for line in plan.splitlines() if line.startswith("ALTER"))
    assert (catalog(admin_sql), rows(admin_sql)) == before

    done = doctor("repair", "--plan", "plan.json", "--yes").stdout
    asked = doctor("undo", expect=10)
    assert asked.stdout.startswith("undo of ")
    assert "RENAME VALUE 'ADMIN' TO 'admin'" in asked.stdout
    assert "the same with --yes" in asked.stderr
    planned = json.loads((tmp_path / "plan.json").read_text())["statements"]
    flat = "\n".join(line.removeprefix("    ") for line in plan.splitlines())  # further lines of a statement are set in
    assert all("\n".join(line.removeprefix("    ") for line in f"{each};".split("\n")) in flat for each in planned)
    assert sql("select statements from recover.enum_repairs") == [(planned,)]
    assert doctor("diff", *E_).stdout.endswith("3 types and text columns are as expected\n")
    assert "nothing to do" in doctor("repair", "--plan", "plan.json", "--yes").stdout
    assert "NO " not in doctor("verify", *E_).stdout
    assert sql("select count(*) from users where status = 'ACTIVE' and state = 'ON' and role = 'USER'") == [(20,)]

    id = done.split("--repair ")[1].strip()
    assert id in doctor("undo", "--repair", id, "--yes").stdout
    left = catalog(admin_sql), rows(admin_sql)
    assert left[1] == before[1]
    assert [label for label in left[0].values() if label == "DISABLED"]  # the one thing that stays
    assert {k: v for k, v in left[0].items() if v != "DISABLED"} == before[0]
    assert "no repair is kept here that could be taken back" in doctor("undo", "--yes", expect=7).stderr


def test_an_undo_given_twice_does_not_take_an_older_repair_back(doctor: Doctor, sql: Sql, tmp_path: Path) -> None:
    sql("create type mood as enum ('a', 'b'); create table users (id int, mood mood)")
    for old, new in (("a", "A"), ("A", "B")):
        (tmp_path / "expected.yml").write_text(f"types: {{mood: [{new}, b]}}\nmap: {{mood: {{{old}: {new}}}}}\n")
        doctor("repair", *E_, "--yes")
    [[older], [newer]] = sql("select id from recover.enum_repairs order by made_at")
    unknown = doctor("undo", "--yes", "--repair", "x", expect=7).stderr
    assert f"known: {newer}, {older}" in unknown
    assert "next: recover enums undo --dsn … --repair ID" in unknown
    assert newer in doctor("undo", "--yes").stdout
    refused = doctor("undo", "--yes", expect=7).stderr
    assert "the latest repair was taken back already" in refused
    assert f"next: recover enums undo --dsn … --repair {older}" in refused
    labels = "select array_agg(l::text) from unnest(enum_range(null::mood)) l"
    assert sql(labels) == [(["A", "b"],)]
    assert older in doctor("undo", "--yes", "--repair", older).stdout
    assert sql(labels) == [(["a", "b"],)]
    (tmp_path / "expected.yml").write_text("types: {mood: [A, b]}\nmap: {mood: {a: A}}\n")
    doctor("repair", *E_, "--yes")
    doctor("undo", "--yes")  # the latest, and those that were taken back are older
    assert sql(labels) == [(["a", "b"],)]


def test_a_plan_is_carried_out_as_it_is_or_not_at_all(doctor: Doctor, sql: Sql, admin_sql: Sql, tmp_path: Path) -> None:
    sql(SCHEMA)
    doctor("plan", *E_, "--rewrite-dependants", "-o", "plan.json")
    sql("alter type userrole rename value 'admin' to 'Admin'; alter type userrole add value 'x'")
    before = catalog(admin_sql), rows(admin_sql)
    refused = doctor("repair", "--plan", "plan.json", "--yes", expect=8)
    assert "planned for ['admin', 'user'], has ['Admin', 'user', 'x']" in refused.stderr
    assert (catalog(admin_sql), rows(admin_sql)) == before

    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["database"]["system_identifier"] = "1"
    (tmp_path / "other.json").write_text(json.dumps(plan))
    assert "another database than the plan" in doctor("repair", "--plan", "other.json", "--yes", expect=8).stderr
    (tmp_path / "none.json").write_text("{}")
    assert "not a plan" in doctor("repair", "--plan", "none.json", "--yes", expect=2).stderr


def test_who_holds_the_lock_is_named(doctor: Doctor, sql: Sql, admin_sql: Sql, database: Server) -> None:
    sql(SCHEMA)
    before = catalog(admin_sql), rows(admin_sql)
    words = ("repair", *E_, "--rewrite-dependants", "--yes", "--lock-timeout", "100ms")
    with psycopg.connect(dsn_of(database).replace("+psycopg2", ""), application_name="a migration") as other:
        other.execute("alter type userrole rename value 'user' to 'u'")
        blocked = doctor(*words, expect=1).stderr
        assert "waited for a lock in vain" in blocked
        assert "(a migration, app), idle in transaction" in blocked
        assert "alter type userrole rename value" in blocked
        other.rollback()
        other.execute("select pg_advisory_xact_lock(7265636)")
        assert "another repair of this database is running" in doctor(*words, expect=9).stderr
        other.rollback()
        other.execute("update users set state = 'x' where id = 1")
        assert "update users set state" in doctor(*words, expect=1).stderr
        other.rollback()
    assert (catalog(admin_sql), rows(admin_sql)) == before
    doctor(*words)


def test_ctrl_c_while_it_waits_leaves_nothing_behind(
    doctor: Doctor, sql: Sql, admin_sql: Sql, database: Server, tmp_path: Path
) -> None:
    sql(SCHEMA)
    before = catalog(admin_sql), rows(admin_sql)
    argv = [sys.executable, "-m", "recover", "enums", "repair", "--dsn", dsn_of(database), *E_, "--yes"]
    with psycopg.connect(dsn_of(database).replace("+psycopg2", "")) as other:
        other.execute("alter type userrole rename value 'user' to 'u'")
        words = [*argv, "--rewrite-dependants", "--lock-timeout", "30s"]
        with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as waiting:
            at_the_lock = f"{OURS} and wait_event_type = 'Lock'"
            until(lambda: admin_sql(at_the_lock) == [(1,)] or waiting.poll() is not None)
            assert waiting.poll() is None
            waiting.send_signal(signal.SIGINT)
            said = waiting.communicate(timeout=60)[1]
        other.rollback()
    assert waiting.returncode == 130
    assert "all of it has happened, or nothing" in said
    assert "recover enums diff --dsn …" in said
    until(lambda: admin_sql(OURS) == [(0,)])
    assert (catalog(admin_sql), rows(admin_sql)) == before


def test_the_forms_of_a_diff(doctor: Doctor, sql: Sql) -> None:
    sql(SCHEMA)
    found = json.loads(doctor("diff", *E_, "--json", expect=4).stdout)
    assert set(found) == {"v", "types", "columns", "blocked", "around", "writers"}
    role, status = found["types"]
    assert role["renames"] == {"admin": "ADMIN", "user": "USER"}
    assert role["columns"] == [{"table": "public.users", "column": "role", "kind": "plain"}]
    assert "column role of table users" in role["follows"]
    [broken] = role["breaks"]
    assert (broken["object"], broken["how"], broken["certainty"]) == ("view admins", "silent", "sure")
    assert "'ADMIN'::text" in broken["mend"]["after"]
    assert (status["state"], status["add"]) == ("both", ["DISABLED"])
    assert status["merges"] == [{"label": "active", "into": "ACTIVE", "rows": 4}]
    assert found["columns"][0]["changes"] == {"on ": "ON"}
    suite = ElementTree.fromstring(doctor("diff", *E_, "--format", "junit", expect=4).stdout)
    assert (suite.get("tests"), suite.get("failures"), len(suite.findall("testcase/failure"))) == ("3", "3", 3)
    noted = doctor("diff", *E_, "--format", "github", expect=4).stdout.splitlines()
    assert [line.startswith("::error title=enum drift in ") for line in noted] == [True, True, True, False]
    assert "there is no form" in doctor("diff", *E_, "--format", "xml", expect=2).stderr


def test_what_is_ambiguous_is_exit_7_and_names_what_to_type(doctor: Doctor, sql: Sql, tmp_path: Path) -> None:
    sql("create type userrole as enum ('Admin', 'aDMIN')")
    sql("create type userstatus as enum ('PENDING', 'ACTIVE', 'DISABLED')")
    sql("create table users (state text)")
    found = doctor("diff", *E_, expect=7).stdout
    assert "ambiguous" in found
    assert "map: {userrole: {Admin: ADMIN}}" in found
    doctor("repair", *E_, "--map", "userrole.Admin=ADMIN", "--yes")
    assert labels(sql, "userrole") == ["ADMIN", "aDMIN", "USER"]
    assert "did you mean 'userrole'?" in doctor("repair", *E_, "--map", "userrol.a=b", expect=2).stderr
    assert "--map takes TYPE.old=new" in doctor("repair", *E_, "--map", "userrole", expect=2).stderr


def test_rehearsals_leave_nothing_behind(
    doctor: Doctor, sql: Sql, admin_sql: Sql, database: Server, postgres_server: PostgresServer
) -> None:
    sql(SCHEMA)
    before = catalog(admin_sql), rows(admin_sql)
    words = ("rehearse", *E_, "--rewrite-dependants")
    assert "ALTER ROLE app CREATEDB" in doctor(*words, expect=7).stderr
    admin_sql("alter role app createdb")
    try:
        copies = "select datname from pg_database where datname like 'recover_rehearsal%'"
        sql("create database recover_rehearsal_left")
        note = f"a rehearsal of {database.dbname} by recover; may be dropped"
        sql(f"comment on database recover_rehearsal_left is '{note}'")
        sql("create database recover_rehearsal_other")
        told = doctor(*words).stdout
        assert "rehearsed on a copy (by template)" in told
        assert "taken back, and as it was" in told
        assert "24 rows written" in told  # 4 of status, 20 of state
        with psycopg.connect(dsn_of(database).replace("+psycopg2", "")):
            assert "(by dump)" in doctor(*words).stdout
        assert sql(copies) == [("recover_rehearsal_other",)]
        assert (catalog(admin_sql), rows(admin_sql)) == before
    finally:
        sql("drop database if exists recover_rehearsal_other")
        admin_sql("alter role app nocreatedb")


def test_where_the_database_is(doctor: Doctor, sql: Sql, database: Server) -> None:
    sql(SCHEMA)
    assert database.password is not None
    env = {
        "PGHOST": database.host,
        "PGPORT": str(database.port),
        "PGDATABASE": database.dbname,
        "PGUSER": database.user,
        "PGPASSWORD": database.password.reveal(),
    }
    doctor("diff", *E_, dsn=None, expect=4, **env)
    doctor("diff", *E_, dsn=f"host={database.host} sslmode=prefer", expect=4, **env)
    assert "no way to a PostgreSQL database" in doctor("diff", *E_, dsn="host=x =", expect=2).stderr
    gone = doctor("diff", *E_, dsn="postgresql://app:not-shown@127.0.0.1:1/x", expect=7).stderr
    assert "does not answer" in gone
    assert "not-shown" not in gone
    assert "both name a database" in doctor("diff", *E_, "--playbook", "x.yml", expect=2).stderr
    assert "what does the code expect?" in doctor("diff", expect=2).stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("typs: {}", "did you mean 'types'?"),
        ("types: {a: [x], a: [y]}", "duplicate key 'a'"),
        ("types: {a: x}", "expects a list"),
        ("- a", "must be a mapping"),
    ],
)
def test_a_bad_expected_file_is_refused_at_its_place(doctor: Doctor, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "expected.yml").write_text(text)
    refused = doctor("diff", *E_, expect=2).stderr
    assert words in refused
    assert "expected.yml:1:" in refused
