"""One database, read without being able to write, written all or nothing, on a real server."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import PostgresServer, drop, query
from ports import free_port

from recover.drill.postgres import Cluster, server
from recover.errors import Precondition, RecoverError, StepError, Unreachable
from recover.postgres.names import LONGEST_NAME
from recover.postgres.session import Server, Session, application_name, ping
from recover.secrets import Secret
from recover.world import Statement

pytestmark = pytest.mark.postgres
Sql = Callable[..., list[tuple[Any, ...]]]
LIMITS = {"lock_timeout": 0.2, "statement_timeout": 5.0}


@pytest.fixture
def session(database: Server) -> Iterator[Session]:
    with closing(Session(database, run="r1", step=lambda: "s1")) as session:
        yield session


def read(session: Session, text: str, **args: object) -> list[Any]:
    return session.rows("something", Statement(text, args, role_path=True))


def users(text: str, args: dict[str, object] | None = None) -> Statement:
    """A user's own statement: its names are looked up where the role has them looked up."""
    return Statement(text, args or {}, role_path=True)


@contextmanager
def other(database: Server) -> Iterator[psycopg.Connection[Any]]:
    """Another client of the database."""
    password = database.password.reveal() if database.password else None
    with closing(
        psycopg.connect(
            host=database.host, port=database.port, dbname=database.dbname, user=database.user, password=password
        )
    ) as connection:
        yield connection


def until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.02)


# --- ping -----------------------------------------------------------------------------------------


def test_ping_is_empty_only_when_this_role_can_query_this_database(database: Server) -> None:
    d = database
    assert ping(d.host, d.port, d.dbname, d.user, d.password, timeout=5) == ""
    assert 'database "nope" does not exist' in ping(d.host, d.port, "nope", d.user, d.password, timeout=5)
    refused = ping(d.host, d.port, d.dbname, d.user, Secret("p", "wrong-password"), timeout=5)
    assert "password authentication failed" in refused
    assert "wrong-password" not in refused
    assert "refused" in ping(d.host, free_port(), d.dbname, d.user, d.password, timeout=5)


# --- reading --------------------------------------------------------------------------------------


def test_values_are_bound_and_never_spliced(session: Session) -> None:
    evil = "x'; drop table users; --"
    assert read(session, "select %(v)s::text as v, %(n)s + 1 as n, 5 %% 3 as m", v=evil, n=1) == [
        {"v": evil, "n": 2, "m": 2}
    ]


def test_without_values_percent_signs_are_what_they_are(session: Session) -> None:
    assert read(session, "select 'ab' like 'a%' as yes") == [{"yes": True}]


def test_columns_of_the_same_name_are_all_kept(session: Session) -> None:
    [row] = read(session, "select 1, 2, 3")
    assert list(row.values()) == [1, 2, 3]


WRITES = {
    "two statements": "select 1; delete from t",
    "two statements, ending the transaction": "select 1; commit; delete from t",
    "a write in a CTE": "with gone as (delete from t returning 1) select * from gone",
    "a plain write": "delete from t",
    "a comment before a write": "-- select\ndelete from t",
    "a switch to read-write": "set transaction read write",
    "a switch by function": "select set_config('transaction_read_only', 'off', true)",
    "a switch by function, then a write": (
        "with w as materialized (select set_config('transaction_read_only', 'off', true)) select wipe() from w"
    ),
    "a function that writes": "select wipe()",
    "EXPLAIN ANALYZE of a write": "explain analyze delete from t",
    "SELECT INTO": "select * into u from t",
    "the end of the transaction": "commit",
    "a program on the server": "copy (select 1) to program 'true'",
    "a sequence": "select nextval('t_id_seq')",
}


class Anything:
    def __contains__(self, word: str) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())


@pytest.fixture(scope="module")
def readable(postgres_server: PostgresServer) -> Iterator[Server]:
    """A database with two rows, of which one is enough: no read may change it."""
    name = "only_read"
    query(postgres_server.admin(), f"create database {name} owner app")
    made = postgres_server.app(name)
    query(made, "create table t (id serial, n int)")
    query(made, "insert into t (n) values (1), (2)")
    query(made, "create function wipe() returns int language plpgsql as $$ begin delete from t; return 1; end $$")
    yield made
    drop(postgres_server, name)


@pytest.mark.parametrize("text", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("bound", [False, True], ids=["without values", "with values"])
@pytest.mark.parametrize("guarded", [True, False], ids=["", "by the server alone"])
def test_a_read_cannot_write(
    readable: Server, monkeypatch: pytest.MonkeyPatch, text: str, bound: bool, guarded: bool
) -> None:
    if not guarded:
        monkeypatch.setattr("recover.postgres.session.READING", Anything())
    args = {"v": 1} if bound else {}
    with closing(Session(readable)) as session:
        with pytest.raises(StepError):
            session.rows("t", Statement(text + (" -- %(v)s" if bound else ""), args, role_path=True))
        assert query(readable, "select n from t order by n") == [(1,), (2,)]
        assert query(readable, "select last_value from t_id_seq") == [(2,)]
        assert read(session, "select count(*) as n from t") == [{"n": 2}]  # and the session is still of use


def test_read_only_cannot_be_switched_off_once_a_read_has_begun(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recover.postgres.session.READING", Anything())
    with pytest.raises(StepError, match="must be set before any query"):
        read(session, "set transaction read write")


def test_a_read_sees_what_others_have_committed_meanwhile(session: Session, sql: Sql) -> None:
    sql("create table t (n int)")
    assert read(session, "select count(*) as n from t") == [{"n": 0}]
    sql("insert into t values (1)")
    assert read(session, "select count(*) as n from t") == [{"n": 1}]


def test_rows_hidden_by_row_level_security_are_an_error_not_a_silent_nothing(session: Session, sql: Sql) -> None:
    sql("create table t (n int)")
    sql("insert into t values (1)")
    sql("alter table t enable row level security")
    sql("alter table t force row level security")
    with pytest.raises(StepError, match="row-level security"):
        read(session, "select count(*) from t")
    with pytest.raises(StepError, match="row-level security"):
        session.execute([users("update t set n = 2")], **LIMITS)


def test_an_error_shows_the_line_with_a_caret_and_the_servers_words(session: Session) -> None:
    with pytest.raises(StepError) as caught:
        read(session, "select 1,\n       nosuch\nfrom pg_class where relname = %(n)s", n="x")
    assert caught.value.where.endswith(" SQL position 2:8\n       nosuch\n       ^")
    assert 'column "nosuch" does not exist (SQLSTATE 42703)' in caught.value.why


def test_a_kept_connection_that_the_server_dropped_is_opened_again(session: Session, admin_sql: Sql) -> None:
    [before] = read(session, "select pg_backend_pid() as pid")
    admin_sql("select pg_terminate_backend(%s)", before["pid"])
    [after] = read(session, "select pg_backend_pid() as pid")
    [again] = read(session, "select pg_backend_pid() as pid")
    assert before != after == again


def test_a_server_that_is_not_there_is_unreachable(database: Server) -> None:
    nobody = Session(Server(database.host, free_port(), database.dbname, database.user, database.password))
    with pytest.raises(Unreachable, match="refused"):
        read(nobody, "select 1")
    with pytest.raises(Unreachable, match="refused"):
        nobody.execute([users("select 1")], **LIMITS)


def test_a_wrong_password_is_told_without_the_password(database: Server) -> None:
    wrong = Server(database.host, database.port, database.dbname, database.user, Secret("p", "wrong-password-77"))
    with pytest.raises(StepError, match="password authentication failed") as caught:
        read(Session(wrong), "select 1")
    assert "wrong-password-77" not in str(caught.value) + repr(wrong)


def test_a_read_waits_for_a_lock_no_longer_than_it_may(database: Server, sql: Sql) -> None:
    sql("create table locked (id int)")
    password = database.password.reveal() if database.password else None
    where = {"host": database.host, "port": database.port, "dbname": database.dbname, "user": database.user}
    with psycopg.connect(**where, password=password) as other, closing(Session(database, lock_patience=0.2)) as session:
        other.execute("lock table locked")
        with pytest.raises(RecoverError, match="lock timeout"):
            read(session, "select * from locked")
        other.rollback()
        assert read(session, "select * from locked") == []


def test_a_server_that_freezes_is_hung_up_on(database: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recover.postgres.connection.GRACE", 1.0)
    with closing(Session(database, read_timeout=2.0)) as session:
        [row] = read(session, "select pg_backend_pid() as pid")
        pid = int(row["pid"])
        os.kill(pid, signal.SIGSTOP)
        try:  # the frozen connection is given up, and a new one answers
            assert read(session, "select 1 as n") == [{"n": 1}]
        finally:
            os.kill(pid, signal.SIGCONT)


def test_the_server_sees_run_and_step_of_every_read(database: Server) -> None:
    steps = iter(["one", "one", "two", "two"])
    with closing(Session(database, run="r9", step=lambda: next(steps))) as session:
        names = [read(session, "select current_setting('application_name') as a")[0]["a"] for _ in range(2)]
    assert names == ["recover/r9/one", "recover/r9/two"]


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("r", "s" * 80), ("r", "s" * 81)),
        (("r" * 80, "s"), ("r" * 81, "s")),
        (("r", "größe"), ("r", "grüße")),
        (("a/b", "c"), ("a", "b/c")),
        (("r", "x" * 63), ("r", "x" * 64)),
    ],
)
def test_application_names_fit_and_stay_apart(one: tuple[str, str], two: tuple[str, str]) -> None:
    names = application_name(*one), application_name(*two)
    assert names[0] != names[1]
    for name in names:
        assert len(name.encode()) <= LONGEST_NAME
        assert name.isascii()


def test_an_ordinary_name_is_readable() -> None:
    assert application_name("20250810-2315-ab12", "enums") == "recover/20250810-2315-ab12/enums"


# --- writing --------------------------------------------------------------------------------------


def test_a_change_is_all_or_nothing(session: Session, sql: Sql) -> None:
    sql("create table t (n int primary key)")
    with pytest.raises(StepError, match="duplicate key"):
        session.execute([users("insert into t values (1), (2)"), users("insert into t values (2)")], **LIMITS)
    assert sql("select count(*) from t") == [(0,)]
    changed = session.execute(
        [
            users("insert into t select * from generate_series(1, %(n)s)", {"n": 5}),
            users("delete from t where n < 3; delete from t where n = 3"),
            users("create table u ()"),
        ],
        **LIMITS,
    )
    assert changed == [5, 3, 0]
    assert sql("select n from t order by n") == [(4,), (5,)]


def test_a_change_that_fails_at_commit_is_said_to_be_undone(session: Session, sql: Sql) -> None:
    sql("create table t (n int unique deferrable initially deferred)")
    with pytest.raises(StepError, match="COMMIT") as caught:
        session.execute([users("insert into t values (1), (1)")], **LIMITS)
    assert "duplicate key" in caught.value.why
    assert sql("select count(*) from t") == [(0,)]


def test_a_statement_that_ends_the_transaction_is_told(session: Session, sql: Sql) -> None:
    sql("create table t (n int)")
    with pytest.raises(StepError, match="ended the transaction"):
        session.execute([users("insert into t values (1); rollback"), users("drop table t")], **LIMITS)
    assert sql("select count(*) from t") == [(0,)]


def test_a_change_waits_for_a_lock_by_trying_again(database: Server, session: Session, sql: Sql) -> None:
    sql("create table t (n int)")
    with other(database) as holder:
        holder.execute("lock table t in access exclusive mode")
        waiting = (
            "select backend_start from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        tries = set()

        def release() -> None:
            until(lambda: tries.update(sql(waiting)) or len(tries) > 1)  # each try has a connection of its own
            holder.rollback()

        releasing = threading.Thread(target=release)
        releasing.start()
        limits = {"lock_timeout": 1.0, "statement_timeout": 30.0}
        assert session.execute([users("insert into t values (1)")], **limits) == [1]
        releasing.join()
    assert sql("select count(*) from t") == [(1,)]


def test_a_lock_that_is_never_released_is_an_error_in_the_end(database: Server, session: Session, sql: Sql) -> None:
    sql("create table t (n int)")
    with other(database) as holder:
        holder.execute("lock table t in access exclusive mode")
        with pytest.raises(StepError, match="lock timeout"):
            session.execute([users("insert into t values (1)")], lock_timeout=0.02, statement_timeout=5)


def test_a_change_that_takes_too_long_is_cut_off_and_undone(session: Session, sql: Sql) -> None:
    sql("create table t (n int)")
    with pytest.raises(StepError, match="57014"):
        session.execute(
            [users("insert into t values (1)"), users("select pg_sleep(30)")],
            lock_timeout=1,
            statement_timeout=0.1,
        )
    assert sql("select count(*) from t") == [(0,)]


def test_a_change_whose_connection_dies_is_unreachable_and_undone(session: Session, sql: Sql, admin_sql: Sql) -> None:
    sql("create table t (n int)")
    kill = "select pg_terminate_backend(pg_backend_pid())"
    with pytest.raises(Unreachable):
        session.execute([users("insert into t values (1)"), users(kill)], **LIMITS)
    assert sql("select count(*) from t") == [(0,)]


# --- who it is, and who is left ---------------------------------------------------------------------


def test_the_identity_names_cluster_and_database(database: Server, session: Session, admin_sql: Sql) -> None:
    seen = session.identity()
    assert seen["system_identifier"] == admin_sql("select system_identifier::text from pg_control_system()")[0][0]
    assert seen["database"] == database.dbname
    assert seen["server_version"][0].isdigit()


def test_leftovers_of_the_run_are_ended_and_no_one_else(database: Server, sql: Sql) -> None:
    sql("create table t (n int)")
    mine, others = Session(database, run="r_1", step=lambda: "x"), Session(database, run="rx1", step=lambda: "x")
    with closing(others):
        read(others, "select 1")
        read(mine, "select 1")  # an idle connection of the run that was killed

        def forever() -> None:
            with pytest.raises(RecoverError):
                mine.execute(
                    [users("insert into t values (1); select pg_sleep(60)")], lock_timeout=1, statement_timeout=60
                )

        act = threading.Thread(target=forever)
        act.start()
        names = "select application_name from pg_stat_activity where application_name like 'recover/r%' order by 1"
        until(lambda: len(sql(names)) == 3)
        assert Session(database, run="r_1").end_leftovers("r_1", patience=0.2) == 2
        act.join()
        assert sql(names) == [("recover/rx1/x",)]
    mine.close()
    assert sql("select count(*) from t") == [(0,)]
    assert Session(database).end_leftovers("r_1") == 0


# --- dumps ----------------------------------------------------------------------------------------


def test_a_dump_restores_into_an_empty_database_with_equal_rows(
    database: Server, session: Session, sql: Sql, admin_sql: Sql, tmp_path: Path
) -> None:
    from recover.postgres.programs import program

    sql("create type mood as enum ('sad', 'ok')")
    sql("create table t as select g as n, (array['sad', 'ok'])[g % 2 + 1]::mood as m from generate_series(1, 500) g")
    path = tmp_path / "deep" / "t.dump"
    record = session.dump(path)
    assert record["path"] == str(path)
    assert record["bytes"] == path.stat().st_size > 0
    assert record["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.stat().st_mode & 0o077 == 0
    assert list(path.parent.iterdir()) == [path]

    rows = sql("select n, m::text from t order by n")
    sql("drop table t; drop type mood")
    password = database.password.reveal() if database.password else ""
    where = f"host={database.host} port={database.port} dbname={database.dbname} user={database.user}"
    environment = {**os.environ, "PGPASSWORD": password}
    subprocess.run(
        [str(program("pg_restore")), "--exit-on-error", "--dbname", where, path], env=environment, check=True
    )
    assert sql("select n, m::text from t order by n") == rows


def test_a_failed_dump_leaves_no_file(session: Session, sql: Sql, admin_sql: Sql, tmp_path: Path) -> None:
    admin_sql("create table secret (n int)")  # the application may not read it
    with pytest.raises(StepError, match="pg_dump") as caught:
        session.dump(tmp_path / "t.dump")
    assert "permission denied" in caught.value.why
    assert list(tmp_path.iterdir()) == []


def fake(folder: Path, script: str) -> Path:
    tool = folder / "pg_dump"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return tool


def test_an_older_pg_dump_is_refused_before_anything_is_written(database: Server, tmp_path: Path) -> None:
    old = fake(tmp_path, 'echo "pg_dump (PostgreSQL) 12.4"')
    with closing(Session(database, pg_dump=old)) as session, pytest.raises(Precondition, match=r"12\.4"):
        session.dump(tmp_path / "out" / "t.dump")
    assert not (tmp_path / "out").exists()


def test_the_password_is_in_the_environment_and_never_in_argv(database: Server, tmp_path: Path) -> None:
    words = tmp_path / "words"
    script = f'echo "pg_dump (PostgreSQL) 99.1"; echo "$PGPASSWORD|$*" >> {words}; [ "$1" = --version ]'
    with closing(Session(database, pg_dump=fake(tmp_path, script))) as session, pytest.raises(StepError):
        session.dump(tmp_path / "t.dump")
    password, _, argv = words.read_text().splitlines()[-1].partition("|")
    assert database.password is not None
    assert password == database.password.reveal()
    assert database.password.reveal() not in argv
    assert f"dbname={database.dbname}" in argv


def test_a_dump_that_does_not_end_is_ended_with_all_it_started(database: Server, tmp_path: Path) -> None:
    script = (
        f'[ "$1" = --version ] && echo "pg_dump (PostgreSQL) 99.1" && exit; sleep 600 & echo $! > {tmp_path}/pid; wait'
    )
    tool = fake(tmp_path, script)
    with (
        closing(Session(database, pg_dump=tool, dump_timeout=3.0)) as session,
        pytest.raises(StepError, match="did not end within"),
    ):
        session.dump(tmp_path / "t.dump")
    sleeper = Path("/proc") / (tmp_path / "pid").read_text().strip() / "cmdline"
    until(lambda: not sleeper.exists() or not sleeper.read_text())  # gone, or a zombie that nobody reaps


def test_a_dump_that_cannot_be_read_back_does_not_get_its_name(database: Server, tmp_path: Path) -> None:
    from recover.postgres.programs import program

    (tmp_path / "pg_restore").symlink_to(str(program("pg_restore")))
    each = 'for w in "$@"; do case $w in --file=*) echo PGDMP > "${w#--file=}";; esac; done'
    script = f'echo "pg_dump (PostgreSQL) 99.1"; {each}'
    with (
        closing(Session(database, pg_dump=fake(tmp_path, script))) as session,
        pytest.raises(StepError, match="pg_restore"),
    ):
        session.dump(tmp_path / "out" / "t.dump")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_read_follows_a_server_that_was_restarted(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "pg", "super", "app", "pw-of-app", "app")
    port = free_port()
    with closing(Session(Server("127.0.0.1", port, "app", "app", Secret("p", "pw-of-app")))) as session:
        with server(cluster, port):
            assert read(session, "select 1 as n") == [{"n": 1}]
        with pytest.raises(Unreachable):
            read(session, "select 1 as n")
        with server(cluster, port):
            assert read(session, "select 1 as n") == [{"n": 1}]
