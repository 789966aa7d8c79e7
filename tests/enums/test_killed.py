"""Killed at every statement: the database is exactly as before or exactly as after, and the next run finishes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from enum_worlds import Sql, catalog, rows
from replicas import until

from recover.enums.expected import Expected
from recover.enums.ledger import new_id
from recover.enums.look import diagnose
from recover.enums.planning import plan
from recover.enums.repair import Repair, doing, undoing
from recover.postgres.session import Server, Session
from recover.world import Statement

pytestmark = [pytest.mark.postgres, pytest.mark.every_postgres]
LIMITS = {"lock_timeout": 20, "statement_timeout": 60}
SCHEMA = """
create type role as enum ('admin', 'user', 'ADMIN');
create table users (id int primary key, role role default 'admin', state text);
insert into users select g, case when g % 10 = 0 then 'ADMIN' when g % 3 = 0 then 'user' else 'admin' end::role, 'on'
    from generate_series(1, 60) g;
"""
EXPECTED = Expected(types={"role": ("ADMIN", "USER", "NEW")}, columns={"public.users.state": ("ON",)})

# Runs the repair and stops before statement number N: the parent kills it there.
CHILD = """
import sys, time
from recover.enums.expected import Expected
from recover.enums.ledger import new_id
from recover.enums.look import diagnose
from recover.enums.planning import plan
from recover.enums.repair import doing
from recover.postgres import session as module
from recover.postgres.session import Server, Session
from recover.secrets import Secret
host, port, dbname, user, password, stop = sys.argv[1:]
expected = Expected(types={"role": ("ADMIN", "USER", "NEW")}, columns={"public.users.state": ("ON",)})
session = Session(Server(host, int(port), dbname, user, Secret("p", password)), run="killed")
statements = doing(plan(session, diagnose(session, expected)), new_id())
run, commit, count = module._run, module._commit, [0]
def halting(original):
    def step(*args):
        count[0] += 1
        if count[0] == int(stop):
            print("here", flush=True)
            time.sleep(600)
        return original(*args)
    return step
module._run, module._commit = halting(run), halting(commit)
session.execute(statements, lock_timeout=5, statement_timeout=20)
print("committed", flush=True)
time.sleep(600)
"""


def planned(database: Server) -> Repair:
    with closing(Session(database)) as session:
        repair = plan(session, diagnose(session, EXPECTED))
        assert repair is not None
        return repair


def quiet(sql: Sql) -> None:
    """Wait until the killed client's backend is gone."""
    query = "select count(*) from pg_stat_activity where application_name like 'recover/killed/%'"
    until(lambda: sql(query) == [(0,)])


@pytest.mark.long
def test_a_kill_at_every_statement_leaves_before_or_after(database: Server, sql: Sql, admin_sql: Sql) -> None:
    sql(SCHEMA)
    before = catalog(admin_sql), rows(admin_sql)
    statements = len(doing(planned(database), "x"))
    for stop in range(1, statements + 3):  # each statement, COMMIT, and after it
        with child(database, stop) as (process, said):
            process.send_signal(signal.SIGKILL)
            process.wait()
        quiet(sql)
        if said == "here":
            assert (catalog(admin_sql), rows(admin_sql)) == before, stop
            assert sql("select to_regclass('recover.enum_repairs')") == [(None,)], stop
    assert said == "committed"
    with closing(Session(database)) as session:
        assert diagnose(session, EXPECTED).clean
        assert sql("select count(*) from recover.enum_repairs") == [(1,)]
        assert plan(session, diagnose(session, EXPECTED)) is None


@contextmanager
def child(database: Server, stop: int) -> Any:
    assert database.password is not None
    where = [database.host, str(database.port), database.dbname, database.user, database.password.reveal()]
    argv = [sys.executable, "-c", CHILD, *where, str(stop)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_the_server_stopped_at_once_leaves_before_or_after(database: Server, sql: Sql, admin_sql: Sql) -> None:
    """Every backend ended hard, as a crash of the server ends it; the log decides what was committed."""
    sql(SCHEMA)
    before = catalog(admin_sql), rows(admin_sql)
    statements = len(doing(planned(database), "x"))
    for stop in (statements // 3, statements - 1, statements + 1):
        with child(database, stop) as (_, said):
            assert said == "here"
            crash(sql, database)
        assert (catalog(admin_sql), rows(admin_sql)) == before, stop
    with child(database, statements + 2) as (_, said):
        assert said == "committed"
        crash(sql, database)
    with closing(Session(database)) as session:
        assert diagnose(session, EXPECTED).clean


def crash(sql: Sql, database: Server) -> None:
    """SIGKILL of one backend: the postmaster ends all others at once and recovers from its log."""
    with closing(connected(database)) as another:
        pids = sql("select pid from pg_stat_activity where application_name like 'recover/killed/%'")
        os.kill(pids[0][0], signal.SIGKILL)
        until(lambda: not answers(lambda: another.execute("select 1")))  # from now on it lets nobody in until it is up
    until(lambda: answers(lambda: sql("select 1")))


def answers(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except psycopg.OperationalError:
        return False
    return True


def connected(database: Server) -> psycopg.Connection[Any]:
    """Another client of the database."""
    assert database.password is not None
    where = {"host": database.host, "port": database.port, "dbname": database.dbname, "user": database.user}
    return psycopg.connect(**where, password=database.password.reveal(), autocommit=True)  # type: ignore[arg-type]


def test_writers_meanwhile_mix_no_labels_and_fail_only_on_the_old_one(database: Server, sql: Sql) -> None:
    sql(SCHEMA)
    stop, errors, written = threading.Event(), [], []

    def write(number: int) -> None:
        with closing(connected(database)) as connection:
            at = 0
            while not stop.is_set():
                at += 1
                for label in ("admin", "ADMIN"):
                    try:
                        key = number * 1_000_000 + at * 2 + (label == "ADMIN")
                        connection.execute(f"insert into users values ({key}, '{label}', 'ON')")  # type: ignore[call-overload]
                        written.append(key)
                    except psycopg.Error as error:
                        errors.append((label, error.sqlstate))

    def more(seen: list[Any]) -> None:
        """Wait until the writers have had a good deal more of these."""
        enough = len(seen) + 20
        until(lambda: len(seen) >= enough)

    threads = [threading.Thread(target=write, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    try:
        with closing(Session(database)) as session:
            for _ in range(3):
                more(written)
                repair = plan(session, diagnose(session, EXPECTED))
                assert repair is not None
                session.execute(doing(repair, new_id()), **LIMITS)
                more(errors)  # of the old label
                assert {label for label, _ in sql("select distinct role::text, 1 from users")} <= {"ADMIN", "USER"}
                session.execute(undoing(repair), **LIMITS)
            session.execute(doing(planned(database), new_id()), **LIMITS)
            more(errors)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(errors) == {("admin", "22P02")}
    assert sql("select count(*) from users where id >= 1000000") == [(len(written),)]
    assert {label for (label,) in sql("select distinct role::text from users")} == {"ADMIN", "USER"}
    with closing(Session(database)) as session:
        assert session.rows("labels", Statement("select 1 as one"))
        assert diagnose(session, EXPECTED).clean
