"""The columns that hold labels, and who uses which label. Pure, except for the questions it words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from recover.enums.drift import EnumType, Refusal
from recover.postgres.names import TypeName, quote_ident, quote_literal
from recover.world import Row, Statement


@dataclass(frozen=True)
class Holder:
    """A column that holds values of an enum type. `shape` is plain, array, or buried (in a composite or range).

    `default` is its default as SQL. `type` is the column's own type as SQL names it here. `relkind` is the
    catalog's letter (r, p: table; m: materialized view; f: foreign table). `own_default` is False for that of a domain.
    """

    schema: str
    table: str
    column: str
    shape: str
    default: str = ""
    relation: int = 0
    relkind: str = "r"
    generated: bool = False
    own_default: bool = True
    readable: bool = True
    hides_rows: bool = False
    owned: bool = True
    owner: str = ""
    type: str = ""

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}.{self.column}"

    @property
    def sql(self) -> str:
        """The table as SQL takes it, in any search_path."""
        return str(TypeName(self.schema, self.table))

    def asked(self, type: EnumType) -> str:
        """The column, cast to the type: an enum has no operators with a domain over it."""
        column = f"{quote_ident(self.column)}::{type.sql}"
        return f"({column}[])" if self.shape == "array" else column

    def meets(self, type: EnumType, label: str) -> str:
        """The condition that a row holds the label, for writing: it can use an index."""
        value = f"{quote_literal(label).lstrip()}::{type.sql}"
        return f"{value} = ANY {self.asked(type)}" if self.shape == "array" else f"{self.asked(type)} = {value}"

    def holds(self, type: EnumType, labels: Sequence[str]) -> str:
        """The condition that a row holds one of the labels, for reading.

        An operator would be looked up through casts that the type's owner may have made; a function that takes any
        enum is exactly that, at the price of the index.
        """
        if self.shape == "array":
            found = _is_one("u.label", type, labels)
            return f"EXISTS (SELECT FROM pg_catalog.unnest({quote_ident(self.column)}) AS u (label) WHERE {found})"
        return _is_one(quote_ident(self.column), type, labels)

    @property
    def unasked(self) -> Refusal | None:
        """Why this role cannot be sure of what its rows hold, if so."""
        if not self.readable:
            grant = f"psql -c 'GRANT SELECT ON {self.sql} TO …', as {self.owner}"
            return Refusal(str(self), "this role may not read the column", grant)
        if self.hides_rows and self.shape != "buried":
            reason = "row-level security hides rows of the table from this role"
            return Refusal(str(self), reason, "connect as a superuser, or as a role with BYPASSRLS")
        return None

    def movable_default(self, type: EnumType, label: str) -> bool:
        """Whether its default is the label and nothing else, so that it can be told anew."""
        return (
            self.own_default
            and self.shape == "plain"
            and _CONSTANT.fullmatch(self.default) is not None
            and mentions(self.default, type, label)
        )

    def guess(self, type: EnumType, label: str, rows: int) -> str:
        """A SELECT of the guessed number of rows, of none when no row holds the label."""
        label_, place = (quote_literal(text).lstrip() for text in (label, str(self)))
        told = f"{label_}::pg_catalog.text AS label, {place}::pg_catalog.text AS place"
        return (
            f"SELECT {told}, {rows}::bigint AS rows "  # noqa: S608 - quoted
            f"WHERE EXISTS (SELECT FROM {self.sql} WHERE {self.holds(type, [label])})"
        )

    def count(self, type: EnumType, labels: Sequence[str]) -> str:
        """A SELECT of how many rows hold each of the labels that any row holds."""
        place = f"{quote_literal(str(self)).lstrip()}::pg_catalog.text AS place, pg_catalog.count(*) AS rows"
        if self.shape == "array":
            labelled = f"pg_catalog.unnest({quote_ident(self.column)}) AS u (label)"
            return (
                f"SELECT {as_text('l.label')} AS label, {place} FROM {self.sql} CROSS JOIN LATERAL "  # noqa: S608 - quoted
                f"(SELECT DISTINCT u.label::{type.sql} FROM {labelled}) AS l (label) "
                f"WHERE {_is_one('l.label', type, labels)} GROUP BY l.label"
            )
        return (
            f"SELECT {as_text(self.asked(type))} AS label, {place} FROM {self.sql} "  # noqa: S608 - quoted
            f"WHERE {self.holds(type, labels)} GROUP BY {self.asked(type)}"
        )


def _is_one(value: str, type: EnumType, labels: Sequence[str]) -> str:
    told = (f"pg_catalog.enum_eq({value}::{type.sql}, {quote_literal(label).lstrip()}::{type.sql})" for label in labels)
    return f"({' OR '.join(told)})"


def as_text(value: str) -> str:
    """The label of an enum's value. `::text` would be a cast that the type's owner may have made (CREATE CAST)."""
    return f"pg_catalog.enum_out({value})::pg_catalog.text"


NO_GUESSES: Mapping[Holder, Mapping[str, int]] = {}


@dataclass(frozen=True)
class Uses:
    """Who uses the labels of one type: rows by label and column, objects bound to a label, defaults, buried columns."""

    rows: Mapping[str, Mapping[Holder, int]] = field(default_factory=dict)
    bound: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: Mapping[str, tuple[Holder, ...]] = field(default_factory=dict)
    buried: tuple[Holder, ...] = ()

    def count(self, label: str) -> int:
        """Rows that hold the label, as far as they can be asked."""
        return sum(self.rows.get(label, {}).values())

    def places(self, label: str) -> tuple[str, ...]:
        """Everything that uses the label, in words."""
        told = [str(holder) for holder in self.rows.get(label, {})]
        told += [f"{holder} (its default)" for holder in self.defaults.get(label, ())]
        told += [f"{holder} (perhaps: a composite or a range cannot be asked)" for holder in self.buried]
        return tuple(told)


def read_holder(row: Row) -> Holder:
    """From a row of the catalog query `enum_columns`; what was not looked at closely stays as if all were allowed."""
    words = {name: str(row[name] or "") for name in ("schema", "table", "column", "shape", "relkind", "owner", "type")}
    return Holder(
        **words,
        default=str(row["default_text"] or ""),
        relation=int(str(row["relation"])),
        generated=bool(row["generated"]),
        owned=row["owned"] is not False,
        own_default=row["own_default"] is not False,
        readable=row["readable"] is not False,
        hides_rows=bool(row["hides_rows"]),
    )


def counting(
    type: EnumType,
    holders: Iterable[Holder],
    labels: Sequence[str],
    guesses: Mapping[Holder, Mapping[str, int]] = NO_GUESSES,
) -> Statement | None:
    """One question for the rows of all the labels, or None when no column can be asked.

    A label of which there is a guess is asked only whether any row holds it, which is quick where many do.
    """
    questions = []
    for holder in holders:
        guessed = guesses.get(holder, {}) if holder.shape == "plain" else {}
        questions += [holder.guess(type, label, rows) for label, rows in guessed.items()]
        rest = [label for label in labels if label not in guessed]
        questions += [holder.count(type, rest)] if rest and holder.shape != "buried" else []
    return Statement("\nUNION ALL\n".join(questions)) if questions else None


def mentions(sql: str, type: EnumType, label: str) -> bool:
    """Whether a deparsed expression holds the label as a constant of the type, alone or in an array constant."""
    return any(label in _labels(text, kind) for text, kind in _constants(sql) if _is(kind, type))


_CONSTANT = re.compile(
    r"(E?)'((?:[^']|'')*)'::((?:\"(?:[^\"]|\"\")+\"|[\w$]+)(?:\.(?:\"(?:[^\"]|\"\")+\"|[\w$]+))?(?:\[\])*)"
)
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^{},"]+)')
_BOUND = re.compile(r"(E?)'((?:[^']|'')*)'(?!::)")


def _constants(sql: str) -> Iterable[tuple[str, str]]:
    for found in _CONSTANT.finditer(sql):
        yield _read(found.group(1), found.group(2)), found.group(3)


def bounds(sql: str) -> list[str]:
    """The literals of a partition's bound, which the server deparses without a cast."""
    return [_read(found.group(1), found.group(2)) for found in _BOUND.finditer(sql)]


def _read(escaped: str, body: str) -> str:
    text = body.replace("''", "'")
    return text.replace("\\\\", "\\") if escaped else text


def _is(kind: str, type: EnumType) -> bool:
    # The search_path decides whether the schema is there. A domain's own constants are not told apart here.
    last = kind.removesuffix("[]").rsplit(".", 1)[-1].strip('"').replace('""', '"')
    return last == type.name or not kind


def _labels(text: str, kind: str) -> list[str]:
    if not kind.endswith("[]"):
        return [text]
    return [re.sub(r"\\(.)", r"\1", quoted) if quoted else bare.strip() for quoted, bare in _ELEMENT.findall(text)]
