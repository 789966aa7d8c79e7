"""The enum check fails on the incident's state and passes on the repaired one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from recover.checks.enum import EnumLabels

pytestmark = [pytest.mark.postgres, pytest.mark.every_postgres]


@pytest.mark.parametrize(
    ("schema", "expected", "passed", "answer"),
    [
        ("create type t as enum ('admin', 'user')", "ADMIN USER", False, '"public"."t" lacks ADMIN, USER'),
        ("create type t as enum ('ADMIN')", "ADMIN USER", False, '"public"."t" lacks USER'),
        ("create type t as enum ('ADMIN', 'USER')", "ADMIN USER", True, "2 labels of 1 types"),
        ("create type t as enum ('USER', 'ADMIN')", "ADMIN USER", True, "sorts its labels otherwise"),
        ("create type t as enum ('A', 'old')", "A", True, "unused extra labels: old"),
        (
            "create type t as enum ('A', 'a'); create table x (r t[]); insert into x values ('{A,a}')",
            "A",
            False,
            "has rows that hold 'a' and are to hold 'A'",
        ),
        ("create type other as enum ('A')", "A", False, "no enum type of that name"),
    ],
)
def test_labels(world: Any, sql: Callable[..., Any], schema: str, expected: str, passed: bool, answer: str) -> None:
    sql(schema)
    check = EnumLabels("main", {"t": tuple(expected.split())})
    evidence = check.ask(world)
    assert evidence.passed is passed, evidence
    assert answer in evidence.answer
    assert check.about == {"database:main"}
