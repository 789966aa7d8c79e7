"""What follows a rename by oid goes on working: every kind of it is used in new sessions, before, after and undone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
import pytest
from enum_worlds import Sql, catalog, labels, rows

from recover.enums.expected import Expected
from recover.enums.ledger import new_id
from recover.enums.look import diagnose, examine
from recover.enums.planning import plan
from recover.enums.repair import doing, undoing
from recover.postgres.session import Server, Session

pytestmark = [pytest.mark.postgres, pytest.mark.every_postgres]
LIMITS = {"lock_timeout": 2, "statement_timeout": 20}
LONG = "é" * 31 + "x"  # 63 bytes

SCHEMA = f"""
create schema "Ä b"; create schema other;
create type other.role as enum ('admin', 'user');
create type role as enum ('admin', 'user', '{LONG}');
create domain drole as role default 'user' check (value <> '{LONG}');
create type pair as (r role, n int);
create type span as range (subtype = role);
create table roles (role role primary key, title text);
insert into roles values ('admin', 'a'), ('user', 'u'), ('{LONG}', 'l');
create table "Ä b"."Üsers" (
    id int primary key, "Rôle" role not null default 'user' references roles, roles role[] default '{{user}}',
    d drole, p pair, s span, old other.role default 'admin',
    is_admin bool generated always as ("Rôle" = 'admin') stored, twin role generated always as ("Rôle") stored,
    unique (id, "Rôle"), check ("Rôle" <> '{LONG}' or id > 0));
create index by_role on "Ä b"."Üsers" ("Rôle");
create index admins on "Ä b"."Üsers" (id) where "Rôle" = 'admin';
create index first on "Ä b"."Üsers" ((roles[1]));
insert into "Ä b"."Üsers" (id, "Rôle", roles, d, p, s)
    select g, case when g % 10 = 0 then 'admin' else 'user' end::role, array['admin', 'user']::role[], 'user',
           row('admin', g)::pair, span('admin', 'user') from generate_series(1, 50) g;
create view by_hand as select id, "Rôle" as role, "Rôle" = 'admin' as is_it from "Ä b"."Üsers" where "Rôle" = 'admin';
create view above as select count(*) as n from by_hand;
create materialized view kept as select "Rôle" as role, count(*) as n from "Ä b"."Üsers" group by 1;
create rule no_guests as on insert to roles where new.role = '{LONG}' do instead nothing;
create table parted (role role, n int) partition by list (role);
create table parted_admin partition of parted for values in ('admin');
create table parted_rest partition of parted for values in ('user', '{LONG}');
create table ranged (role role, n int) partition by range (role);
create table ranged_low partition of ranged for values from ('admin') to ('{LONG}');
insert into parted select "Rôle", id from "Ä b"."Üsers"; insert into ranged select "Rôle", id from "Ä b"."Üsers";
create table secret (id int, role role); insert into secret select id, "Rôle" from "Ä b"."Üsers";
alter table secret enable row level security; alter table secret force row level security;
create policy only_users on secret using (role = 'user') with check (role in ('user', 'admin'));
create table log (role role);
create function noted() returns trigger language plpgsql as
    $$ begin insert into log values (new.role); return new; end $$;
create trigger noted after update on roles for each row when (new.role = 'user' and old.role = 'user')
    execute function noted();
create function asks(r role default 'admin') returns bigint language sql stable as
    $$ select count(*) from "Ä b"."Üsers" where "Rôle" = r $$;
"""
EXPECTED = Expected(types={"public.role": ("ADMIN", "USER", LONG)})

# (what is used, a question); {admin} and {user} are the labels as they are spelled at that time.
USES = {
    "insert by default": """with n as (insert into "Ä b"."Üsers" (id) values (99) returning "Rôle", roles, d, old)
        select ("Rôle", roles, d, old)::text = '({user},{{{user}}},{user},admin)' from n""",
    "insert by name": """with n as (insert into "Ä b"."Üsers" (id, "Rôle") values (99, '{admin}') returning is_admin)
        select is_admin from n""",
    "select by index": """select count(*) from "Ä b"."Üsers" where "Rôle" = '{admin}'""",
    "partial index": """select count(*) from "Ä b"."Üsers" where "Rôle" = '{admin}' and id < 60""",
    "array": """select count(*) from "Ä b"."Üsers" where roles[1] = '{admin}' and '{user}' = any (roles)""",
    "composite": """select count(*) from "Ä b"."Üsers" where (p).r = '{admin}'""",
    "range": """select count(*) from "Ä b"."Üsers" where s @> '{admin}'::role and not s @> '{user}'::role""",
    "domain": """select count(*) from "Ä b"."Üsers" where d::role = '{user}'""",
    "generated": """select count(*) filter (where is_admin), count(*) filter (where twin = '{admin}')
        from "Ä b"."Üsers" """,
    "foreign key": """select count(*) from roles r join "Ä b"."Üsers" u on u."Rôle" = r.role where r.title = 'a'""",
    "views": """select n, (select count(*) from by_hand where is_it and role = '{admin}') from above""",
    "materialized view": "select n from kept where role = '{admin}'",
    "list partition": "select count(*), min(tableoid::regclass::text) from parted where role = '{admin}'",
    "range partition": "select count(*) from ranged where role = '{user}'",
    "into a partition": """with n as (insert into parted values ('{admin}', 7) returning tableoid::regclass::text as t)
        select t from n""",
    "policy": "select count(*), count(*) filter (where role = '{admin}') from secret",
    "trigger": "with n as (update roles set title = 'v' where role = '{user}' returning 1) select count(*) from n",
    "argument by default": "select asks(), asks('{user}')",
    "order": "select string_agg(title, '' order by role) from roles",
    "the other schema": 'select count(*) from "Ä b"."Üsers" where old = \'admin\'::other.role',
}
SCANS = {"by index": "set enable_seqscan = off", "by scan": "set enable_indexscan = off; set enable_bitmapscan = off"}


def used(database: Server, names: dict[str, str]) -> dict[tuple[str, str], Any]:
    """The answer to every question, by index and by scan, each way in a session of its own with nothing kept."""
    found = {}
    for how, setting in SCANS.items():
        with connected(database) as connection:
            for use, question in USES.items():
                found[use, how] = answer(connection, f"{setting}; {text_of(question, names)}")
    return found


def text_of(question: str, names: dict[str, str]) -> str:
    for name, label in names.items():
        question = question.replace("{" + name + "}", label)
    return question.replace("{{", "{").replace("}}", "}")


def connected(database: Server) -> psycopg.Connection[Any]:
    assert database.password is not None
    where = {"host": database.host, "port": database.port, "dbname": database.dbname, "user": database.user}
    return psycopg.connect(**where, password=database.password.reveal())  # type: ignore[arg-type]


def answer(connection: psycopg.Connection[Any], text: str) -> Any:
    """In a transaction that is taken back, its settings too; no plan is kept for the next one."""
    cursor = connection.execute(text, prepare=False)  # type: ignore[call-overload]  # psycopg wants literals
    while cursor.nextset():
        pass
    found = cursor.fetchall()
    connection.rollback()
    return found


def refused(database: Server, text: str) -> str:
    with connected(database) as connection, pytest.raises(psycopg.Error) as error:
        answer(connection, text)
    return str(error.value.sqlstate)


def test_everything_that_follows_is_used(database: Server, sql: Sql, admin_sql: Callable[..., Any]) -> None:
    sql(SCHEMA)
    before = catalog(admin_sql), rows(admin_sql)
    answers = used(database, {"admin": "admin", "user": "user"})
    assert answers["policy", "by scan"] == [(45, 0)]
    assert answers["partial index", "by index"] == [(5,)]
    with closing(Session(database)) as session:
        found = examine(session, diagnose(session, EXPECTED), following=True)
        assert not found.breaks
        [told] = found.follows.values()
        for kind in ("column Rôle of", "by_role", "view by_hand", "policy only_users", "trigger noted", "function asks",
                     "constraint", "type drole", "type pair", "type span", "default value for", "kept"):  # fmt: skip
            assert any(kind in object for object in told), (kind, told)
        repair = plan(session, found)
        assert repair is not None
        session.execute(doing(repair, new_id()), **LIMITS)
        assert labels(sql, "public.role") == ["ADMIN", "USER", LONG]
        assert labels(sql, "other.role") == ["admin", "user"]
        assert used(database, {"admin": "ADMIN", "user": "USER"}) == answers
        assert refused(database, """insert into "Ä b"."Üsers" values (99, 'admin')""") == "22P02"
        assert refused(database, f"""insert into "Ä b"."Üsers" (id, "Rôle") values (0, '{LONG}')""") == "23514"
        assert refused(database, f"select '{LONG}'::drole") == "23514"
        assert refused(database, f"insert into secret values (1, '{LONG}')") == "42501"
        session.execute(undoing(repair), **LIMITS)
    assert (catalog(admin_sql), rows(admin_sql)) == before
    assert used(database, {"admin": "admin", "user": "user"}) == answers
