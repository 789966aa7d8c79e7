"""retype: a text column becomes the enum that the code expects, or the reverse, and back; never unasked."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg
import pytest
from enum_worlds import Sql, catalog, rows

from recover.enums.choices import Choices
from recover.enums.expected import Expected, Member
from recover.enums.ledger import new_id
from recover.enums.look import diagnose
from recover.enums.planning import plan
from recover.enums.repair import doing, undoing
from recover.errors import Precondition
from recover.postgres.session import Server, Session

pytestmark = [pytest.mark.postgres, pytest.mark.every_postgres]
LIMITS = {"lock_timeout": 2, "statement_timeout": 20}
MEMBER = Member("state", ("ACTIVE", "OFF"), stores="names", pairs={"ACTIVE": "active", "OFF": "switched off"})
TO_ENUM = Expected(types={"state": MEMBER.labels}, members={"public.a.state": MEMBER})
TO_TEXT = Expected(columns={"public.a.state": ("ACTIVE", "OFF")})
TEXT = """
create table a (id int primary key, state varchar(20) default 'active', n int);
create index on a (state); insert into a (id) select generate_series(1, 5);
insert into a values (6, E'Active\\t'), (7, 'switched off'), (8, null), (9, 'OFF');
"""
ENUM = """
create type s as enum ('active', 'OFF'); create table a (id int primary key, state s default 'active' not null);
insert into a (id) select generate_series(1, 5); insert into a values (6, 'OFF');
"""


def without_files(state: dict[str, str]) -> dict[str, str]:
    """Everything but the files: a rewrite makes new ones, and a type made again has other oids."""
    return {name: text for name, text in state.items() if not name.startswith(("file ", "label "))}


@pytest.mark.parametrize("there", ["", "create type state as enum ('ACTIVE', 'OFF');"], ids=["made", "there"])
def test_text_becomes_the_enum_and_back(database: Server, sql: Sql, admin_sql: Sql, there: str) -> None:
    sql(there + TEXT)
    before = without_files(catalog(admin_sql)), rows(admin_sql)
    with closing(Session(database)) as session:
        found = diagnose(session, TO_ENUM)
        assert not found.clean
        assert not found.refusals
        with pytest.raises(Precondition, match="add --strategy retype"):
            plan(session, found)
        repair = plan(session, found, Choices("retype"))
        assert repair is not None
        assert any("rewrites about 9 rows under ACCESS EXCLUSIVE" in c.note for c in repair.closing)
        session.execute(doing(repair, new_id()), **LIMITS)
        assert sql("select pg_typeof(state)::text, state::text from a order by id")[4:] == [
            ("state", "ACTIVE"), ("state", "ACTIVE"), ("state", "OFF"), ("state", None), ("state", "OFF"),
        ]  # fmt: skip
        assert sql("insert into a (id) values (99) returning state::text") == [("ACTIVE",)]
        sql("delete from a where id = 99")
        assert plan(session, diagnose(session, TO_ENUM), Choices("retype")) is None
        session.execute(undoing(repair), **LIMITS)
    assert (without_files(catalog(admin_sql)), rows(admin_sql)) == before


def test_the_enum_becomes_text_and_back(database: Server, sql: Sql, admin_sql: Sql) -> None:
    sql(ENUM)
    before = without_files(catalog(admin_sql)), rows(admin_sql)
    with closing(Session(database)) as session:
        with pytest.raises(Precondition, match="it is s, where the code expects text"):
            plan(session, diagnose(session, TO_TEXT))
        repair = plan(session, diagnose(session, TO_TEXT), Choices("retype"))
        assert repair is not None
        session.execute(doing(repair, new_id()), **LIMITS)
        assert sql("select distinct pg_typeof(state)::text, state from a order by 2") == [
            ("text", "ACTIVE"), ("text", "OFF"),
        ]  # fmt: skip
        assert sql("insert into a (id) values (99) returning state") == [("ACTIVE",)]
        sql("delete from a where id = 99")
        session.execute(undoing(repair), **LIMITS)
    assert (without_files(catalog(admin_sql)), rows(admin_sql)) == before


REFUSED: dict[str, tuple[str, Expected, str]] = {
    "an unknown value": (TEXT + "insert into a values (10, 'what')", TO_ENUM, "rows hold a value that nobody expects"),
    "a view": (
        TEXT + "create view v as select state from a",
        TO_ENUM,
        "the server changes no type that these use: rule",
    ),
    "a check": (TEXT + "alter table a add check (state <> '')", TO_ENUM, "constraint a_state_check on table a"),
    "two labels into one": (
        "create type s as enum ('active', 'ACTIVE', 'OFF'); create table a (id int primary key, state s)",
        TO_TEXT,
        "two labels would become one value",
    ),
}


@pytest.mark.parametrize(("schema", "expected", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_server_or_reason_forbids_is_refused_before(
    database: Server, sql: Sql, admin_sql: Sql, schema: str, expected: Any, reason: str
) -> None:
    sql(schema)
    before = catalog(admin_sql), rows(admin_sql)
    with closing(Session(database)) as session, pytest.raises(Precondition) as refused:
        plan(session, diagnose(session, expected), Choices("retype"))
    assert reason in refused.value.why
    assert (catalog(admin_sql), rows(admin_sql)) == before


def test_a_value_written_after_the_plan_stops_the_swap_and_nothing_is_lost(
    database: Server, sql: Sql, admin_sql: Sql
) -> None:
    sql(TEXT)
    with closing(Session(database)) as session:
        repair = plan(session, diagnose(session, TO_ENUM), Choices("retype"))
        assert repair is not None
        sql("insert into a values (50, 'what')")
        before = catalog(admin_sql), rows(admin_sql)
        with pytest.raises(Exception, match="what") as failed:
            session.execute(doing(repair, new_id()), **LIMITS)
    assert isinstance(failed.value.__cause__, psycopg.errors.InvalidTextRepresentation)
    assert (catalog(admin_sql), rows(admin_sql)) == before
