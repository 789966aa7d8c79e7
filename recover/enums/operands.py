"""What a string literal is set against: a column it is compared with, a cast, a place in a list. Pure.

Only what the tokens beside it prove is told: an operand that is more than a name with casts has no path.
Sources: PostgreSQL documentation, "Value Expressions" (4.2), "Row and Array Comparisons" (9.25).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from recover.enums.lexing import Tokens

EQUALS = ("=", "<>", "!=", "&&", "@>", "<@")
LIKES = ("~~", "!~~", "~~*", "!~~*", "like", "ilike", "~", "~*", "!~", "!~*")
QUANTIFIERS = ("any", "all", "some")
TEXTS = frozenset({"text", "character varying", "varchar", "character", "char", "bpchar", "name"})
WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        all and any array as begin between by case cast check constant continue declare default delete
        distinct do else elsif end escape except exists exit for from group having if ilike in insert
        intersect into is join like limit loop next not null of offset on only or order over partition
        perform query raise return returning select set some strict then to union update using values when
        where while with
        """,
    )
)
"""Words that are no names where they stand before an operand."""

_TWO = {"character": ("varying",), "bit": ("varying",), "double": ("precision",)}


@dataclass(frozen=True)
class Cast:
    """A type as a cast names it: its parts, as the catalog has them."""

    parts: tuple[str, ...]
    array: bool = False

    @property
    def textual(self) -> bool:
        """Whether it is a type of text."""
        return self.parts[-1] in TEXTS and self.parts[:-1] in ((), ("pg_catalog",))


@dataclass(frozen=True)
class Operand:
    """A name with its casts, innermost first, and its tokens from `start` to `end`. Anything else has no path."""

    path: tuple[str, ...]
    casts: tuple[Cast, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Place:
    """Where a literal stands: its casts, innermost first, and what it is set against in which way.

    `how` is "equal", "like", "assigned", "returned", "in a row" (of VALUES) or "" when that cannot be told. `low` and
    `high` are the first and the last token of the literal with its casts and brackets.
    """

    casts: tuple[Cast, ...]
    how: str
    other: Operand | None
    low: int
    high: int


def place(sql: Tokens, at: int) -> Place:
    """Where the literal at that token stands."""
    low, high, casts, quantified = _widened(sql, at)
    other, how = _set_against(sql, low, high, quantified=quantified)
    return Place(casts, how, other, low, high)


def _widened(sql: Tokens, at: int) -> tuple[int, int, tuple[Cast, ...], bool]:
    """The literal with its casts, the brackets that hold nothing else, and the list that it is an element of."""
    low, high, casts, quantified = at, at, [], False
    if sql[at - 1].named and sql[at - 1].text not in WORDS and not sql.says(at - 2, "raise"):
        low = path_before(sql, at - 1)
        casts.append(Cast(tuple(t.text for t in sql.all[low:at:2])))
    while True:
        if sql.says(high + 1, "::") and (read := type_at(sql, high + 2)):
            casts.append(read[0])
            high = read[1]
        elif sql.says(low - 1, "(") and sql.says(low - 2, "cast") and sql.says(high + 1, "as"):
            read = type_at(sql, high + 2)
            if read is None or not sql.says(read[1] + 1, ")"):
                break
            casts.append(read[0])
            low, high = low - 2, read[1] + 1
        elif sql.says(low - 1, "(", "[", ",") and sql.says(high + 1, ")", "]", ","):
            outer = _brackets(sql, low, high)
            if outer is None:
                break
            quantified = quantified or sql.says(outer[0], *QUANTIFIERS)
            low, high = outer
        else:
            break
    return low, high, tuple(casts), quantified


def _brackets(sql: Tokens, low: int, high: int) -> tuple[int, int] | None:
    """The list or the brackets around it, when it still says the same with them."""
    opened = sql.around(low)
    closed = sql.pair.get(opened)
    if closed is None or sql.says(opened - 1, "in", "values"):
        return None
    if sql.says(opened, "["):
        return (opened - 1, closed) if sql.says(opened - 1, "array") else None
    if (opened, closed) != (low - 1, high + 1):
        return None
    if sql.says(opened - 1, *QUANTIFIERS):
        return opened - 1, closed
    return None if _calls(sql, opened) or _in_row(sql, opened) else (opened, closed)


def _calls(sql: Tokens, opened: int) -> bool:
    before = sql[opened - 1]
    return before.kind == "name" or (before.kind == "word" and before.text not in WORDS)


def _in_row(sql: Tokens, opened: int) -> bool:
    """Whether the bracket opens a row of VALUES."""
    while sql.says(opened - 1, ",") and sql.says(opened - 2, ")"):
        opened = sql.pair.get(opened - 2, 0)
    return sql.says(opened - 1, "values")


def _set_against(sql: Tokens, low: int, high: int, *, quantified: bool) -> tuple[Operand | None, str]:
    before, after = low - 1, high + 1
    ends, begins = _bounds(sql, after), _bounds(sql, before)
    found: tuple[Operand | None, str] = (None, "")
    if ends and sql.says(before, *EQUALS, *LIKES):
        found = _left(sql, before - 1), "equal" if sql.says(before, *EQUALS) else "like"
    elif ends and sql.says(before, ":="):
        found = _left(sql, before - 1), "assigned"
    elif ends and sql.says(before, "from") and sql.says(before - 1, "distinct"):
        found = _left(sql, before - (4 if sql.says(before - 2, "not") else 3)), "equal"
    elif begins and not quantified and sql.says(after, *EQUALS):
        found = _right(sql, after + 1), "equal"
    elif begins and not quantified and sql.says(after, "is"):
        at = after + (2 if sql.says(after + 1, "not") else 1)
        if sql.says(at, "distinct") and sql.says(at + 1, "from"):
            found = _right(sql, at + 2), "equal"
    elif (sql.says(before, "return") or (sql.says(before, "next") and sql.says(before - 1, "return"))) and (
        sql.says(after, ";") or after >= len(sql)
    ):
        found = None, "returned"
    elif sql.says(before, "(", ",") and sql.says(after, ")", ","):
        found = _listed(sql, low)
    elif sql.says(after, "then", ","):
        found = _of_case(sql, _first_of(sql, before)), "equal"
    return found


def _listed(sql: Tokens, low: int) -> tuple[Operand | None, str]:
    opened = sql.around(low)
    if sql.says(opened - 1, "in"):
        return _left(sql, opened - (3 if sql.says(opened - 2, "not") else 2)), "equal"
    return None, "in a row" if _in_row(sql, opened) else ""


def _first_of(sql: Tokens, at: int) -> int:
    """Before the first literal of a list such as WHEN 'a', 'b' THEN."""
    while sql.says(at, ",") and sql[at - 1].kind == "literal":
        at -= 2
    return at


def _of_case(sql: Tokens, at: int) -> Operand | None:
    """What CASE compares, when its WHEN stands there."""
    if not sql.says(at, "when"):
        return None
    depth, at = 0, at - 1
    while at >= 0 and not (depth == 0 and sql.says(at, "case")):
        if sql.says(at, ")", "]"):
            at = sql.pair.get(at, at)
        elif sql.says(at, "end", "case"):
            depth += 1 if sql.says(at, "end") else -1
        elif sql.says(at, "(", "[", ";"):
            return None
        at -= 1
    found = operand_after(sql, at + 1) if at >= 0 else None
    return found if found and sql.says(found.end + 1, "when") else None


def _bounds(sql: Tokens, at: int) -> bool:
    """Whether an expression may end (or begin) there: no operator binds it to more."""
    return sql[at].kind == "nothing" or sql.says(at, *WORDS, ",", "(", ")", "[", "]", ";", ":=")


def _left(sql: Tokens, end: int) -> Operand | None:
    found = operand_before(sql, end)
    return found if found and _bounds(sql, found.start - 1) else None


def _right(sql: Tokens, start: int) -> Operand | None:
    found = operand_after(sql, start)
    return found if found and _bounds(sql, found.end + 1) else None


def operand_before(sql: Tokens, end: int) -> Operand | None:
    """The operand whose last token that is."""
    casts: list[Cast] = []
    last = end
    while (cast := _cast_before(sql, last)) is not None:
        casts.insert(0, cast[0])
        last = cast[1] - 1
    if sql.says(last, ")"):
        opened = sql.pair.get(last, -1)
        inner = operand_before(sql, last - 1)
        if inner is None or inner.start != opened + 1 or _calls(sql, opened):
            return None
        return Operand(inner.path, (*inner.casts, *casts), opened, end)
    if sql[last].kind == "parameter":
        return Operand((sql[last].text,), tuple(casts), last, end)
    if not sql[last].named or sql.says(last, *WORDS):
        return None
    start = path_before(sql, last)
    return Operand(tuple(t.text for t in sql.all[start : last + 1 : 2]), tuple(casts), start, end)


def operand_after(sql: Tokens, start: int) -> Operand | None:
    """The operand whose first token that is; ANY (…) of one counts as it."""
    path: tuple[str, ...]
    casts: tuple[Cast, ...] = ()
    inside = start + 1 if sql.says(start, *QUANTIFIERS) else start
    if sql.says(inside, "("):
        end = sql.pair.get(inside, -1)
        inner = operand_after(sql, inside + 1)
        if inner is None or inner.end != end - 1:
            return None
        path, casts = inner.path, inner.casts
    elif sql[start].kind == "parameter":
        path, end = (sql[start].text,), start
    elif sql[start].named and not sql.says(start, *WORDS):
        end = start
        while sql.says(end + 1, ".") and sql[end + 2].named:
            end += 2
        path = tuple(t.text for t in sql.all[start : end + 1 : 2])
    else:
        return None
    while sql.says(end + 1, "::") and (read := type_at(sql, end + 2)):
        casts, end = (*casts, read[0]), read[1]
    return None if sql.says(end + 1, "(", "[") else Operand(path, casts, start, end)


def path_before(sql: Tokens, last: int) -> int:
    """The first token of the dotted name whose last one that is."""
    while sql.says(last - 1, ".") and sql[last - 2].named:
        last -= 2
    return last


def _cast_before(sql: Tokens, end: int) -> tuple[Cast, int] | None:
    """The cast whose last token that is, and the place of its colons."""
    for at in range(end - 1, max(end - 12, 0), -1):
        if sql.says(at, "::"):
            read = type_at(sql, at + 1)
            return (read[0], at) if read and read[1] == end else None
    return None


def type_at(sql: Tokens, at: int) -> tuple[Cast, int] | None:
    """The type named there, and its last token."""
    if not sql[at].named:
        return None
    parts = [sql[at].text]
    while sql.says(at + 1, ".") and sql[at + 2].named:
        at += 2
        parts.append(sql[at].text)
    if len(parts) == 1 and sql.says(at + 1, *_TWO.get(parts[0], ())):
        at += 1
        parts[0] += f" {sql[at].text}"
    if sql.says(at + 1, "(") and sql[at + 2].kind == "number" and sql.says(sql.pair.get(at + 1, -1), ")"):
        at = sql.pair[at + 1]
    array = False
    while sql.says(at + 1, "[") and sql.says(sql.pair.get(at + 1, -1), "]"):
        at, array = sql.pair[at + 1], True
    return Cast(tuple(parts), array), at
