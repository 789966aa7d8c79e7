"""SQL as tokens with their brackets matched: what stands beside what, without running it. Pure.

Quoting rules are those of the PostgreSQL documentation, "Lexical Structure" (4.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from recover.enums.rewriting import literals

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+ | --[^\n]*)
    | (?P<comment>/\*)
    | (?P<name>"(?:[^"]|"")*")
    | (?P<parameter>\$\d+)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<number>\d[\w.]*)
    | (?P<mark>:: | := | => | (?:(?!--|/\*)[-+*/<>=~!@\#%^&|`?])+ | .)
    """,
    re.VERBOSE | re.DOTALL,
)
_EDGE = re.compile(r"/\*|\*/")
_OPENING = {")": "(", "]": "["}


@dataclass(frozen=True)
class Token:
    """One token. `text` is a word in lower case, a name without its quotes, a literal's value, or the marks."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def named(self) -> bool:
        """Whether it may be an identifier: a word, or a quoted name."""
        return self.kind in ("word", "name")


_NOTHING = Token("nothing", "", -1, -1)


@dataclass(frozen=True)
class Tokens:
    """The tokens of a text. Places outside of it are a token of nothing."""

    all: tuple[Token, ...]

    def __getitem__(self, at: int) -> Token:
        return self.all[at] if 0 <= at < len(self.all) else _NOTHING

    def __len__(self) -> int:
        return len(self.all)

    def says(self, at: int, *words: str) -> bool:
        """Whether a word, or marks, of these stands there; what is quoted never does."""
        return self[at].kind in ("word", "mark") and self[at].text in words

    @cached_property
    def pair(self) -> Mapping[int, int]:
        """For each bracket the place of the other one."""
        found: dict[int, int] = {}
        waiting: list[int] = []
        for at, token in enumerate(self.all):
            if token.kind == "mark" and token.text in ("(", "["):
                waiting.append(at)
            elif token.kind == "mark" and token.text in _OPENING and waiting:
                opened = waiting.pop()
                found[opened], found[at] = at, opened
        return found

    def around(self, at: int) -> int:
        """The place of the bracket that encloses the token most closely; -1 when none does."""
        at -= 1
        while at >= 0 and not self.says(at, "(", "["):
            at = self.pair.get(at, at) - 1 if self.says(at, ")", "]") else at - 1
        return at


@lru_cache(maxsize=256)
def tokens(text: str) -> Tokens:
    """Every token outside comments, in order."""
    return Tokens(tuple(_tokens(text)))


def plain(name: str) -> str:
    """An identifier as the catalog has it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def _tokens(text: str) -> Iterator[Token]:
    quoted = {literal.start: literal for literal in literals(text)}
    at = 0
    while at < len(text):
        literal = quoted.get(at)
        if literal is not None:
            yield Token("dollar" if literal.dollar else "literal", literal.value, at, literal.end)
            at = literal.end
            continue
        found = _TOKEN.match(text, at)
        if found is None:  # the last alternative takes any character
            return
        at = _comment_end(text, at) if found["comment"] else found.end()
        kind = str(found.lastgroup)
        if kind not in ("blank", "comment"):
            said = plain(found[0]) if kind in ("name", "word") else found[0]
            yield Token(kind, said, found.start(), at)


def _comment_end(text: str, at: int) -> int:
    depth = 0
    for edge in _EDGE.finditer(text, at):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)
