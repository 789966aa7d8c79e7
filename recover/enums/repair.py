"""A repair as SQL: everything it changes, everything that takes it back, and the proofs around it. Pure.

All of it is one transaction: guards raise, so what fails leaves the catalog and every row as they were.
Sources: PostgreSQL documentation, ALTER TYPE (RENAME VALUE may run in a transaction block; a value added by
ADD VALUE in one, from 12 on, cannot be used before COMMIT), "Explicit Locking", pg_stat_xact_all_tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from recover.enums import catalog, ledger
from recover.enums.drift import Add, Rename
from recover.postgres.names import quote_literal
from recover.world import Statement

KEPT = "recover.before"
"""The transaction's own setting that holds the fingerprint from before the renames."""

SWAPPING = "~swapping"
"""What a label is called for a moment while two of them change places."""

LOCK = 7_265_636
"""The key of the advisory lock that keeps two repairs of one database apart."""

Labels = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Change:
    """One statement of a repair and what takes it back ("" when it stays). `note` is for the reader."""

    sql: str
    undo: str = ""
    note: str = ""


@dataclass(frozen=True)
class Written:
    """A column whose rows a repair writes: where, and the condition that a row is still unwritten."""

    relation: str
    field: str
    unwritten: str


@dataclass(frozen=True)
class Repair:
    """Everything one transaction does. Types and tables are named as SQL takes them in any search_path.

    `before` and `after` are the labels of every type it changes; `renames` (type, old, new) what the ledger
    remembers. `closing` are the changes that no proof can see any more: labels added, bridges built, types
    changed. `undo_last` runs after everything else is taken back. `dependants` are those it rewrites: object,
    definition before, definition after.
    """

    strategy: str
    before: Labels
    after: Labels
    renames: tuple[tuple[str, str, str], ...] = ()
    changes: tuple[Change, ...] = ()
    closing: tuple[Change, ...] = ()
    locked: tuple[str, ...] = ()
    written: tuple[Written, ...] = ()
    undo_last: tuple[str, ...] = ()
    dependants: tuple[tuple[str, str, str], ...] = ()

    @property
    def statements(self) -> tuple[str, ...]:
        """What it changes, in order."""
        return tuple(change.sql for change in (*self.changes, *self.closing))

    @property
    def undo(self) -> tuple[str, ...]:
        """What takes it back, last first. Labels that were added stay: nothing can remove one."""
        return (*(c.undo for c in reversed((*self.changes, *self.closing)) if c.undo), *self.undo_last)

    @property
    def touched(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The types and the tables that it locks."""
        return tuple(sorted(self.before)), self.locked

    @property
    def digest(self) -> str:
        """The sha256 of what it finds and does: two plans with the same one do the same to the same labels."""
        told = [self.strategy, self.before, self.statements, self.undo, self.locked]
        return sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def rename_value(type: str, rename: Rename) -> str:
    """The statement that renames the label. `type` is the quoted, schema-qualified name."""
    return f"ALTER TYPE {type} RENAME VALUE {quote_literal(rename.old)} TO {quote_literal(rename.new)}"


def add_value(type: str, add: Add) -> str:
    """The statement that adds the label at its place; it does nothing when the label is there."""
    place = f" {add.place} {quote_literal(add.neighbour)}" if add.place else ""
    return f"ALTER TYPE {type} ADD VALUE IF NOT EXISTS {quote_literal(add.label)}{place}"


def ordered(labels: Sequence[str], renames: Sequence[Rename]) -> list[Rename]:
    """The renames in an order in which no new spelling exists yet; a cycle goes over a temporary label."""
    there, waiting, order = set(labels), list(renames), []
    while waiting:
        free = next((r for r in waiting if r.new not in there), None)
        if free is None:
            first = waiting.pop(0)
            there.add(first.new)
            free, rest = Rename(first.old, _temporary(there)), first
            waiting.append(Rename(free.new, rest.new))
        else:
            waiting.remove(free)
        there = there - {free.old} | {free.new}
        order.append(free)
    return order


def _temporary(there: Iterable[str]) -> str:
    name = SWAPPING
    while name in there:
        name += "~"
    return name


def renaming(type: str, labels: Sequence[str], renames: Sequence[Rename]) -> list[Change]:
    """The renames of one type as changes."""
    order = ordered(labels, renames)
    return [Change(rename_value(type, r), rename_value(type, Rename(r.new, r.old))) for r in order]


def doing(repair: Repair, id: str) -> list[Statement]:
    """The whole transaction of the repair: guards, changes, proofs, the ledger's row."""
    proven = sorted(repair.before)
    return [
        ledger.named(id),
        *opening(repair.before, repair.locked),
        Statement(ledger.TABLES),
        *([remember(proven)] if proven else []),
        *(Statement(change.sql) for change in repair.changes),
        *(Statement(sql) for sql in all_written(repair.written)),
        *([prove(proven)] if proven else []),
        *(Statement(change.sql) for change in repair.closing),
        Statement(ledger.NOTE, _note(repair)),
    ]


def _note(repair: Repair) -> Mapping[str, object]:
    renames = [{"type": type, "old": old, "new": new} for type, old, new in repair.renames]
    texts = {"before": repair.before, "after": repair.after, "renames": renames}
    return {
        **{name: json.dumps(value, ensure_ascii=False) for name, value in texts.items()},
        "plan": repair.digest,
        "strategy": repair.strategy,
        "statements": list(repair.statements),
        "undo": list(repair.undo),
        "locked": list(repair.locked),
    }


def undoing(repair: Repair) -> list[Statement]:
    """The whole transaction that takes the latest repair of that plan back."""
    return [Statement(ledger.LATEST, {"plan": repair.digest}), *taking_back(repair.after, repair.undo, repair.locked)]


def taking_back(now: Labels, statements: Sequence[str], locked: Sequence[str]) -> list[Statement]:
    """What follows when the setting holds the id of the repair; `now` are the labels that it left."""
    return [
        *opening(now, locked),
        *(Statement(sql) for sql in statements),
        Statement(ledger.FORGET_ROWS),
        Statement(ledger.MARK_UNDONE),
    ]


def opening(labels: Labels, locked: Sequence[str]) -> list[Statement]:
    """One repair at a time, the types locked, their labels as planned, the tables closed to writers."""
    return [
        _do(
            f"IF NOT pg_catalog.pg_try_advisory_xact_lock({LOCK}) THEN "
            "RAISE EXCEPTION 'another repair of this database is running' USING ERRCODE = 'RV009'; END IF;"
        ),
        *(Statement(add_value(type, Add(names[0], "", ""))) for type, names in sorted(labels.items()) if names),
        *([_do(" ".join(_as_planned(type, names) for type, names in sorted(labels.items())))] if labels else []),
        *(Statement(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE") for table in locked),
    ]


def _as_planned(type: str, names: Sequence[str]) -> str:
    # ADD VALUE IF NOT EXISTS of a label that exists changes nothing, and takes the type's lock before this looks.
    wanted = f"ARRAY[{', '.join(quote_literal(name) for name in names)}]::pg_catalog.text[]"
    return (
        "IF ARRAY(SELECT e.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum e WHERE e.enumtypid = "  # noqa: S608 - quoted
        f"{quote_literal(type)}::pg_catalog.regtype ORDER BY e.enumsortorder) IS DISTINCT FROM {wanted} THEN "
        f"RAISE EXCEPTION USING ERRCODE = 'RV008', MESSAGE = {quote_literal(f'the labels of {type} have changed')}; "
        "END IF;"
    )


def all_written(columns: Iterable[Written]) -> list[str]:
    """What proves that no row was forgotten, and none written, added or removed beside those that were kept."""
    columns = list(columns)
    if not columns:
        return []
    forgotten = " ".join(_forgotten(column) for column in columns)
    return [_do_text(f"{forgotten} {' '.join(_counted(table) for table in sorted({c.relation for c in columns}))}")]


def _forgotten(column: Written) -> str:
    what = f"rows of {column.relation} were not written"
    # PERFORM may go about it in parallel; EXISTS in a condition, and whatever has a row limit, may not.
    return (
        f"PERFORM FROM {column.relation} WHERE {column.unwritten}; IF FOUND THEN "
        f"RAISE EXCEPTION USING ERRCODE = 'RV001', MESSAGE = {quote_literal(what)}; END IF;"
    )


def _counted(relation: str) -> str:
    table = quote_literal(relation).lstrip()
    what = quote_literal(f"other rows of {relation} than those that were kept would have changed").lstrip()
    return (
        "IF pg_catalog.current_setting('track_counts') = 'on' AND ("  # noqa: S608 - quoted
        "WITH RECURSIVE tree (oid) AS ("
        f"SELECT {table}::pg_catalog.regclass::pg_catalog.oid UNION "
        "SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid) "
        "SELECT pg_catalog.sum(s.n_tup_ins) <> pg_catalog.sum(s.n_tup_del) OR "
        "pg_catalog.sum(s.n_tup_upd) + pg_catalog.sum(s.n_tup_del) <> ("
        f"SELECT pg_catalog.count(*) FROM recover.kept_rows k WHERE k.repair = {ledger.ID} AND k.relation = {table}) "
        "FROM tree JOIN pg_catalog.pg_stat_xact_all_tables s ON s.relid = tree.oid) THEN "
        f"RAISE EXCEPTION USING ERRCODE = 'RV001', MESSAGE = {what}; END IF;"
    )


def remember(types: Sequence[str]) -> Statement:
    """Keep the fingerprint of these types and their tables until the end of the transaction."""
    return Statement(f"SELECT pg_catalog.set_config('{KEPT}', ({_fingerprint(types)}), true)")


def prove(types: Sequence[str]) -> Statement:
    """Fail, and so undo the transaction, unless the fingerprint is still the remembered one."""
    return _do(
        f"IF ({_fingerprint(types)}) IS DISTINCT FROM pg_catalog.current_setting('{KEPT}') THEN"
        " RAISE EXCEPTION 'more than the spelling of labels would have changed' USING ERRCODE = 'RV001'; END IF;"
    )


def _fingerprint(types: Sequence[str]) -> str:
    names = f"ARRAY[{', '.join(f'{quote_literal(name)}::pg_catalog.regtype' for name in types)}]"
    return catalog.text("enum_fingerprint").replace("%(types)s::pg_catalog.regtype[]", names)


def _do(body: str) -> Statement:
    return Statement(_do_text(body))


def _do_text(body: str) -> str:
    return f"DO {quote_literal(f'BEGIN {body} END').lstrip()}"
