"""Who is in the way of a repair is named."""

from __future__ import annotations

from typing import Any

import pytest

from recover.enums.carrying import LOCK_NOT_AVAILABLE, carry_out
from recover.errors import StepError

WAITS = {"state": "idle in transaction", "age": "5 min", "query": "select"}
HOLDER = {"pid": 7, "application": "psql", "role": "eva", **WAITS}


class Refusing:
    """A database whose transactions fail so, and what is said of who holds the locks."""

    def __init__(self, sqlstate: str, *holders: dict[str, object]) -> None:
        self.error = StepError("the server refused", where="SQL position 1:1", why="its words")
        self.error.sqlstate = sqlstate
        self.holders, self.asked = holders, dict[str, object]()

    def execute(self, *_statements: object, **_limits: float) -> None:
        raise self.error

    def rows(self, _about: str, statement: Any) -> list[dict[str, object]]:
        self.asked = dict(statement.args)
        return [*self.holders]


def refused(database: Refusing) -> StepError:
    with pytest.raises(StepError) as caught:
        carry_out(database, [], (("public.role",), ("users",)), lock_timeout=1, statement_timeout=1)  # type: ignore[arg-type]
    return caught.value


def test_a_lock_that_was_not_to_be_had_is_told_with_its_holders() -> None:
    prepared = {**HOLDER, "pid": None}
    database = Refusing(LOCK_NOT_AVAILABLE, HOLDER, {**HOLDER, "application": ""}, prepared)
    error = refused(database)
    first, second, third = error.why.splitlines()
    assert first == "pid 7 (psql, eva), idle in transaction for 5 min: select"
    assert second.startswith("pid 7 (unnamed, eva)")
    assert third.startswith("a prepared transaction holds it")
    assert error.where == "SQL position 1:1"
    assert "pg_cancel_backend" in error.next
    assert database.asked == {"types": ["public.role"], "relations": ["users"]}


def test_without_a_holder_and_for_any_other_refusal_the_servers_words_stand() -> None:
    assert refused(Refusing(LOCK_NOT_AVAILABLE)).why == "its words"
    assert refused(other := Refusing("23505")) is other.error
