"""A marked tree -> frozen dataclasses, led by their type hints.

`shape_of` reads a type hint once and turns it into a shape: what a place in the file may hold. A shape
reads a node, or says at the node's mark what was expected; `schema.py` prints the same shapes.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from recover.errors import PlaybookError
from recover.marked_yaml import Marked, MarkedDict, MarkedList, Scalar, core, did_you_mean, fail
from recover.playbook.values import (
    ANYTHING,
    VALUES,
    Choice,
    FilePath,
    Fill,
    Reading,
    Shape,
    Sql,
    TextOrSecret,
    as_written,
    misfit,
)
from recover.secrets import Secret
from recover.world import Statement

T = TypeVar("T")


def decode(tree: Marked, kind: type[T], *, folder: Path, fill: Fill = as_written, label: str = "this file") -> T:
    """The tree as a `kind` (a dataclass whose hints say what the keys mean).

    Raises PlaybookError at the mark of an unknown key (with a suggestion), a value that does not fit
    or breaks the dataclass's own rules, a secret where none may be, or at the mapping that lacks a key.
    """
    return cast(T, shape_of(cast(Any, kind)).read(tree, label, Reading(folder, fill)))


def check_keys(tree: Marked, label: str, known: Iterable[str], required: Iterable[str] = ()) -> MarkedDict:
    """The tree, when it is a mapping with all of the required and none but the known keys."""
    if not isinstance(tree, MarkedDict):
        raise misfit(tree, label, "a mapping (key: value)")
    known = list(known)
    for key in tree:
        if key not in known:
            hint = did_you_mean(key, known) or f"known keys: {', '.join(known)}"
            raise fail(key.mark, f"unknown key {str(key)!r} in {label}", hint)
    for key_name in required:
        if key_name not in tree:
            raise fail(tree.mark, f"{label} lacks {key_name!r}")
    return tree


# --- compositions ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Optionally:
    """The shape, or null."""

    of: Shape

    @property
    def expects(self) -> str:
        """As the shape."""
        return self.of.expects

    def read(self, node: Marked, label: str, how: Reading) -> object:
        """None for null (also an empty value)."""
        if isinstance(node, Scalar) and node.plain and core(node) is None:
            return None
        return self.of.read(node, label, how)


@dataclass(frozen=True)
class Items:
    """A list."""

    of: Shape

    @property
    def expects(self) -> str:
        """A list of what."""
        return f"a list, each {self.of.expects}"

    def read(self, node: Marked, label: str, how: Reading) -> tuple[object, ...]:
        """The items; a lone `${kept}` is a list too."""
        if isinstance(node, Scalar) and "${" in node and isinstance(items := how.fill(node), tuple):
            return tuple(self.of.read(Scalar(item, node.mark, item.plain), label, how) for item in items)
        if not isinstance(node, MarkedList):
            raise misfit(node, label, self.expects)
        return tuple(self.of.read(item, label, how) for item in node)


@dataclass(frozen=True)
class Table:
    """A mapping whose keys are free."""

    of: Shape

    @property
    def expects(self) -> str:
        """A mapping to what."""
        return f"a mapping, each value {self.of.expects}"

    def read(self, node: Marked, label: str, how: Reading) -> dict[str, object]:
        """The mapping."""
        if not isinstance(node, MarkedDict):
            raise misfit(node, label, self.expects)
        return {str(key): self.of.read(value, str(key), how) for key, value in node.items()}


@dataclass(frozen=True)
class Field:
    """One key of a record."""

    key: str
    name: str
    shape: Shape
    required: bool
    default: object


@dataclass(frozen=True)
class Record:
    """A dataclass; its init fields are the keys, without the trailing underscore of `except_`."""

    kind: type
    expects: str = "a mapping (key: value)"

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The keys, in order."""
        hints = get_type_hints(self.kind)
        return tuple(
            Field(f.name.removesuffix("_"), f.name, shape_of(hints[f.name]), _is_required(f), f.default)
            for f in fields(self.kind)
            if f.init
        )

    @cached_property
    def by_key(self) -> dict[str, Field]:
        """The same by key."""
        return {field.key: field for field in self.fields}

    def read(self, node: Marked, label: str, how: Reading) -> object:
        """The instance."""
        required = [field.key for field in self.fields if field.required]
        tree = check_keys(node, label, self.by_key, required)
        values = {}
        for key, value in tree.items():
            field = self.by_key[key]
            values[field.name] = field.shape.read(value, str(key), how)
        try:
            return self.kind(**values)
        except (PlaybookError, ValueError) as error:
            raise _refused(node, error) from None


def _is_required(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _refused(node: Marked, error: PlaybookError | ValueError) -> PlaybookError:
    """The dataclass's own rule, with the place added; its own words first."""
    if not isinstance(error, PlaybookError):
        return fail(node.mark, str(error))
    placed = fail(node.mark, error.what, error.next)
    placed.why = "\n".join(text for text in (error.where, error.why) if text) + placed.why
    return placed


@cache
def shape_of(hint: Any) -> Shape:  # noqa: PLR0911 - one return per kind of hint
    """The shape a type hint stands for. Raises TypeError for one that the format does not know."""
    if hint in VALUES:
        return VALUES[hint]
    if hint is object or hint is Any:
        return ANYTHING
    if hint is Path:
        return FilePath()
    if hint is Statement:
        return Sql()
    if is_dataclass(hint):
        return Record(cast(type, hint))
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _union(args)
    if origin is Literal:
        return Choice(args)
    if origin is tuple and args[1:] == (...,):
        return Items(shape_of(args[0]))
    if origin is Mapping and args[0] is str:
        return Table(shape_of(args[1]))
    raise TypeError(f"a playbook cannot hold a {hint}")


def _union(args: tuple[Any, ...]) -> Shape:
    rest = {arg for arg in args if arg is not type(None)}
    if rest == {str, Secret}:
        shape: Shape = TextOrSecret()
    elif len(rest) == 1:
        shape = shape_of(rest.pop())
    else:
        raise TypeError(f"a playbook cannot hold one of {args}")
    return Optionally(shape) if type(None) in args else shape
