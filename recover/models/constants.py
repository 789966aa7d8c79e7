"""Values that source says outright: text, numbers, tuples, and what is put together from them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from recover.models.modules import At, Source

_METHODS: dict[str, Callable[..., object]] = {
    "lower": str.lower, "upper": str.upper, "strip": str.strip, "title": str.title, "capitalize": str.capitalize,
    "replace": str.replace, "removesuffix": str.removesuffix, "removeprefix": str.removeprefix,
}  # fmt: skip


class Unknown(Exception):
    """What is only known when the code runs."""


def value_of(source: Source, at: At, depth: int = 0) -> Any:  # noqa: C901, PLR0911 - one case per kind of expression
    """The value. Raises Unknown when it would have to be computed."""
    if depth > 20:  # noqa: PLR2004 - a circle, or no constant
        raise Unknown
    node = at.node

    def inner(part: ast.AST) -> Any:
        return value_of(source, at.to(part), depth + 1)

    match node:
        case ast.Constant(value=value):
            return value
        case ast.Tuple() | ast.List() | ast.Set():
            return tuple(part for element in node.elts for part in _element(source, at.to(element), depth + 1))
        case ast.Dict():
            return {inner(key): inner(value) for key, value in zip(node.keys, node.values, strict=True) if key}
        case ast.JoinedStr():
            return "".join(str(inner(part)) for part in node.values)
        case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
            return inner(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _computed(lambda: -inner(operand))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _computed(lambda: inner(left) + inner(right))
        case ast.Call(func=ast.Attribute(value=text, attr=method), args=args, keywords=[]) if method in _METHODS:
            return _computed(lambda: _METHODS[method](inner(text), *map(inner, args)))
        case ast.Name() | ast.Attribute():
            return _named(source, at, depth)
    raise Unknown


def _named(source: Source, at: At, depth: int) -> Any:
    node = at.node
    if isinstance(node, ast.Attribute) and node.attr in ("__name__", "value", "name"):
        owner = source.follow(at.to(node.value))
        if isinstance(owner, At) and isinstance(owner.node, ast.ClassDef) and node.attr == "__name__":
            return owner.node.name
        if isinstance(owner, At) and node.attr == "value":
            return value_of(source, owner, depth + 1)
        if isinstance(owner, At) and isinstance(node.value, ast.Attribute):
            return node.value.attr
    leads = source.follow(at)
    if isinstance(leads, str) or leads.node is node:
        raise Unknown
    return value_of(source, leads, depth + 1)


def _element(source: Source, at: At, depth: int) -> tuple[object, ...]:
    if isinstance(at.node, ast.Starred):
        return tuple(value_of(source, at.to(at.node.value), depth))
    return (value_of(source, at, depth),)


def _computed(compute: Callable[[], object]) -> object:
    try:
        return compute()
    except (TypeError, ValueError):
        raise Unknown from None
