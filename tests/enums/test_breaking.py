"""What is done about objects that would break."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from conftest import Sql

from recover.enums.breaking import mended
from recover.enums.carriers import Carriers
from recover.enums.choices import Choices
from recover.enums.dependants import Break, follows
from recover.enums.mending import Mend, validating
from recover.enums.repair import Change
from recover.errors import Precondition, StepError
from recover.postgres.session import Server, Session
from recover.world import Statement

VIEW = Mend("old view", "new view", ("CREATE new",), ("CREATE old",), "a note")
CHECK = Mend("c old", "c new", ("DROP", "ADD new", "VALIDATE new"), ("DROP", "ADD old", "VALIDATE old"), guards=True)
REFRESH = Mend("same", "same", ("REFRESH",), ("REFRESH",))


def breaking(
    object: str, mend: Mend | None, certainty: Any = "sure", language: str = "", next: str = "", routine: str = ""
) -> Break:
    return Break("role", object, object.split(maxsplit=1)[0], "silent", certainty, "why", mend, next, language, routine)


class Functions:
    """A database in which these functions work."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def rows(self, about: str, _statement: object) -> list[object]:
        if "search_path" in about:
            return [{"search_path": "app, public"}]
        if not any(name in about for name in self.names):
            raise StepError("it does not work")
        return []


def test_what_guards_rows_goes_before_they_are_written_and_comes_back_after() -> None:
    done = mended(Functions(), [breaking("view v", VIEW), breaking("check c", CHECK)], Choices(rewrite=True))  # type: ignore[arg-type]
    assert done.early == (Change("DROP", "ADD old;\nVALIDATE old"),)
    assert done.changes == (
        Change("CREATE new", note="a note"),
        Change("ADD new", "DROP"),
        Change("VALIDATE new"),
    )
    assert done.undo == ("CREATE old",)
    assert done.rewritten == (("view v", "old view", "new view"), ("check c", "c old", "c new"))


def test_what_is_ignored_is_left_and_what_only_may_break_is_not_refused() -> None:
    breaks = [breaking("view v", VIEW), breaking("view w", None), breaking("view x", None, "possible")]
    done = mended(Functions(), breaks, Choices(ignore=("view v", "view w")))  # type: ignore[arg-type]
    assert (done.early, done.changes, done.undo, done.rewritten) == ((), (), (), ())


def test_an_object_with_labels_of_several_types_is_rewritten_once_and_one_that_stays_is_not_shown() -> None:
    breaks = [breaking("view v", VIEW), breaking("view v", VIEW), breaking("materialized view m", REFRESH)]
    done = mended(Functions(), breaks, Choices(rewrite=True))  # type: ignore[arg-type]
    assert [change.sql for change in done.changes] == ["CREATE new", "REFRESH"]
    assert [object for object, _, _ in done.rewritten] == ["view v"]


def test_the_functions_that_worked_before_are_proven_to_work_after() -> None:
    breaks = [breaking(f"function {name}", VIEW, language="sql", routine=name) for name in ("f(text)", "g()")]
    done = mended(Functions("f(text)"), breaks, Choices(rewrite=True))  # type: ignore[arg-type]
    assert "f(text)" in done.changes[-1].sql
    assert "g()" not in done.changes[-1].sql
    assert "app, public" in done.changes[-1].sql  # where they are called from, not where we work
    assert done.changes[-1].note == "these functions still work"


@pytest.mark.parametrize(
    ("mend", "next", "says"),
    [
        (VIEW, "", "add --rewrite-dependants; or leave it to break: --ignore 'view v'"),
        (None, "by hand", "by hand; or leave it to break: --ignore 'view v'"),
        (None, "", "or leave it to break: --ignore 'view v'"),
    ],
)
def test_what_surely_breaks_is_refused_with_what_to_do(mend: Mend | None, next: str, says: str) -> None:
    with pytest.raises(Precondition) as caught:
        mended(Functions(), [breaking("view v", mend, next=next)], Choices())  # type: ignore[arg-type]
    assert caught.value.why == "view v: after the repair it silently matches nothing: why"
    assert caught.value.next == says


def test_nothing_follows_where_no_type_is_carried() -> None:
    assert follows(None, Carriers()) == {}  # type: ignore[arg-type]  # it is not asked


@pytest.mark.postgres
def test_a_function_that_works_no_more_is_told_by_the_server(database: Server, sql: Sql) -> None:
    sql("create table things (n int); create function f() returns bigint language sql as 'select count(*) from things'")
    proof = Statement(validating(["public.f()"], "public"))
    with closing(Session(database)) as session:
        session.execute([proof], lock_timeout=5, statement_timeout=5)
        sql("drop table things")
        with pytest.raises(Precondition, match="the change was not made") as refused:
            session.execute([proof], lock_timeout=5, statement_timeout=5)
    assert "would no longer work" in refused.value.why
    assert "things" in refused.value.why
