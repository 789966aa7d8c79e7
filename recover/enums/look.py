"""Looking at enum types: the catalog, the rows that use a label, and what differs. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recover.enums import catalog
from recover.enums.drift import Drift, EnumType, Refusal, compare, find, read_types, with_uses
from recover.errors import Precondition
from recover.postgres.names import TypeName, quote_ident, quote_literal
from recover.world import Row, SeeDatabase, Statement

Labels = Mapping[str, Sequence[str]]
Maps = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Holder:
    """A column that holds values of an enum type. `shape` is plain, array, or buried (in a composite or range)."""

    schema: str
    table: str
    column: str
    shape: str
    default: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}.{self.column}"

    def question(self, type: EnumType, label: str) -> str:
        """A SELECT of one row when the column holds the label, of none when it does not."""
        value, column = f"{quote_literal(label)}::{type.sql}", f"{quote_ident(self.column)}::{type.sql}"
        # The casts are for domains: an enum has no operators with a domain over it.
        meets = f"{value} = ANY ({column}[])" if self.shape == "array" else f"{column} = {value}"
        table = TypeName(self.schema, self.table)
        return (
            f"SELECT {quote_literal(label)}::text AS label, {quote_literal(str(self))}::text AS place "  # noqa: S608 - quoted
            f"WHERE EXISTS (SELECT FROM {table} WHERE {meets})"
        )


def look(database: SeeDatabase, expected: Labels, maps: Maps) -> tuple[Drift, ...]:
    """How each expected type differs. Raises Precondition for a type that cannot be told or is named twice."""
    types = read_types(database.rows("the enum types", catalog.named("enum_types")))
    wanted = _resolved(types, expected)
    mapped = _resolved(types, maps)
    for type, (text, _) in mapped.items():
        if type not in wanted:
            refuse([Refusal(text, "it has a map, but no expected labels")])
    drifts = [compare(type, labels, mapped.get(type, ("", {}))[1]) for type, (_, labels) in wanted.items()]
    return tuple(_with_uses(database, drift) for drift in drifts)


def refuse(refusals: Iterable[Refusal]) -> None:
    """Raise Precondition with all of them, when there are any. Nothing was touched."""
    found = list(refusals)
    if not found:
        return
    what = "the enum labels cannot be repaired" + (f" ({len(found)} reasons)" if len(found) > 1 else "")
    why = "\n".join(f"{refusal.object}: {refusal.reason}" for refusal in found)
    raise Precondition(what, where=found[0].object, why=why, next=next((r.next for r in found if r.next), ""))


def _resolved(types: Sequence[EnumType], named: Mapping[str, Any]) -> dict[EnumType, tuple[str, Any]]:
    found: dict[EnumType, tuple[str, Any]] = {}
    refusals = []
    for text, value in named.items():
        type = find(types, text)
        if isinstance(type, Refusal):
            refusals.append(type)
        elif type in found:
            refusals.append(Refusal(text, f"it is the same type as {found[type][0]}", "name it once"))
        else:
            found[type] = (text, value)
    refuse(refusals)
    return found


def _with_uses(database: SeeDatabase, drift: Drift) -> Drift:
    labels = [extra.label for extra in drift.extras]
    if not labels:
        return drift
    rows = database.rows("the columns of enum types", catalog.named("enum_columns", oids=[drift.type.oid]))
    holders = [_holder(row) for row in rows]
    uses = {label: [*_told(label, holders)] for label in labels}
    questions = [h.question(drift.type, label) for h in holders if h.shape != "buried" for label in labels]
    if questions:
        for row in database.rows(f"uses of {drift.type.sql}", Statement("\nUNION ALL\n".join(questions))):
            uses[str(row["label"])].insert(0, str(row["place"]))
    return with_uses(drift, {label: tuple(places) for label, places in uses.items()})


def _holder(row: Row) -> Holder:
    schema, table, column, shape, default = (row[k] for k in ("schema", "table", "column", "shape", "default_text"))
    return Holder(str(schema), str(table), str(column), str(shape), str(default or ""))


def _told(label: str, holders: Iterable[Holder]) -> Iterable[str]:
    """Uses that the catalog alone tells: defaults, and columns that cannot be asked."""
    for holder in holders:
        if holder.shape == "buried":
            yield f"{holder} (perhaps: a composite or a range cannot be asked)"
        elif f"{quote_literal(label).strip()}::" in holder.default or label in _elements(holder):
            yield f"{holder} (its default)"


def _elements(holder: Holder) -> list[str]:
    """The labels of an array default such as '{admin,user}'::userrole[]."""
    if holder.shape != "array" or not holder.default.startswith("'{"):
        return []
    return [part.strip('" ') for part in holder.default[2:].partition("}")[0].split(",")]
