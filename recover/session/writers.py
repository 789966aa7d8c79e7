"""Raw SQL in the application's source that holds labels which a repair spells otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recover.enums.look import Diagnosis

if TYPE_CHECKING:
    from recover.models.writers import Writer


def writers_in(folder: Path | None, found: Diagnosis) -> Sequence[Writer]:
    """Every place in the folder, or none without one."""
    if folder is None:
        return ()
    from recover.models.writers import raw_writers

    labels = {drift.type.sql: tuple(drift.spellings) for drift in found.drifts if drift.spellings}
    columns = {
        drift.type.sql: [".".join(_quoted(part) for part in (h.schema, h.table, h.column)) for h in held]
        for drift in found.drifts
        if (held := found.holders.get(drift.type.oid))
    }
    return raw_writers(folder, labels, columns)


def _quoted(name: str) -> str:
    from recover.postgres.names import quote_ident

    return quote_ident(name)


def told(writers: Sequence[Writer]) -> list[str]:
    """A line for each, those that are sure first; migrations ran once and are left out."""
    living = sorted((w for w in writers if w.kind != "migration"), key=lambda w: w.certainty != "sure")
    return [
        f"raw SQL in {w} holds {w.label!r} of {w.type} ({w.certainty}): {w.excerpt}; "
        "fix it, or bridge it with --strategy expand"
        for w in living
    ]
