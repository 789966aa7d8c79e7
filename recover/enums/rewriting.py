"""Exchanging string literals inside SQL that the server deparsed, or that a function's body holds. Pure.

Quoting rules are those of the PostgreSQL documentation, "Lexical Structure" (4.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from recover.postgres.names import quote_literal

_TOKEN = re.compile(
    r"""
    (?P<line>--[^\n]*)
    | (?P<open>/\*)
    | (?P<literal>(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*')
    | (?P<name>"(?:[^"]|"")*")
    | (?P<dollar>(?<![\w$])(?P<tag>\$(?:[^\W\d]\w*)?\$)(?P<body>.*?)(?P=tag))
    """,
    re.VERBOSE | re.DOTALL,
)
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^{},"]+)')
_EDGE = re.compile(r"/\*|\*/")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(frozen=True)
class Literal:
    """A string literal in a text: where it stands (0-based, end excluded) and what it says. `dollar` is $…$."""

    start: int
    end: int
    value: str
    dollar: bool = False


def literals(text: str) -> Iterator[Literal]:
    """Every string literal outside comments and quoted names, in order."""
    at = 0
    while found := _TOKEN.search(text, at):
        at = found.end()
        if found["open"]:
            at = _comment_end(text, found.start())
        elif found["literal"]:
            yield Literal(found.start(), found.end(), _value(found["literal"]))
        elif found["dollar"]:
            yield Literal(found.start(), found.end(), found["body"], dollar=True)


def exchanged(text: str, new: Callable[[Literal], str | None]) -> str:
    """The text with every literal for which there is a new value saying that; all at once, never twice."""
    parts, at = [], 0
    for literal in literals(text):
        value = None if literal.dollar else new(literal)
        if value is not None:
            parts += [text[at : literal.start], quote_literal(value).lstrip()]
            at = literal.end
    return "".join([*parts, text[at:]])


def elements(text: str) -> list[str]:
    """The elements of an array's text."""
    return [re.sub(r"\\(.)", r"\1", quoted) if quoted else bare.strip() for quoted, bare in _ELEMENT.findall(text)]


def in_array(text: str, new: Mapping[str, str]) -> str:
    """An array's text, such as {admin,user}, with its elements exchanged."""

    def element(found: re.Match[str]) -> str:
        quoted = found[1] is not None
        value = re.sub(r"\\(.)", r"\1", found[1]) if quoted else found[2]
        if value not in new:
            return found[0]
        return '"' + new[value].replace("\\", "\\\\").replace('"', '\\"') + '"'

    return _ELEMENT.sub(element, text)


def _comment_end(text: str, at: int) -> int:
    depth = 0
    for edge in _EDGE.finditer(text, at):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)


def _value(literal: str) -> str:
    if literal[0] == "'":
        return literal[1:-1].replace("''", "'")
    body = literal[2:-1].replace("''", "'")
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), body, flags=re.DOTALL)
