"""What a plan of a repair rests on: labels and numbers of rows, of what is expected and of nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from enum_worlds import Sql

from recover.enums.expected import Expected
from recover.enums.fingerprint import fingerprint

pytestmark = pytest.mark.postgres


def test_the_labels_of_each_type_and_the_rows_of_each_table_that_holds_one(world: Any, sql: Sql) -> None:
    sql("create type role as enum ('admin', 'user'); create type mood as enum ('ok'); create type other as enum ('x')")
    sql("""create schema s; create table s."It's" (r role, roles role[]); insert into s."It's" select 'user'
        from generate_series(1, 3)""")
    sql("create table empty (m mood); create table plain (id int, o other); insert into plain values (1, 'x')")
    sql("create table parted (r role, n int) partition by list (r)")
    sql("create table part_a partition of parted for values in ('admin'); insert into parted values ('admin', 1)")
    sql("""create view seen as select r from s."It's"; create materialized view kept as select r from s."It's" """)
    expected = Expected(types={"role": ("ADMIN", "USER"), "mood": ("OK",)})
    labels = {'labels of "public"."mood"': "ok", 'labels of "public"."role"': "admin, user"}
    rows = {'rows of "s"."It\'s"': "3", 'rows of "public"."empty"': "0", 'rows of "public"."parted"': "1"}
    before = fingerprint(world.main, expected)
    assert before == labels | rows
    sql("insert into plain values (2, 'x'); alter type other add value 'y'")
    assert fingerprint(world.main, expected) == before
    sql("insert into empty values ('ok'); alter type role add value 'guest' before 'user'")
    changed = {'labels of "public"."role"': "admin, guest, user", 'rows of "public"."empty"': "1"}
    assert fingerprint(world.main, expected) == before | changed


def test_a_type_that_no_table_holds_is_known_by_its_labels_alone(world: Any, sql: Sql) -> None:
    sql("create type role as enum ('admin')")
    assert fingerprint(world.main, Expected(types={"role": ("ADMIN",)})) == {'labels of "public"."role"': "admin"}
