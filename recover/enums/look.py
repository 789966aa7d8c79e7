"""Looking at enum types: the catalog, the rows that use a label, and what differs. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from recover.enums import catalog
from recover.enums.carriers import Carriers, carriers
from recover.enums.columns import ColumnDrift
from recover.enums.columns import look as columns_of
from recover.enums.dependants import Break, Change, breaks, follows
from recover.enums.drift import Drift, EnumType, Refusal, Rename, compare, find, read_types
from recover.enums.expected import Expected
from recover.enums.familiar import familiar
from recover.enums.holders import Holder, Uses, bounds, counting, mentions, read_holder
from recover.enums.settling import settle, undecided
from recover.errors import Precondition
from recover.world import Row, SeeDatabase

BIG = 200_000
"""Rows from which on a table is not counted where its statistics know better."""


@dataclass(frozen=True)
class Diagnosis:
    """What was found: each type's drift in the order of the expected file, and the columns that hold its labels.

    `blocked` are names in the expected file that cannot be told.
    """

    drifts: tuple[Drift, ...]
    holders: Mapping[int, tuple[Holder, ...]] = field(default_factory=dict)
    uses: Mapping[int, Uses] = field(default_factory=dict)
    follows: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    blocked: tuple[Refusal, ...] = ()
    columns: tuple[ColumnDrift, ...] = ()
    breaks: tuple[Break, ...] = ()
    examined: bool = False
    carriers: Carriers = field(default_factory=Carriers)

    @property
    def clean(self) -> bool:
        """Nothing to do and nothing refused."""
        return not (self.todo or self.columns_todo or self.refusals)

    @property
    def columns_todo(self) -> tuple[ColumnDrift, ...]:
        """The text columns that do not hold what is expected."""
        return tuple(column for column in self.columns if not column.settled)

    @property
    def todo(self) -> tuple[Drift, ...]:
        """The types that are not as expected."""
        return tuple(drift for drift in self.drifts if not drift.settled)

    def users(self, drift: Drift, label: str) -> tuple[Holder, ...]:
        """The columns whose rows hold the label, as it was called when it was counted."""
        uses = self.uses.get(drift.type.oid)
        return tuple(uses.rows.get(label, {})) if uses else ()

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Everything that stands in the way of a repair."""
        types = (refusal for drift in self.drifts for refusal in drift.refusals)
        return (*self.blocked, *types, *(refusal for column in self.columns for refusal in column.refusals))


def diagnose(database: SeeDatabase, expected: Expected, *, counting: bool = True) -> Diagnosis:
    """How each expected type differs. Raises Unreachable and StepError as `rows` does.

    Without `counting` no table is read: labels that mean the same, and extra ones, are then taken for unused.
    """
    types = read_types(database.rows("the enum types", catalog.named("enum_types")))
    wanted, unclear = _resolved(types, expected.types)
    mapped, unknown = _resolved(
        types, {name: map for name, map in expected.map.items() if name not in expected.columns}
    )
    lonely = [
        Refusal(text, "it has a map, but no expected labels")
        for type, (text, _) in mapped.items()
        if type not in wanted
    ]
    done = _done(database, types)
    drifts = [
        compare(type, labels, mapped.get(type, ("", {}))[1], expected.pairs(text), done.get(type.sql, ()))
        for type, (text, labels) in wanted.items()
    ]
    carrying = carriers(database, [d.type.oid for d in drifts])
    asking = [d for d in drifts if counting and undecided(d)]
    holders = _holders(database, carrying, {d.type.oid for d in asking})
    hidden = [why for d in asking for holder in holders.get(d.type.oid, ()) if (why := holder.unasked)]
    blocked = (*unclear, *unknown, *lonely, *hidden)
    constants = _constants(database, carrying.of({d.type.oid for d in asking if d.twins}))
    uses = {} if hidden else {d.type.oid: _uses(database, d, holders.get(d.type.oid, ()), constants) for d in asking}
    settled = tuple(settle(d, uses[d.type.oid]) if d.type.oid in uses else d for d in drifts)
    columns, unseen = columns_of(database, expected, {text: type.sql for type, (text, _) in wanted.items()})
    made = {str(expected.members[name].type) for name in expected.members} & {r.object for r in unclear}
    coming = {type for type in made if any(drift.create for drift in columns)}
    blocked = tuple(refusal for refusal in blocked if refusal.object not in coming)
    blocked = tuple(dict.fromkeys((*blocked, *unseen)))
    return Diagnosis(settled, holders, uses, blocked=blocked, columns=columns, carriers=carrying)


def examine(database: SeeDatabase, found: Diagnosis, *, following: bool = False) -> Diagnosis:
    """The same with what would break, and when asked with what follows, the repair of its types.

    Raises as `rows` does.
    """
    if found.examined:
        return found
    todo = [drift for drift in found.todo if drift.renames or drift.merges]
    spellings = [Change(drift.type, drift.spellings) for drift in todo]
    carrying = found.carriers.of({drift.type.oid for drift in todo})
    broken = breaks(database, spellings, carrying)
    bound = follows(database, carrying) if following else {}
    return replace(found, follows=bound, breaks=broken, examined=True)


def refuse(refusals: Iterable[Refusal]) -> None:
    """Raise Precondition with all of them, when there are any. Nothing was touched."""
    found = list(refusals)
    if not found:
        return
    what = "the enum labels cannot be repaired" + (f" ({len(found)} reasons)" if len(found) > 1 else "")
    why = "\n".join(f"{refusal.object}: {refusal.reason}" for refusal in found)
    raise Precondition(what, where=found[0].object, why=why, next=next((r.next for r in found if r.next), ""))


def _resolved(
    types: Sequence[EnumType], named: Mapping[str, Any]
) -> tuple[dict[EnumType, tuple[str, Any]], list[Refusal]]:
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
    return found, refusals


def _done(database: SeeDatabase, types: Sequence[EnumType]) -> Mapping[str, tuple[Rename, ...]]:
    """The renames that repairs made in this database and nobody took back, by type."""
    [ledger] = database.rows("recover's own tables", catalog.named("ledger"))
    if not ledger["there"] or ledger["foreign"]:
        return {}
    found: dict[str, tuple[Rename, ...]] = {}
    known = {type.sql for type in types}
    for row in database.rows("the repairs made so far", catalog.named("done")):
        if row["type"] in known:
            found[str(row["type"])] = (*found.get(str(row["type"]), ()), Rename(str(row["old"]), str(row["new"])))
    return found


def _holders(database: SeeDatabase, carrying: Carriers, asking: Collection[int]) -> Mapping[int, tuple[Holder, ...]]:
    """The columns of every type, looked at closely for those about whose labels they are asked."""
    found: dict[int, list[Holder]] = {}
    others = {enum for enum, _, _ in carrying.found} - set(asking)
    for oids, closely in ((asking, True), (others, False)):
        if oids:
            args = {**carrying.of(oids).args(buried=True), "closely": closely}
            for row in database.rows("the columns of enum types", catalog.named("enum_columns", **args)):
                found.setdefault(int(str(row["oid"])), []).append(read_holder(row))
    return {oid: tuple(holders) for oid, holders in found.items()}


def _constants(database: SeeDatabase, carrying: Carriers) -> Sequence[Row]:
    if not carrying.found:
        return []
    args = carrying.args(buried=False)
    rows = database.rows("the objects bound to labels", catalog.named("enum_constants", **args))
    told = familiar(database) if rows else str
    return [{**row, "object": told(str(row["object"]))} for row in rows]


def _uses(database: SeeDatabase, drift: Drift, holders: Sequence[Holder], constants: Sequence[Row]) -> Uses:
    type, labels = drift.type, undecided(drift)
    by_name = {str(holder): holder for holder in holders}
    rows: dict[str, dict[Holder, int]] = {}
    question = counting(type, holders, labels, _guesses(database, holders, labels))
    for row in database.rows(f"uses of {type.sql}", question) if question else []:
        rows.setdefault(str(row["label"]), {})[by_name[str(row["place"])]] = int(str(row["rows"]))
    mine = [row for row in constants if row["oid"] == type.oid]
    return Uses(
        rows=rows,
        bound={label: tuple(_bound(mine, type, label)) for label in labels},
        defaults={label: tuple(h for h in holders if mentions(h.default, type, label)) for label in labels},
        buried=tuple(h for h in holders if h.shape == "buried"),
    )


def _guesses(
    database: SeeDatabase, holders: Sequence[Holder], labels: Sequence[str]
) -> Mapping[Holder, Mapping[str, int]]:
    """Per big table the rows that the planner's statistics give a label: good enough to tell a minority."""
    places = {(holder.relation, holder.column): holder for holder in holders if holder.shape == "plain"}
    if not places:
        return {}
    relations = sorted({relation for relation, _ in places})
    query = catalog.named("guesses", relations=relations, labels=list(labels), least=BIG)
    found: dict[Holder, dict[str, int]] = {}
    for row in database.rows("the planner's statistics", query):
        holder = places.get((int(str(row["relation"])), str(row["column"])))
        if holder is not None:
            found.setdefault(holder, {})[str(row["label"])] = int(str(row["rows"]))
    return found


def _bound(constants: Iterable[Row], type: EnumType, label: str) -> Iterable[str]:
    for row in constants:
        object, definition = str(row["object"]), str(row["definition"])
        if mentions(definition, type, label) or (object.startswith("partition ") and label in bounds(definition)):
            yield object
