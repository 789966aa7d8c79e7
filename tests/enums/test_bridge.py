"""expand: writers of old labels go on, readers see the new ones; contract takes the bridge away; both are undone."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg
import pytest
from enum_worlds import Sql, catalog, labels, rows

from recover.enums.choices import Choices
from recover.enums.expected import Expected
from recover.enums.ledger import new_id
from recover.enums.look import diagnose
from recover.enums.planning import plan
from recover.enums.repair import doing, undoing
from recover.errors import Precondition
from recover.postgres.session import Server, Session

pytestmark = [pytest.mark.postgres, pytest.mark.every_postgres]
LIMITS = {"lock_timeout": 2, "statement_timeout": 20}
SCHEMA = """
create type role as enum ('it''s', 'user'); create domain d as role;
create table users (id int primary key, role role default 'user', roles role[], "D" d);
create table parts (id int, role role) partition by list (id);
create table part partition of parts default;
create function touch() returns trigger language plpgsql as
  $$ begin if new.role::text = 'user' then raise exception 'it saw an old label'; end if; return new; end $$;
create trigger a_touch before insert or update on parts for each row execute function touch();
insert into users values (1, 'it''s', '{user}', 'user');
"""
# Before 13 a partitioned table takes neither this trigger nor the bridge's.
PARTITIONED = (" partition by list (id)", "create table part partition of parts default;")
EXPECTED = Expected(types={"role": ("IT'S", "USER", "NEW")})


@pytest.fixture
def schema(postgres_version: int) -> str:
    return SCHEMA if postgres_version >= 13 else SCHEMA.replace(PARTITIONED[0], "").replace(PARTITIONED[1], "")


def done(session: Session, strategy: Any) -> Any:
    repair = plan(session, diagnose(session, EXPECTED), Choices(strategy, ignore=("function touch()",)))
    assert repair is not None
    session.execute(doing(repair, new_id()), **LIMITS)
    return repair


def test_raw_writers_go_on_and_readers_see_the_new_labels(database: Server, sql: Sql, schema: str) -> None:
    sql(schema)
    with closing(Session(database)) as session:
        done(session, "expand")
        assert labels(sql, "role") == ["IT'S", "USER", "NEW", "it's", "user"]
        sql("insert into users values (2, 'user', '{user,it''s,USER}', 'it''s'), (3, null, null, null)")
        sql("insert into users (id) values (4)")
        sql("update users set role = 'it''s' where id = 1; insert into parts values (1, 'user'), (2, 'NEW')")
        assert sql('select id, role::text, roles::text, "D"::text from users order by id') == [
            (1, "IT'S", "{USER}", "USER"),
            (2, "USER", "{USER,IT'S,USER}", "IT'S"),
            (3, None, None, None),
            (4, "USER", None, None),
        ]
        assert sql("select role::text from parts order by id") == [("USER",), ("NEW",)]
        assert diagnose(session, EXPECTED).clean
        assert plan(session, diagnose(session, EXPECTED), Choices("expand")) is None


def test_the_bridge_is_taken_away_and_old_labels_are_refused_then(
    database: Server, sql: Sql, admin_sql: Sql, schema: str
) -> None:
    sql(schema)
    with closing(Session(database)) as session:
        done(session, "expand")
        bridged = catalog(admin_sql)
        contract = done(session, "contract")
        assert labels(sql, "role") == ["IT'S", "USER", "NEW", "~retired:it's", "~retired:user"]
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            sql("insert into users values (9, 'user')")
        assert plan(session, diagnose(session, EXPECTED), Choices("contract")) is None
        assert sql("select count(*) from pg_proc where pronamespace = 'recover'::regnamespace") == [(0,)]
        session.execute(undoing(contract), **LIMITS)
        assert catalog(admin_sql) == bridged
        sql("insert into users values (9, 'user')")
        assert sql("select role::text from users where id = 9") == [("USER",)]


def test_a_bridge_is_not_taken_away_while_a_label_is_missing(database: Server, sql: Sql) -> None:
    sql("create type role as enum ('user'); create table users (role role)")
    with closing(Session(database)) as session:
        repair = plan(session, diagnose(session, Expected(types={"role": ("USER",)})), Choices("expand"))
        assert repair
        session.execute(doing(repair, new_id()), **LIMITS)
        more = diagnose(session, Expected(types={"role": ("USER", "NEW")}))
        with pytest.raises(Precondition) as caught:
            plan(session, more, Choices("contract"))
    assert "it has drifted, and a bridge is taken away when the labels are right" in caught.value.why
    assert caught.value.next == "recover enums repair"


def test_undo_gives_the_old_labels_back(database: Server, sql: Sql, admin_sql: Sql, schema: str) -> None:
    sql(schema)
    before = rows(admin_sql)
    with closing(Session(database)) as session:
        for retired in (["~retired:it's", "~retired:user"], ["~retired:it's~2", "~retired:user~2"]):
            repair = done(session, "expand")
            session.execute(undoing(repair), **LIMITS)
            assert rows(admin_sql) == before
            assert labels(sql, "role")[:2] == ["it's", "user"]
            assert labels(sql, "role")[-2:] == retired
            assert sql("select count(*) from pg_trigger where tgname like '%bridge%'") == [(0,)]


def test_a_partitioned_table_is_bridged_where_it_can_be(database: Server, sql: Sql, postgres_version: int) -> None:
    sql("create type role as enum ('user'); create table parts (id int, role role) partition by list (id)")
    expand = Choices("expand")
    with closing(Session(database)) as session:
        found = diagnose(session, Expected(types={"role": ("USER",)}))
        if postgres_version >= 13:
            assert plan(session, found, expand) is not None
        else:
            with pytest.raises(Precondition, match="partitioned"):
                plan(session, found, expand)
