"""Columns of types whose operators are an extension's, and lie in a schema that our search_path does not have."""

from __future__ import annotations

from contextlib import closing

import pytest
from conftest import Sql
from enum_worlds import rows

from recover.enums.choices import Choices
from recover.enums.expected import Expected
from recover.enums.ledger import new_id
from recover.enums.look import diagnose
from recover.enums.planning import plan
from recover.enums.repair import doing, undoing
from recover.postgres.session import Server, Session

pytestmark = pytest.mark.postgres
LIMITS = {"lock_timeout": 1.0, "statement_timeout": 10.0}
EXPECTED = Expected(types={"mood": ("SAD",)}, columns={"public.people.state": ("ON", "OFF")})


@pytest.mark.parametrize("indexed", [False, True])
def test_they_are_found_written_and_taken_back(database: Server, sql: Sql, admin_sql: Sql, *, indexed: bool) -> None:
    sql("create extension ltree; create extension citext; create type mood as enum ('sad', 'SAD')")
    sql("create table people (place ltree, name citext, mood mood, state citext, primary key (place, name))")
    sql(
        "insert into people values ('a.b', 'Eva', 'sad', 'on'), ('a.c', 'eve', 'SAD', 'ON'), ('a.d', 'x', 'SAD', 'Off')"
    )
    sql("insert into people select 'z', g::text, 'SAD', null from generate_series(1, 9) g")
    sql("create index on people (state)" if indexed else "select 1")
    before = rows(admin_sql)
    with closing(Session(database)) as session:
        found = diagnose(session, EXPECTED)
        [column] = found.columns
        assert set(column.held) == {"ON", "Off", "on"}
        repair = plan(session, found, Choices())
        assert repair is not None
        session.execute(doing(repair, new_id()), **LIMITS)
        after = "select name::text, mood::text, state::text from people where state is not null order by 1"
        assert sql(after) == [("Eva", "SAD", "ON"), ("eve", "SAD", "ON"), ("x", "SAD", "OFF")]
        assert diagnose(session, EXPECTED).clean
        session.execute(undoing(repair), **LIMITS)
    assert rows(admin_sql) == before
