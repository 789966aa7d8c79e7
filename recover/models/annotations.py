"""Annotations in source: what `Mapped[Role | None]` makes of a column.

Source: SQLAlchemy documentation, "Using Python Enum or pep-586 Literal types in the type map".
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from recover.models.calls import Unread, keywords, positional
from recover.models.constants import Unknown, value_of
from recover.models.kinds import Kind, is_type, kind_of, of_enum, stored_half, with_options
from recover.models.modules import At, Leads, Source
from recover.models.python_enums import read_enum

MAPPED = frozenset({"Mapped", "DynamicMapped", "WriteOnlyMapped", "MappedColumn"})
COLUMNS = frozenset({"Column", "mapped_column", "MappedColumn"})


@dataclass(frozen=True)
class TypeMap:
    """The type_annotation_map of a base: what it is asked for, and the type it gives."""

    entries: tuple[tuple[Leads, At], ...] = ()

    def exactly(self, leads: Leads) -> At | None:
        """The type for exactly this."""
        return next((type for key, type in self.entries if _same(key, leads)), None)

    def any_enum(self) -> At | None:
        """The type for every enum."""
        return next((type for key, type in self.entries if key == "enum.Enum"), None)


def _same(one: Leads, other: Leads) -> bool:
    if isinstance(one, At) and isinstance(other, At):
        literals = isinstance(one.node, ast.Subscript) and isinstance(other.node, ast.Subscript)
        return one.node is other.node or (literals and ast.dump(one.node) == ast.dump(other.node))
    return isinstance(one, str) and one == other


@dataclass(frozen=True)
class Annotation:
    """What an annotation says: its innermost type, the calls in its Annotated, and the aliases on the way."""

    inner: Leads
    calls: tuple[At, ...] = ()
    aliases: tuple[Leads, ...] = ()


def unwrapped(source: Source, at: At, depth: int = 0) -> Annotation | None:
    """The annotation without Mapped, Optional, Annotated and aliases; None for one that is no single type."""
    leads = source.follow(_parsed(at))
    if isinstance(leads, str) or depth > 20:  # noqa: PLR2004 - a circle
        return Annotation(leads)
    node = leads.node
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node is not at.node:
        return unwrapped(source, leads, depth + 1)
    if isinstance(node, ast.BinOp):
        return _only(source, leads, _alternatives(node), depth)
    return _subscripted(source, leads, depth) if isinstance(node, ast.Subscript) else Annotation(leads)


def _subscripted(source: Source, at: At, depth: int) -> Annotation | None:
    generic = _last(source.follow(at.to(at.node.value)))
    parts = list(at.node.slice.elts) if isinstance(at.node.slice, ast.Tuple) else [at.node.slice]
    if generic == "Annotated":
        found = unwrapped(source, at.to(parts[0]), depth + 1)
        calls = tuple(at.to(part) for part in parts[1:])
        return found and replace(found, calls=(*found.calls, *calls), aliases=(at, *found.aliases))
    if generic in MAPPED or generic in ("Optional", "Union"):
        return _only(source, at, parts, depth)
    return Annotation(at) if generic == "Literal" else None


def _parsed(at: At) -> At:
    """A forward reference in quotes is what stands in them."""
    if isinstance(at.node, ast.Constant) and isinstance(at.node.value, str):
        try:
            return at.to(ast.copy_location(ast.parse(at.node.value, mode="eval").body, at.node))
        except SyntaxError:
            return at
    return at


def _only(source: Source, at: At, parts: Iterable[ast.expr], depth: int) -> Annotation | None:
    real = [part for part in parts if not (isinstance(part, ast.Constant) and part.value is None)]
    return unwrapped(source, at.to(real[0]), depth + 1) if len(real) == 1 else None


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _alternatives(node.left)
        yield from _alternatives(node.right)
    else:
        yield node


def kind_of_annotation(source: Source, said: Annotation, types: TypeMap) -> Kind | None:
    """The enum that a column of this annotation holds; None when it holds none. Raises Unread."""
    for call in said.calls:
        if isinstance(call.node, ast.Call) and _last(source.follow(call.to(call.node.func))) in COLUMNS:
            for part in column_types(source, call):
                return kind_of(source, part)
    for alias in (*said.aliases, said.inner):
        mapped = types.exactly(alias)
        if mapped is not None:
            return _from_map(source, mapped, said.inner)
    return _plain(source, said.inner, types)


def column_types(source: Source, call: At) -> Iterator[At]:
    """The arguments of a Column that are its type: neither its name nor a constraint, nor a default."""
    given = keywords(source, call)
    for part in (*positional(source, call)[:2], *(given[k] for k in ("type_", "sa_type") if k in given)):
        leads = source.follow(part)
        name = (
            source.follow(leads.to(leads.node.func))
            if isinstance(leads, At) and isinstance(leads.node, ast.Call)
            else ""
        )
        text = isinstance(leads, At) and isinstance(leads.node, (ast.Constant, ast.JoinedStr))
        if not text and _last(name) not in ("ForeignKey", "Sequence", "Identity", "Computed", "CheckConstraint"):
            yield part


def _from_map(source: Source, mapped: At, inner: Leads) -> Kind | None:
    call = source.follow(mapped)
    if isinstance(call, At) and isinstance(call.node, ast.Call) and _is_template(source, call):
        return _templated(source, call, inner)
    return kind_of(source, mapped)


def _is_template(source: Source, call: At) -> bool:
    """`Enum(enum.Enum, …)` stands for every enum."""
    callee = source.follow(call.to(call.node.func))
    first = source.follow(call.to(call.node.args[0])) if call.node.args else ""
    return isinstance(callee, str) and is_type(callee) and first == "enum.Enum"


def _templated(source: Source, call: At, inner: Leads) -> Kind | None:
    given = keywords(source, call)
    half = stored_half(source, given.get("values_callable"))
    python = read_enum(source, inner) if isinstance(inner, At) else None
    if python is not None:
        return with_options(source, of_enum(python, half), given)
    literal = _literal(source, inner)
    return replace(with_options(source, literal, given), native=False) if literal else None


def _plain(source: Source, inner: Leads, types: TypeMap) -> Kind | None:
    """Without an entry of its own: names for an enum, text for a Literal."""
    if isinstance(inner, str):
        return None
    template = types.any_enum()
    python = read_enum(source, inner)
    if python is None:
        return _literal(source, inner)
    return _from_map(source, template, inner) if template else of_enum(python)


def _literal(source: Source, inner: Leads) -> Kind | None:
    if not isinstance(inner, At) or not isinstance(inner.node, ast.Subscript):
        return None
    node = inner.node
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    try:
        labels = tuple(value_of(source, inner.to(part)) for part in parts)
    except Unknown:
        raise Unread("its Literal is computed") from None
    if not all(isinstance(label, str) for label in labels):
        return None
    return Kind(labels, native=False, length=max(map(len, labels)))


def _last(name: Leads) -> str:
    return name.rpartition(".")[2] if isinstance(name, str) else ""
