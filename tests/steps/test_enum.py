"""enum.repair: labels change, rows do not; what would be a guess is refused with nothing touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from json import dumps
from typing import Any

import pytest

from recover.errors import Drifted, Precondition
from recover.steps.enum import RepairEnum, RepairLabels, UndoRepair

pytestmark = [pytest.mark.postgres, pytest.mark.every_postgres]
Sql = Callable[..., list[tuple[Any, ...]]]

SCHEMA = """
create type userrole as enum ('admin', 'user');
create type userstatus as enum ('pending_approval', 'active', 'disabled');
create type priority as enum ('low', 'high');
create domain prio as priority default 'low';
create table users (
    id int primary key, role userrole not null default 'user', status userstatus,
    roles userrole[] default '{user}', check (status <> 'disabled' or role = 'user'));
create table tasks (id int primary key, owner int references users, prio prio, only_admin bool
    generated always as (prio::priority = 'high') stored);
create index on users (role) where status = 'active';
create view admins as select id from users where role = 'admin';
insert into users select g, case when g % 10 = 0 then 'admin' else 'user' end::userrole,
    (enum_range(null::userstatus))[g % 3 + 1], array['admin', 'user']::userrole[]
    from generate_series(1, 300) g where not (g % 10 = 0 and g % 3 = 2);
insert into tasks select g, (select min(id) from users), (enum_range(null::priority))[g % 2 + 1]
    from generate_series(1, 50) g;
"""
EXPECTED = {
    "userrole": ("ADMIN", "USER"),
    "userstatus": ("PENDING", "ACTIVE", "DISABLED"),
    "priority": ("LOW", "NORMAL", "HIGH"),
}
REPAIR = RepairEnum("main", EXPECTED, {"userstatus": {"pending_approval": "PENDING"}})
CATALOG = "select oid::int, enumtypid::int, enumsortorder, enumlabel, xmin::text from pg_enum order by oid"
FILES = """select relname, pg_relation_filenode(oid) from pg_class
           where relnamespace = 'public'::regnamespace and relkind in ('r', 'i') order by 1"""
# Every row by the place of its labels, which no renaming can change.
ROWS = """select u.id, (select count(*) from pg_enum e where e.enumtypid = 'userrole'::regtype
                        and e.oid <= (select oid from pg_enum where enumtypid = 'userrole'::regtype
                                      and enumlabel = u.role::text)), lower(u.roles::text), u.xmin::text, u.ctid::text
          from users u order by id"""


def labels(sql: Sql, type: str) -> list[str]:
    query = "select enumlabel from pg_enum where enumtypid = %s::regtype order by enumsortorder"
    return [label for (label,) in sql(query, type)]


def do(step: RepairEnum, world: Any) -> tuple[Any, ...]:
    actions = step.decide(world)
    for action in actions:
        action.apply(world)
    return actions


def test_labels_become_what_the_code_expects_and_no_row_or_file_is_touched(world: Any, sql: Sql) -> None:
    sql(SCHEMA)
    before = sql(ROWS), sql(FILES), sql("select count(*) from admins"), sql("select count(*) from tasks")
    [repair] = do(REPAIR, world)

    assert labels(sql, "userrole") == ["ADMIN", "USER"]
    assert labels(sql, "userstatus") == ["PENDING", "ACTIVE", "DISABLED"]
    assert labels(sql, "priority") == ["LOW", "NORMAL", "HIGH"]
    assert (sql(ROWS), sql(FILES), sql("select count(*) from admins"), sql("select count(*) from tasks")) == before
    sql("insert into users (id) values (1000)")
    assert sql("select role::text, roles::text from users where id = 1000") == [("USER", "{USER}")]
    assert isinstance(repair, RepairLabels)
    assert repair.describe.splitlines() == [
        "BEGIN;",
        """ALTER TYPE "public"."userrole" RENAME VALUE 'admin' TO 'ADMIN';""",
        """ALTER TYPE "public"."userrole" RENAME VALUE 'user' TO 'USER';""",
        """ALTER TYPE "public"."userstatus" RENAME VALUE 'pending_approval' TO 'PENDING';""",
        """ALTER TYPE "public"."userstatus" RENAME VALUE 'active' TO 'ACTIVE';""",
        """ALTER TYPE "public"."userstatus" RENAME VALUE 'disabled' TO 'DISABLED';""",
        """ALTER TYPE "public"."priority" RENAME VALUE 'low' TO 'LOW';""",
        """ALTER TYPE "public"."priority" RENAME VALUE 'high' TO 'HIGH';""",
        """ALTER TYPE "public"."priority" ADD VALUE IF NOT EXISTS 'NORMAL' AFTER 'LOW';""",
        "COMMIT;",
    ]


def test_a_second_run_has_nothing_to_do(world: Any, sql: Sql) -> None:
    sql(SCHEMA)
    do(REPAIR, world)
    before = sql(CATALOG)
    assert REPAIR.decide(world) == ()
    assert sql(CATALOG) == before
    [(proof, _)] = REPAIR.proofs()
    assert proof.ask(world).passed


def test_done_undone_and_redone_leaves_every_row_as_it_was(world: Any, sql: Sql) -> None:
    sql(SCHEMA)
    rows = sql("select * from users order by id")
    [repair] = do(REPAIR, world)
    repaired = sql("select * from users order by id")
    assert repaired != rows
    undo = repair.inverse()
    assert isinstance(undo, UndoRepair)
    undo.apply(world)
    assert sql("select * from users order by id") == rows
    assert labels(sql, "priority") == ["low", "NORMAL", "high"]  # there is no DROP VALUE
    with pytest.raises(Drifted, match="labels of"):
        undo.apply(world)
    do(REPAIR, world)
    assert sql("select * from users order by id") == repaired
    assert undo.inverse() is None


def test_deciding_changes_nothing_and_actions_are_plain_data(world: Any, sql: Sql) -> None:
    sql(SCHEMA)
    before = sql(CATALOG)
    actions = REPAIR.decide(world)
    assert sql(CATALOG) == before
    for action in actions:
        assert dumps(asdict(action))
        assert action.touches == ("database:main",)
    assert REPAIR.claims(world) == frozenset({"database:main"})


def test_a_plan_of_it_rests_on_labels_and_rows(world: Any, sql: Sql) -> None:
    sql(SCHEMA)
    facts = REPAIR.fingerprint(world)
    assert facts == {
        'labels of "public"."userrole"': "admin, user",
        'labels of "public"."userstatus"': "pending_approval, active, disabled",
        'labels of "public"."priority"': "low, high",
        'rows of "public"."users"': "290",
        'rows of "public"."tasks"': "50",
    }
    sql("insert into users (id) values (1000)")
    assert REPAIR.fingerprint(world) == {**facts, 'rows of "public"."users"': "291"}


def test_a_rename_that_fails_half_way_leaves_all_types_as_they_were(world: Any, sql: Sql) -> None:
    sql(SCHEMA)
    [repair] = REPAIR.decide(world)
    sql("alter type priority rename value 'high' to 'HIGH'")  # someone else, after the plan
    before = sql(CATALOG)
    with pytest.raises(Drifted) as refused:
        repair.apply(world)
    assert refused.value.why == 'the labels of "public"."priority" have changed'
    assert sql(CATALOG) == before


@pytest.mark.parametrize("key", ["b.mood", "B.Mood", '"b"."mood"'])
def test_of_two_schemas_with_the_same_type_only_the_named_one_changes(world: Any, sql: Sql, key: str) -> None:
    sql("create schema a; create schema b; create type a.mood as enum ('x'); create type b.mood as enum ('x')")
    do(RepairEnum("main", {key: ("X",)}), world)
    assert (labels(sql, "a.mood"), labels(sql, "b.mood")) == (["x"], ["X"])


NAMES = ("Mixed Case", 'q"uote', "select", "größe", "it's", "a.b", "%s", "$1")
LABELS = ("it's", "back\\slash", "a b", "ü", "%(x)s", "$proof$", "null", "a,b{}", "{a}")


def test_odd_names_and_labels(world: Any, sql: Sql) -> None:
    """Each name as that of a type and of its schema, with each label: 72 types in one database."""
    schemas = ['"' + name.replace('"', '""') + '"' for name in NAMES]
    types = [f"{schema}.{schema}" for schema in schemas]
    for label in LABELS:
        literal = "E'" + label.replace("\\", "\\\\").replace("'", "\\'") + "'"
        sql(";".join(f"create schema {schema}" for schema in schemas))
        sql(";".join(f"create type {type} as enum ({literal}, 'left over')" for type in types))
        wanted = (label.upper() + "!", "new " + label)
        step = RepairEnum("main", dict.fromkeys(types, wanted), {type: {label: wanted[0]} for type in types})
        do(step, world)
        assert {type: labels(sql, type) for type in types} == {type: [*wanted, "left over"] for type in types}
        assert step.decide(world) == ()
        sql(";".join(f"drop schema {schema} cascade" for schema in schemas))


REFUSED = {
    "both variants in use, without a key": (
        "create type t as enum ('admin', 'ADMIN'); create table x (r t); insert into x values ('admin'), ('ADMIN')",
        {"t": ("ADMIN",)}, {}, "no primary key or unique index",
    ),
    "both variants, each in an array default": (
        "create type t as enum ('a', 'A'); create table x (r t[] default '{A,a}')", {"t": ("A",)}, {}, "the default of",
    ),
    "both variants, a column that cannot be asked": (
        "create type t as enum ('a', 'A'); create type c as (r t); create table x (c c)",
        {"t": ("A",)}, {}, "public.x.c",
    ),
    "both variants, a policy on one and an index on the other": (
        "create type t as enum ('a', 'A'); create table x (id int primary key, r t); create index i on x (id)"
        " where r = 'a';"
        "create policy p on x using (r = 'A')", {"t": ("A",)}, {}, "'a': index i; 'A': policy p on table x",
    ),
    "both variants, a key that would be there twice": (
        "create type t as enum ('a', 'A'); create table x (id int primary key, n int, r t, unique (n, r));"
        "insert into x values (1, 1, 'a'), (2, 1, 'A'), (3, 2, 'a'), (4, 3, 'A'), (5, null, 'a'), (6, null, 'A')",
        {"t": ("A",)}, {}, "1 keys of the unique index x_n_r_key",
    ),
    "an extra label in use": (
        "create type t as enum ('a', 'old'); create table x (r t); insert into x values ('old')",
        {"t": ("A",)}, {}, "nobody expects this label",
    ),
    "a type that is not there": ("create type t as enum ('a')", {"tt": ("A",)}, {}, "no enum type of that name"),
    "a type in two schemas": (
        "create schema s; create type t as enum ('a'); create type s.t as enum ('a')", {"t": ("A",)}, {}, "2 schemas",
    ),
    "one type named twice": ("create type t as enum ('a')", {"t": ("A",), "public.t": ("A",)}, {}, "same type"),
    "a map without expected labels": (
        "create type t as enum ('a'); create type u as enum ('a')",
        {"t": ("A",)}, {"u": {"a": "A"}}, "no expected labels",
    ),
    "a label of 64 bytes": ("create type t as enum ('a')", {"t": ("A", "x" * 64)}, {}, "at most 63 bytes"),
    "two labels that differ by case": ("create type t as enum ('aB', 'Ab')", {"t": ("AB",)}, {}, "ambiguous"),
    "half a swap": ("create type t as enum ('a', 'b')", {"t": ("a", "b")}, {"t": {"a": "b"}}, "both meanings"),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "expected", "map", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_names_its_reason_and_touches_nothing(
    world: Any, sql: Sql, schema: str, expected: dict[str, tuple[str, ...]], map: dict[str, Any], reason: str
) -> None:
    sql(schema)
    sql("create type fine as enum ('a')")
    before = sql(CATALOG)
    with pytest.raises(Precondition) as caught:
        do(RepairEnum("main", {"fine": ("A",), **expected}, map), world)
    assert reason in caught.value.why
    assert sql(CATALOG) == before


@pytest.mark.parametrize(
    "schema",
    [
        "create type t as enum ('admin', 'ADMIN'); create table x (r t default 'ADMIN'); insert into x default values",
        "create type t as enum ('ADMIN', 'old')",
    ],
    ids=["both variants, only the right one in use", "an extra label, unused"],
)
def test_extra_labels_that_nothing_uses_are_left_alone(world: Any, sql: Sql, schema: str) -> None:
    sql(schema)
    step = RepairEnum("main", {"t": ("ADMIN",)})
    assert step.decide(world) == ()
    [(proof, _)] = step.proofs()
    assert "unused extra labels" in proof.ask(world).answer


def test_only_the_owner_may_so_others_are_told_beforehand(world: Any, sql: Sql, admin_sql: Sql) -> None:
    admin_sql("create type t as enum ('a')")
    with pytest.raises(Precondition, match="only its owner, postgres, may alter it"):
        RepairEnum("main", {"t": ("A",)}).decide(world)


def test_rows_hidden_by_row_level_security_are_not_taken_for_none(world: Any, sql: Sql) -> None:
    sql("create type t as enum ('a', 'A'); create table x (r t); insert into x values ('a')")
    sql("alter table x enable row level security; alter table x force row level security")
    before = sql(CATALOG)
    with pytest.raises(Precondition, match="row-level security"):
        do(RepairEnum("main", {"t": ("A",)}), world)
    assert sql(CATALOG) == before


def test_a_rename_is_not_held_up_by_a_table_lock(world: Any, sql: Sql, database: Any) -> None:
    import psycopg

    sql(SCHEMA)
    where = {"host": database.host, "port": database.port, "dbname": database.dbname, "user": database.user}
    with psycopg.connect(**where, password=database.password.reveal()) as holder:
        actions = REPAIR.decide(world)
        holder.execute("lock table users in access exclusive mode")
        for action in actions:
            action.apply(world)
        holder.rollback()
    assert labels(sql, "userrole") == ["ADMIN", "USER"]
