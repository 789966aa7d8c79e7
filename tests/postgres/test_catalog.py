"""Python asks by name, SQL answers from a file, on a real server and as a plain role."""

from __future__ import annotations

from recover.postgres.catalog import queries


def test_every_named_query_is_used_by_its_name() -> None:
    of_runs = {"identity", "server", "backends", "blocked", "holders", "end_backends", "rehearsals", "foreign_code"}
    assert set(queries()) == of_runs | {"lock_waits", "idle_holders", "databases"}
    assert all(text.startswith(("SELECT", "WITH")) and not text.endswith(";") for text in queries().values())
