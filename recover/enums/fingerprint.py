"""What a plan of a repair rests on: labels, and how many rows there are."""

from __future__ import annotations

from collections.abc import Mapping

from recover.enums.expected import Expected
from recover.enums.look import diagnose
from recover.postgres.names import quote_literal
from recover.world import SeeDatabase, Statement


def fingerprint(database: SeeDatabase, expected: Expected) -> Mapping[str, str]:
    """ "labels of TYPE" and "rows of TABLE", for each expected type and each table that holds one. Raises as `rows`."""
    found = diagnose(database, expected, counting=False)
    labels = {f"labels of {drift.type.sql}": ", ".join(drift.type.labels) for drift in found.drifts}
    held = (holder for holders in found.holders.values() for holder in holders)
    tables = sorted({holder.sql for holder in held if holder.relkind in ("r", "p")})
    return {**labels, **_rows(database, tables)}


def _rows(database: SeeDatabase, tables: list[str]) -> Mapping[str, str]:
    if not tables:
        return {}
    counts = " UNION ALL ".join(
        f"SELECT {quote_literal(table).lstrip()}::pg_catalog.text AS name, pg_catalog.count(*) AS n FROM {table}"  # noqa: S608 - quoted
        for table in tables
    )
    return {f"rows of {row['name']}": str(row["n"]) for row in database.rows("row counts", Statement(counts))}
