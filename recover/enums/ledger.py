"""What recover keeps in the repaired database: a row per repair with its inverse, and the keys of rows it wrote.

Schema `recover`, written in the transaction of the repair itself: there is no repair without its row and no
row without its repair.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from recover.enums import catalog
from recover.errors import Precondition
from recover.plain import load
from recover.world import SeeDatabase, Statement

SETTING = "recover.repair"
"""The transaction's own setting that holds the id of the repair, so that statements need no id spliced in."""

ID = f"pg_catalog.current_setting('{SETTING}')"

NAMED = f"SELECT pg_catalog.set_config('{SETTING}', %(id)s, true)"

LATEST = f"""SELECT pg_catalog.set_config('{SETTING}', (
    SELECT e.id FROM recover.enum_repairs e WHERE e.plan = %(plan)s AND e.undone_at IS NULL
    ORDER BY e.made_at DESC LIMIT 1), true)"""  # noqa: S608 - our own words

TABLES = """CREATE SCHEMA IF NOT EXISTS recover;
CREATE TABLE IF NOT EXISTS recover.enum_repairs (
    id pg_catalog.text PRIMARY KEY,
    made_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
    made_by pg_catalog.text NOT NULL DEFAULT session_user,
    application pg_catalog.text NOT NULL DEFAULT pg_catalog.current_setting('application_name'),
    plan pg_catalog.text NOT NULL,
    strategy pg_catalog.text NOT NULL,
    labels_before pg_catalog.jsonb NOT NULL,
    labels_after pg_catalog.jsonb NOT NULL,
    renames pg_catalog.jsonb NOT NULL,
    statements pg_catalog.text[] NOT NULL,
    undo pg_catalog.text[] NOT NULL,
    locked pg_catalog.text[] NOT NULL,
    rows_written bigint NOT NULL,
    undone_at pg_catalog.timestamptz,
    undone_by pg_catalog.text
);
CREATE TABLE IF NOT EXISTS recover.kept_rows (
    repair pg_catalog.text NOT NULL,
    relation pg_catalog.text NOT NULL,
    field pg_catalog.text NOT NULL,
    key pg_catalog.jsonb NOT NULL,
    was pg_catalog.text NOT NULL
)"""

NOTE = f"""INSERT INTO recover.enum_repairs
    (id, plan, strategy, labels_before, labels_after, renames, statements, undo, locked,
     rows_written)
SELECT {ID}, %(plan)s, %(strategy)s,
       %(before)s::pg_catalog.jsonb, %(after)s::pg_catalog.jsonb, %(renames)s::pg_catalog.jsonb,
       %(statements)s::pg_catalog.text[], %(undo)s::pg_catalog.text[], %(locked)s::pg_catalog.text[],
       (SELECT pg_catalog.count(*) FROM recover.kept_rows k WHERE k.repair = {ID})"""  # noqa: S608 - our own words

MARK_UNDONE = f"""UPDATE recover.enum_repairs SET undone_at = pg_catalog.now(), undone_by = session_user
WHERE id = {ID} AND undone_at IS NULL"""  # noqa: S608 - our own words

FORGET_ROWS = f"DELETE FROM recover.kept_rows WHERE repair = {ID}"  # noqa: S608 - our own words


def new_id() -> str:
    """An id for a repair: when (UTC) and a few random letters."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def named(id: str) -> Statement:
    """Tell the transaction which repair it is about."""
    return Statement(NAMED, {"id": id})


@dataclass(frozen=True)
class Kept:
    """A repair that was made and not taken back, as the ledger has it."""

    id: str
    made_at: str
    labels_after: Mapping[str, tuple[str, ...]]
    undo: tuple[str, ...]
    locked: tuple[str, ...]


def find(database: SeeDatabase, id: str | None, flags: str = "") -> Kept:
    """The repair of that id, or the latest. Raises Precondition when there is none that can be taken back.

    When the latest was taken back already, the one before has to be named: the same command given twice is no wish.
    `flags` are what a next command needs to find this database.
    """
    rows = _rows(database, catalog.named("repairs"))
    found = next((row for row in rows if id in (None, row["id"])), None)
    known = ", ".join(str(row["id"]) for row in rows)
    if found is None:
        what = f"no repair {id} is kept here" if id else "no repair is kept here that could be taken back"
        hint = f"recover enums undo{flags} --repair ID" if known else ""
        raise Precondition(what, why=f"known: {known}" if known else "", next=hint)
    if id is None and found["older"]:
        what = "the latest repair was taken back already"
        raise Precondition(what, why=f"before it: {known}", next=f"recover enums undo{flags} --repair {found['id']}")
    try:
        return load(Kept, {name: found[name] for name in Kept.__dataclass_fields__})
    except ValueError as error:
        what = f"the repair {found['id']} is not as recover keeps one: it cannot be taken back"
        raise Precondition(what, where="recover.enum_repairs", why=str(error)) from None


def standing(database: SeeDatabase, plan: str) -> list[str]:
    """The ids of the repairs made by the plan of that hash and not taken back."""
    return [str(row["id"]) for row in _rows(database, catalog.named("standing", plan=plan))]


def _rows(database: SeeDatabase, statement: Statement) -> Sequence[Mapping[str, object]]:
    [there] = database.rows("recover's own tables", catalog.named("ledger"))
    return database.rows("the repairs made here", statement) if there["there"] else []
