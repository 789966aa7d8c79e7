"""Carrying a repair out, and saying who is in its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recover.enums import catalog
from recover.errors import StepError
from recover.world import Database, Statement

LOCK_NOT_AVAILABLE = "55P03"


def carry_out(
    database: Database,
    statements: Sequence[Statement],
    touched: tuple[Sequence[str], Sequence[str]],
    *,
    lock_timeout: float,
    statement_timeout: float,
) -> None:
    """Run the transaction; `touched` are the types and tables it locks. Time-outs in seconds.

    Raises what `execute` does; when it waited for a lock in vain, StepError names who holds it.
    """
    try:
        database.execute(statements, lock_timeout=lock_timeout, statement_timeout=statement_timeout)
    except StepError as error:
        if error.sqlstate != LOCK_NOT_AVAILABLE:
            raise
        holders = [_holder(row) for row in _blockers(database, touched)]
        raise StepError(
            "the repair waited for a lock in vain; nothing was touched",
            where=error.where,
            why="\n".join(holders) or error.why,
            next="end that transaction (psql -c 'SELECT pg_catalog.pg_cancel_backend(PID)'), or raise --lock-timeout",
        ) from None


def _blockers(database: Database, touched: tuple[Sequence[str], Sequence[str]]) -> Sequence[Mapping[str, object]]:
    types, relations = (list(names) for names in touched)
    return database.rows("who holds a lock", catalog.named("blockers", types=types, relations=relations))


def _holder(row: Mapping[str, object]) -> str:
    if row["pid"] is None:
        return "a prepared transaction holds it: see pg_prepared_xacts, then COMMIT PREPARED or ROLLBACK PREPARED"
    told = f"pid {row['pid']} ({row['application'] or 'unnamed'}, {row['role']}), {row['state']} for {row['age']}"
    return f"{told}: {row['query']}"
