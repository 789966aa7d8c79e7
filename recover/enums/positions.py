"""Where an old label stands in SQL, and whether that place is surely the enum. Pure.

"Sure" is only what can be proven from the text and the catalog: a literal compared with a column that can only
be the enum's, cast to the type, or assigned to a variable, a parameter or a column of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from recover.enums.drift import EnumType
from recover.enums.rewriting import Literal, literals
from recover.world import Row

_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_PATH = rf"(?:{_NAME}\.)*(?P<name>{_NAME})"
_TEXT = r"::(?:text|character varying|varchar|bpchar|character)(?:\(\d+\))?"
_LITERAL = r"(?:[eE]?'(?:[^']|'')*'(?:::[\w ]+)?)"
_MORE = rf"(?:{_LITERAL}\s*,\s*)*"
_COMPARES = r"(?:=|<>|!=|IS\s+(?:NOT\s+)?DISTINCT\s+FROM)"
_ANY_OF = rf"(?:=|<>|!=)\s*(?:ANY|ALL|SOME)\s*\(+(?:ARRAY)?\s*\[?\s*{_MORE}"
_IN = rf"(?:NOT\s+)?IN\s*\(\s*{_MORE}"
_OPERATOR = rf"(?:{_ANY_OF}|{_IN}|{_COMPARES}\s*\(*)"
_AS_TEXT = rf"\(*{_PATH}\)*(?:{_TEXT}\)*)+"

_TEXT_BEFORE = re.compile(rf"{_AS_TEXT}\s*{_OPERATOR}$", re.IGNORECASE)
_TEXT_AFTER = re.compile(rf"^(?:{_TEXT})?\s*{_COMPARES}\s*{_AS_TEXT}", re.IGNORECASE)
_CASE = re.compile(rf"CASE\s+{_AS_TEXT}\s+(?:(?!CASE\b).)*WHEN\s+$", re.IGNORECASE | re.DOTALL)
_BEFORE = re.compile(rf"(?<![\w$.:\"]){_PATH}\s*(?:{_OPERATOR}|:=\s*)$", re.IGNORECASE)
_CAST = re.compile(rf"^\s*::\s*(?P<schema>{_NAME}\.)?(?P<name>{_NAME})(?P<array>\[\])?")
_CAST_AS = re.compile(rf"^\s*AS\s+(?:{_NAME}\.)?(?P<name>{_NAME})", re.IGNORECASE)
_CAST_OPENS = re.compile(r"CAST\s*\(\s*$", re.IGNORECASE)
_RECAST = re.compile(rf"^{_TEXT}\)\s*::\s*(?:{_NAME}\.)?(?P<name>{_NAME})")
_RETURN = re.compile(r"\bRETURN\s+$", re.IGNORECASE)
_DECLARES = re.compile(
    rf"(?<![\w$]){_NAME}\s+(?:CONSTANT\s+)?(?:{_NAME}\.)?(?P<type>{_NAME})\s*(?::=|=|DEFAULT)\s*$", re.IGNORECASE
)
_INSERT = re.compile(
    rf"INSERT\s+INTO\s+(?:{_NAME}\.)?{_NAME}(?:\s+AS\s+{_NAME})?\s*\((?P<columns>[^()]*)\)\s*"
    r"(?:OVERRIDING\s+\w+\s+VALUE\s+)?VALUES\s*(?P<rows>.*)$",
    re.IGNORECASE | re.DOTALL,
)
_DECLARED = r"(?<![\w$])(?P<name>[^\W\d][\w$]*)\s+(?:CONSTANT\s+)?(?:{schema}\.)?{type}(?![\w$])"
TEXTS = frozenset({"text", "varchar", "character", "bpchar", "name"})


@dataclass(frozen=True)
class Hit:
    """An old label in a text. `sure` when it is the enum; `exact` when exchanging it is all there is to do."""

    label: str
    excerpt: str
    start: int
    sure: bool
    as_text: bool = True
    exact: bool = True


def in_definition(text: str, type: EnumType, old: Mapping[str, str], names: AbstractSet[str]) -> Iterable[Hit]:
    """Hits in what the server deparsed; `names` are columns that can only be the enum's in this object."""
    for literal in literals(text):
        after = text[literal.end :]
        cast = _CAST.match(after)
        elements = _elements(literal.value) if cast and cast["array"] else [literal.value]
        for label in (e for e in elements if e in old):
            kind = _plain(cast["name"]) if cast else ""
            if kind and kind not in TEXTS:
                continue  # a constant of this enum follows, one of another type is another's
            if not kind and type.name:
                continue  # a bound, or an argument that is no text
            typed = _is_recast(text, literal, type)
            sure = typed or _compared_as_text(text, literal, after, names)
            yield Hit(label, _excerpt(text, literal), literal.start, sure, not typed, not (cast and cast["array"]))


def constant_of(text: str, literal: Literal, type: EnumType) -> str | None:
    """Whether the literal is a constant of the type ("one" or "array") in what the server deparsed; else None."""
    cast = _CAST.match(text[literal.end :])
    if cast is None or _plain(cast["name"]) != type.name:
        return None
    if cast["schema"] and _plain(cast["schema"][:-1]) != type.schema:
        return None
    return "array" if cast["array"] else "one"


def _is_recast(text: str, literal: Literal, type: EnumType) -> bool:
    """('admin'::text)::userrole."""
    found = _RECAST.match(text[literal.end :])
    return found is not None and _plain(found["name"]) == type.name and text[: literal.start].endswith("(")


def _compared_as_text(text: str, literal: Literal, after: str, names: AbstractSet[str]) -> bool:
    before = text[: literal.start]
    found = _TEXT_BEFORE.search(before) or _TEXT_AFTER.match(after) or _CASE.search(before)
    return found is not None and _plain(found["name"]) in names


def in_body(row: Mapping[str, Any], type: EnumType, old: Mapping[str, str], fields: Sequence[Row]) -> Iterable[Hit]:
    """Hits in the body of a function, as its author wrote it."""
    body = row["body"]
    names = _columns(row, type, fields)
    variables = _variables(row, type)
    for literal in literals(body):
        if literal.dollar:
            yield from _inside(body, literal, old)
        elif literal.value in old:
            yield from _at(body, literal, type, names, variables, returns=row["returns"] == type.oid)
        else:
            yield from _inside(body, literal, old)


def _at(
    body: str, literal: Literal, type: EnumType, names: AbstractSet[str], variables: AbstractSet[str], *, returns: bool
) -> Iterable[Hit]:
    before, after = _code(body[: literal.start]), body[literal.end :]
    cast = _CAST.match(after) or (_CAST_AS.match(after) if _CAST_OPENS.search(before) else None)
    known = {*names, *variables}
    text_of = _TEXT_BEFORE.search(before) or _TEXT_AFTER.match(after)
    sure, as_text = False, False
    if cast and _plain(cast["name"]) == type.name:
        sure = True
    elif cast and _plain(cast["name"]) not in TEXTS:
        return
    elif text_of is not None:
        sure, as_text = _plain(text_of["name"]) in known, True
    else:
        compared = _BEFORE.search(before)
        sure = (
            (compared is not None and _plain(compared["name"]) in known)
            or (returns and _RETURN.search(before) is not None)
            or _inserted(before, names)
            or _declared(before, type)
        )
    yield Hit(literal.value, _excerpt(body, literal), literal.start, sure, as_text)


def _inside(body: str, literal: Literal, old: Mapping[str, str]) -> Iterable[Hit]:
    """SQL in a string (EXECUTE), or a label inside a longer text: seen, never rewritten."""
    for label in old:
        if re.search(rf"'{re.escape(label)}'", literal.value.replace("''", "'")):
            yield Hit(label, _excerpt(body, literal), literal.start, sure=False, as_text=False, exact=False)


def _columns(row: Mapping[str, Any], type: EnumType, fields: Sequence[Row]) -> set[str]:
    """Column names that can only be the enum's: in every table that the body names, or that it is a trigger of."""
    words = {_plain(word) for word in re.findall(_NAME, _code(row["body"]))}
    near = [f for f in fields if f["table"] in words or f["relation"] in row["fires_on"]]
    names = {str(f["name"]) for f in near if f["enum"] == type.oid}
    return {name for name in names if all(f["enum"] == type.oid for f in near if f["name"] == name)}


def _variables(row: Mapping[str, Any], type: EnumType) -> set[str]:
    """Parameters and declared variables of the type. A name that is both a variable and a column is the same enum."""
    arguments = {name for name, oid in zip(row["arguments"], row["types"], strict=False) if oid == type.oid and name}
    schema, name = (f'(?:{re.escape(part)}|"{re.escape(part)}")' for part in (type.schema, type.name))
    pattern = re.compile(_DECLARED.format(schema=schema, type=name), re.IGNORECASE)
    declared = row["body"].partition("BEGIN")[0] if row["language"] == "plpgsql" else ""
    return arguments | {_plain(found["name"]) for found in pattern.finditer(_code(declared))}


def _declared(before: str, type: EnumType) -> bool:
    found = _DECLARES.search(before)
    return found is not None and _plain(found["type"]) == type.name


def _inserted(before: str, names: AbstractSet[str]) -> bool:
    """Whether the literal stands at the place of such a column in INSERT INTO t (…) VALUES (…)."""
    found = _INSERT.search(before[before.upper().rfind("INSERT") :]) if "INSERT" in before.upper() else None
    if found is None:
        return False
    columns = [_plain(column.strip()) for column in found["columns"].split(",")]
    depth, place = 0, 0
    for char in re.sub(_LITERAL, "x", found["rows"]):
        depth += (char == "(") - (char == ")")
        place = 0 if char == "(" and depth == 1 else place + (char == "," and depth == 1)
    return depth == 1 and found["rows"].rstrip()[-1:] in ("(", ",") and place < len(columns) and columns[place] in names


def _code(text: str) -> str:
    """The text without comments, each a blank."""
    kept, at = [], 0
    for found in re.finditer(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", text, re.DOTALL):
        if found[0][:2] in ("--", "/*"):
            kept += [text[at : found.start()], " "]
            at = found.end()
    return "".join([*kept, text[at:]])


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def _elements(text: str) -> list[str]:
    return [quoted or bare.strip() for quoted, bare in re.findall(r'"((?:[^"\\]|\\.)*)"|([^{},"]+)', text)]


def _excerpt(text: str, literal: Literal) -> str:
    """The line around the literal, shortened."""
    line = text[text.rfind("\n", 0, literal.start) + 1 :].partition("\n")[0].strip()
    at = literal.start - (text.rfind("\n", 0, literal.start) + 1)
    return line if len(line) <= 100 else "…" + line[max(0, at - 50) : at + 50] + "…"  # noqa: PLR2004 - fits a screen
