"""Looking never acts: after a command that only looks, the runs and the target are byte for byte the same."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from conftest import Sql
from enum_worlds import catalog, rows
from tiny import Tiny

from recover.postgres.session import Server

pytestmark = pytest.mark.postgres

STEPS = """\
  - id: enums
    name: Repair
    enum.repair: {database: main, expected: {role: [ADMIN, USER]}}
  - {id: fails, name: Fails, check: [{file: {path: /no/such}, within: 100ms}]}
  - {id: later, name: Later, sql.run: {database: main, query: "insert into users values (99, 'USER')"},
     done_when: [{sql: {database: main, query: "select count(*) from users where id = 99", expect: 1}}]}
"""


@pytest.fixture
def stack(tmp_path: Path, database: Server, sql: Sql, admin_sql: Sql) -> Iterator[Tiny]:
    """A run that failed in the middle, so that there is something to look at and something to do."""
    assert database.password is not None
    sql("create type role as enum ('admin', 'user'); create table users (id int primary key, role role)")
    sql("insert into users select g, 'user' from generate_series(1, 20) g")
    admin_sql("alter role app createdb")
    made = Tiny(tmp_path).build().with_database(database, database.password.reveal(), STEPS)
    made.recover("run", str(made.playbook), expect=1)
    yield made
    admin_sql("alter role app nocreatedb")


def files(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file and folder: content and time of the last change."""
    return {
        str(path.relative_to(folder)): (
            sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mtime_ns,
        )
        for path in folder.rglob("*")
    }


COMMANDS = {
    "lint": ("lint", "PLAYBOOK"),
    "plan": ("plan", "PLAYBOOK"),
    "plan as json": ("plan", "PLAYBOOK", "--json"),
    "snapshot": ("snapshot", "PLAYBOOK", "-o", "/dev/stdout"),
    "rehearse": ("rehearse", "PLAYBOOK"),
    "status": ("status",),
    "status as json": ("status", "--json"),
    "handover": ("status", "--handover"),
    "runs": ("runs",),
    "show": ("show",),
    "a rollback without a yes": ("rollback",),
    "diagnose": ("diagnose", "PLAYBOOK"),
    "diagnose as json": ("diagnose", "PLAYBOOK", "--json"),
    "probe": ("probe", "PLAYBOOK"),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_nothing_has_changed(stack: Tiny, words: tuple[str, ...], sql: Sql, admin_sql: Sql) -> None:
    def target() -> Any:
        return catalog(admin_sql), rows(admin_sql), sql("select datname from pg_database order by 1")

    before, state = target(), files(stack.folder)
    done = stack.recover(*(str(stack.playbook) if word == "PLAYBOOK" else word for word in words), expect=None)
    assert done.returncode in (0, 1, 10), done.stderr  # a rehearsal of what fails fails, a rollback waits for a yes
    after = files(stack.folder)
    assert {path for path in before_and_after(state, after) if not path.endswith("tiny/lock")} == set()
    assert target() == before


def before_and_after(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
