"""Drift to SQL, as text that also runs by hand. Pure.

Source: PostgreSQL documentation, ALTER TYPE: RENAME VALUE may run in a transaction block; a value
added by ADD VALUE cannot be used before COMMIT.
"""

from __future__ import annotations

from collections.abc import Sequence

from recover.enums import catalog
from recover.enums.drift import Add, Drift, Rename
from recover.postgres.names import quote_literal
from recover.world import Statement

KEPT = "recover.before"
"""The transaction's own setting that holds the fingerprint from before the renames."""


def rename_value(type: str, rename: Rename) -> str:
    """The statement that renames the label. `type` is the quoted, schema-qualified name."""
    return f"ALTER TYPE {type} RENAME VALUE {quote_literal(rename.old)} TO {quote_literal(rename.new)}"


def add_value(type: str, add: Add) -> str:
    """The statement that adds the label at its place; it does nothing when the label is there."""
    place = f" {add.place} {quote_literal(add.neighbour)}" if add.place else ""
    return f"ALTER TYPE {type} ADD VALUE IF NOT EXISTS {quote_literal(add.label)}{place}"


def statements(drift: Drift) -> list[str]:
    """Everything the drift needs, in order: renames, then additions."""
    renames = [rename_value(drift.type.sql, rename) for rename in drift.renames]
    return [*renames, *(add_value(drift.type.sql, add) for add in drift.adds)]


def undoing(drift: Drift) -> list[str]:
    """What takes the renames back, last first. A label that was added stays: nothing can remove it."""
    return [rename_value(drift.type.sql, Rename(r.new, r.old)) for r in reversed(drift.renames)]


def remember(types: Sequence[str]) -> Statement:
    """Keep the fingerprint of these types and their tables until the end of the transaction."""
    return Statement(f"SELECT set_config('{KEPT}', ({_fingerprint(types)}), true)")


def prove(types: Sequence[str]) -> Statement:
    """Fail, and so undo the transaction, unless the fingerprint is still the remembered one."""
    body = (
        f"BEGIN IF ({_fingerprint(types)}) IS DISTINCT FROM current_setting('{KEPT}') THEN"
        " RAISE EXCEPTION 'more than the spelling of labels would have changed'; END IF; END"
    )
    return Statement(f"DO {quote_literal(body).lstrip()}")


def _fingerprint(types: Sequence[str]) -> str:
    names = f"ARRAY[{', '.join(f'{quote_literal(name)}::regtype' for name in types)}]"
    return catalog.text("enum_fingerprint").replace("%(types)s::regtype[]", names)
