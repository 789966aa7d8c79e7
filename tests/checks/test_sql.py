"""The sql check compares as a person would: numbers with numbers, text with text, rows with rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from recover.checks.sql import SqlAnswers
from recover.postgres.session import Server, Session
from recover.world import Statement

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize(
    ("query", "expect", "passed"),
    [
        ("select 1", 1, True),
        ("select 1::numeric", 1, True),
        ("select 0.1::numeric", 0.1, True),
        ("select 1.0::float8", 1, True),
        ("select count(*) from pg_class where false", 0, True),
        ("select 1", 2, False),
        ("select 1", "1", False),
        ("select '1'", 1, False),
        ("select 1::numeric", "1", False),
        ("select 1", True, False),
        ("select true", True, True),
        ("select true", 1, False),
        ("select false", None, False),
        ("select null", None, True),
        ("select 'on'", "on", True),
        ("select date '2025-08-10'", "2025-08-10", True),
        ("select 1, 'a', null", [1, "a", None], True),
        ("select 1, 1", [1, 1], True),
        ("select 1, 'a'", [1], False),
        ("select 1, 'a'", 1, True),
        ("values (1, 'a'), (2, 'b')", [[1, "a"], [2, "b"]], True),
        ("values (1, 'a'), (2, 'b')", [[1, "a"]], False),
        ("values (1), (2)", 1, False),
        ("select 1 where false", 1, False),
        ("select 1 where false", None, False),
        ("select 1 where false", [], True),
        ("select 1", [], False),
        ("select array[1, 2]", [[[1, 2]]], True),
        ("""select '{"a": [1, 2.5]}'::jsonb""", {"a": [1, 2.5]}, True),
        ("""select '{"a": 1}'::jsonb""", {"a": 2}, False),
    ],
)
def test_answers_are_compared_by_type(world: Any, query: str, expect: object, passed: bool) -> None:
    evidence = SqlAnswers("main", Statement(query), expect).ask(world)
    assert evidence.passed is passed, evidence
    assert passed or "wanted" in evidence.answer


def test_a_long_answer_is_cut(world: Any) -> None:
    evidence = SqlAnswers("main", Statement("select repeat('x', 10000)"), 1).ask(world)
    assert len(evidence.answer) == 300


def test_a_failing_query_is_a_no_with_the_servers_words(world: Any, sql: Callable[..., Any]) -> None:
    evidence = SqlAnswers("main", Statement("select nosuch"), 1).ask(world)
    assert not evidence.passed
    assert 'column "nosuch" does not exist' in evidence.answer
    assert not SqlAnswers("main", Statement("create table t ()"), 1).ask(world).passed
    assert sql("select count(*) from pg_class where relname = 't'") == [(0,)]


def test_an_unreachable_database_is_a_no(database: Server) -> None:
    class Gone:
        def database(self, name: str) -> Session:
            return Session(Server("127.0.0.1", 1, database.dbname, database.user))

    evidence = SqlAnswers("main", Statement("select 1"), 1).ask(Gone())  # type: ignore[arg-type]  # one database
    assert not evidence.passed
    assert "refused" in evidence.answer
