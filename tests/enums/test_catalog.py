"""The catalog queries of the enum doctor, on a real server and as a plain role."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from recover.enums.carriers import carriers
from recover.enums.catalog import named
from recover.postgres.session import Server, Session

pytestmark = [pytest.mark.postgres, pytest.mark.every_postgres]
Sql = Callable[..., list[tuple[Any, ...]]]


def test_enum_types_come_with_their_labels_in_sort_order(database: Server, sql: Sql, admin_sql: Sql) -> None:
    sql("""create schema "My App"; create type "My App"."Mood" as enum ('sad', 'ok')""")
    sql("""alter type "My App"."Mood" add value 'worse' before 'sad'; create type empty as enum ()""")
    admin_sql("create type foreign_ as enum ('x'); create domain d as foreign_")
    with closing(Session(database)) as session:
        found = session.rows("types", named("enum_types"))
    assert [(row["schema"], row["name"], row["labels"], row["owned"], row["owner"]) for row in found] == [
        ("My App", "Mood", ["worse", "sad", "ok"], True, "app"),
        ("public", "empty", [], True, "app"),
        ("public", "foreign_", ["x"], False, "postgres"),
    ]


def test_every_column_that_holds_a_label_is_found_with_its_shape(database: Server, sql: Sql) -> None:
    sql("create type m as enum ('a', 'b')")
    sql("create domain dm as m; create domain dms as m[]; create type pair as (x m, y int)")
    sql("create type mr as range (subtype = m); create domain dpair as pair")
    sql("""create table t (plain m default 'a', list m[], dom dm, domlist dms, arrdom dm[], comp pair,
                           comps pair[], rng mr, dcomp dpair, other int, gone m)""")
    sql("alter table t drop column gone; create table part (k m) partition by list (k)")
    sql("create table part_a partition of part for values in ('a'); create table whole (row_ t)")
    sql("create materialized view mv as select plain from t")
    sql("create materialized view never as select plain from t with no data")
    [oid] = sql("select 'm'::regtype::oid::bigint")[0]
    with closing(Session(database)) as session:
        rows = session.rows(
            "columns", named("enum_columns", **carriers(session, [oid]).args(buried=True), closely=True)
        )
    assert {(row["table"], row["column"]): row["shape"] for row in rows} == {
        ("t", "plain"): "plain", ("t", "list"): "array", ("t", "dom"): "plain", ("t", "domlist"): "array",
        ("t", "arrdom"): "array", ("t", "comp"): "buried", ("t", "comps"): "buried", ("t", "rng"): "buried",
        ("t", "dcomp"): "buried", ("part", "k"): "plain", ("whole", "row_"): "buried", ("mv", "plain"): "plain",
    }  # fmt: skip
    assert [row["default_text"] for row in rows if row["column"] == "plain" and row["table"] == "t"] == [
        "'a'::public.m"
    ]
