"""Reading SQL text without running it: words, statements, placeholders and positions. Pure.

Quoting rules are those of the PostgreSQL documentation, "Lexical Structure" (4.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from recover.secrets import revealed
from recover.world import Statement

_SKIPPED = re.compile(
    r"""
    --[^\n]*
    | (?<![\w$])[eE]'(?:[^'\\]|\\.|'')*'
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"
    | (?<![\w$])(?P<dollar>\$(?:[^\W\d]\w*)?\$).*?(?P=dollar)
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"[^\W\d][\w$]*")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_PLACEHOLDER = re.compile(r"%\((?P<name>[^()]+)\)s|%%")

READING = frozenset({"select", "with", "values", "table", "show", "explain"})
"""Statements a read may consist of. COPY … TO PROGRAM is a read to the server, and not to us."""

_ENDS_TRANSACTION = frozenset({"begin", "start", "commit", "end", "rollback", "abort"})


@dataclass(frozen=True)
class Token:
    """A word in lower case, or one other character, and where it starts (0-based)."""

    text: str
    start: int


def tokens(text: str) -> Iterator[Token]:
    """The words and single characters of the text, without what is quoted or commented."""
    at = 0
    while at < len(text):
        if text.startswith("/*", at):
            at = _comment_end(text, at)
        elif skipped := _SKIPPED.match(text, at):
            at = skipped.end()
        elif word := _WORD.match(text, at):
            yield Token(word.group().lower(), at)
            at = word.end()
        else:
            if not text[at].isspace():
                yield Token(text[at], at)
            at += 1


def _comment_end(text: str, at: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, at):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)


def statements(text: str) -> list[list[Token]]:
    """The tokens of each statement, cut at semicolons except inside BEGIN ATOMIC … END."""
    found: list[list[Token]] = [[]]
    depth = 0
    for token in tokens(text):
        before = found[-1][-1].text if found[-1] else ""
        if depth or (token.text == "atomic" and before == "begin"):
            depth += {"atomic": 1, "case": 1, "begin": 1, "end": -1}.get(token.text, 0)
        if token.text == ";" and depth == 0:
            found.append([])
        else:
            found[-1].append(token)
    return [statement for statement in found if statement]


def not_transactional(text: str) -> Token | None:
    """The first token with which the text would begin or end a transaction, or is meant for psql.

    SAVEPOINT and ROLLBACK TO stay inside a transaction and are none.
    """
    for statement in statements(text):
        words = [token.text for token in statement]
        if words[0] in _ENDS_TRANSACTION and "to" not in words[1:3]:
            return statement[0]
        if words[:2] == ["prepare", "transaction"]:
            return statement[0]
        psql = next((token for token in statement if token.text == "\\"), None)
        if psql is not None:
            return psql
    return None


def first_word(text: str) -> str:
    """The first word of the text in lower case, "" when there is none; parentheses do not count."""
    return next((token.text for token in tokens(text) if token.text != "("), "")


def bind(statement: Statement) -> tuple[str, list[object]]:
    """The text with $1, $2, … for its %(name)s, and their values in that order.

    Without values the text stays as it is, percent signs included; with values %% means %.
    """
    if not statement.args:
        return statement.text, []
    order: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        name = found.group("name")
        return "%" if name is None else f"${order.setdefault(name, len(order) + 1)}"

    text = _PLACEHOLDER.sub(numbered, statement.text)
    return text, [revealed(statement.args[name]) for name in order]


def one_line(text: str) -> str:
    """The text for a reader: without comments, on one line, without a semicolon at its end."""
    parts = []
    at = 0
    while at < len(text):
        skipped = _SKIPPED.match(text, at)
        if text.startswith("/*", at):
            part, at = " ", _comment_end(text, at)
        elif skipped:
            part, at = skipped.group().replace("\n", "\\n"), skipped.end()
        else:
            part, at = " " if text[at].isspace() else text[at], at + 1
        blank = part == " " or part.startswith("--")
        if not blank:
            parts.append(part)
        elif parts and parts[-1] != " ":
            parts.append(" ")
    return "".join(parts).strip().rstrip("; ")


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column (both from 1) of a 0-based offset."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def excerpt(text: str, offset: int, width: int = 100) -> str:
    """The line the offset is in, cut to `width` around it, and a caret below."""
    line, column = position(text, offset)
    whole = text.split("\n")[line - 1].replace("\t", " ")
    left = max(0, column - 1 - width // 2)
    return f"{whole[left : left + width]}\n{' ' * (column - 1 - left)}^"
