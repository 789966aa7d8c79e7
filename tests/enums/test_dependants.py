"""What holds an old label as text: found, told apart from what follows, rewritten exactly, and taken back."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from enum_worlds import Sql, catalog, rows

from recover.enums.choices import Choices
from recover.enums.expected import Expected
from recover.enums.ledger import new_id
from recover.enums.look import Diagnosis, diagnose, examine
from recover.enums.planning import plan
from recover.enums.repair import doing, undoing
from recover.errors import Precondition
from recover.postgres.session import Server, Session
from recover.world import Statement

pytestmark = [pytest.mark.postgres, pytest.mark.every_postgres]
LIMITS = {"lock_timeout": 2, "statement_timeout": 20}
BASE = """
create type role as enum ('admin', 'user', 'guest');
create table users (id int primary key, role role not null, note text default 'admin');
insert into users values (1, 'admin'), (2, 'user'), (3, 'user');
"""
EXPECTED = Expected(types={"role": ("ADMIN", "USER", "guest")})


@dataclass(frozen=True)
class Case:
    """A dependant: how it is made, what is found of it, and a question whose answer has to stay the same."""

    made: str
    object: str
    how: str
    certainty: str
    question: str = "select 1"
    mended: bool = True
    kind: str = ""


CASES = {
    "view": Case(
        "create view admins with (security_barrier=true) as select id from users where role::text = 'admin';"
        "comment on view admins is 'kept'; grant select on admins to public; create view above as select * from admins",
        "view admins", "silent", "sure", "select count(*) from above",
    ),
    "view with a list, a case and both sides": Case(
            "create view v as select id, case role::text when 'admin' then 1 when 'user' then 2 end as n from users"
            " where role::text in ('admin', 'user') and 'user' <> role::text or role::varchar = 'admin'",
            "view v", "silent", "sure", "select id, n from v order by id",
    ),
    "policy": Case(
        "alter table users enable row level security; grant select on users to public;"
        "create policy p on users for select using (role::text = 'user')",
        "policy p on users", "silent", "sure",
        "select count(*) from users where role::text in ('user', 'USER')",
    ),
    "policy with a check": Case(
        "alter table users enable row level security;"
        "create policy q on users for insert with check (role::text <> 'admin')",
        "policy q on users", "silent", "sure",
    ),
    "check": Case(
        "alter table users add constraint known check (role::text in ('admin', 'user'));"
        "comment on constraint known on users is 'kept'",
        "check known on users", "loud", "sure",
        "with u as (update users set note = 'x' returning 1) select count(*) from u",
    ),
    "check that is not validated, in an heir too": Case(
        "create table heirs (n int) inherits (users);"
        "alter table users add constraint known check (role::text <> 'guest' or role::text = 'user') not valid",
        "check known on users", "loud", "sure",
        "with u as (update users set note = 'x' returning 1) select count(*) from u",
    ),
    "check of a domain": Case(
        "create domain known as role check (value::text in ('admin', 'user'));"
        "alter table users add k known default 'user'",
        "domain check known_check on known", "loud", "sure",
        "with u as (update users set k = k where id = 1 returning 1) select count(*) from u",
    ),
    "rule": Case(
        "create table log (n int); create rule r as on insert to users where new.role::text = 'admin' do also"
        " insert into log values (1)",
        "rule r on users", "silent", "sure",
        "with u as (insert into log select count(*) from users where role::text in ('admin', 'ADMIN') returning n)"
        " select * from u",
    ),
    "trigger when": Case(
        "create table log (n int); create function t() returns trigger language plpgsql as"
        " 'begin insert into log values (1); return new; end';"
        "create trigger w before update on users for each row when (new.role::text = 'admin') execute function t();"
        "alter table users enable always trigger w",
        "trigger w on users", "silent", "sure",
        "with u as (update users set note = 'y' returning 1) select count(*) from u",
    ),
    "default": Case(
        "alter table users alter role set default ('admin'::text)::role",
        "default role on users", "loud", "sure",
        "with u as (insert into users (id) values (9) returning lower(role::text)) select * from u",
    ),
    "sql function": Case(
        "create function f(who role) returns bigint language sql stable as"
        " $$ select count(*) from users where role = 'admin' -- 'admin'\n$$;"
        "create function g() returns role language sql as $$ select 'user'::role $$",
        "function f(role)", "loud", "sure", "select f(null), lower(g()::text)",
    ),
    "plpgsql function, everywhere": Case(
        """create function h(wanted role default 'user') returns int language plpgsql as $body$
        declare best role := 'admin'; n int; other text := 'something else';
        begin
            /* 'admin' in a comment */
            if wanted = 'user' then best := 'user'; end if;
            select count(*) into n from users u where u.role in ('admin', 'user') and u.role <> cast('guest' as role);
            insert into users (id, role) values (100, 'user'), (101, 'admin');
            update users set role = 'user' where id = 101 and users.role is distinct from 'user';
            return n;
        end $body$""",
        "function h(role)", "loud", "sure", "select h()",
    ),
    "trigger function": Case(
        "create function t() returns trigger language plpgsql as $$ begin"
        " if new.role = 'guest' then new.role := 'user'; end if; return new; end $$;"
        "create trigger t before insert or update on users for each row execute function t()",
        "function t()", "loud", "sure",
        "with u as (insert into users values (9, 'guest') returning lower(role::text)) select * from u",
    ),
    "constants and texts of two types in one view, one function, one check": Case(
        "create type mood as enum ('ok', 'sad'); alter table users add mood mood default 'ok', add roles role[];"
        "create view v as select id, array['admin', 'user']::role[] as pair, '{user,guest}'::role[] as some from users"
        " where role = 'admin' and (role::text = 'admin' or mood::text = 'ok' or mood = 'sad');"
        "create function f(r role[] default '{admin,user}') returns bigint language sql stable as"
        " $$ select count(*) from users where role = 'admin' and mood = 'ok' and r[1] = 'admin'::role $$;"
        "alter table users add constraint c check (role::text <> 'guest' or mood::text <> 'sad')",
        "view v", "silent", "sure", "select count(*), f() from v where lower(pair::text) = '{admin,user}'",
    ),
    "a label that another type has too": Case(
        "create type mood as enum ('ok', 'admin'); create table moods (mood mood);"
        "create function f() returns bigint language sql stable as"
        " $$ select count(*) from users where role = 'admin' $$",
        "function f()", "loud", "sure", "select f()",
    ),
    "silent function": Case(
        "create function f() returns bigint language sql stable as"
        " $$ select count(*) from users where role::text = 'admin' $$",
        "function f()", "silent", "sure", "select f()",
    ),
    "index over a wrapper": Case(
        "create function spelled(r role) returns text language sql immutable as $$ select r::text $$;"
        "create index i on users (spelled(role))",
        "index i", "silent", "sure",
        "select count(*) from users where lower(spelled(role)) = 'admin'",
    ),
    "materialized view that keeps text": Case(
        "create materialized view m as select id, role::text as role from users",
        "materialized view m", "silent", "likely", "select count(*) from m where lower(role) = 'admin'",
    ),
    "materialized view that looks for text": Case(
        "create materialized view m as select id from users where role::text = 'admin'",
        "materialized view m", "silent", "sure", mended=False,
    ),
    "generated column over a wrapper": Case(
        "create function spelled(r role) returns text language sql immutable as $$ select r::text $$;"
        "alter table users add g text generated always as (spelled(role)) stored",
        "generated column users.g", "silent", "sure", mended=False,
    ),
    "partitions by a wrapper": Case(
        "create function spelled(r role) returns text language sql immutable as $$ select r::text $$;"
        "create table parts (r role) partition by list (spelled(r))",
        "partition parts", "silent", "sure", mended=False,
    ),
    "aggregate": Case(
        "create function larger(a role, b role) returns role language sql immutable as 'select greatest(a, b)';"
        "create aggregate top(role) (sfunc = larger, stype = role, initcond = 'admin')",
        "aggregate top(role)", "loud", "sure", mended=False,
    ),
    "a function that says more than the enum": Case(
        "create function f() returns text language sql as $$ select 'admin' from users where role = 'admin' $$",
        "function f()", "loud", "sure", mended=False,
    ),
    "a view that may mean something else": Case(
        "create view v as select id, role from users where note = 'admin'",
        "view v", "silent", "possible", mended=False,
    ),
    "dynamic SQL": Case(
        "create function f() returns void language plpgsql as"
        " $$ begin execute 'update users set role = ''admin'''; end $$",
        "function f()", "loud", "possible", mended=False,
    ),
    "label in an array's text, in another list, beside a text of the table": Case(
        "alter table users add roles role[] default '{admin}';"
        "create view v as select id from users where role::text = any ('{admin,user}')"
        " and roles::text[] && array['admin'] and note = 'admin'",
        "view v", "silent", "sure", "select count(*) from v",
    ),
    "view with a check option, over a view": Case(
        "create view v with (check_option=cascaded) as select * from users where role::text = 'user';"
        "alter view v alter column note set default 'q';"
        "create view w as select * from v where role::text <> 'admin'",
        "view w", "silent", "sure", "select count(*) from w",
    ),
    "recursive view": Case(
        "create recursive view v (n) as select 1 union all select n + 1 from v, users"
        " where role::text = 'admin' and n < 3",
        "view v", "silent", "sure", "select n from v order by n",
    ),
    "check of a partitioned table": Case(
        "create table p (id int, role role) partition by list (role);"
        "create table p1 partition of p for values in ('admin');"
        "alter table p add constraint c check (role::text <> 'admin' or id > 0); insert into p values (1, 'admin')",
        "check c on p", "loud", "sure",
        "with u as (update p set id = 2 returning id) select * from u",
    ),
    "check that an heir has of its own too": Case(
        "create table h (x int) inherits (users); alter table h add constraint c check (role::text <> 'user');"
        "alter table users add constraint c check (role::text <> 'user') not valid",
        "check c on users", "loud", "sure", mended=False,
    ),
    "check whose heir has a comment": Case(
        "create table h (x int) inherits (users);"
        "alter table users add constraint c check (role::text <> 'guest' or role::text = 'user');"
        "comment on constraint c on h is 'the heir''s'",
        "check c on users", "loud", "sure", mended=False,
    ),
    "check of a domain over an array": Case(
        "create domain roles as role[] check (value::text[] <@ array['admin', 'user']);"
        "create table t (r roles default '{admin}'); insert into t values ('{admin,user}')",
        "domain check roles_check on roles", "loud", "sure",
        "with u as (update t set r = r returning lower(r::text)) select * from u",
    ),
    "default of a domain": Case(
        "create domain d as role default ('admin'::text)::role; create table t (x int, d d)",
        "domain default d on d", "loud", "sure",
        "with u as (insert into t values (1) returning lower(d::text)) select * from u",
    ),
    "rule that is off, with a comment": Case(
        "create table log (n int); create rule r as on insert to users where new.role::text = 'admin' do also"
        " insert into log values (1); alter table users disable rule r; comment on rule r on users is 'kept'",
        "rule r on users", "silent", "sure",
        "select ev_enabled, obj_description(oid) from pg_rewrite where rulename = 'r'",
    ),
    "trigger of an odd name, off, with a comment": Case(
        "create function t() returns trigger language plpgsql as 'begin return new; end';"
        """create trigger "T ü" before insert on users for each row when (new.role::text = 'admin')"""
        " execute function t();"
        """alter table users disable trigger "T ü"; comment on trigger "T ü" on users is 'kept'""",
        "trigger T ü on users", "silent", "sure",
        "select tgenabled, obj_description(oid) from pg_trigger where tgname = 'T ü'",
    ),
    "trigger of a constraint": Case(
        "create function t() returns trigger language plpgsql as 'begin return new; end';"
        "create constraint trigger t after insert on users deferrable for each row when (new.role::text = 'admin')"
        " execute function t()",
        "trigger t on users", "silent", "sure", mended=False,
    ),
    "procedure with a CASE, nested quotes and a list": Case(
        "create procedure p(inout x role) language plpgsql as $p$ declare a text := $$it's 'q'$$; b text = E'it\\'s';"
        " begin if x = 'admin' then x := 'user'; elsif x is null then x := 'admin'; end if;"
        " case x when 'admin', 'guest' then null; else x := 'user'; end case; end $p$",
        "procedure p(role)", "loud", "sure", "call p('guest')",
    ),
    "overloaded, security definer, settings, defaults": Case(
        "create function f(x role default 'admin', y text default 'it''s') returns table (id int, r text) language sql"
        " security definer set search_path = public, pg_temp cost 7 rows 9 strict as"
        " $f$ select id, lower(role::text) from users where role = $1 and role <> 'user' $f$;"
        "comment on function f is 'kept'; revoke execute on function f from public;"
        "create function f(x int) returns int language plpgsql as $$ begin perform 1 from users where role = 'admin';"
        " return x; end $$",
        "function f(role,text)", "loud", "sure", "select f(), f(1)",
    ),
    "variables of a column's type, of a row, of a domain": Case(
        "create domain d as role; create function f(v d) returns d language plpgsql as $$"
        " declare x users.role%type := 'admin'; y users%rowtype; z d := 'user'; begin y.role := 'user'; z := 'admin';"
        " if v::role in ('admin') and x = 'admin' and y.role <> 'admin' and z::role = 'admin' then"
        " return case x when 'user' then z else 'user'::d end; end if; return 'admin'; end $$",
        "function f(d)", "loud", "sure",
        "select lower(f(min(role))::text) from users where lower(role::text) = 'admin'",
    ),
    "materialized views over one another": Case(
        "create materialized view m as select id, role::text as role from users; create unique index on m (id);"
        "create materialized view n as select role, count(*) from m group by 1",
        "materialized view n", "silent", "likely", "select lower(role), count from n order by 1",
    ),
    "view over a view that makes text": Case(
        "create view a as select id, role::text as role from users;"
        "create view b as select id from a where role = 'admin'",
        "view b", "silent", "likely", mended=False,
    ),
    "columns of two enums of one name": Case(
        "create type other as enum ('guest'); create table others (id int, role other);"
        "create view v as select u.id from users u join others o using (id)"
        " where u.role::text = 'admin' and o.role = 'guest'",
        "view v", "silent", "likely", mended=False,
    ),
    "index over a function of any enum": Case(
        "create function spelled(r anyenum) returns text language sql immutable as $$ select r::text $$;"
        "create index i on users (spelled(role))",
        "index i", "silent", "sure", "select count(*) from users where lower(spelled(role)) = 'admin'",
    ),
    "index over a function of the row, on partitions": Case(
        "create table p (id int, role role) partition by range (id);"
        "create table p1 partition of p for values from (0) to (9);"
        "create function spelled(r p1) returns text language sql immutable as $$ select r.role::text $$;"
        "create index i on p1 (spelled(p1.*)); insert into p values (1, 'admin')",
        "index i", "silent", "sure", "select count(*) from p1 where lower(spelled(p1.*)) = 'admin'",
    ),
    "index over a function that knows labels": Case(
        "create function short(r role) returns text language sql immutable as"
        " $$ select case r when 'admin' then 'a' else 'b' end $$; create index i on users (short(role))",
        "index i", "silent", "sure", "select count(*) from users where short(role) = 'a'",
    ),
    "aggregate of an array": Case(
        "create function more(a role[], b role) returns role[] language sql immutable as 'select a || b';"
        "create aggregate some_of(role) (sfunc = more, stype = role[], initcond = '{admin}')",
        "aggregate some_of(role)", "loud", "sure", mended=False,
    ),
    **{
        f"not surely the enum: {name}": Case(made, object, how, "possible", mended=False)
        for name, (object, how, made) in {
            "another column under its name": (
                "view v", "silent",
                "create view v as select u.role, x.role as r2 from users u,"
                " (select note::varchar as role from users) x where x.role::varchar = 'admin'",
            ),
            "a function of it": (
                "view v", "silent", "create view v as select id from users where lower(role::text) = 'admin'"
            ),
            "a text with more": (
                "view v", "silent",
                "create view v as select id from users where 'x' || role::text = 'admin'"
                " or 'admin' = role::text || 'x'",
            ),
            "a column of text called like the type": (
                "function f()", "loud",
                "create table other (role text); create function f() returns bigint language sql as"
                " $$ update other set role = 'admin'; select count(*) from other where role = 'admin' $$",
            ),
            "a variable called like the column": (
                "function f()", "loud",
                "create function f() returns bigint language plpgsql as $$ declare role text; n int; begin"
                " role := 'admin'; if role = 'admin' then select count(*) into n from users; end if; return n; end $$",
            ),
            "a record's field": (
                "function f()", "loud",
                "create function f() returns bigint language plpgsql as $$ declare r record; begin"
                " for r in select note as role from users loop if r.role = 'admin' then return 1; end if; end loop;"
                " return 2; end $$",
            ),
            "an operator before the column": (
                "function f()", "loud",
                "create function f() returns bigint language sql as $$ select count(*) from users"
                " where note || role = 'admin' or lower(role::text) = 'admin' $$",
            ),
            "other quotes": (
                "function f()", "loud",
                "create function f() returns bigint language sql as"
                " $$ select count(*) from users where role = $q$admin$q$ or role = any ('{admin}') $$",
            ),
        }.items()
    },
    "another type": Case(
        "create type other as enum ('admin'); create function f() returns other language plpgsql as"
        " $$ begin return 'admin'; end $$",
        "function f()", "loud", "possible", mended=False,
    ),
}  # fmt: skip


def found(session: Session) -> Diagnosis:
    query = "select enumlabel::text as l from pg_enum where enumtypid = to_regtype('mood')"
    moods = session.rows("moods", Statement(query, role_path=True))
    mood = {"mood": tuple(str(row["l"]).upper() for row in moods)} if moods else {}
    return examine(session, diagnose(session, Expected(types={**EXPECTED.types, **mood})))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_it_is_found_and_told_how_it_breaks_and_is_rewritten_and_taken_back(
    database: Server, sql: Sql, admin_sql: Sql, case: Case
) -> None:
    sql(BASE + case.made)
    before = catalog(admin_sql), rows(admin_sql)
    with closing(Session(database)) as session:
        now = found(session)
        each = next(each for each in now.breaks if each.object == case.object)
        assert (each.how, each.certainty, each.mend is not None) == (case.how, case.certainty, case.mended)
        if case.certainty == "possible":
            assert plan(session, now) is not None
        else:
            with pytest.raises(Precondition) as refused:
                plan(session, now)
            assert f"{case.object}: after the repair it " in refused.value.why
            ignored = tuple(each.object for each in now.breaks)
            assert plan(session, now, Choices(ignore=ignored)) is not None
            if not case.mended:
                with pytest.raises(Precondition):
                    plan(session, now, Choices(rewrite=True))
        if case.mended:
            rewrite(session, database, admin_sql, now, before, case.question)


def rewrite(
    session: Session, database: Server, admin_sql: Sql, now: Diagnosis, before: tuple[Any, Any], question: str
) -> None:
    """Done, undone and done again: the question has one answer, and the catalog two states."""
    answer = rolled_back(database, question)
    repair = plan(session, now, Choices(rewrite=True))
    assert repair is not None
    session.execute(doing(repair, new_id()), **LIMITS)
    assert rolled_back(database, question) == answer
    left = found(session)
    assert not left.breaks
    assert plan(session, left) is None
    repaired = catalog(admin_sql)
    session.execute(undoing(repair), **LIMITS)
    assert without_files((catalog(admin_sql), rows(admin_sql))) == without_files(before)
    assert rolled_back(database, question) == answer
    session.execute(doing(repair, new_id()), **LIMITS)
    assert without_files((catalog(admin_sql), {})) == without_files((repaired, {}))


def without_files(state: tuple[dict[str, str], Any]) -> tuple[dict[str, str], Any]:
    """A REINDEX makes new files, and dropping and making a constraint or trigger gives it another oid."""
    return {name: text for name, text in state[0].items() if not name.startswith("file ")}, state[1]


def rolled_back(database: Server, question: str) -> list[Any]:
    """The answer in a new session, with nothing kept."""
    import psycopg

    where = {"host": database.host, "port": database.port, "dbname": database.dbname, "user": database.user}
    assert database.password is not None
    with psycopg.connect(**where, password=database.password.reveal()) as connection:  # type: ignore[arg-type]
        answer = connection.execute(question).fetchall()  # type: ignore[call-overload]
        connection.rollback()
        return list(answer)
