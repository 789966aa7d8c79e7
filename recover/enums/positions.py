"""Where an old label stands in a definition that the server deparsed, and whether that place is surely the enum. Pure.

"Sure" is only what can be proven from the text and the catalog: a text that is compared with a column which can only
be the enum's, or that is cast to the type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache

from recover.enums.drift import EnumType
from recover.enums.lexing import Token, Tokens, tokens
from recover.enums.operands import TEXTS, WORDS, Cast, Place, place, type_at
from recover.enums.rewriting import elements, in_array

LONGEST = 100
"""Characters of a line that are shown."""


@dataclass(frozen=True)
class Hit:
    """An old label in a text. `sure` when it is the enum; `exact` when exchanging it is all there is to do.

    `likely` is what is compared with a text that a view made of the enum, to judge by its name; `foreign` what is
    compared with a column of text in a table: it is left as it is. `array` is the whole text of an array with it.
    """

    label: str
    excerpt: str
    start: int
    sure: bool
    as_text: bool = True
    exact: bool = True
    likely: bool = False
    foreign: bool = False
    array: str = ""

    def respelled(self, renames: Mapping[str, str]) -> str:
        """What the literal says after the renames."""
        return in_array(self.array, renames) if self.array else renames[self.label]


@dataclass(frozen=True)
class Columns:
    """The columns that an object uses, by name: those that can only be the enum's; `made` are texts that views made of
    it, and names that another column has too; `texts` are those of tables, which are neither."""

    enum: AbstractSet[str]
    made: AbstractSet[str] = frozenset()
    texts: AbstractSet[str] = frozenset()


NOTHING = Columns(frozenset())


def in_definition(text: str, spelled: str, old: Mapping[str, str], columns: Columns) -> Iterable[Hit]:
    """Hits in what the server deparsed; `spelled` is how it names the type here."""
    sql = tokens(text)
    given = aliases(sql)
    parts = parts_of(spelled)
    known = Columns(columns.enum - given, columns.made - given, columns.texts - given)
    for at, token in enumerate(sql.all):
        if token.kind != "literal":
            continue
        found = place(sql, at)
        if not found.casts or not found.casts[0].textual:
            continue  # a constant of this enum follows, one of another type is another's; a bound has no cast
        if not found.casts[0].array and token.text not in old:
            yield from inside(text, token, old)
            continue
        for label in elements(token.text) if found.casts[0].array else [token.text]:
            if label in old:
                yield _judged(text, token, label, found, parts, known)


def _judged(text: str, token: Token, label: str, found: Place, parts: tuple[str, ...], known: Columns) -> Hit:
    name = found.other.path[-1] if found.other else ""
    typed = any(cast.parts == parts for cast in found.casts)
    as_text = found.how == "equal" and name in known.enum and found.other is not None and bool(found.other.casts)
    foreign = found.how == "equal" and name in known.texts and not typed
    array = token.text if found.casts[0].array else ""
    sure = typed or (as_text and found.other is not None and all(cast.textual for cast in found.other.casts))
    made = found.how == "equal" and name in known.made
    return Hit(
        label, excerpt(text, token.start), token.start, sure, not typed, likely=made, foreign=foreign, array=array
    )


def is_of(parts: Sequence[str], type: EnumType) -> bool:
    """Whether a dotted name is that of the type; without a schema it may be another's."""
    return parts[-1] == type.name and tuple(parts[:-1]) in ((), (type.schema,))


@lru_cache(maxsize=1024)
def parts_of(spelled: str) -> tuple[str, ...]:
    """A type's name as the server spells it, in its parts."""
    read = type_at(tokens(spelled), 0)
    return read[0].parts if read else ()


def cast_of(sql: Tokens, at: int) -> Cast | None:
    """The type of the constant that the literal at that token is, in what the server deparsed."""
    read = type_at(sql, at + 2) if sql.says(at + 1, "::") else None
    return read[0] if read else None


def aliases(sql: Tokens) -> set[str]:
    """Names that the text gives to something else than a column of that name, as far as it can be told."""
    given = set()
    for at, token in enumerate(sql.all):
        before = sql[at - 1]
        if token.named and not sql.says(at, *WORDS):
            after_value = before.named and not sql.says(at - 1, *WORDS)
            aliased = sql.says(at - 1, "as") and not sql.says(sql.around(at) - 1, "cast")
            if aliased or after_value or before.kind == "literal" or sql.says(at - 1, ")"):
                given |= {token.text, *_listed(sql, at + 1)}
            elif sql.says(at + 1, "(") and sql.says(sql.pair.get(at + 1, -1) + 1, "as"):
                given |= set(_listed(sql, at + 1))
    return given


def _listed(sql: Tokens, at: int) -> list[str]:
    """The names of an alias's list of columns."""
    closed = sql.pair.get(at, -1) if sql.says(at, "(") else -1
    return [token.text for token in sql.all[at + 1 : closed] if token.named] if closed > 0 else []


def keeps_text(definition: str, names: AbstractSet[str]) -> bool:
    """Whether a query gives one of the columns as text."""
    sql = tokens(definition)
    for at, token in enumerate(sql.all):
        if token.named and token.text in names:
            last = at
            while sql.says(last + 1, ")"):
                last += 1
            read = type_at(sql, last + 2) if sql.says(last + 1, "::") else None
            if read and read[0].parts[-1] in TEXTS:
                return True
    return False


def excerpt(text: str, start: int) -> str:
    """The line around the place, shortened."""
    begin = text.rfind("\n", 0, start) + 1
    line = text[begin:].partition("\n")[0]
    at = start - begin
    return line.strip() if len(line) <= LONGEST else "…" + line[max(0, at - 50) : at + 50].strip() + "…"


def inside(text: str, token: Token, old: Mapping[str, str]) -> Iterable[Hit]:
    """SQL in a string (EXECUTE), an array's text, or a label in quotes of another kind: seen, never rewritten."""
    said = set(elements(token.text)) if token.text.startswith("{") else set()
    nested = token.text.replace("''", "'")
    for label in old:
        quoted = re.search(rf"'{re.escape(label)}'", nested) or (token.kind == "dollar" and token.text == label)
        if quoted or label in said:
            yield Hit(label, excerpt(text, token.start), token.start, sure=False, as_text=False, exact=False)
