"""Questions about databases, asked of a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from threading import Thread
from typing import Any

import psycopg
import pytest
from conftest import PostgresServer, Sql
from diagnosis.scenes import ENUM, NOW, asked, failed, line, passed, scene, state

from recover.diagnosis.causes import causes
from recover.diagnosis.data import from_log, plain_sql
from recover.diagnosis.scene import Scene, Source, look
from recover.diagnosis.shapes import Shapes
from recover.diagnosis.verdict import judge
from recover.enums.expected import Expected
from recover.postgres.session import Server, Session
from recover.secrets import Secret

pytestmark = pytest.mark.postgres

DAY = timedelta(days=1)
DEAD = Server("127.0.0.1", 1, "app", "app")


def of(server: Server, **more: Any) -> dict[str, Any]:
    """The source that knows this database, as main."""
    return {"databases": {"main": partial(Session, server, run="diagnose")}, "dbnames": {"main": server.dbname}, **more}


@contextmanager
def connected(server: Server) -> Iterator[psycopg.Connection]:
    password = server.password.reveal() if server.password else None
    with psycopg.connect(
        host=server.host, port=server.port, dbname=server.dbname, user=server.user, password=password
    ) as connection:
        yield connection
        connection.rollback()


# --- locks ----------------------------------------------------------------------------------------


@contextmanager
def waiting(server: Server, holder: Server) -> Iterator[None]:
    """One session holds a table and does nothing, another one wants to read it."""
    with connected(holder) as holding, connected(server) as reading:
        holding.execute("lock table users in access exclusive mode; select 'a secret', 'it''s'")

        def read() -> None:
            with suppress(psycopg.Error):
                reading.execute("select * from users")

        thread = Thread(target=read)
        thread.start()
        try:
            yield
        finally:
            holding.rollback()
            thread.join()
            reading.rollback()


def test_who_waits_for_whom_is_seen_by_looking_and_how_to_end_it(database: Server, sql: Sql) -> None:
    sql("create table users (id int)")
    with waiting(database, database):
        seen = look(Source(**of(database), psql=lambda name: f" -d {name}"), DAY)
        told = asked("blocked", seen)
    assert told.answer == "yes"
    assert "idle in transaction" in told.words
    assert "locks everybody out of public.users" in told.words
    assert "a secret" not in told.words
    [row] = seen.idle
    assert told.next[0].startswith(f"psql -d main -c 'select pg_catalog.pg_terminate_backend({row['pid']})'")


def test_what_this_role_may_not_see_is_said_so(database: Server, sql: Sql, postgres: PostgresServer) -> None:
    sql("create table users (id int)")
    with waiting(database, postgres.admin(database.dbname)):
        told = asked("blocked", look(Source(**of(database)), DAY))
    assert told.answer == "yes"
    assert "may not see" in told.words
    assert "None" not in told.words


def test_nobody_waits_although_lines_speak_of_it(database: Server) -> None:
    seen = look(Source(**of(database)), DAY)
    seen.shapes.read("db", [line("canceling statement due to lock timeout")])
    assert asked("blocked", seen).answer == "no"


def test_a_transaction_that_pauses_for_a_moment_blocks_nobody() -> None:
    """A migration is idle between two statements."""
    row = {"pid": 7, "application": "alembic", "role": "app", "query": "alter table users", "tables": "users"}
    seen = scene(databases={"main": partial(Session, DEAD)})
    seen.idle = [{**row, "age": 0}]
    assert asked("blocked", seen).answer == "no"
    seen.idle = [{**row, "age": 2}]
    assert asked("blocked", seen).answer == "yes"


def test_of_many_that_are_to_be_ended_there_is_still_room_for_how_to_go_on() -> None:
    row = {"application": "app", "role": "app", "query": "", "tables": "users", "age": 9}
    seen = scene(databases={"main": partial(Session, DEAD)})
    seen.idle = [{**row, "pid": pid} for pid in range(20)]
    assert len(asked("blocked", seen).next) == 3
    assert asked("blocked", seen).words.count("pid ") == 20


def test_who_waits_for_a_waiting_one_is_not_the_one_to_end() -> None:
    def waits(pid: int, blocker: int, seconds: int = 9) -> dict[str, object]:
        told = {"application": "api", "role": "app", "state": "active", "age": 9, "blocker_query": "select 1"}
        return {"pid": pid, "waits": seconds, "blocker": blocker, **told}

    seen = scene(databases={"main": partial(Session, DEAD)})
    seen.waits = [waits(1, 2), waits(2, 3), waits(8, 9, seconds=0)]
    assert [command.split("(")[1].split(")")[0] for command in asked("blocked", seen).next] == ["3"]


def test_a_database_that_does_not_answer_is_asked_once_and_no_more() -> None:
    opened: list[int] = []

    def open() -> Session:
        opened.append(1)
        return Session(DEAD)

    seen = look(Source(databases={"main": open}), DAY)
    seen.shapes.read("api", [line(ENUM.format("admin"))])
    assert {asked(id, seen).answer for id in ("blocked", "enum-drift", "wrong-database")} == {"unknown"}
    assert "database main" in seen.unseen
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("select 'it''s',\n  'x'", "select '…', '…'"),
        ("select E'it\\'s s3cret', 1", "select '…', 1"),
        ("select $$s3cret$$, $a$s3cret$a$, $1", "select '…', '…', $1"),
        ("update users set note = 's3cret and more", "update users set note = '…'"),
        ("do $$ begin s3cret", "do '…'"),
        ("select \"o'brien\", 's3cret', 'a \" b' from t", "select \"o'brien\", '…', '…' from t"),
    ],
)
def test_statements_are_shown_without_their_values(statement: str, shown: str) -> None:
    assert plain_sql(statement) == shown


# --- enum labels ----------------------------------------------------------------------------------


@pytest.fixture
def roles(database: Server, sql: Sql) -> Server:
    sql("create type role as enum ('admin', 'user'); create table users (id int primary key, role role)")
    sql("insert into users select g, 'user' from generate_series(1, 3) g")
    return database


PLAYBOOK = {"main": Expected(types={"role": ("ADMIN", "USER")})}


def enums(server: Server, *lines: str, api: Any = None, **more: Any) -> Any:
    return asked("enum-drift", scene(api or state("api"), logs={"api": lines}, **of(server, **more)))


@pytest.mark.parametrize("more", [{"expected": PLAYBOOK}, {}], ids=["the playbook", "the log"])
def test_labels_that_are_lacking_are_named_whoever_says_what_is_expected(roles: Server, more: Any) -> None:
    told = enums(roles, line(ENUM.format("admin")), **more)
    assert (told.answer, told.words) == ("yes", "public.role lacks ADMIN, USER (it has admin, user)")


def test_the_playbook_is_enough_where_no_line_speaks_of_it(roles: Server) -> None:
    assert enums(roles, expected=PLAYBOOK).answer == "yes"


def test_what_the_playbook_expects_of_a_release_that_is_not_there_yet_breaks_nothing(roles: Server) -> None:
    def told(answer: Any, *lines: str) -> Any:
        more = of(roles, expected=PLAYBOOK)
        return asked("enum-drift", scene(state("api"), logs={"api": lines}, answers={"login": answer}, **more))

    assert told(passed()).answer == "unknown"
    assert told(failed()).answer == "yes"
    assert told(passed(), line(ENUM.format("admin"))).answer == "yes"
    assert told(passed(), line(ENUM.format("admin"), ago=timedelta(hours=5))).answer == "unknown"


def test_lines_from_before_the_repair_prove_nothing(roles: Server, sql: Sql) -> None:
    sql("alter type role rename value 'admin' to 'ADMIN'; alter type role rename value 'user' to 'USER'")
    old = line(ENUM.format("admin"), ago=timedelta(hours=1))
    assert enums(roles, old, expected=PLAYBOOK).answer == "no"


def test_what_a_release_expected_that_is_no_more_proves_nothing(roles: Server) -> None:
    """It was rolled back, and its lines are still there: the labels are right for what runs now."""
    now = state("api", started_at=NOW - timedelta(minutes=1))
    assert enums(roles, line(ENUM.format("admin"), ago=timedelta(hours=1)), api=now).answer == "unknown"


def test_labels_in_both_cases_repair_nothing_while_rows_hold_the_old_ones(roles: Server, sql: Sql) -> None:
    sql("alter type role add value 'ADMIN'")
    sql("alter type role add value 'USER'")
    told = enums(roles, line(ENUM.format("user")), expected=PLAYBOOK)
    assert told.answer == "yes"
    assert "rows of public.users.role hold user" in told.words
    sql("update users set role = 'USER'")
    assert enums(roles, line(ENUM.format("user")), expected=PLAYBOOK).answer == "no"


def test_a_type_that_the_playbook_does_not_speak_of_is_looked_at_too(roles: Server, sql: Sql) -> None:
    sql("create type phase as enum ('a'); alter type role rename value 'admin' to 'ADMIN'")
    sql("alter type role rename value 'user' to 'USER'")
    text = "'a' is not among the defined enum values. Enum name: phase. Possible values: A, B"
    told = enums(roles, line(text), expected=PLAYBOOK)
    assert (told.answer, told.words) == ("yes", "public.phase lacks A, B (it has a)")


def test_labels_that_sqlalchemy_cuts_short_are_not_taken_for_labels(database: Server, sql: Sql) -> None:
    sql("create type phase as enum ('pending_approval', 'x', 'y', 'z', 'done')")
    text = "'q' is not among the defined enum values. Enum name: phase. Possible values: pending_app.., x, y, ..., done"
    assert enums(database, line(text)).answer == "no"


def test_a_label_that_only_a_statement_used_may_be_anybodys_mistake(roles: Server, sql: Sql) -> None:
    told = enums(roles, line('invalid input value for enum role: "boss"'))
    assert told.answer == "unknown"
    assert "public.role lacks boss" in told.words


def test_a_type_that_the_database_does_not_have_is_told(roles: Server) -> None:
    told = enums(roles, expected={"main": Expected(types={"status": ("A",)})})
    assert told.answer == "unknown"
    assert "status" in told.words


def test_a_database_that_does_not_answer_leaves_what_the_log_says() -> None:
    told = enums(DEAD, line(ENUM.format("admin")), expected=PLAYBOOK)
    assert told.answer == "unknown"
    assert "role should have ADMIN, USER" in told.words


def test_a_type_that_has_more_than_expected_lacks_nothing(roles: Server, sql: Sql) -> None:
    sql("alter type role add value 'guest'")
    assert enums(roles, expected={"main": Expected(types={"role": ("admin", "user")})}).answer == "no"


def test_what_the_log_expects_of_several_types() -> None:
    found = Shapes()
    found.read("api", [line(ENUM.format("a")), line(ENUM.format("b")), line(ENUM.replace("role", "kind").format("c"))])
    assert from_log(list(found)).types == {"role": ("ADMIN", "USER"), "kind": ("ADMIN", "USER")}


RAISED = ENUM.format("admin")
AS_JSON = {
    "at the end": json.dumps({"level": "ERROR", "exc_info": f"LookupError: {RAISED}"}),
    "before more": json.dumps({"level": "ERROR", "exc_info": f"LookupError: {RAISED}\n\nThe above exception"}),
    "in logfmt": f'level=error err="{RAISED}"',
}


@pytest.mark.parametrize("said", AS_JSON.values(), ids=AS_JSON)
def test_labels_in_a_log_of_json_end_where_the_message_ends(said: str) -> None:
    found = Shapes()
    found.read("api", [said])
    assert from_log(list(found)).types == {"role": ("ADMIN", "USER")}


def test_a_label_that_is_cut_or_spelled_otherwise_is_not_taken_for_one() -> None:
    found = Shapes()
    long = json.dumps({"level": "ERROR", "msg": f"{'x ' * 400}{RAISED}, {'LABEL, ' * 300}ÄRGER"})
    found.read("api", [long])
    assert from_log(list(found)).types == {"role": ("ADMIN", "USER", "LABEL")}


def test_a_label_that_a_statement_used_is_read_in_a_log_of_json(roles: Server) -> None:
    used = 'invalid input value for enum role: "ADMIN"'
    assert enums(roles, json.dumps({"level": "ERROR", "msg": used})).words == enums(roles, line(used)).words
    assert "ADMIN" in enums(roles, line(used)).words


# --- the database's name --------------------------------------------------------------------------


def named(server: Server, *states: Any, logs: Any = None, **more: Any) -> Any:
    return asked("wrong-database", scene(*states, logs=logs, **of(server), **more))


def test_a_database_that_there_is_not_is_named_with_those_that_there_are(database: Server) -> None:
    told = named(database, state("api"), logs={"api": [line('FATAL:  database "appp" does not exist')]})
    assert told.answer == "yes"
    assert "api asks for 'appp'" in told.words
    assert database.dbname in told.words


def test_a_database_that_there_is_not_is_named_out_of_a_log_of_json(database: Server) -> None:
    said = json.dumps({"level": "ERROR", "msg": 'FATAL:  database "appp" does not exist'})
    assert "api asks for 'appp'" in named(database, state("api"), logs={"api": [said]}).words


def test_a_database_that_is_there_by_now_is_none(database: Server) -> None:
    said = line(f'FATAL:  database "{database.dbname}" does not exist')
    assert named(database, state("api"), logs={"api": [said]}).answer == "no"


SERVERS = [
    state("postgres"),
    state("db", settings={"image": "postgres:15 sha256:a"}),
    state("db", environment={"PGDATA": "/data"}),
    state("db", settings={"command": "python -m recover.drill.postgres --data x"}),
]


@pytest.mark.parametrize("server", SERVERS, ids=lambda s: str([*s.settings.values(), *s.environment, s.name][0]))
def test_the_servers_own_line_does_not_say_who_asked(database: Server, server: Any) -> None:
    """pg_isready -U app asks for the database "app" every ten seconds, and nothing is wrong."""
    said = {server.name: [line('FATAL:  database "appp" does not exist')]}
    assert named(database, server, logs=said).answer == "no"


def test_a_client_is_a_client_whatever_it_is_told(database: Server) -> None:
    api = state("api", environment={"POSTGRES_PASSWORD": "x"}, settings={"command": "serve postgresql://db/appp"})
    assert named(database, api, logs={"api": [line('database "appp" does not exist')]}).answer == "yes"


SETTINGS = [{"DB_NAME": "{}_old"}, {"URL": "postgresql+asyncpg://app:x@db:5432/{}_old"}, {"PGDATABASE": "postgres"}]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: next(iter(s)))
def test_a_client_that_is_set_to_a_name_like_it_is_named_when_something_fails(database: Server, settings: Any) -> None:
    api = state("api", environment={key: value.format(database.dbname) for key, value in settings.items()})
    assert named(database, api, answers={"login": failed()}).answer == "yes"
    assert named(database, api, answers={"login": passed()}).answer == "no"


@pytest.mark.parametrize("name", ["grafana", "langfuse"])
def test_a_service_may_have_a_database_of_its_own(database: Server, name: str) -> None:
    other = state(name, environment={"DATABASE_URL": f"postgresql://x@db/{name}"})
    assert named(database, other, answers={"login": failed()}).answer == "no"


def test_without_a_database_nothing_is_known_of_names() -> None:
    seen = scene(state("api"), logs={"api": [line('database "x" does not exist')]})
    assert asked("wrong-database", seen).answer == "unknown"


# --- passwords ------------------------------------------------------------------------------------

REFUSED = line('connection failed: FATAL:  password authentication failed for user "app"')


def test_a_refused_password_is_certain_when_the_playbooks_own_is_refused_too(database: Server) -> None:
    wrong = replace(database, password=Secret("main", "not-the-password"))
    for server, answer in ((database, "unknown"), (wrong, "yes")):
        seen = look(Source(**of(server)), DAY)
        seen.shapes.read("api", [REFUSED])
        told = asked("wrong-password", seen)
        assert (told.answer, told.about) == (answer, ("api",))
        assert told.words.startswith("api says that role 'app' is refused")
    seen = look(Source(**of(wrong)), DAY)
    assert asked("wrong-password", seen).answer == "unknown"
    seen.unseen = {f"probe of {name}": why for name, why in seen.unseen.items()}  # what another one was refused
    assert asked("wrong-password", seen).answer == "no"
    assert asked("wrong-password", look(Source(**of(database)), DAY)).answer == "no"


@pytest.mark.parametrize("words", ["fe_sendauth: no password supplied", "SQLSTATE 28P01"])
def test_a_refusal_that_names_no_role_is_told_all_the_same(words: str) -> None:
    told = asked("wrong-password", scene(state("api"), logs={"api": [line(words)]}))
    assert (told.answer, told.words) == ("unknown", "api says that it is refused, and not as which role")


def test_a_password_that_an_earlier_instance_was_refused_for_is_none_now() -> None:
    since = state("api", started_at=NOW - timedelta(minutes=1))
    assert asked("wrong-password", scene(since, logs={"api": [REFUSED]})).answer == "no"


def test_what_a_pooler_says_of_passwords_is_its_own() -> None:
    assert asked("wrong-password", scene(state("pgbouncer"), logs={"pgbouncer": [REFUSED]})).answer == "no"


def test_a_service_that_ended_over_its_password_did_not_end_for_no_reason() -> None:
    found = judge(scene(state("db"), state("api", "exited"), logs={"api": [REFUSED]}), causes())
    assert [suspect.cause.id for suspect in found.suspects] == ["wrong-password", "service-down"]


# --- the pooler -----------------------------------------------------------------------------------

NOBODY = {"pgbouncer": [line("closing because: no such user: app", level="WARNING")]}


def pooling(server: Server | None, *states: Any, logs: Any = None) -> Any:
    seen: Scene = scene(*states, logs=logs, **(of(server) if server else {}))
    return asked("pooler-users", seen)


def test_a_pooler_that_lets_nobody_in_while_postgresql_does(database: Server) -> None:
    shut = state("pgbouncer", ready=False, detail="FATAL: no such user")
    assert (pooling(database, shut).answer, pooling(database, shut).about) == ("yes", ("pgbouncer",))
    by_log = state("pgbouncer", ready=False, detail="it does not answer")
    assert pooling(database, by_log, logs=NOBODY).answer == "yes"


@pytest.mark.parametrize(
    "pooler", [state("pgbouncer"), state("pgbouncer", "stopped", detail="it is stopped: no such user")]
)
def test_a_pooler_that_is_well_or_merely_stopped_is_not_it(database: Server, pooler: Any) -> None:
    assert pooling(database, pooler, logs=NOBODY).answer == "no"


def test_the_poolers_exporter_is_no_pooler(database: Server) -> None:
    assert pooling(database, state("pgbouncer_exporter", ready=False, detail="login failed")).answer == "no"


@pytest.mark.parametrize("server", [None, DEAD])
def test_where_postgresql_cannot_be_asked_the_pooler_may_be_right(server: Server | None) -> None:
    assert pooling(server, state("pgbouncer", ready=False, detail="login failed")).answer == "unknown"
