"""Writing rows: the minority of a merge, the keys that are kept for undo, and what would collide. Pure.

User triggers are off meanwhile: a label that is spelled otherwise is no change that an audit or an
`updated_at` should see, and do and undo have to give the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recover.enums.drift import Drift, EnumType, Merge, Refusal
from recover.enums.holders import Holder, Uses, as_text
from recover.enums.ledger import ID
from recover.enums.repair import Change, Written
from recover.postgres.names import quote_ident, quote_literal
from recover.world import Row


@dataclass(frozen=True)
class Table:
    """What an UPDATE of a table has to mind, from the catalog query `tables`.

    `key` are (column, type, its operator "equal") that tell a row; `triggers` (relation as SQL, name, mode: O, R or A)
    those that would fire; `uniques` (index, columns, predicate); `foreign` (index, columns, what its predicate runs)
    those whose predicate would run what a lesser role has written.
    """

    relation: int
    updatable: bool = True
    key: tuple[tuple[str, str, str], ...] = ()
    triggers: tuple[tuple[str, str, str], ...] = ()
    uniques: tuple[tuple[str, tuple[str, ...], str], ...] = ()
    foreign: tuple[tuple[str, tuple[str, ...], str], ...] = ()


def read_table(row: Row) -> Table:
    """From a row of the catalog query `tables`."""
    known: Mapping[str, Any] = row
    return Table(
        known["relation"],
        known["updatable"],
        tuple((k["column"], k["type"], k["equal"]) for k in known["key"]),
        tuple((t["relation"], t["name"], t["enabled"]) for t in known["triggers"]),
        tuple((u["name"], tuple(u["columns"]), u["where"] or "") for u in known["uniques"] if not u["foreign"]),
        tuple((u["name"], tuple(u["columns"]), u["foreign"]) for u in known["uniques"] if u["foreign"]),
    )


def writable(holder: Holder, table: Table) -> Iterable[Refusal]:
    """What stands in the way of writing the column's rows."""
    if holder.relkind == "f":
        yield Refusal(str(holder), "rows of a foreign table are merged where they live", "run the repair there")
    elif holder.relkind == "m":
        return
    elif not holder.owned:
        reason = f"its rows are written with its triggers off, which only its owner, {holder.owner}, may do"
        yield Refusal(str(holder), reason, f"connect as {holder.owner}")
    elif not table.updatable:
        yield Refusal(str(holder), "this role may not update the table", f"GRANT UPDATE ON {holder.sql} TO …")
    elif not table.key:
        reason = "no primary key or unique index tells its rows apart, so that a merge could not be taken back"
        yield Refusal(str(holder), reason, f"ALTER TABLE {holder.sql} ADD COLUMN … GENERATED … PRIMARY KEY, or by hand")


def uncounted(column: str, where: str, table: Table) -> Iterable[Refusal]:
    """The unique indexes of the column in which nobody may look for collisions: that would run another's function."""
    for name, columns, runs in table.foreign:
        if column in columns:
            reason = f"the condition of its unique index {name} runs {runs}, and would do so as this role"
            yield Refusal(where, reason, f"connect as {runs.rpartition(' of ')[2]}")


def merging(drift: Drift, holders: Sequence[Holder], uses: Uses, tables: Mapping[int, Table]) -> Iterable[Change]:
    """The defaults told anew, and the losers' rows written, of one type."""
    for merge in drift.merges:
        for holder in uses.defaults.get(merge.loser, ()):
            yield _default(drift.type, holder, merge)
        for holder in uses.rows.get(merge.loser, {}):
            if holder in holders and not holder.generated and holder.relkind in ("r", "p"):
                yield _write(drift.type, holder, merge, tables[holder.relation].key)


def written(drift: Drift, uses: Uses) -> Iterable[Written]:
    """The columns in which no row may hold a retired label afterwards."""
    for merge in drift.merges:
        for holder in uses.rows.get(merge.loser, {}):
            if holder.relkind in ("r", "p"):
                yield Written(holder.sql, holder.column, holder.meets(drift.type, merge.retired))


def refreshed(drift: Drift, uses: Uses) -> Iterable[str]:
    """The materialized views that keep rows with a label that is merged."""
    holders = [holder for merge in drift.merges for holder in uses.rows.get(merge.loser, {})]
    return dict.fromkeys(holder.sql for holder in holders if holder.relkind == "m")


def quiet(tables: Iterable[Table]) -> tuple[list[Change], list[Change]]:
    """The triggers switched off before, and switched on again as they were after, rows are written."""
    off, on = [], []
    for table in tables:
        for relation, name, mode in table.triggers:
            trigger = f"TRIGGER {quote_ident(name)}"
            how = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}[mode]
            disable, enable = (f"ALTER TABLE ONLY {relation} {word} {trigger}" for word in ("DISABLE", how))
            off.append(Change(disable, enable))
            on.append(Change(enable, disable))
    return off, on


def collisions(type: EnumType, holder: Holder, table: Table, merge: Merge) -> Iterable[tuple[str, str]]:
    """For each unique index with the column: its name, and a SELECT of how many keys would collide."""
    if holder.shape != "plain":
        return
    for name, columns, where in table.uniques:
        if holder.column in columns:
            into = quote_literal(merge.into).lstrip()
            loser, survivor = (holder.holds(type, [label]) for label in (merge.loser, merge.into))
            parts = [
                f"CASE WHEN {loser} THEN {into} ELSE {as_text(holder.asked(type))} END"
                if c == holder.column
                else quote_ident(c)
                for c in columns
            ]
            condition = f"({loser} OR {survivor})" + (f" AND ({where})" if where else "")
            nulls = "".join(f" AND {quote_ident(c)} IS NOT NULL" for c in columns if c != holder.column)
            yield (
                name,
                f"SELECT pg_catalog.count(*) AS keys FROM (SELECT FROM {holder.sql} WHERE {condition}{nulls} "  # noqa: S608 - quoted
                f"GROUP BY {', '.join(parts)} HAVING pg_catalog.count(*) > 1) AS twice",
            )


def _default(type: EnumType, holder: Holder, merge: Merge) -> Change:
    change = f"ALTER TABLE {holder.sql} ALTER COLUMN {quote_ident(holder.column)} SET DEFAULT"
    return Change(f"{change} {_value(type, merge.into)}", f"{change} {_value(type, merge.retired)}", "its default")


def _value(type: EnumType, label: str) -> str:
    return f"{quote_literal(label).lstrip()}::{type.sql}"


def _write(type: EnumType, holder: Holder, merge: Merge, key: Sequence[tuple[str, str, str]]) -> Change:
    """Write the loser's rows and keep their keys."""
    retired, into = _value(type, merge.retired), _value(type, merge.into)
    where = holder.meets(type, merge.retired)

    def new(old: str) -> str:
        return f"pg_catalog.array_replace({old}::{type.sql}[], {retired}, {into})"

    if holder.shape == "array":
        return keeping(holder.sql, holder.column, holder.type, new, where, key)
    was = quote_literal(merge.retired).lstrip()
    return keeping(holder.sql, holder.column, holder.type, lambda _: into, where, key, was=was)


def keeping(
    table: str,
    column: str,
    type: str,
    new: Callable[[str], str],
    where: str,
    key: Sequence[tuple[str, str, str]],
    *,
    was: str = "",
) -> Change:
    """An UPDATE of `column` to `new` of what it holds, where the condition holds, with the keys kept.

    `where` is over bare column names; `was` is what all those rows hold, as a literal, where that is one value.
    Its undo gives each kept row back what it held, unless it was written since.
    """
    name = quote_ident(column)
    place = f"{quote_literal(table).lstrip()}, {quote_literal(column).lstrip()}"
    keys = f"pg_catalog.jsonb_build_array({', '.join(f't.{quote_ident(k)}' for k, _, _ in key)})"
    keep = f"INSERT INTO recover.kept_rows (repair, relation, field, key, was) SELECT {ID}, {place}, key"
    do = (
        f"WITH moved AS (UPDATE {table} AS t SET {name} = {new(f't.{name}')} WHERE {where} "  # noqa: S608 - quoted
        f"RETURNING {keys} AS key) {keep}, {was} FROM moved"
    )
    do = (
        do
        if was
        else (
            f"WITH old AS MATERIALIZED (SELECT ctid AS place, tableoid AS part, {name}::pg_catalog.text AS was "  # noqa: S608 - quoted
            f"FROM {table} WHERE {where}), moved AS (UPDATE {table} AS t SET {name} = {new(f't.{name}')} FROM old "
            f"WHERE t.ctid = old.place AND t.tableoid = old.part RETURNING {keys} AS key, old.was) "
            f"{keep}, was FROM moved"
        )
    )
    same = " AND ".join(
        f"t.{quote_ident(name)} {equal} (kept.key ->> {at})::{kind}" for at, (name, kind, equal) in enumerate(key)
    )
    undo = (
        f"UPDATE {table} AS t SET {name} = kept.was::{type} FROM recover.kept_rows AS kept "  # noqa: S608 - quoted
        f"WHERE kept.repair = {ID} AND (kept.relation, kept.field) = ({place}) AND {same} "
        f"AND t.{name}::pg_catalog.text = ({new(f'kept.was::{type}')})::pg_catalog.text"
    )
    return Change(do, undo, "the keys are kept")
