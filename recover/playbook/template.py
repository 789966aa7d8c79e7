"""`${name}` inside scalars. `$${` is the text `${`; there is no expression language.

A scalar that is exactly one `${name}` takes the value itself (a list, a number, a secret); inside
other text a value becomes text, and a secret makes the whole text a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from recover.marked_yaml import Mark, Marked, Scalar, fail
from recover.secrets import Secret

MAX_FILLED = 65_536
"""Characters of a text once its names have their values: variables that name each other twice double each time."""

MAX_CHAIN = 60
"""Variables that name one another in a row."""

_DOLLAR = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")


@dataclass(frozen=True)
class Name:
    """One `${text}`, and the mark of the scalar it stands in."""

    text: str
    within: Mark

    @property
    def mark(self) -> Mark:
        """Where the name itself stands."""
        return place(self.within, str(self))

    def __str__(self) -> str:
        return f"${{{self.text}}}"


Filled = Scalar | Secret | tuple[Scalar, ...]
"""What a scalar is once its names have their values; a tuple only for a lone `${kept}`."""

Lookup = Callable[[Name], Filled]


def parts(scalar: Scalar) -> list[str | Name]:
    """The scalar as texts and names in turn. Raises PlaybookError for a `${` that is not closed."""
    if "${" not in scalar:
        return [str(scalar)]
    found: list[str | Name] = []
    at = 0
    for dollar in _DOLLAR.finditer(scalar):
        if dollar.start() > at:
            found.append(scalar[at : dollar.start()])
        at = dollar.end()
        if dollar.group() == "$${":
            found.append("${")
        elif dollar.group() == "${":
            raise fail(place(scalar.mark, "${"), "${ without its }", "to mean the text ${, write $${")
        else:
            found.append(Name(dollar.group(1), scalar.mark))
    return [*found, scalar[at:]] if at < len(scalar) else found


def names(node: Marked) -> Iterator[Name]:
    """Every name in a tree."""
    if isinstance(node, Scalar):
        yield from (part for part in parts(node) if isinstance(part, Name))
        return
    for child in node.values() if isinstance(node, dict) else node:
        yield from names(child)


def fill(scalar: Scalar, lookup: Lookup) -> Filled:
    """The scalar with its names replaced by what `lookup` says. Raises what `lookup` raises."""
    if "${" not in scalar:
        return scalar
    found = parts(scalar)
    if len(found) == 1 and isinstance(found[0], Name):
        value = lookup(found[0])
        return Scalar(value, scalar.mark, value.plain) if isinstance(value, Scalar) else value
    values = [part if isinstance(part, str) else lookup(part) for part in found]
    texts = [_as_text(value) for value in values]
    if sum(map(len, texts)) > MAX_FILLED:
        raise fail(scalar.mark, f"with its ${{…}} filled in this is longer than {MAX_FILLED:,} characters")
    text = "".join(texts)
    secret = next((value for value in values if isinstance(value, Secret)), None)
    return Secret(secret.name, text) if secret else Scalar(text, scalar.mark, plain=False)


@dataclass(frozen=True)
class Expansion:
    """Fills one scalar in. Each variable is filled once, however often it is named.

    `other` says what any other name is; it is told the name and the one in the scalar that it was used through.
    """

    variables: Mapping[str, Scalar]
    other: Callable[[Name, Name], Filled]
    known: dict[str, Filled] = field(default_factory=dict)

    def lookup(self, name: Name, used: Name | None = None, chain: tuple[str, ...] = ()) -> Filled:
        """The value of a name. Raises PlaybookError for variables that go in a circle, and as `other` does."""
        used = used or name
        if name.text not in self.variables:
            return self.other(name, used)
        if name.text not in self.known:
            self._require_end(name, chain)
            further = (*chain, name.text)
            value = fill(self.variables[name.text], lambda inner: self.lookup(inner, used, further))
            self.known[name.text] = value
        return self.known[name.text]

    def _require_end(self, name: Name, chain: tuple[str, ...]) -> None:
        if name.text in chain:
            circle = " -> ".join([*chain[chain.index(name.text) :], name.text])
            raise fail(name.mark, f"variables go in a circle: {circle}")
        if len(chain) > MAX_CHAIN:
            raise fail(name.mark, f"more than {MAX_CHAIN} variables name one another in a row")


def escaped(text: str) -> str:
    """The text such that filling gives the text itself."""
    return text.replace("${", "$${")


def _as_text(value: str | Filled) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def place(mark: Mark, wanted: str) -> Mark:
    """Where the wanted text stands: at the mark or on a later line of the same scalar."""
    lines = mark.source.lines
    start = mark.column - 1
    for number in range(mark.line, len(lines) + 1):
        column = lines[number - 1].find(wanted, start)
        if column >= 0:
            return Mark(mark.source, number, column + 1)
        start = 0
    return mark
