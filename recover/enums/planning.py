"""From a diagnosis to the one transaction that repairs it, or to the reasons why there is none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from recover.enums import catalog, retyping
from recover.enums.breaking import mended
from recover.enums.bridge import bridges, contracting, expanding, readded, retiring, unbridgeable
from recover.enums.choices import PLAIN, Choices
from recover.enums.columns import changes as columned
from recover.enums.columns import collisions as columns_collisions
from recover.enums.columns import obstacles as columns_obstacles
from recover.enums.columns import written as columns_written
from recover.enums.drift import Drift, Refusal, Rename
from recover.enums.familiar import familiar
from recover.enums.look import Diagnosis, examine, refuse
from recover.enums.repair import Change, Repair, Written, add_value, rename_value, renaming
from recover.enums.settling import free_name
from recover.enums.writing import Table, collisions, merging, quiet, read_table, refreshed, uncounted, writable, written
from recover.errors import Precondition
from recover.postgres import catalog as postgres
from recover.world import SeeDatabase, Statement

ADDS_IN_TRANSACTION = 120000
"""The first server_version_num whose ADD VALUE may run in a transaction block (release notes of 12)."""


STAYS = "stays after an undo: a label cannot be dropped, and does no harm unused"


def plan(database: SeeDatabase, diagnosis: Diagnosis, choices: Choices = PLAIN) -> Repair | None:
    """The repair of everything that was found, or None when nothing has to be done.

    Raises Precondition, with nothing touched, when anything would have to be guessed or is not allowed.
    """
    refuse(diagnosis.refusals)
    if choices.strategy == "contract":
        return _contract(database, diagnosis)
    diagnosis = examine(database, diagnosis)
    todo, columns = diagnosis.todo, diagnosis.columns_todo
    if not todo and not columns:
        return None
    version = _require_allowed(database, todo)
    refuse(_casting(database, [*(d.type.sql for d in todo), *(c.column.enum or c.retype for c in columns)]))
    tables = _tables(database, diagnosis)
    mends = mended(database, diagnosis.breaks, choices)
    refuse(_obstacles(database, diagnosis, tables, choices))
    if tables or mends.changes:
        relations = set(tables)
        for drift in todo:
            relations.update(holder.relation for holder in diagnosis.holders.get(drift.type.oid, ()))
        refuse(_running(database, relations))
    off, on = quiet(tables.values())
    renames = [change for d in todo for change in renaming(d.type.sql, d.type.labels, d.renames)]
    merges = [change for d in todo for change in _merges(d, diagnosis, tables)]
    texts = [c for d in columns for c in columned(d, tables[d.column.relation], rewrite=choices.rewrite)]
    views = [Change(f"REFRESH MATERIALIZED VIEW {view}", note="it keeps rows") for view in _views(todo, diagnosis)]
    adds = [change for d in todo for change in _added(d)]
    expand = choices.strategy == "expand"
    refuse(r for d in todo if expand for r in unbridgeable(diagnosis.holders.get(d.type.oid, ()), version))
    built = [c for d in todo for c in expanding(d, diagnosis.holders.get(d.type.oid, ()))] if expand else []
    retyped = [c for d in columns if d.retype for c in retyping.changes(database, d)]
    rows = [*(w for d in todo for w in _written(d, diagnosis)), *(w for d in columns for w in columns_written(d))]
    return Repair(
        strategy=choices.strategy,
        before={d.type.sql: d.type.labels for d in todo},
        after={d.type.sql: (*_after(d), *(readded(d) if expand else ())) for d in todo},
        renames=tuple((d.type.sql, r.old, r.new) for d in todo for r in d.renames),
        changes=(*mends.early, *renames, *off, *merges, *texts, *on),
        closing=(*mends.changes, *views, *adds, *built, *retyped),
        locked=tuple(sorted({w.relation for w in rows})),
        written=tuple(rows),
        undo_last=(*mends.undo, *(view.sql for view in views)),
        dependants=mends.rewritten,
    )


def _contract(database: SeeDatabase, diagnosis: Diagnosis) -> Repair | None:
    """The bridges taken away, and the labels that they were for retired."""
    types = {drift.type.sql: drift.type for drift in diagnosis.drifts}
    standing = bridges(database, types)
    if not standing:
        return None
    drifted = "it has drifted, and a bridge is taken away when the labels are right"
    refuse(Refusal(d.type.sql, drifted, "recover enums repair") for d in diagnosis.todo)
    _require_allowed(database, diagnosis.drifts)
    renames = {name: retiring(type, [b for b in standing if b.type == name]) for name, type in types.items()}
    changed = {name: type for name, type in types.items() if any(b.type == name for b in standing)}
    after = {name: tuple(_spelled(renames[name], label) for label in type.labels) for name, type in changed.items()}
    return Repair(
        strategy="contract",
        before={name: type.labels for name, type in changed.items()},
        after=after,
        renames=tuple((name, r.old, r.new) for name in changed for r in renames[name]),
        changes=tuple(c for name, type in changed.items() for c in renaming(name, type.labels, renames[name])),
        closing=tuple(change for bridge in standing for change in contracting(bridge)),
    )


def _added(drift: Drift) -> Iterable[Change]:
    """The labels that are missing. One that a renamed label was called before has to give that name back for undo."""
    taken = {*drift.type.labels, *drift.expected}
    for add in drift.adds:
        back = ""
        if any(rename.old == add.label for rename in drift.renames):
            back = rename_value(drift.type.sql, Rename(add.label, free_name(add.label, taken)))
        yield Change(add_value(drift.type.sql, add), back, STAYS)


def _spelled(renames: Iterable[Rename], label: str) -> str:
    return next((rename.new for rename in renames if rename.old == label), label)


def _require_allowed(database: SeeDatabase, todo: Sequence[Drift]) -> int:
    """The server's version (server_version_num). Raises Precondition for what nobody or not this role may do."""
    refuse(
        Refusal(d.type.sql, f"only its owner, {d.type.owner}, may alter it", f"connect as {d.type.owner}")
        for d in todo
        if not d.type.owned
    )
    [server] = database.rows("what the server is", postgres.named("server"))
    if server["standby"]:
        raise Precondition("the database is a standby", why="it can only be read", next="connect to the primary")
    version = int(str(server["version"]))
    if version < ADDS_IN_TRANSACTION:
        raise Precondition("this PostgreSQL is older than 12", why="a label cannot be added in a transaction there")
    [ledger] = database.rows("recover's own tables", catalog.named("ledger"))
    if ledger["foreign"]:
        raise Precondition(
            "the tables recover.enum_repairs and recover.kept_rows are not this role's to use",
            why="somebody else made them, or another role of recover",
            next="connect as the role that made them, or rename that schema",
        )
    if not ledger["there"] and not ledger["possible"]:
        raise Precondition(
            "this role cannot keep the record of the repair in the database",
            why="it may not create the schema recover",
            next=f"psql -c 'CREATE SCHEMA recover AUTHORIZATION {ledger['role']}', as the owner of the database",
        )
    return version


def _casting(database: SeeDatabase, types: Iterable[str]) -> Iterable[Refusal]:
    """The casts of these types that nobody may have carried out as himself."""
    names = [name for name in types if name]
    for row in database.rows("casts of the types", catalog.named("casts", types=names)) if names else ():
        cast = f"the cast from {row['source']} to {row['target']} runs {row['function']} of {row['owner']}"
        yield Refusal(str(row["name"]), f"{cast}, and would do so as this role", f"connect as {row['owner']}")


def _running(database: SeeDatabase, relations: Collection[int]) -> Iterable[Refusal]:
    """What a lesser role has written and a superuser would run by writing the rows of these tables."""
    query = postgres.named("foreign_code", relations=sorted(relations))
    for row in database.rows("what writing rows would run", query):
        reason = f"writing its rows runs {row['function']}, which is {row['owner']}'s to say, as this superuser"
        yield Refusal(str(row["object"]), reason, f"connect as {row['owner']}")


def _tables(database: SeeDatabase, diagnosis: Diagnosis) -> Mapping[int, Table]:
    relations = {h.relation for d in diagnosis.todo for m in d.merges for h in diagnosis.users(d, m.loser)}
    relations |= {drift.column.relation for drift in diagnosis.columns_todo}
    if not relations:
        return {}
    query = catalog.named("tables", relations=sorted(relations))
    return {table.relation: table for table in map(read_table, database.rows("the tables to be written", query))}


def _obstacles(
    database: SeeDatabase, diagnosis: Diagnosis, tables: Mapping[int, Table], choices: Choices
) -> Iterable[Refusal]:
    for drift in diagnosis.todo:
        for merge in drift.merges:
            for holder in diagnosis.users(drift, merge.loser):
                table = tables[holder.relation]
                yield from writable(holder, table)
                yield from uncounted(holder.column, str(holder), table)
                twice = collisions(drift.type, holder, table, merge)
                yield from _colliding(database, f"{holder} {merge.loser!r}", twice)
    for column in diagnosis.columns_todo:
        table = tables[column.column.relation]
        yield from columns_obstacles(column, table, rewrite=choices.rewrite)
        yield from retyping.obstacles(column, asked=choices.strategy == "retype")
        yield from uncounted(column.column.column, str(column.column), table)
        yield from _colliding(database, str(column.column), columns_collisions(column, table))


def _colliding(database: SeeDatabase, where: str, questions: Iterable[tuple[str, str]]) -> Iterable[Refusal]:
    for index, question in questions:
        [found] = database.rows(f"collisions in {index}", Statement(question))
        if found["keys"]:
            named = familiar(database)(index)
            reason = f"{found['keys']} keys of the unique index {named} would be there twice"
            yield Refusal(where, reason, "settle those rows by hand, then run again")


def _merges(drift: Drift, diagnosis: Diagnosis, tables: Mapping[int, Table]) -> Iterable[Change]:
    uses, holders = diagnosis.uses.get(drift.type.oid), diagnosis.holders.get(drift.type.oid, ())
    return merging(drift, holders, uses, tables) if uses else ()


def _written(drift: Drift, diagnosis: Diagnosis) -> Iterable[Written]:
    uses = diagnosis.uses.get(drift.type.oid)
    return written(drift, uses) if uses else ()


def _views(todo: Sequence[Drift], diagnosis: Diagnosis) -> Iterable[str]:
    return dict.fromkeys(view for d in todo if d.merges for view in refreshed(d, diagnosis.uses[d.type.oid]))


def _after(drift: Drift) -> tuple[str, ...]:
    """The labels that the repair leaves, in their sort order."""
    new = {rename.old: rename.new for rename in drift.renames}
    labels = [new.get(label, label) for label in drift.type.labels]
    for add in drift.adds:
        at = labels.index(add.neighbour) if add.neighbour else len(labels)
        labels.insert(at + (add.place == "AFTER"), add.label)
    return tuple(labels)
