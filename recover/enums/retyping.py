"""`retype`: a text column that should be an enum, or the reverse. The table is rewritten, and locked meanwhile.

Source: PostgreSQL documentation, ALTER TABLE (ALTER COLUMN TYPE takes ACCESS EXCLUSIVE and rewrites the table).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from recover.enums.columns import ColumnDrift
from recover.enums.drift import Refusal
from recover.enums.repair import Change
from recover.postgres.names import quote_ident, quote_literal
from recover.world import SeeDatabase, Statement

SAMPLE = 50_000
"""Rows read to measure how fast this server reads the table."""

REWRITE = 15
"""How many times longer than reading it a rewrite of a table takes (measured: 0.4 s against 6 s on 5 million rows)."""


def obstacles(drift: ColumnDrift, *, asked: bool) -> Iterable[Refusal]:
    """What stands in the way of another type of the column."""
    column = drift.column
    if not drift.retype:
        return
    if not asked:
        reason = f"it is {column.called}, where the code expects {drift.retype}"
        yield Refusal(str(column), reason, "add --strategy retype: the table is rewritten, and locked meanwhile")
    if not column.owned:
        yield Refusal(str(column), f"only its owner, {column.owner}, may change its type", f"connect as {column.owner}")
    if column.bound:
        reason = f"the server changes no type that these use: {', '.join(column.bound)}"
        yield Refusal(str(column), reason, "drop them, retype, and make them again")
    new = list(drift.changes.values())
    if not column.textual and (len(set(new)) < len(new) or set(new) & (set(drift.held) - set(drift.changes))):
        yield Refusal(
            str(column), "two labels would become one value, which nothing could take back", "merge them first"
        )


def changes(database: SeeDatabase, drift: ColumnDrift) -> Iterable[Change]:
    """The type made when it is missing, the column's default told anew, its type changed."""
    column, name = drift.column, quote_ident(drift.column.column)
    alter = f"ALTER TABLE {column.sql} ALTER COLUMN {name}"
    if drift.create:
        labels = ", ".join(quote_literal(label).lstrip() for label in drift.create)
        yield Change(f"CREATE TYPE {drift.retype} AS ENUM ({labels})", f"DROP TYPE {drift.retype}")
    if column.default:
        yield Change(f"{alter} DROP DEFAULT", f"{alter} SET DEFAULT {column.default}")
    back = {new: old for old, new in drift.changes.items()}
    to, fro = ({}, {}) if column.textual else (drift.changes, back)
    yield Change(
        f"{alter} TYPE {drift.retype} USING {_mapped(name, to)}::{drift.retype}",
        f"{alter} TYPE {column.type} USING {_mapped(name, fro)}::{column.type}",
        estimate(database, drift),
    )
    told = _default(drift)
    if told:
        yield Change(f"{alter} SET DEFAULT {told}", f"{alter} DROP DEFAULT")


def _mapped(name: str, new: Mapping[str, str]) -> str:
    if not new:
        return f"{name}::pg_catalog.text"
    arms = " ".join(f"WHEN {quote_literal(old)} THEN {quote_literal(label)}" for old, label in new.items())
    return f"(CASE {name}::pg_catalog.text {arms} ELSE {name}::pg_catalog.text END)"


def _default(drift: ColumnDrift) -> str:
    """The default in the new type: only a lone literal can be said again."""
    if not drift.column.default:
        return ""
    from recover.enums.columns import default_value

    value = default_value(drift.column.default)
    if value is None:
        return ""
    new = drift.default or drift.changes.get(value, value)
    return f"{quote_literal(new).lstrip()}::{drift.retype}"


def estimate(database: SeeDatabase, drift: ColumnDrift) -> str:
    """How long the table will be locked, from how fast this server reads it now."""
    column = drift.column
    query = (
        "SELECT pg_catalog.count(*) AS rows, pg_catalog.sum(pg_catalog.length(s.value)) AS length "  # noqa: S608 - quoted
        f"FROM (SELECT pg_catalog.concat({quote_ident(column.column)}) AS value FROM {column.sql} LIMIT {SAMPLE}) AS s"
    )
    began = time.monotonic()
    [read] = database.rows(f"a sample of {column}", Statement(query))
    took, count = time.monotonic() - began, int(str(read["rows"]))
    rows = max(column.rows, count)
    seconds = took / max(count, 1) * rows * REWRITE
    return f"rewrites about {rows} rows under ACCESS EXCLUSIVE, for about {max(seconds, 0.1):.1f} s: readers wait"
