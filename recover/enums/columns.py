"""Text columns that hold enum-like values: what they hold, what it should be, and the one UPDATE that makes it so.

Sources: PostgreSQL wiki, "Loose indexscan"; PostgreSQL documentation, btrim (strips only what it is told).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from recover.enums import catalog
from recover.enums.drift import Refusal
from recover.enums.expected import Expected, Pairs
from recover.enums.familiar import familiar
from recover.enums.holders import as_text
from recover.enums.repair import Change, Written
from recover.enums.rewriting import exchanged, literals
from recover.enums.writing import Table, keeping
from recover.postgres.names import TypeName, quote_ident, quote_literal, read_names
from recover.world import Row, SeeDatabase, Statement

BLANK = "\t\n\v\f\r \u00a0"
"""What is cut off both ends of a value before it is compared: btrim alone would leave a tab or an NBSP."""

MOST = 200
"""Distinct values above which a column is no enum in text."""


@dataclass(frozen=True)
class TextColumn:
    """A column as the catalog has it. `checks` (name, definition, validated) are the table's that mention it alone.

    `called` is its type for a reader, `enum` its type when that is an enum. `rows` is the planner's guess. `bound` are
    objects for whose sake the server refuses another type of the column.
    """

    schema: str
    table: str
    column: str
    relation: int
    type: str
    textual: bool
    indexed: bool
    owned: bool
    owner: str
    readable: bool
    hides_rows: bool
    enum: str = ""
    rows: int = 0
    bound: tuple[str, ...] = ()
    default: str = ""
    checks: tuple[tuple[str, str, bool], ...] = ()
    called: str = ""

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}.{self.column}"

    @property
    def sql(self) -> str:
        """The table as SQL takes it."""
        return str(TypeName(self.schema, self.table))


@dataclass(frozen=True)
class ColumnDrift:
    """One column: the values that are to be written otherwise (old to new), and what stands in the way.

    `retype` is the type that the code expects of it where it has another kind of type (text for an enum, or the
    reverse); `create` are the labels of that type when it is not there yet.
    """

    column: TextColumn
    expected: tuple[str, ...]
    held: tuple[str, ...] = ()
    changes: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    refusals: tuple[Refusal, ...] = ()
    retype: str = ""
    create: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        """Nothing to write, nothing refused."""
        return not (self.changes or self.default or self.refusals or self.retype)


def look(
    database: SeeDatabase, expected: Expected, types: Mapping[str, str]
) -> tuple[tuple[ColumnDrift, ...], tuple[Refusal, ...]]:
    """How each expected text column differs, and those that cannot be found; also columns of another kind of type.

    `types` are the expected types that are there, as the file names them and as SQL does. Raises as `rows` does.
    """
    enums = {name: member for name, member in expected.members.items() if member.type is not None}
    names = [*expected.columns, *enums]
    if not names:
        return (), ()
    rows = database.rows("the text columns", catalog.named("text_columns", names=_parts(names)))
    told = familiar(database) if rows else str
    columns = (_read(row) for row in rows)
    there = {str(c): replace(c, bound=tuple(map(told, c.bound)), called=told(c.type)) for c in columns}
    drifts, blocked = [], []
    for name, labels in expected.columns.items():
        column = there.get(".".join(_three(name)))
        why = _unusable(name, column)
        if column is None or why:
            blocked.append(why or Refusal(name, "there is no such column", "recover enums expected"))
        else:
            drifts.append(_compared(database, expected, name, column, labels))
    for name, member in enums.items():
        column = there.get(".".join(_three(name)))
        if column is not None and column.textual and not _unusable(name, column):
            drift = _compared(database, expected, name, column, member.labels)
            type = str(member.type)
            missing = () if type in types else member.labels
            drifts.append(replace(drift, retype=types.get(type, _type(type, column)), create=missing))
    return tuple(drifts), tuple(blocked)


def _compared(
    database: SeeDatabase, expected: Expected, name: str, column: TextColumn, labels: Sequence[str]
) -> ColumnDrift:
    member = expected.members.get(name)
    pairs = [member.pairs] if member and member.pairs else []
    map = expected.map.get(name, {})
    if column.textual:
        return compare(column, labels, _held(database, column), map, pairs)
    drift = compare(replace(column, default=""), labels, _labels(database, column), map, pairs)
    return replace(drift, column=column, retype="text")


def _labels(database: SeeDatabase, column: TextColumn) -> list[str]:
    query = f"SELECT {as_text(f'pg_catalog.unnest(pg_catalog.enum_range(NULL::{column.enum}))')} AS value"
    return [str(row["value"]) for row in database.rows(f"the labels of {column.enum}", Statement(query))]


def _type(name: str, column: TextColumn) -> str:
    parts = read_names(name) or (name,)
    return str(TypeName(parts[0] if len(parts) > 1 else column.schema, parts[-1]))


def compare(
    column: TextColumn,
    expected: Sequence[str],
    held: Sequence[str],
    map: Mapping[str, str],
    pairs: Sequence[Pairs] = (),
) -> ColumnDrift:
    """What has to be written so that the column holds expected values only. Pure."""
    if len(held) > MOST:
        reason = f"it holds more than {MOST} distinct values: this is no enum"
        return ColumnDrift(column, tuple(expected), refusals=(Refusal(str(column), reason, "take it out of columns"),))
    meant = {value: _meant(value, expected, map, pairs) for value in held if value not in expected}
    unknown = [value for value, new in meant.items() if new is None]
    told = default_value(column.default)
    default = _meant(told, expected, map, pairs) if told is not None and told not in expected else None
    return ColumnDrift(
        column,
        tuple(expected),
        tuple(held),
        {value: new for value, new in meant.items() if new is not None and new != value},
        default or "",
        (
            *(_both(column, value) for value in map if value in expected),
            *(_unknown(column, value) for value in unknown),
        ),
    )


def _meant(value: str, expected: Sequence[str], map: Mapping[str, str], pairs: Sequence[Pairs]) -> str | None:
    """The expected value that it stands for; None when it would be a guess."""
    bare = value.strip(BLANK)
    said = map.get(value, map.get(bare))
    if said in expected:
        return said
    if bare in expected:
        return bare
    halves = [half for enum in pairs for pair in enum.items() for half in (pair, pair[::-1])]
    known = {other for one, other in halves if one == bare and other in expected}
    known = known or {label for label in expected if label.casefold() == bare.casefold()}
    return known.pop() if len(known) == 1 else None


def _both(column: TextColumn, value: str) -> Refusal:
    reason = "the value is expected, and is mapped to another: nothing in the rows tells whether that was done"
    return Refusal(f"{column} {value!r}", reason, "take it out of map")


def _unknown(column: TextColumn, value: str) -> Refusal:
    return Refusal(
        f"{column} {value!r}",
        "rows hold a value that nobody expects",
        f"say what it became: map: {{{column}: {{{value!r}: …}}}}",
    )


def changes(drift: ColumnDrift, table: Table, *, rewrite: bool) -> Iterable[Change]:
    """The one UPDATE, with its default and the checks that name the old values told anew around it."""
    column, name = drift.column, quote_ident(drift.column.column)
    bound = [check for check in column.checks if _mentions(check[1], drift.changes)] if rewrite else []
    alter = f"ALTER TABLE {column.sql}"
    for check, definition, _ in bound:
        drop = f"{alter} DROP CONSTRAINT {quote_ident(check)}"
        yield Change(drop, f"{alter} ADD CONSTRAINT {quote_ident(check)} {definition}")
    if drift.changes and column.textual:
        where, key = _where(drift), table.key
        yield keeping(column.sql, column.column, column.type, lambda old: _case(old, drift.changes), where, key)
    if drift.default and column.textual and not drift.retype:
        told = f"{alter} ALTER COLUMN {name} SET DEFAULT"
        yield Change(f"{told} {quote_literal(drift.default)}", f"{told} {column.default}", "its default")
    for check, definition, validated in bound:
        new = exchanged(definition, lambda literal: drift.changes.get(literal.value)).removesuffix(" NOT VALID")
        add = f"{alter} ADD CONSTRAINT {quote_ident(check)} {new} NOT VALID"
        yield Change(add, f"{alter} DROP CONSTRAINT {quote_ident(check)}")
        if validated:
            yield Change(f"{alter} VALIDATE CONSTRAINT {quote_ident(check)}", note="one scan")


def obstacles(drift: ColumnDrift, table: Table, *, rewrite: bool) -> Iterable[Refusal]:
    """What stands in the way of writing it."""
    column = drift.column
    if not column.textual or not (drift.changes or drift.default):
        return
    if not column.owned:
        reason = f"its rows are written with its triggers off, which only its owner, {column.owner}, may do"
        yield Refusal(str(column), reason, f"connect as {column.owner}")
    elif drift.changes and not table.key:
        reason = "no primary key or unique index tells its rows apart, so that the change could not be taken back"
        yield Refusal(str(column), reason, f"ALTER TABLE {column.sql} ADD PRIMARY KEY (…)")
    for check, definition, _ in column.checks:
        if not rewrite and _mentions(definition, drift.changes):
            reason = f"its check {check} names the old values: {definition}"
            yield Refusal(str(column), reason, "add --rewrite-dependants: the check is then told anew")


def collisions(drift: ColumnDrift, table: Table) -> Iterable[tuple[str, str]]:
    """For each unique index with the column: its name, and a SELECT of how many keys would collide."""
    if not drift.changes or not drift.column.textual:
        return
    for name, columns, where in table.uniques:
        if drift.column.column in columns:
            mapped = _case(quote_ident(drift.column.column), drift.changes)
            parts = [mapped if c == drift.column.column else quote_ident(c) for c in columns]
            known = " AND ".join(
                [*(f"{quote_ident(c)} IS NOT NULL" for c in columns), *([f"({where})"] if where else [])]
            )
            yield (
                name,
                f"SELECT pg_catalog.count(*) AS keys FROM (SELECT FROM {drift.column.sql} WHERE {known} "  # noqa: S608 - quoted
                f"GROUP BY {', '.join(parts)} HAVING pg_catalog.count(*) > 1) AS twice",
            )


def written(drift: ColumnDrift) -> Iterable[Written]:
    """Where no old value may be left."""
    if drift.changes and drift.column.textual:
        yield Written(drift.column.sql, drift.column.column, _where(drift))


def _where(drift: ColumnDrift) -> str:
    values = ", ".join(quote_literal(value).lstrip() for value in drift.changes)
    return f"{quote_ident(drift.column.column)} IN ({values})"


def _case(old: str, new: Mapping[str, str]) -> str:
    arms = " ".join(f"WHEN {quote_literal(a)} THEN {quote_literal(b)}" for a, b in new.items())
    return f"CASE {old} {arms} ELSE {old} END"


def _mentions(sql: str, values: Mapping[str, str]) -> bool:
    return any(literal.value in values for literal in literals(sql))


def default_value(default: str) -> str | None:
    """The value of a default that is one literal, cast or not."""
    found = list(literals(default))
    lone = len(found) == 1 and found[0].start == 0 and default[found[0].end :].partition("::")[0] == ""
    return found[0].value if lone else None


def _held(database: SeeDatabase, column: TextColumn) -> list[str]:
    """Its distinct values, at most a few more than make sense: by its index where it has one, else by one scan."""
    name, table, limit = quote_ident(column.column), column.sql, MOST + 1
    first = f"SELECT {name} FROM {table} WHERE {name} IS NOT NULL ORDER BY {name} LIMIT 1"  # noqa: S608 - quoted
    later = f"SELECT {name} FROM {table} WHERE {name} > held.value ORDER BY {name} LIMIT 1"  # noqa: S608 - quoted
    loose = (
        f"WITH RECURSIVE held (value) AS (({first}) "  # noqa: S608 - quoted
        f"UNION ALL SELECT ({later}) FROM held WHERE held.value IS NOT NULL) "
        f"SELECT value::pg_catalog.text AS value FROM held WHERE value IS NOT NULL LIMIT {limit}"
    )
    text = f"{name}::pg_catalog.text"  # a type such as citext would take two spellings for one value
    scan = f"SELECT {text} AS value FROM {table} WHERE {name} IS NOT NULL GROUP BY {text} LIMIT {limit}"  # noqa: S608
    rows = database.rows(f"the values of {column}", Statement(loose if column.indexed else scan))
    return sorted(str(row["value"]) for row in rows)


def _three(name: str) -> tuple[str, ...]:
    parts = read_names(name) or ()
    return ("public", *parts) if len(parts) == 2 else parts  # noqa: PLR2004 - a table and a column


def _parts(names: Iterable[str]) -> list[str]:
    return [".".join(_three(name)) for name in names]


def _unusable(name: str, column: TextColumn | None) -> Refusal | None:
    if len(_three(name)) != 3:  # noqa: PLR2004 - schema, table, column
        return Refusal(name, "this is not the name of a column", "write it as SQL does: public.accounts.state")
    if column is None:
        return None
    if not column.textual and not column.enum:
        return Refusal(name, f"it is no text column but {column.called}", "expect its type under types")
    if not column.readable:
        return Refusal(
            name, "this role may not read the column", f"GRANT SELECT ON {column.sql} TO …, as {column.owner}"
        )
    if column.hides_rows:
        reason = "row-level security hides rows of the table from this role"
        return Refusal(name, reason, "connect as a superuser, or as a role with BYPASSRLS")
    return None


def _read(row: Row) -> TextColumn:
    known: Mapping[str, Any] = row
    apart = ("default", "checks", "bound", "called")
    plain = {name: known[name] for name in TextColumn.__dataclass_fields__ if name not in apart}
    checks = tuple((check["name"], check["definition"], check["validated"]) for check in known["checks"])
    return TextColumn(**plain, bound=tuple(known["bound"]), default=known["default_text"] or "", checks=checks)
