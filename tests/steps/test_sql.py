"""sql.run: one transaction, bound values, and nothing that would leave the transaction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recover.errors import NotYetKnown, PlaybookError, Precondition, StepError
from recover.steps.sql import RunSql
from recover.world import Forecast, Statement

Sql = Callable[..., list[tuple[Any, ...]]]
FILE = """-- Repair the names.
create table names (n text);
insert into names values ('a;b'), ('%');
create function f() returns int language plpgsql as $f$ begin return 1; end $f$;
update names set n = 'c' /* the first */ where n = 'a;b';
"""


@pytest.mark.postgres
def test_a_file_of_several_statements_runs_as_one_transaction(world: Any, sql: Sql, tmp_path: Path) -> None:
    file = tmp_path / "names.sql"
    file.write_text(FILE)
    [action] = RunSql("main", file=file).decide(world)
    assert action.apply(world) == {"rows": 3}
    assert sql("select n from names order by n") == [("%",), ("c",)]

    file.write_text("insert into names values ('d');\nselect nosuch;\n")
    [action] = RunSql("main", file=file).decide(world)
    with pytest.raises(StepError, match="SQL position 2:8"):
        action.apply(world)
    assert sql("select count(*) from names") == [(2,)]


@pytest.mark.postgres
def test_a_function_that_cannot_work_is_refused_as_in_psql(world: Any, tmp_path: Path) -> None:
    file = tmp_path / "f.sql"
    file.write_text("create function broken() returns int language sql as 'select n from nosuch'")
    [action] = RunSql("main", file=file).decide(world)
    with pytest.raises(StepError) as refused:
        action.apply(world)
    assert "nosuch" in refused.value.why


@pytest.mark.postgres
def test_a_querys_values_are_bound(world: Any, sql: Sql) -> None:
    sql("create table names (n text)")
    evil = "'); drop table names; --"
    [action] = RunSql("main", query=Statement("insert into names values (%(n)s)", {"n": evil})).decide(world)
    assert action.apply(world) == {"rows": 1}
    assert sql("select n from names") == [(evil,)]
    assert action.describe == f"insert into names values (%(n)s) -- with n={evil!r}"
    assert action.touches == ("database:main",)
    assert action.inverse() is None


@pytest.mark.parametrize("text", ["update t set a = 1;\ncommit", "begin; select 1", "select 1 \\gexec"])
def test_text_that_would_leave_the_transaction_is_refused_before_it_runs(tmp_path: Path, text: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        RunSql("main", query=Statement(text))
    assert "query:" in caught.value.where
    file = tmp_path / "f.sql"
    file.write_text(text)
    with pytest.raises(PlaybookError) as caught:
        RunSql("main", file=file).decide(None)  # type: ignore[arg-type]  # it does not look
    assert f"{file}:" in caught.value.where


def test_exactly_one_of_query_and_file(tmp_path: Path) -> None:
    for arguments in ({}, {"query": Statement("select 1"), "file": tmp_path / "x.sql"}):
        with pytest.raises(PlaybookError, match="exactly one"):
            RunSql("main", **arguments)  # type: ignore[arg-type]  # that is the point
    assert RunSql.repeatable is False


def test_a_file_that_is_not_there_is_a_precondition(tmp_path: Path) -> None:
    with pytest.raises(Precondition, match="No such file"):
        RunSql("main", file=tmp_path / "none.sql").decide(None)  # type: ignore[arg-type]  # it does not look


def test_a_plan_does_not_judge_later_steps_by_the_database_before_the_sql() -> None:
    foreseen = Forecast(SimpleNamespace(database=lambda name: f"{name} as it is"), {}, step="repair")  # type: ignore[arg-type]
    [action] = RunSql("main", query=Statement("select 1")).decide(foreseen)
    action.forecast(foreseen)
    assert foreseen.database("other") == "other as it is"
    with pytest.raises(NotYetKnown, match="step repair changes main"):
        foreseen.database("main")
