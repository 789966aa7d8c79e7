"""Calls in source: their arguments, and what a small function of the application's own makes of them."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recover.models.modules import At, Source


class Unread(Exception):
    """What is an enum, or may be one, and cannot be told without running the code; says why."""


def inlined(source: Source, function: At, call: At) -> At:
    """What a function of one return gives for these arguments. Raises Unread for any other function."""
    node: ast.FunctionDef = function.node
    returns = [part for part in ast.walk(node) if isinstance(part, ast.Return) and part.value is not None]
    if len(returns) != 1:
        raise Unread(f"{node.name}() decides it when it runs")
    spec = node.args
    names = [each.arg for each in (*spec.posonlyargs, *spec.args)]
    defaults = zip(names[len(names) - len(spec.defaults) :], spec.defaults, strict=True)
    keyed = ((each.arg, value) for each, value in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if value)
    local = {name: function.to(value) for name, value in (*defaults, *keyed)}
    placed = positional(source, call)
    local |= dict(zip(names, placed, strict=False))
    given = keywords(source, call)
    local |= {name: value for name, value in given.items() if name in {*names, *(a.arg for a in spec.kwonlyargs)}}
    if spec.kwarg:
        rest = {name: value for name, value in given.items() if name not in local}
        local[spec.kwarg.arg] = call.to(_Given(rest))
    if spec.vararg:
        local[spec.vararg.arg] = call.to(_Placed(placed[len(names) :]))
    return At(function.module, returns[0].value, local)


@dataclass(frozen=True, eq=False)
class _Given:
    """The keywords that a function takes as **kwargs."""

    given: Mapping[str, At]


@dataclass(frozen=True, eq=False)
class _Placed:
    """The arguments that a function takes as *args."""

    given: Sequence[At]


def keywords(source: Source, call: At) -> dict[str, At]:
    """The keyword arguments of a call, those of a ** that can be seen included."""
    found: dict[str, At] = {}
    for each in call.node.keywords:
        if each.arg is not None:
            found[each.arg] = call.to(each.value)
        else:
            found |= _spread(source, call.to(each.value)) or {}
    return found


def require_seen(source: Source, call: At) -> None:
    """Raise Unread when a ** of the call holds what only the running code knows."""
    if any(k.arg is None and _spread(source, call.to(k.value)) is None for k in call.node.keywords):
        raise Unread("its options are computed")


def _spread(source: Source, at: At) -> dict[str, At] | None:
    inner = source.follow(at)
    if isinstance(inner, At) and isinstance(inner.node, _Given):
        return dict(inner.node.given)
    if isinstance(inner, At) and isinstance(inner.node, ast.Dict):
        pairs = zip(inner.node.keys, inner.node.values, strict=True)
        return {str(key.value): inner.to(value) for key, value in pairs if isinstance(key, ast.Constant)}
    return None


def positional(source: Source, call: At) -> list[At]:
    """The positional arguments of a call, those of a * that can be seen included."""
    found: list[At] = []
    for each in call.node.args:
        inner = source.follow(call.to(each.value)) if isinstance(each, ast.Starred) else ""
        if isinstance(inner, At) and isinstance(inner.node, _Placed):
            found += inner.node.given
        elif isinstance(inner, At) and isinstance(inner.node, (ast.Tuple, ast.List)):
            found += [inner.to(element) for element in inner.node.elts]
        else:
            found.append(call.to(each))
    return found
