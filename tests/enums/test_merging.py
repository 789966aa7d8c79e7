"""Two labels that mean the same: the minority's rows are written, the rest follows; undo gives every row back."""

from __future__ import annotations

from typing import Any

import pytest
from enum_worlds import Sql, catalog, labels, rows

from recover.enums import look
from recover.enums.expected import Expected
from recover.enums.look import diagnose
from recover.errors import Precondition
from recover.steps.enum import RepairEnum

pytestmark = [pytest.mark.postgres, pytest.mark.every_postgres]

MERGES: dict[str, tuple[str, dict[str, tuple[str, ...]], dict[str, Any], str, list[tuple[Any, ...]]]] = {
    "the minority is spelled wrong": (
        "create type t as enum ('admin', 'ADMIN'); create table x (id int primary key, r t);"
        "insert into x select g, case when g = 3 then 'admin' else 'ADMIN' end::t from generate_series(1, 5) g",
        {"t": ("ADMIN",)}, {},
        "select r::text, count(*) from x group by 1", [("ADMIN", 5)],
    ),
    "the majority is spelled wrong: its oid survives": (
        "create type t as enum ('admin', 'ADMIN'); create table x (id int primary key, r t);"
        "insert into x select g, case when g <> 3 then 'admin' else 'ADMIN' end::t from generate_series(1, 5) g",
        {"t": ("ADMIN",)}, {},
        "select r::text, count(*) from x group by 1", [("ADMIN", 5)],
    ),
    "only the wrong one has rows: nothing is written": (
        "create type t as enum ('admin', 'ADMIN'); create table x (r t); insert into x values ('admin'), (null)",
        {"t": ("ADMIN",)}, {},
        "select r::text from x order by 1", [("ADMIN",), (None,)],
    ),
    "three labels by the map, one of them in a deeper array": (
        "create type t as enum ('a', 'aa', 'A'); create table x (id int primary key, r t[]);"
        "insert into x values (1, '{{A,a},{aa,A}}'), (2, '{A}'), (3, '{}'), (4, null), (5, '{A,A}')",
        {"t": ("A",)}, {"t": {"a": "A", "aa": "A"}},
        "select r::text from x order by id", [("{{A,A},{A,A}}",), ("{A}",), ("{}",), (None,), ("{A,A}",)],
    ),
    "behind domains": (
        "create type t as enum ('a', 'A'); create domain d as t; create domain ds as t[];"
        "create table x (id int primary key, r d, l ds, m d[]);"
        "insert into x values (1, 'a', '{a}', '{a,A}'), (2, 'A', '{A}', '{A}'), (3, 'A', '{A,a}', null)",
        {"t": ("A",)}, {},
        "select r::text, l::text, m::text from x order by id",
        [("A", "{A}", "{A,A}"), ("A", "{A}", "{A}"), ("A", "{A,A}", None)],
    ),
    "the default is on the loser": (
        "create type t as enum ('a', 'A'); create table x (id int primary key, r t default 'a');"
        "insert into x (id) values (1); insert into x values (2, 'A'), (3, 'A')",
        {"t": ("A",)}, {},
        "with new as (insert into x (id) values (4) returning r::text) select * from new", [("A",)],
    ),
    "dependants are bound to the smaller one, which survives": (
        "create type t as enum ('a', 'A'); create table x (id int primary key, r t, check (r <> 'a' or id < 100));"
        "create index on x (id) where r = 'a'; create view v as select id from x where r = 'a';"
        "insert into x select g, case when g = 3 then 'a' else 'A' end::t from generate_series(1, 5) g",
        {"t": ("A",)}, {},
        "select (select count(*) from v), count(*) from x where r = 'A'", [(5, 5)],
    ),
    "checks that name both as text guard the rows": (
        "create type t as enum ('a', 'A'); create domain d as t check (value::text in ('a', 'A'));"
        "create table x (id int primary key, r t, d d);"
        "insert into x values (1, 'a', 'A'), (2, 'A', 'a'), (3, 'A', 'A');"
        "alter table x add constraint k check (r::text in ('a', 'A') and r::text <> 'b');"
        "comment on constraint k on x is 'kept'",
        {"t": ("A",)}, {},
        "select r::text, d::text from x order by id", [("A", "A")] * 3,
    ),
    "part of the primary key, and of partitions by something else": (
        "create type t as enum ('a', 'A'); create table x (n int, r t, primary key (n, r)) partition by list (n);"
        "create table x1 partition of x for values in (1); create table x2 partition of x default;"
        "insert into x values (1, 'a'), (2, 'A'), (3, 'a')",
        {"t": ("A",)}, {},
        "select n, r::text from x order by n", [(1, "A"), (2, "A"), (3, "A")],
    ),
    "triggers stay silent and stay as they are": (
        "create type t as enum ('a', 'A'); create table x (id int primary key, r t, at int default 0);"
        "create function touch() returns trigger language plpgsql as 'begin new.at := 1; return new; end';"
        "create trigger a_touch before update on x for each row execute function touch();"
        "create trigger b_always before update on x for each row execute function touch();"
        "alter table x enable always trigger b_always;"
        "create trigger c_off before update on x for each row execute function touch();"
        "alter table x disable trigger c_off; insert into x values (1, 'a'), (2, 'A'), (3, 'A')",
        {"t": ("A",)}, {},
        "select r::text, at from x order by id", [("A", 0)] * 3,
    ),
    "a generated column follows its base": (
        "create type t as enum ('a', 'A', 'b'); create table x (id int primary key, r t,"
        " s t generated always as (r) stored);"
        "insert into x values (1, 'a'), (2, 'A'), (3, 'b'), (4, 'A')",
        {"t": ("A", "b")}, {},
        "select r::text, s::text from x order by id", [("A", "A"), ("A", "A"), ("b", "b"), ("A", "A")],
    ),
    "a materialized view keeps rows": (
        "create type t as enum ('a', 'A'); create table x (id int primary key, r t);"
        "insert into x values (1, 'a'), (2, 'A'), (3, 'A'); create materialized view m as select r from x",
        {"t": ("A",)}, {},
        "select r::text, count(*) from m group by 1", [("A", 3)],
    ),
    "odd names": (
        """create schema "My S"; create type "My S"."T'y" as enum ('it''s', 'IT''S', 'x\\y', 'é');"""
        """create table "My S"."Ta""b" ("I d" int primary key, "größe" "My S"."T'y");"""
        """insert into "My S"."Ta""b" values (1, 'it''s'), (2, 'IT''S'), (3, 'IT''S'), (4, 'x\\y'),"""
        """(5, 'é'), (6, 'é')""",
        {'''"My S"."T'y"''': ("IT'S", "É")}, {'''"My S"."T'y"''': {"x\\y": "É"}},
        """select "größe"::text from "My S"."Ta""b" order by "I d" """,
        [("IT'S",), ("IT'S",), ("IT'S",), ("É",), ("É",), ("É",)],
    ),
    "a swap by the map": (
        "create type t as enum ('A', 'B', 'C'); create table x (r t); insert into x values ('A'), ('A'), ('B'), ('C')",
        {"t": ("A", "B", "C")}, {"t": {"A": "B", "B": "C", "C": "A"}},
        "select r::text, count(*) from x group by 1 order by 1", [("A", 1), ("B", 2), ("C", 1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "expected", "map", "question", "answer"), MERGES.values(), ids=MERGES.keys())
def test_done_undone_done(
    world: Any,
    sql: Sql,
    admin_sql: Sql,
    schema: str,
    expected: dict[str, tuple[str, ...]],
    map: dict[str, Any],
    question: str,
    answer: list[tuple[Any, ...]],
) -> None:
    sql(schema)
    before = catalog(admin_sql), rows(admin_sql)
    step = RepairEnum("main", expected, map, rewrite_dependants=True)
    [repair] = step.decide(world)
    repair.apply(world)
    repaired = catalog(admin_sql), rows(admin_sql)
    assert step.decide(world) == ()
    [(proof, _)] = step.proofs()
    assert proof.ask(world).passed

    repair.inverse().apply(world)
    assert (catalog(admin_sql), rows(admin_sql)) == before
    [again] = step.decide(world)
    again.apply(world)
    assert (catalog(admin_sql), rows(admin_sql)) == repaired
    assert sql(question) == answer


def test_undo_leaves_rows_alone_that_were_written_since(world: Any, sql: Sql) -> None:
    sql("create type t as enum ('a', 'A', 'B'); create table x (id int primary key, r t)")
    sql("insert into x values (1, 'a'), (2, 'a'), (3, 'A'), (4, 'A'), (5, 'A')")
    [repair] = RepairEnum("main", {"t": ("A", "B")}).decide(world)
    repair.apply(world)
    sql("update x set r = 'B' where id = 1; insert into x values (6, 'A'); delete from x where id = 3")
    repair.inverse().apply(world)
    assert sql("select id, r::text from x order by id") == [(1, "B"), (2, "a"), (4, "A"), (5, "A"), (6, "A")]


def test_a_retired_label_that_a_late_writer_used_is_swept(world: Any, sql: Sql) -> None:
    sql("create type t as enum ('a', 'A'); create table x (id int primary key, r t)")
    sql("insert into x values (1, 'a'), (2, 'A'), (3, 'A')")
    step = RepairEnum("main", {"t": ("A",)})
    [repair] = step.decide(world)
    repair.apply(world)
    assert labels(sql, "t") == ["~retired:a", "A"]
    sql("insert into x values (4, '~retired:a')")
    [sweep] = step.decide(world)
    sweep.apply(world)
    assert sql("select distinct r::text from x") == [("A",)]
    assert labels(sql, "t") == ["~retired:a", "A"]


def test_a_long_label_is_retired_within_63_bytes_and_between_characters(world: Any, sql: Sql) -> None:
    long, other = "é" * 31, "é" * 30 + "x"
    sql(f"create type t as enum ('{long}', '{other}', 'A'); create table x (id int primary key, r t)")
    sql(f"insert into x values (1, '{long}'), (2, '{other}'), (3, 'A'), (4, 'A')")
    [repair] = RepairEnum("main", {"t": ("A",)}, {"t": {long: "A", other: "A"}}).decide(world)
    repair.apply(world)
    assert labels(sql, "t") == ["~retired:" + "é" * 27, "~retired:" + "é" * 26 + "~2", "A"]
    assert sql("select distinct r::text from x") == [("A",)]


def test_row_level_security_that_hides_rows_is_refused_before_anything_is_written(
    world: Any, sql: Sql, admin_sql: Sql
) -> None:
    sql("create type t as enum ('a', 'A'); create table x (id int primary key, r t)")
    sql("insert into x values (1, 'a'), (2, 'A')")
    sql("alter table x enable row level security; alter table x force row level security")
    before = catalog(admin_sql), rows(admin_sql)
    with pytest.raises(Precondition, match="row-level security hides rows"):
        RepairEnum("main", {"t": ("A",)}).decide(world)
    assert (catalog(admin_sql), rows(admin_sql)) == before


def test_a_majority_is_told_by_the_statistics_and_what_they_miss_is_counted(
    world: Any, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "BIG", 100)
    sql("create type t as enum ('a', 'A', 'old'); create table x (id int primary key, r t)")
    sql("insert into x select g, case when g % 10 = 0 then 'A' else 'a' end::t from generate_series(1, 1000) g")
    sql("analyze x; delete from x where id % 10 = 0 and id <= 500; insert into x values (5000, 'old')")
    expected = Expected(types={"t": ("A",)}, map={"t": {"old": "A"}})
    [uses] = diagnose(world.main, expected).uses.values()
    assert {label: uses.count(label) for label in ("a", "A", "old")} == {"a": 900, "A": 100, "old": 1}
    [repair] = RepairEnum("main", {"t": ("A",)}, {"t": {"old": "A"}}).decide(world)
    repair.apply(world)
    assert sql("select r::text, count(*) from x group by 1") == [("A", 951)]
    assert labels(sql, "t") == ["A", "~retired:A", "~retired:old"]
    sql("delete from x where id % 10 <> 0; alter type t rename value '~retired:A' to 'a'")
    assert diagnose(world.main, expected).clean  # no row holds what the statistics still tell of
