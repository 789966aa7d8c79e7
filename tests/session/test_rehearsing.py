"""rehearse through the command line: on a copy, for real, and nothing is left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import Sql
from enum_worlds import catalog, rows
from replicas import until
from tiny import Tiny

from recover.enums.expected import Expected
from recover.enums.ledger import new_id
from recover.enums.look import diagnose
from recover.enums.planning import plan
from recover.enums.repair import doing
from recover.postgres.session import Server, Session
from recover.session.rehearsing import Copy

pytestmark = pytest.mark.postgres

SCHEMA = """
create type role as enum ('admin', 'user', 'ADMIN');
create table users (id int primary key, role role default 'admin', filler text);
create table done (what text);
insert into users select g, case when g % 10 = 0 then 'ADMIN' when g % 3 = 0 then 'user' else 'admin' end::role, 'x'
    from generate_series(1, 60) g;
"""
STEPS = """\
  - {id: freeze, name: Not for a rehearsal, service.stop: {services: [db]}}
  - id: enums
    name: Repair
    enum.repair: {database: main, expected: {role: [ADMIN, USER]}, statement_timeout: 60s}
    check: [{sql: {database: main, query: "select count(*) from users where role = 'ADMIN'", expect: 42}},
            {file: {path: /no/such}}]
  - {id: note, name: Note, sql.run: {database: main, query: "insert into done values ('x'), ('y')"},
     done_when: [{sql: {database: main, query: "select count(*) from done", expect: 2}}]}
"""
COPIES = "select datname from pg_database where datname like 'recover_rehearsal%'"


@pytest.fixture
def stack(tmp_path: Path, database: Server, sql: Sql, admin_sql: Sql) -> Iterator[Tiny]:
    assert database.password is not None
    sql(SCHEMA)
    admin_sql("alter role app createdb")
    yield Tiny(tmp_path).build().with_database(database, database.password.reveal(), STEPS)
    admin_sql("alter role app nocreatedb")


def test_the_database_steps_are_done_on_a_copy_and_the_original_stays(stack: Tiny, sql: Sql, admin_sql: Sql) -> None:
    before = catalog(admin_sql), rows(admin_sql)
    told = stack.recover("rehearse", str(stack.playbook)).stdout
    assert "rehearsed on a copy of main" in told
    assert "6 rows written" in told
    assert "1 checks need more than the database: not asked" in told
    assert "note: 1 statements in " in told
    assert told.endswith("everything passed\n")
    assert (catalog(admin_sql), rows(admin_sql), sql(COPIES)) == (*before, [])
    assert list(stack.state.glob("tiny/2*")) == []


def test_the_locks_are_those_of_the_real_run(stack: Tiny, database: Server) -> None:
    told = json.loads(stack.recover("rehearse", str(stack.playbook), "--json").stdout)
    with closing(Session(database)) as session:
        repair = plan(session, diagnose(session, Expected(types={"role": ("ADMIN", "USER")})))
        assert repair is not None
        real = Copy(session)
        real.execute(doing(repair, new_id()), lock_timeout=5, statement_timeout=60)
    [enums] = [step for step in told["steps"] if step["step"] == "enums"]
    assert sorted(enums["locks"]) == sorted(real.locks)
    assert any("users" in lock for lock in real.locks)
    assert enums["rows"] == real.rows_touched == 6


def test_what_would_fail_fails_on_the_copy(stack: Tiny, sql: Sql, admin_sql: Sql) -> None:
    stack.write(stack.playbook.read_text().replace("expect: 42", "expect: 41"))
    before = catalog(admin_sql), rows(admin_sql)
    told = stack.recover("rehearse", str(stack.playbook), expect=1).stdout
    assert "give 41? got 4" in told
    assert "note:" not in told, "a run would stop there too"
    assert (catalog(admin_sql), rows(admin_sql), sql(COPIES)) == (*before, [])


def test_killed_it_leaves_a_copy_that_the_next_one_drops(stack: Tiny, sql: Sql, admin_sql: Sql) -> None:
    killed(stack, sql)
    assert len(sql(COPIES)) == 1
    stack.recover("rehearse", str(stack.playbook))
    assert sql(COPIES) == []


def killed(stack: Tiny, sql: Sql) -> None:
    """A rehearsal killed once it has its copy and is at work on it."""
    text = stack.playbook.read_text()
    stack.write(text.replace("insert into done values ('x'), ('y')", "select pg_sleep(20)"))
    words = [sys.executable, "-m", "recover", "rehearse", str(stack.playbook), "--state-dir", str(stack.state)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        at_work = "select 1 from pg_stat_activity where datname like 'recover_rehearsal%' and query like '%pg_sleep%'"
        until(lambda: sql(at_work) or process.poll() is not None, 120)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    sql("select pg_terminate_backend(pid) from pg_stat_activity where datname like 'recover_rehearsal%'")
    until(lambda: not sql("select 1 from pg_stat_activity where datname like 'recover_rehearsal%'"))
    stack.write(text)


@pytest.mark.nightly
def test_a_database_of_four_hundred_megabytes(stack: Tiny, sql: Sql, database: Server) -> None:
    sql("insert into users select g, 'user', repeat(md5(g::text), 30) from generate_series(100, 380000) g")
    [(size,)] = sql("select pg_database_size(current_database())")
    assert size > 400_000_000
    killed(stack, sql)
    test_the_locks_are_those_of_the_real_run(stack, database)
    assert sql(COPIES) == []


def test_a_role_that_may_not_make_one_is_told_what_to_type(stack: Tiny, admin_sql: Sql) -> None:
    admin_sql("alter role app nocreatedb")
    refused: Any = stack.recover("rehearse", str(stack.playbook), expect=7)
    assert "ALTER ROLE app CREATEDB" in refused.stderr
