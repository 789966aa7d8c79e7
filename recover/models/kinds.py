"""Column types in source: what an expression such as `Enum(Role, name="role")` makes of a column.

Source: SQLAlchemy documentation, "Enum" (names by default, values_callable, the name is that of the class in
lower case) and "TypeDecorator".
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from recover.enums.expected import Labels, Pairs
from recover.models.calls import Unread, inlined, keywords, positional, require_seen
from recover.models.constants import Unknown, value_of
from recover.models.modules import At, Leads, Source, class_value
from recover.models.python_enums import PythonEnum, read_enum

TAKEN = "values_callable is taken to give the values"


@dataclass(frozen=True)
class Kind:
    """An enum as a column's type. `inherits` is SQLAlchemy's inherit_schema."""

    labels: Labels
    name: str | None = None
    schema: str | None = None
    native: bool = True
    inherits: bool = False
    enum: str = ""
    pairs: Pairs = field(default_factory=dict)
    certain: bool = True
    note: str = ""
    length: int | None = None


@dataclass(frozen=True)
class Half:
    """Which half of the members is stored, and whether that is sure."""

    values: bool = False
    certain: bool = True
    note: str = ""


def kind_of(source: Source, at: At, depth: int = 0) -> Kind | None:
    """The enum in a type expression; None when it holds none. Raises Unread when that cannot be told."""
    if depth > 20:  # noqa: PLR2004 - a circle
        raise Unread("it refers to itself")
    leads = source.follow(at)
    if isinstance(leads, str):
        return None
    if isinstance(leads.node, ast.ClassDef):
        return _of_class(source, leads, None, depth)
    return _of_call(source, leads, depth) if isinstance(leads.node, ast.Call) else None


def _of_call(source: Source, at: At, depth: int) -> Kind | None:
    function = at.node.func
    if isinstance(function, ast.Attribute) and function.attr == "with_variant":
        told = [k.value for k in at.node.keywords] + at.node.args[1:]
        other = any(isinstance(each, ast.Constant) and each.value == "postgresql" for each in told)
        return kind_of(source, at.to(at.node.args[0] if other else function.value), depth + 1)
    callee = source.follow(at.to(function))
    if isinstance(callee, At):
        if isinstance(callee.node, ast.ClassDef):
            return _of_class(source, callee, at, depth)
        return (
            kind_of(source, inlined(source, callee, at), depth + 1)
            if isinstance(callee.node, ast.FunctionDef)
            else None
        )
    if is_type(callee):
        return built(source, at)
    parts = [kind_of(source, part, depth + 1) for part in positional(source, at)]
    found = next((part for part in parts if part), None)
    if found is None and not callee.startswith(("sqlalchemy", "sqlmodel")) and _names_an_enum(source, at):
        raise Unread(f"{callee} stores an enum, and is not in the folder")
    return found


def is_type(name: str) -> bool:
    """Whether a dotted name is SQLAlchemy's type, or PostgreSQL's in it."""
    return name.startswith(("sqlalchemy", "sqlmodel")) and name.rpartition(".")[2] in ("Enum", "ENUM")


def _names_an_enum(source: Source, at: At) -> bool:
    leads = [source.follow(part) for part in positional(source, at)]
    return any(isinstance(each, At) and read_enum(source, each) for each in leads)


def _of_class(source: Source, at: At, call: At | None, depth: int) -> Kind | None:
    """A TypeDecorator around an enum, or a subclass of Enum; `call` makes one with arguments."""
    node: ast.ClassDef = at.node
    impl = class_value(node, "impl")
    bases = [source.follow(at.to(base)) for base in node.bases]
    own = any(isinstance(part, ast.FunctionDef) and part.name == "__init__" for part in node.body)
    takes = impl is not None and _is_type_itself(source.follow(at.to(impl)))
    if takes or any(isinstance(base, str) and is_type(base) for base in bases):
        if own:
            raise Unread(f"{node.name}.__init__ decides it when it runs")
        return built(source, call) if call is not None else None
    if impl is not None:
        return kind_of(source, at.to(impl), depth + 1)
    parents = [base for base in bases if isinstance(base, At) and isinstance(base.node, ast.ClassDef)]
    found = (_of_class(source, base, call, depth + 1) for base in parents if depth < 20)  # noqa: PLR2004
    return next((kind for kind in found if kind), None)


def _is_type_itself(leads: Leads) -> bool:
    return isinstance(leads, str) and is_type(leads)


def built(source: Source, call: At) -> Kind:
    """`Enum(…)`. Raises Unread when its labels cannot be told."""
    require_seen(source, call)
    given = keywords(source, call)
    half = stored_half(source, given.get("values_callable"))
    python = _class_of(source, call)
    kind = of_enum(python, half) if python else Kind(_strings(source, call))
    return with_options(source, kind, given)


def with_options(source: Source, kind: Kind, given: Mapping[str, At]) -> Kind:
    """The same with what the keywords say. Raises Unread when they cannot be told."""
    name = _told(source, given, "name", kind.name)
    native = bool(_told(source, given, "native_enum", default=True))
    sure = bool(_told(source, given, "omit_aliases", default=True))
    return replace(
        kind,
        name=name,
        schema=_told(source, given, "schema") or metadata_schema(source, given.get("metadata")),
        native=native,
        inherits=bool(_told(source, given, "inherit_schema")),
        length=None if native else _told(source, given, "length", max(map(len, kind.labels), default=0)),
        certain=kind.certain and sure,
        note=kind.note if sure else "aliases are left out",
    )


def _told(source: Source, given: Mapping[str, At], key: str, default: object = None) -> Any:
    if key not in given:
        return default
    try:
        return value_of(source, given[key])
    except Unknown:
        raise Unread(f"its {key} is computed") from None


def of_enum(python: PythonEnum, half: Half = Half()) -> Kind:
    """What an enum stores. Raises Unread for a value that would have to be computed."""
    unknown = [name for name, value in python.members if value is None]
    if half.values and unknown:
        raise Unread(f"the value of {python.path}.{unknown[0]} is computed")
    labels = tuple(str(value) if half.values else name for name, value in python.members)
    name = python.path.rpartition(".")[2].lower()
    note = half.note or (f"the value of {unknown[0]} is computed" if unknown else "")
    return Kind(labels, name, enum=python.path, pairs=python.pairs, certain=half.certain, note=note)


def _class_of(source: Source, call: At) -> PythonEnum | None:
    placed = positional(source, call)
    if len(placed) != 1 or isinstance(placed[0].node, ast.Starred):
        return None
    leads = source.follow(placed[0])
    if isinstance(leads, str):
        raise Unread(f"the enum {leads} is not in the folder")
    return read_enum(source, leads)


def _strings(source: Source, call: At) -> Labels:
    labels = tuple(label for part in positional(source, call) for label in _labels(source, part))
    if not all(isinstance(label, str) for label in labels):
        raise Unread("its labels are no text")
    return labels


def _labels(source: Source, at: At) -> tuple[Any, ...]:
    """One label, or those behind a star."""
    try:
        if not isinstance(at.node, ast.Starred):
            return (value_of(source, at),)
        inner = at.to(at.node.value)
        return _listed(source, inner) or tuple(value_of(source, inner))
    except (Unknown, TypeError):
        raise Unread("its labels are computed") from None


def _listed(source: Source, at: At) -> Labels | None:
    """`*[role.value for role in Role]`."""
    half, over = _comprehended(at.node)
    leads = source.follow(at.to(over)) if over is not None else ""
    python = read_enum(source, leads) if isinstance(leads, At) else None
    if python is None or half is None:
        return None
    return of_enum(python, Half(values=half == "value")).labels


def stored_half(source: Source, callable: At | None) -> Half:
    """What a values_callable gives: sure for a plain list of each member's value or name, else a guess."""
    if callable is None:
        return Half()
    leads = source.follow(callable)
    node = leads.node if isinstance(leads, At) else None
    if isinstance(node, ast.Constant) and node.value is None:
        return Half()
    body = node.body if isinstance(node, ast.Lambda) else _returned(node)
    half, over = _comprehended(body)
    argument = node.args.args[0].arg if isinstance(node, (ast.Lambda, ast.FunctionDef)) and node.args.args else None
    if half and isinstance(over, ast.Name) and over.id == argument:
        return Half(values=half == "value")
    return Half(values=True, certain=False, note=TAKEN)


def _returned(node: object) -> ast.expr | None:
    if not isinstance(node, ast.FunctionDef):
        return None
    body = [part for part in node.body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))]
    return body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None


def _comprehended(node: object) -> tuple[str | None, ast.expr | None]:
    """("value", x) for `[e.value for e in x]`, also in list(), tuple(), and with str() around the value."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("list", "tuple"):
        node = node.args[0] if node.args else None
    if not isinstance(node, (ast.ListComp, ast.GeneratorExp)) or len(node.generators) != 1:
        return None, None
    each, loop = node.elt, node.generators[0]
    if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "str" and each.args:
        each = each.args[0]
    plain = isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and isinstance(loop.target, ast.Name)
    if not plain or loop.ifs or each.value.id != loop.target.id or each.attr not in ("value", "name"):  # type: ignore[attr-defined]
        return None, None
    return each.attr, loop.iter  # type: ignore[attr-defined]


def metadata_schema(source: Source, at: At | None) -> str | None:
    """The schema of `MetaData(schema="app")`, wherever it is made; None when it has none."""
    leads = source.follow(at) if at is not None else ""
    if isinstance(leads, str) or not isinstance(leads.node, ast.Call):
        return None
    schema = _told(source, keywords(source, leads), "schema")
    return str(schema) if schema is not None else metadata_schema(source, keywords(source, leads).get("metadata"))
