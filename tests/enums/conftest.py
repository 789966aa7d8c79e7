"""These tests ask their database a lot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.kept_sql import admin_sql, sql
from helpers.own_sql import ambiguous

from recover.postgres import session
from recover.world import Statement

__all__ = ["admin_sql", "sql"]


@pytest.fixture(autouse=True)
def every_name_has_a_schema(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever recover sends as its own, a schema is before every name in it; a test says which text is a user's."""
    sent: set[str] = set()
    bind = session.bind

    def noted(statement: Statement) -> tuple[str, list[object]]:
        if not statement.role_path:
            sent.add(statement.text)
        return bind(statement)

    monkeypatch.setattr(session, "bind", noted)
    yield
    assert {text: names for text in sent if (names := ambiguous(text))} == {}
