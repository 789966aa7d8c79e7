"""`${name}` inside scalars. `$${` is the text `${`; there is no expression language.

A scalar that is exactly one `${name}` takes the value itself (a list, a number, a secret); inside
other text a value becomes text, and a secret makes the whole text a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from recover.marked_yaml import Mark, Marked, Scalar, fail
from recover.secrets import Secret

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
    text = "".join(map(_as_text, values))
    secret = next((value for value in values if isinstance(value, Secret)), None)
    return Secret(secret.name, text) if secret else Scalar(text, scalar.mark, plain=False)


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
