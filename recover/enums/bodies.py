"""Where an old label stands in the body of a function, as its author wrote it, and whether it is surely the enum. Pure.

Sources: PostgreSQL documentation, "Declarations" of PL/pgSQL (43.3), INSERT, "Function Parameters".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from recover.enums.drift import EnumType
from recover.enums.lexing import Token, Tokens, tokens
from recover.enums.operands import Operand, Place, place
from recover.enums.positions import Hit, aliases, excerpt, inside, is_of
from recover.world import Row


@dataclass(frozen=True)
class Known:
    """What names in a body can only mean: columns of the enum, variables of it, and variables of anything else."""

    columns: AbstractSet[str]
    variables: AbstractSet[str]
    others: AbstractSet[str]

    def is_enum(self, operand: Operand | None) -> bool:
        """Whether the operand can only be the enum."""
        if operand is None:
            return False
        first, last = operand.path[0], operand.path[-1]
        if len(operand.path) == 1 and last in self.variables | self.others:
            return last in self.variables and last not in self.others
        return last in self.columns and (len(operand.path) == 1 or first not in self.others)


def in_body(
    row: Mapping[str, Any], type: EnumType, old: Mapping[str, str], fields: Mapping[object, Sequence[Row]]
) -> Iterable[Hit]:
    """Hits in the body of a function. `fields` are the columns called like those of the enums, by table and its oid."""
    body = row["body"]
    sql = tokens(body)
    known = _known(sql, row, type, fields)
    for at, token in enumerate(sql.all):
        if token.kind == "literal" and token.text in old:
            yield from _judged(sql, at, row, type, known)
        elif token.kind in ("literal", "dollar"):
            yield from inside(body, token, old)


def _judged(sql: Tokens, at: int, row: Mapping[str, Any], type: EnumType, known: Known) -> Iterable[Hit]:
    found, token = place(sql, at), sql[at]
    first = found.casts[0] if found.casts else None
    if first and not first.textual and not _names(first.parts, row, type):
        return
    typed = any(_names(cast.parts, row, type) and not _is_ambiguous(cast.parts, row) for cast in found.casts)
    other = found.other if found.how in ("equal", "assigned") else None
    as_text = not typed and other is not None and any(cast.textual for cast in other.casts)
    sure = typed or _is_sure(sql, found, other, row, type, known)
    yield Hit(token.text, excerpt(row["body"], token.start), token.start, sure, as_text)


def _is_sure(
    sql: Tokens, found: Place, other: Operand | None, row: Mapping[str, Any], type: EnumType, known: Known
) -> bool:
    if other and other.casts:
        textual = all(cast.textual for cast in other.casts)
        last = other.casts[-1].parts
        cast_to_it = _names(last, row, type) and not _is_ambiguous(last, row)
        return (textual and known.is_enum(other)) or (cast_to_it and not found.casts)
    if found.casts:
        return False
    return (
        known.is_enum(other)
        or (found.how == "returned" and row["returns"] in _oids(row, type) and row["language"] == "plpgsql")
        or (found.how == "in a row" and _column(sql, found) in known.columns)
        or (other is None and _declares(sql, found, row, type, known))
    )


def _names(parts: Sequence[str], row: Mapping[str, Any], type: EnumType) -> bool:
    """Whether the name may be that of the type, or of a domain over it."""
    return is_of(parts, type) or parts[-1] in row["domains"].get(str(type.oid), ())


def _oids(row: Mapping[str, Any], type: EnumType) -> set[int]:
    """The type and the domains over it."""
    return {type.oid, *row["domains"].get(str(type.oid), {}).values()}


def _is_ambiguous(parts: Sequence[str], row: Mapping[str, Any]) -> bool:
    return len(parts) == 1 and parts[0] in row["homonyms"]


def _known(sql: Tokens, row: Mapping[str, Any], type: EnumType, fields: Mapping[object, Sequence[Row]]) -> Known:
    words = {token.text for token in sql.all if token.named}
    near = [field for place in (*words, *row["fires_on"]) for field in fields.get(place, ())]
    mine = {str(f["name"]) for f in near if f["enum"] == type.oid}
    columns = {name for name in mine if all(f["enum"] == type.oid for f in near if f["name"] == name)}
    oids = _oids(row, type)
    declared = [*_declared(sql)] if row["language"] == "plpgsql" else []
    named = [(name, oid in oids) for name, oid in zip(row["arguments"], row["types"], strict=False) if name]
    named += [(f"${at}", oid in oids) for at, oid in enumerate(row["inputs"], 1)]
    named += [(name, _is_type(sql, start, end, row, type, columns)) for name, start, end in declared]
    given = aliases(_without_declarations(sql, declared))
    whole = {name for name, start, end in declared if _is_row(sql, start, end, {str(f["table"]) for f in near})}
    return Known(
        columns - given,
        {name for name, is_it in named if is_it},
        {name for name, is_it in named if not is_it} - whole,
    )


Declared = tuple[str, int, int]


def _declared(sql: Tokens) -> Iterable[Declared]:
    """Each declared variable with the first and the last token of what follows its name."""
    at = 0
    while at < len(sql):
        if sql.says(at, "declare"):
            at += 1
            while at < len(sql) and not sql.says(at, "begin"):
                end = next((e for e in range(at, len(sql)) if sql.says(e, ";")), len(sql))
                if sql[at].named and not sql.says(at, "declare"):
                    yield sql[at].text, at + 1, end - 1
                at = end + 1
        at += 1


def _without_declarations(sql: Tokens, declared: Sequence[Declared]) -> Tokens:
    hidden = {at for _, start, end in declared for at in range(start - 1, end + 1)}
    return Tokens(tuple(token for at, token in enumerate(sql.all) if at not in hidden))


def _type_of(sql: Tokens, start: int, end: int) -> list[Token]:
    """The tokens of a declaration's type."""
    start += sql.says(start, "constant")
    ends = ("not", "default", "collate", ":=", "=")
    return [sql[at] for at in takewhile(lambda at: not sql.says(at, *ends), range(start, end + 1))]


def _is_type(
    sql: Tokens, start: int, end: int, row: Mapping[str, Any], type: EnumType, columns: AbstractSet[str]
) -> bool:
    said = _type_of(sql, start, end)
    words = [token.text for token in said]
    if words[-2:] == ["%", "type"]:
        return len(words) > 3 and words[-3] in columns  # noqa: PLR2004 - table . column % type
    parts = words[::2]
    named = all(token.named for token in said[::2]) and words[1::2] == ["."] * (len(words) // 2)
    return bool(parts) and named and _names(parts, row, type) and not _is_ambiguous(parts, row)


def _is_row(sql: Tokens, start: int, end: int, tables: AbstractSet[str]) -> bool:
    """Whether a variable is a row of one of these tables."""
    words = [token.text for token in _type_of(sql, start, end)]
    words = words[:-2] if words[-2:] == ["%", "rowtype"] else words
    return bool(words) and words[-1] in tables


def _declares(sql: Tokens, found: Place, row: Mapping[str, Any], type: EnumType, known: Known) -> bool:
    """Whether it is what a variable of the type begins with."""
    if not sql.says(found.low - 1, ":=", "=", "default") or not sql.says(found.high + 1, ";"):
        return False
    return any(
        start <= found.low <= end and _is_type(sql, start, end, row, type, known.columns)
        for _, start, end in _declared(sql)
    )


def _column(sql: Tokens, found: Place) -> str:
    """The column that the place in INSERT INTO t (…) VALUES (…) is for; "" when that cannot be told."""
    opened = sql.around(found.low)
    number = sum(sql.says(at, ",") and sql.around(at) == opened for at in range(opened, found.low))
    while sql.says(opened - 1, ","):
        opened = sql.pair.get(opened - 2, 0)
    at = opened - 2  # before VALUES
    if sql.says(at, "value") and sql.says(at - 2, "overriding"):
        at -= 3
    columns = sql.pair.get(at, -1)
    names = [sql[n] for n in range(columns + 1, at, 2)] if columns >= 0 else []
    table = next((n for n in range(columns - 1, max(columns - 8, -1), -1) if sql.says(n, "into")), -1)
    plain = table > 0 and sql.says(table - 1, "insert") and all(name.named for name in names)
    return names[number].text if plain and number < len(names) else ""
