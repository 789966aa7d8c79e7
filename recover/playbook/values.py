"""What one scalar of the format may be: text, numbers, durations, choices, paths, SQL, any plain data."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from recover.errors import PlaybookError
from recover.marked_yaml import Marked, MarkedDict, MarkedList, Scalar, core, did_you_mean, fail
from recover.playbook.template import Filled, Name, parts
from recover.secrets import Secret
from recover.world import Seconds, Statement

Fill = Callable[[Scalar], Filled]
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
DURATION = re.compile(r"(?:([0-9]+(?:\.[0-9]+)?)(ms|[dhms]))+")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[dhms])")


def as_written(scalar: Scalar) -> Filled:
    """The fill of a file without templates."""
    return scalar


@dataclass(frozen=True)
class Reading:
    """How a tree is read: relative paths start at `folder`, `fill` gives scalars their values."""

    folder: Path
    fill: Fill = as_written


class Shape(Protocol):
    """What a place in the file may hold."""

    @property
    def expects(self) -> str:
        """In words: "a whole number"."""

    def read(self, node: Marked, label: str, how: Reading) -> Any:
        """The Python value. Raises PlaybookError at the mark; `label` names the place in words."""


def misfit(node: Marked, label: str, expects: str) -> PlaybookError:
    """The error for a node that is not what its place expects."""
    if isinstance(node, MarkedDict):
        got = "a mapping"
    elif isinstance(node, MarkedList):
        got = "a list"
    else:
        got = repr(str(node)) if node or not node.plain else "nothing"
    return fail(node.mark, f"{label} expects {expects}, not {got}")


LONGEST = 366 * 86_400.0
"""Seconds: what waits longer is a mistake, and more than the system's clocks can be asked for."""


def seconds(text: str) -> Seconds:
    """A span such as 500ms, 30s, 1m30s, 2h, of a year at most. Raises ValueError for anything else, also a number."""
    if not DURATION.fullmatch(text):
        raise ValueError(text)
    found = _DURATION_PART.findall(text)
    units = [unit for _, unit in found]
    if units != sorted(set(units), key=list(_UNITS).index):
        raise ValueError(text)
    span = sum(float(number) * _UNITS[unit] for number, unit in found)
    if span > LONGEST:
        raise ValueError(text)
    return Seconds(span)


@dataclass(frozen=True)
class Value:
    """One scalar; `convert` raises ValueError when it does not fit."""

    kind: str
    expects: str
    convert: Callable[[Scalar], object]

    def read(self, node: Marked, label: str, how: Reading) -> object:
        """The converted scalar."""
        return self.take(_filled(node, label, self.expects, how), node, label)

    def take(self, filled: Filled, node: Marked, label: str) -> object:
        """The same for a scalar that has its value already."""
        if isinstance(filled, Secret):
            raise fail(node.mark, f"a secret may not be used here: {label} is not kept secret")
        scalar = filled if isinstance(filled, Scalar) else Scalar(",".join(filled), node.mark, plain=False)
        try:
            return self.convert(scalar)
        except ValueError:
            raise misfit(scalar, label, self.expects) from None


@dataclass(frozen=True)
class TextOrSecret:
    """Text that may be a secret."""

    expects: str = "text"

    def read(self, node: Marked, label: str, how: Reading) -> object:
        """A str, or the Secret."""
        filled = _filled(node, label, self.expects, how)
        return filled if isinstance(filled, Secret) else VALUES[str].take(filled, node, label)


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    choices: tuple[object, ...]

    @property
    def expects(self) -> str:
        """The words."""
        return f"one of {', '.join(map(str, self.choices))}"

    def read(self, node: Marked, label: str, how: Reading) -> object:
        """The choice as the type hint has it."""
        text = str(VALUES[str].read(node, label, how))
        chosen = next((choice for choice in self.choices if str(choice) == text), MISSING)
        if chosen is MISSING:
            error = misfit(node, label, self.expects)
            error.next = did_you_mean(text, map(str, self.choices))
            raise error
        return chosen


@dataclass(frozen=True)
class FilePath:
    """A file or folder that is there, relative to the folder of the playbook."""

    expects: str = "the path of a file that exists"

    def read(self, node: Marked, label: str, how: Reading) -> Path:
        """The path; that it exists is only asked when it is written out, not when it has to be filled in."""
        text = str(VALUES[str].read(node, label, how))
        path = Path(os.path.normpath(how.folder / text))
        if "${" not in cast(Scalar, node) and not path.exists():
            raise fail(node.mark, f"{label}: there is no {text} in {how.folder}")
        return path


@dataclass(frozen=True)
class Sql:
    """SQL text; every `${name}` in it becomes a parameter %(v1)s, so that no value is ever read as SQL."""

    expects: str = "SQL"

    def read(self, node: Marked, label: str, how: Reading) -> Statement:
        """The statement, a user's own. A literal % is doubled when there are parameters, as drivers want it."""
        if not isinstance(node, Scalar):
            raise misfit(node, label, self.expects)
        VALUES[str].take(node, node, label)
        found = parts(node)
        order = list(dict.fromkeys(part.text for part in found if isinstance(part, Name)))
        if not order:
            return Statement("".join(map(str, found)), role_path=True)
        text = "".join(
            f"%(v{order.index(part.text) + 1})s" if isinstance(part, Name) else part.replace("%", "%%")
            for part in found
        )
        _require_unquoted(text, found)
        args = {f"v{n}": self._argument(name, node, label, how) for n, name in enumerate(order, 1)}
        return Statement(text, args, role_path=True)

    def _argument(self, name: str, node: Scalar, label: str, how: Reading) -> object:
        return ANYTHING.read(Scalar(f"${{{name}}}", node.mark), label, how)


@dataclass(frozen=True)
class Anything:
    """Any plain data: YAML 1.2 core values, lists, mappings."""

    expects: str = "a value"

    def read(self, node: Marked, label: str, how: Reading) -> object:
        """The data as Python has it."""
        if isinstance(node, MarkedDict):
            return {str(key): self.read(value, str(key), how) for key, value in node.items()}
        if isinstance(node, MarkedList):
            return [self.read(value, label, how) for value in node]
        filled = how.fill(node)
        if isinstance(filled, tuple):
            return [core(item) for item in filled]
        if isinstance(filled, Secret):
            raise fail(node.mark, f"a secret may not be used here: {label} is not kept secret")
        return core(filled)


def _filled(node: Marked, label: str, expects: str, how: Reading) -> Filled:
    if not isinstance(node, Scalar):
        raise misfit(node, label, expects)
    return how.fill(node)


def _require_unquoted(text: str, found: list[str | Name]) -> None:
    """Inside quotes a parameter would be text of the SQL: '${x}' is a mistake, ${x} is meant."""
    from recover.postgres.statements import tokens

    free = {token.text for token in tokens(text)}
    order: list[str] = []
    for part in found:
        if isinstance(part, Name) and part.text not in order:
            order.append(part.text)
            if f"v{len(order)}" not in free:
                raise fail(
                    part.mark,
                    f"{part} is bound as a value, so it cannot stand inside quotes or a comment",
                    "drop the quotes",
                )


def _text(scalar: Scalar) -> str:
    """Labels such as on, 012 and true stay the text they are; null is not a text."""
    if scalar.plain and core(scalar) is None:
        raise ValueError(scalar)
    return str(scalar)


def _exactly(*kinds: type) -> Callable[[Scalar], object]:
    def convert(scalar: Scalar) -> object:
        value = core(scalar)
        if type(value) not in kinds:
            raise ValueError(scalar)
        return kinds[-1](value)

    return convert


VALUES: dict[object, Value] = {
    str: Value("text", "text", _text),
    int: Value("integer", "a whole number", _exactly(int)),
    float: Value("number", "a number", _exactly(int, float)),
    bool: Value("boolean", "true or false", _exactly(bool)),
    Seconds: Value("duration", "a duration with a unit, such as 30s", seconds),
}
ANYTHING = Anything()
