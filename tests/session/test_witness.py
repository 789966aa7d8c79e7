"""verify --ask-databases: what the database keeps of a run is out of reach of who writes in the state folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from enum_worlds import Sql
from tiny import Tiny

from recover.journal.places import head_file
from recover.journal.records import NAME
from recover.postgres.session import Server

pytestmark = pytest.mark.postgres

STEPS = """\
  - {id: enums, name: Repair, enum.repair: {database: main, expected: {role: [ADMIN]}}}
"""


@pytest.fixture
def repaired(tmp_path: Path, database: Server, sql: Sql) -> Tiny:
    """A run that repaired an enum."""
    assert database.password is not None
    sql("create type role as enum ('admin'); create table users (role role)")
    made = Tiny(tmp_path).build().with_database(database, database.password.reveal(), STEPS)
    made.recover("run", str(made.playbook), "--yes")
    return made


def test_a_repair_that_was_cut_out_of_the_journal_is_told_by_the_database(repaired: Tiny, sql: Sql) -> None:
    assert "nothing differs" in repaired.recover("verify", "--ask-databases").stdout
    [journal] = repaired.state.glob(f"*/*/{NAME}")
    lines = journal.read_bytes().splitlines(keepends=True)
    acts = [n for n, line in enumerate(lines) if b'"ActionStarted"' in line]
    journal.write_bytes(b"".join(lines[: acts[0]]))
    head = lines[acts[0] - 1].rpartition(b'"hash":"')[2][:64]
    head_file(journal.parent).write_bytes(b"%012d %s\n" % (acts[0], head))
    repaired.recover("verify")  # the state folder alone cannot tell
    said = repaired.recover("verify", "--ask-databases", expect=7).stdout
    assert "DIFFERS  database main keeps repair " in said
    assert f"(recover/{journal.parent.name}/enums); no such act is in the journal" in said


def test_a_ledger_that_lacks_the_repair_or_is_not_ours_is_said(repaired: Tiny, sql: Sql, admin_sql: Sql) -> None:
    admin_sql("delete from recover.enum_repairs")
    assert "no ledger that was read has 2" in repaired.recover("verify", "--ask-databases").stdout
    sql("drop schema recover cascade")
    admin_sql(
        "create schema recover; create view recover.enum_repairs as select 'x'::text as id, 'y'::text as application;"
        "grant usage on schema recover to app; grant select on recover.enum_repairs to app"
    )
    said = repaired.recover("verify", "--ask-databases").stdout
    assert "unproven database main says nothing: the table recover.enum_repairs belongs to another role" in said
