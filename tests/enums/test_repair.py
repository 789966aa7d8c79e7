"""Drift becomes statements that run by hand, and that a failed proof takes back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from recover.enums.drift import EnumType, Rename, compare
from recover.enums.repair import Repair, add_value, ordered, prove, remember, renaming
from recover.errors import StepError
from recover.postgres.session import Server, Session
from recover.world import Statement

ODD = EnumType("My App", 'Us"er', ("it's", "back\\slash", "~x"))


def test_statements_are_quoted_and_qualified() -> None:
    drift = compare(ODD, ["It's", "BACK\\slash", "y", "~x"], {})
    changes = renaming(ODD.sql, ODD.labels, drift.renames)
    assert [change.sql for change in changes] == [
        """ALTER TYPE "My App"."Us""er" RENAME VALUE 'it''s' TO 'It''s'""",
        """ALTER TYPE "My App"."Us""er" RENAME VALUE  E'back\\\\slash' TO  E'BACK\\\\slash'""",
    ]
    assert add_value(ODD.sql, drift.adds[0]) == (
        """ALTER TYPE "My App"."Us""er" ADD VALUE IF NOT EXISTS 'y' AFTER  E'BACK\\\\slash'"""
    )
    assert Repair("rename", {}, {}, changes=tuple(changes)).undo == (
        """ALTER TYPE "My App"."Us""er" RENAME VALUE  E'BACK\\\\slash' TO  E'back\\\\slash'""",
        """ALTER TYPE "My App"."Us""er" RENAME VALUE 'It''s' TO 'it''s'""",
    )


@pytest.mark.parametrize(
    ("labels", "renames", "order"),
    [
        ("a b", "a>A b>B", "a>A b>B"),
        ("a B", "a>B B>C", "B>C a>B"),
        ("A B", "A>B B>A", "A>~swapping B>A ~swapping>B"),
        ("A B C x", "A>B B>C C>A x>X", "x>X A>~swapping C>A B>C ~swapping>B"),
        ("A B ~swapping", "A>B B>A", "A>~swapping~ B>A ~swapping~>B"),
    ],
)
def test_no_rename_meets_a_label_that_is_still_there(labels: str, renames: str, order: str) -> None:
    pairs = [Rename(*pair.split(">")) for pair in renames.split()]
    assert ordered(labels.split(), pairs) == [Rename(*pair.split(">")) for pair in order.split()]


@pytest.mark.every_postgres
@pytest.mark.postgres
@pytest.mark.parametrize(
    "meddling",
    [
        "alter table users alter id type bigint",
        "reindex table users",
        "alter type mood add value 'worse' before 'SAD'",
    ],
)
def test_the_proof_undoes_everything_when_more_than_spelling_changed(
    database: Server, sql: Callable[..., list[tuple[Any, ...]]], meddling: str
) -> None:
    sql("create type mood as enum ('sad', 'ok'); create table users (id int primary key, m mood, ms mood[])")
    rename = Statement("alter type public.mood rename value 'sad' to 'SAD'")
    labels = "select enumlabel from pg_enum where enumtypid = 'mood'::regtype order by enumsortorder"
    limits = {"lock_timeout": 1, "statement_timeout": 5}
    types = ['"public"."mood"']
    with closing(Session(database)) as session:
        with pytest.raises(StepError, match="more than the spelling"):
            session.execute([remember(types), rename, Statement(meddling, role_path=True), prove(types)], **limits)
        assert sql(labels) == [("sad",), ("ok",)]
        session.execute([remember(types), rename, prove(types)], **limits)
        assert sql(labels) == [("SAD",), ("ok",)]
