"""Text columns that hold enum-like values: found, written in one UPDATE, taken back byte for byte."""

from __future__ import annotations

from contextlib import closing
from typing import Any

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
LIMITS = {"lock_timeout": 1, "statement_timeout": 10}
TABLE = "create table a (id int primary key, state text, n int default 0);"
MAPPED: dict[str, tuple[str, Expected, list[tuple[Any, ...]]]] = {
    "case, blanks of every kind, and what is right already": (
        TABLE + "insert into a values (1, 'active'), (2, E' Active\\t'), (3, E'\\u00a0ACTIVE\\r\\n'), (4, 'ACTIVE'),"
        " (5, null), (6, 'Disabled')",
        Expected(columns={"public.a.state": ("ACTIVE", "DISABLED")}),
        [("ACTIVE",)] * 4 + [(None,), ("DISABLED",)],
    ),
    "by an index, in varchar, with a default": (
        "create table a (id int primary key, state varchar(8) default 'active'); create index on a (state);"
        "insert into a select g, case when g % 3 = 0 then 'active' else 'ACTIVE' end from generate_series(1, 6) g;"
        "insert into a values (7)",
        Expected(columns={"a.state": ("ACTIVE",)}),
        [("ACTIVE",)] * 7,
    ),
    "by the map, and by the pairs of the code": (
        TABLE + "insert into a values (1, 'pending_approval'), (2, 'gone'), (3, 'PENDING')",
        Expected(
            columns={"public.a.state": ("PENDING", "DELETED")},
            map={"public.a.state": {"gone": "DELETED"}},
            members={
                "public.a.state": Member(None, ("PENDING", "DELETED"), pairs={"PENDING": "pending_approval"}),
            },
        ),
        [("PENDING",), ("DELETED",), ("PENDING",)],
    ),
    "checks and triggers": (
        TABLE + "alter table a add constraint known check (state in ('active', 'off'));"
        "alter table a add constraint other check (n >= 0); insert into a values (1, 'active'), (2, 'off');"
        "create function touch() returns trigger language plpgsql as 'begin new.n := 9; return new; end';"
        "create trigger touch before update on a for each row execute function touch()",
        Expected(columns={"public.a.state": ("ACTIVE", "OFF")}),
        [("ACTIVE",), ("OFF",)],
    ),
    "odd names": (
        """create schema "My S"; create table "My S"."T.a" ("I d" int primary key, "größe" text);"""
        """insert into "My S"."T.a" values (1, 'it''s'), (2, E'x\\\\y'); create view a as """
        """select "I d" as id, "größe" as state from "My S"."T.a" """,
        Expected(columns={'"My S"."T.a"."größe"': ("IT'S", "X\\Y")}),
        [("IT'S",), ("X\\Y",)],
    ),
}


@pytest.mark.parametrize(("schema", "expected", "answer"), MAPPED.values(), ids=MAPPED.keys())
def test_done_undone_done(
    database: Server, sql: Sql, admin_sql: Sql, schema: str, expected: Expected, answer: list[tuple[Any, ...]]
) -> None:
    sql(schema)
    before = catalog(admin_sql), rows(admin_sql)
    with closing(Session(database)) as session:
        repair = plan(session, diagnose(session, expected), Choices(rewrite=True))
        assert repair is not None
        session.execute(doing(repair, new_id()), **LIMITS)
        repaired = catalog(admin_sql), rows(admin_sql)
        assert sql("select state from a order by id") == answer
        session.execute(undoing(repair), **LIMITS)
        assert (catalog(admin_sql), rows(admin_sql)) == before
        session.execute(doing(repair, new_id()), **LIMITS)
        assert (catalog(admin_sql), rows(admin_sql)) == repaired


def test_a_second_run_has_nothing_to_do(database: Server, sql: Sql) -> None:
    schema, expected, _ = MAPPED["checks and triggers"]
    sql(schema)
    with closing(Session(database)) as session:
        repair = plan(session, diagnose(session, expected), Choices(rewrite=True))
        assert repair is not None
        session.execute(doing(repair, new_id()), **LIMITS)
        assert plan(session, diagnose(session, expected)) is None
        assert diagnose(session, expected).clean
    sql("insert into a values (8, 'OFF')")
    with pytest.raises(Exception, match="known"):
        sql("insert into a values (9, 'off')")


REFUSED: dict[str, tuple[str, Expected, str]] = {
    "a value that nobody expects": (
        TABLE + "insert into a values (1, 'what')",
        Expected(columns={"public.a.state": ("ACTIVE",)}),
        "public.a.state 'what': rows hold a value that nobody expects",
    ),
    "a value that fits two": (
        TABLE + "insert into a values (1, 'ab')",
        Expected(columns={"public.a.state": ("AB", "Ab")}),
        "nobody expects",
    ),
    "a swap": (
        TABLE,
        Expected(columns={"public.a.state": ("A", "B")}, map={"public.a.state": {"A": "B", "B": "A"}}),
        "nothing in the rows tells",
    ),
    "no such column": (TABLE, Expected(columns={"public.a.stat": ("A",)}), "there is no such column"),
    "not a name": (TABLE, Expected(columns={"a b": ("A",)}), "not the name of a column"),
    "no text": (TABLE, Expected(columns={"public.a.n": ("A",)}), "it is no text column but integer"),
    "no enum": (
        TABLE + "insert into a select g, g::text from generate_series(1, 300) g",
        Expected(columns={"public.a.state": ("A",)}),
        "more than 200 distinct values",
    ),
    "a check that names the old values, without leave to rewrite": (
        TABLE + "alter table a add constraint known check (state in ('a')); insert into a values (1, 'a')",
        Expected(columns={"public.a.state": ("A",)}),
        "its check known names the old values",
    ),
    "no key": (
        "create table a (state text); insert into a values ('a')",
        Expected(columns={"public.a.state": ("A",)}),
        "no primary key",
    ),
    "a collision": (
        "create table a (id int primary key, state text unique); insert into a values (1, 'a'), (2, 'A')",
        Expected(columns={"public.a.state": ("A",)}),
        "1 keys of the unique index a_state_key",
    ),
    "hidden rows": (
        TABLE + "alter table a enable row level security; alter table a force row level security",
        Expected(columns={"public.a.state": ("A",)}),
        "row-level security",
    ),
}


@pytest.mark.parametrize(("schema", "expected", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_names_its_reason_and_touches_nothing(
    database: Server, sql: Sql, admin_sql: Sql, schema: str, expected: Expected, reason: str
) -> None:
    sql(schema)
    before = catalog(admin_sql), rows(admin_sql)
    with closing(Session(database)) as session, pytest.raises(Precondition) as refused:
        plan(session, diagnose(session, expected))
    assert reason in refused.value.why
    assert (catalog(admin_sql), rows(admin_sql)) == before
