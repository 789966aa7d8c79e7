from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recover.drill.score import Census, Score, count, outage
from recover.errors import StepError
from recover.journal.records import Record
from recover.postgres.session import Server, Session

NOW = datetime(2026, 8, 10, 23, 15, tzinfo=UTC)
BEFORE = Census({"public.users": 3}, {"public.users.role": {"1": ("admin", 1), "2": ("user", 2)}})
AFTER = Census({"public.users": 3}, {"public.users.role": {"1": ("ADMIN", 1), "2": ("USER", 2)}})
SCORE = Score("d", "r", "/f", 0, 5.0, 1800.0, 0, BEFORE, AFTER)


@pytest.fixture
def schema(sql: Any) -> Any:
    sql("create type role as enum ('admin', 'user')")
    sql('create table "Odd name" (id int, r role)')
    sql("insert into \"Odd name\" values (1, 'admin'), (2, 'user'), (3, 'user'), (4, null)")
    return sql


@pytest.mark.postgres
def test_a_rename_moves_no_row_and_a_lost_or_changed_row_is_counted(schema: Any, database: Server) -> None:
    session = Session(database)
    before = count(session)
    assert before.tables == {'"public"."Odd name"': 4}
    assert sorted(before.labels['"public"."Odd name"."r"'].values()) == [("admin", 1), ("user", 2)]

    schema("alter type role rename value 'admin' to 'ADMIN'")
    renamed = replace(SCORE, before=before, after=count(session))
    assert (renamed.lost, renamed.moved, renamed.met) == (0, 0, True)

    schema("update \"Odd name\" set r = 'ADMIN' where id = 2")
    moved = replace(SCORE, before=before, after=count(session))
    assert (moved.lost, moved.moved, moved.met) == (0, 1, False)

    schema('delete from "Odd name" where id = 4')
    assert replace(SCORE, before=before, after=count(session)).lost == 1
    session.close()


def test_a_census_is_kept_and_read_back(tmp_path: Path) -> None:
    BEFORE.save(tmp_path / "before.json")
    assert Census.load(tmp_path / "before.json") == BEFORE


def test_a_census_that_was_not_kept_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="were not counted"):
        Census.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("change", "met"),
    [
        ({}, True),
        ({"rto": None}, False),
        ({"rto": 1801.0}, False),
        ({"rto": 1801.0, "rto_objective": None}, True),
        ({"after": Census()}, False),
        ({"after": Census(), "rpo_objective": 3}, False),
    ],
)
def test_objectives_are_met_in_time_and_without_loss(change: dict[str, Any], met: bool) -> None:
    assert replace(SCORE, **change).met is met


def test_the_score_says_rto_rpo_and_the_labels_before_and_after() -> None:
    text = SCORE.text()
    for words in ("5.0 s", "30 min", "0 rows lost of 3", "public.users.role: admin 1 -> ADMIN 1, user 2 -> USER 2"):
        assert words in text
    assert "OBJECTIVES MISSED" in replace(SCORE, rto=None).text()


def done(step: str, seconds: int) -> Record:
    return Record(1, NOW + timedelta(seconds=seconds), 1, "StepDone", {"step": step}, "")


def test_the_outage_ends_with_the_first_checkpoint_of_the_proof() -> None:
    kept = [done("api", 3), done("login", 7), done("login", 9)]
    assert outage(NOW, kept, "login") == 7
    assert outage(NOW, kept, "never") is None
    assert outage(None, kept, "login") is None
