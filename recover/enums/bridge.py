"""`expand`: old labels go on being written by raw SQL, and a trigger maps them. A bridge, to be removed (`contract`).

The renames are made, the old labels are added again, and a BEFORE trigger on every column that is written directly
maps an old label to its new one: what the ORM reads is right, and no writer fails.
Source: PostgreSQL documentation, "Overview of Trigger Behavior" (BEFORE triggers fire in the order of their names).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from recover.enums import catalog
from recover.enums.drift import RETIRED, Add, Drift, EnumType, Refusal, Rename
from recover.enums.holders import Holder
from recover.enums.repair import Change, add_value, rename_value
from recover.enums.settling import free_name
from recover.postgres.names import PATH, quote_ident, quote_literal
from recover.world import SeeDatabase

PARTITIONED = 130000
"""The first server_version_num whose partitioned tables take BEFORE row triggers (release notes of 13)."""


@dataclass(frozen=True)
class Bridge:
    """One trigger that stands: where, its function, how both are made again, and what it maps."""

    type: str
    table: str
    trigger: str
    function: str
    trigger_sql: str
    function_sql: str
    comment: str
    maps: Mapping[str, str]


def expanding(drift: Drift, holders: Sequence[Holder]) -> list[Change]:
    """The old labels added again, and the triggers that map them. Without renames there is nothing to bridge."""
    maps = {rename.old: rename.new for rename in drift.renames if not rename.new.startswith(RETIRED)}
    bridged = {old: new for old, new in maps.items() if old not in drift.expected}
    if not bridged:
        return []
    taken = {*drift.type.labels, *drift.expected}
    added = []
    for old in bridged:
        retired = free_name(old, taken)
        taken.add(retired)
        undo = rename_value(drift.type.sql, Rename(old, retired))
        added.append(Change(add_value(drift.type.sql, Add(old, "", "")), undo, "a bridge for writers of the old label"))
    return [*added, *(change for holder in _bridged(holders) for change in _trigger(drift.type, holder, bridged))]


def unbridgeable(holders: Sequence[Holder], version: int) -> Iterable[Refusal]:
    """The tables that can have no such trigger on a server of that version (server_version_num)."""
    for holder in _bridged(holders):
        if holder.relkind == "p" and version < PARTITIONED:
            why = "before PostgreSQL 13 a partitioned table takes no trigger that maps old labels"
            yield Refusal(str(holder), why, "--strategy rename")


def _bridged(holders: Sequence[Holder]) -> list[Holder]:
    return [h for h in holders if h.shape != "buried" and h.relkind in ("r", "p") and not h.generated]


def readded(drift: Drift) -> tuple[str, ...]:
    """The labels that `expanding` adds again, in order."""
    renames = [rename for rename in drift.renames if not rename.new.startswith(RETIRED)]
    return tuple(rename.old for rename in renames if rename.old not in drift.expected)


def _trigger(type: EnumType, holder: Holder, maps: Mapping[str, str]) -> Iterable[Change]:
    column = quote_ident(holder.column)
    digest = sha256(f"{holder.relation} {holder} {type.sql}".encode()).hexdigest()[:12]
    function, trigger = f"recover.bridge_{digest}", quote_ident(f"_recover_bridge_{digest}")
    value = _mapped(f"NEW.{column}", type, holder, maps)
    body = f" BEGIN NEW.{column} := {value}; RETURN NEW; END "
    note = quote_literal(json.dumps({"type": type.sql, "maps": dict(maps)}, ensure_ascii=False)).lstrip()
    yield Change(
        f"CREATE FUNCTION {function}() RETURNS pg_catalog.trigger LANGUAGE plpgsql SET search_path = {PATH} "
        f"AS {quote_literal(body).lstrip()}",
        f"DROP FUNCTION {function}()",
    )
    yield Change(f"COMMENT ON FUNCTION {function}() IS {note}")
    yield Change(
        f"CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE OF {column} ON {holder.sql} "
        f"FOR EACH ROW EXECUTE FUNCTION {function}()",
        f"DROP TRIGGER {trigger} ON {holder.sql}",
        "maps old labels on write",
    )


def _mapped(value: str, type: EnumType, holder: Holder, maps: Mapping[str, str]) -> str:
    if holder.shape == "array":
        mapped = f"{value}::{type.sql}[]"
        for old, new in maps.items():
            old_, new_ = (f"{quote_literal(label).lstrip()}::{type.sql}" for label in (old, new))
            mapped = f"pg_catalog.array_replace({mapped}, {old_}, {new_})"
        return mapped
    arms = " ".join(f"WHEN {quote_literal(old)} THEN {quote_literal(new)}" for old, new in maps.items())
    return f"(CASE {value}::pg_catalog.text {arms} ELSE {value}::pg_catalog.text END)::{type.sql}"


def bridges(database: SeeDatabase, types: Iterable[str]) -> list[Bridge]:
    """The bridges that stand for these types. Raises as `rows` does."""
    found = []
    wanted = set(types)
    for row in database.rows("the bridges", catalog.named("bridges")):
        told = json.loads(str(row["comment"]))
        if told["type"] in wanted:
            words = {
                name: str(row[name])
                for name in ("table", "trigger", "function", "trigger_sql", "function_sql", "comment")
            }
            found.append(Bridge(told["type"], maps=told["maps"], **words))
    return found


def contracting(bridge: Bridge) -> list[Change]:
    """The trigger and its function gone."""
    note = f"COMMENT ON FUNCTION {bridge.function}() IS {quote_literal(bridge.comment)}"
    return [
        Change(f"DROP TRIGGER {quote_ident(bridge.trigger)} ON {bridge.table}", bridge.trigger_sql),
        Change(f"DROP FUNCTION {bridge.function}()", f"{bridge.function_sql};\n{note}"),
    ]


def retiring(type: EnumType, bridges: Iterable[Bridge]) -> list[Rename]:
    """The old labels, which nobody may write any more, under a name of their own."""
    taken = set(type.labels)
    renames = []
    for old in dict.fromkeys(old for bridge in bridges for old in bridge.maps if old in type.labels):
        renames.append(Rename(old, free_name(old, taken)))
        taken.add(renames[-1].new)
    return renames
