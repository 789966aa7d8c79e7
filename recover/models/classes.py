"""Mapped classes in source: which table each is in, with which bases, schema and type map.

Source: SQLAlchemy documentation, "Declarative Table Configuration", "Mapping Class Inheritance Hierarchies".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from recover.models.annotations import TypeMap
from recover.models.calls import Unread, keywords
from recover.models.constants import Unknown, value_of
from recover.models.kinds import metadata_schema
from recover.models.modules import At, Leads, Source, class_value

_BASES = frozenset({"DeclarativeBase", "DeclarativeBaseNoMeta", "MappedAsDataclass", "SQLModel", "Model", "AsyncAttrs"})
_MAKERS = frozenset({"declarative_base", "generate_base", "automap_base"})


@dataclass(frozen=True, eq=False)
class Mapped:
    """A class and everything it inherits from, nearest first."""

    source: Source
    at: At

    @cached_property
    def lineage(self) -> tuple[Leads, ...]:
        """The class, then its bases, each once."""
        found: list[Leads] = []
        for each in _lineage(self.source, self.at, 0):
            if not any(_same(each, known) for known in found):
                found.append(each)
        return tuple(found)

    @property
    def classes(self) -> list[At]:
        """Those of the lineage that stand in the folder."""
        return [each for each in self.lineage if isinstance(each, At) and isinstance(each.node, ast.ClassDef)]

    @cached_property
    def outside(self) -> tuple[str, ...]:
        """The bases from elsewhere."""
        return tuple(each for each in self.lineage if isinstance(each, str))

    @property
    def sqlmodel(self) -> bool:
        """Whether it is a class of SQLModel."""
        return any(name.startswith("sqlmodel") for name in self.outside)

    @cached_property
    def is_mapped(self) -> bool:
        """Whether SQLAlchemy maps it to a table: a mixin, a base and an abstract class are not mapped."""
        node = self.at.node
        if _flag(node, "__abstract__") or any(
            _last(self.source.follow(self.at.to(b))) in _BASES - {"SQLModel", "Model"} for b in node.bases
        ):
            return False
        if self.sqlmodel:
            return any(k.arg == "table" and isinstance(k.value, ast.Constant) and k.value.value for k in node.keywords)
        made = any(isinstance(e, At) and _is_maker(e) for e in self.lineage)
        decorated = any(_last_of(d) in ("mapped", "mapped_as_dataclass") for d in node.decorator_list)
        return (
            made
            or decorated
            or class_value(node, "__tablename__") is not None
            or any(_last(n) in _BASES for n in self.outside)
        )

    @cached_property
    def parent(self) -> Mapped | None:
        """The nearest mapped class it inherits from."""
        above = (Mapped(self.source, each) for each in self.classes[1:])
        return next((each for each in above if each.is_mapped), None)

    @cached_property
    def parts(self) -> list[At]:
        """The class and its mixins: whose columns are its own."""
        inherited = [each.node for each in self.parent.classes] if self.parent else []
        return [each for each in self.classes if each.node not in inherited]

    @cached_property
    def table(self) -> str | None:
        """The table; None when it has none, as with `__table__`. Raises Unread when the name is computed."""
        for each in self.parts:
            said = class_value(each.node, "__tablename__") or _declared(each.node, "__tablename__")
            if said is not None:
                return _text(self.source, each, said, self.at)
        if self.sqlmodel:
            return str(self.at.node.name).lower()
        if self.parent is not None:
            return self.parent.table
        for each in self.classes:
            if (made := _declared(each.node, "__tablename__")) is not None:
                return _text(self.source, each, made, self.at)
        flask = any(name.startswith("flask_sqlalchemy") for name in self.outside)
        return re.sub(r"(?<!^)(?<![A-Z_])(?=[A-Z])", "_", self.at.node.name).lower() if flask else None

    @cached_property
    def schema(self) -> str | None:
        """The schema of its table. Raises Unread when it is computed."""
        if self.parent is not None and self.parent.table == self.table:
            return self.parent.schema
        for each in self.parts:
            said = class_value(each.node, "__table_args__")
            for schema in _schemas(self.source, each.to(said)) if said is not None else ():
                return schema
        return self._of_metadata()

    def _of_metadata(self) -> str | None:
        for each in self.lineage:
            if not isinstance(each, At):
                continue
            said = class_value(each.node, "metadata") if isinstance(each.node, ast.ClassDef) else None
            made = each.to(said) if said is not None else None
            if isinstance(each.node, ast.Call):
                made = keywords(self.source, each).get("metadata")
            if schema := metadata_schema(self.source, made):
                return schema
        return None

    @cached_property
    def types(self) -> TypeMap:
        """The type_annotation_map of its base, of its registry, or of what made its base."""
        for each in self.lineage:
            if isinstance(each, At) and (found := _type_map(self.source, each)):
                return found
        return TypeMap()


def _lineage(source: Source, at: At, depth: int) -> Iterator[Leads]:
    yield at
    for base in getattr(at.node, "bases", ()) if depth < 20 else ():  # noqa: PLR2004 - a circle
        leads = source.follow(at.to(base))
        if isinstance(leads, At):
            yield from _lineage(source, leads, depth + 1)
        else:
            yield leads


def _same(one: Leads, other: Leads) -> bool:
    return one.node is other.node if isinstance(one, At) and isinstance(other, At) else one == other


def _is_maker(at: At) -> bool:
    return isinstance(at.node, ast.Call) and _last_of(at.node.func) in _MAKERS


def _declared(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    """A method of that name, as declared_attr makes one."""
    return next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == name), None)


def _text(source: Source, at: At, said: ast.AST, of: At) -> str:
    """The text that a constant or a declared_attr gives for the class `of`."""
    local = {}
    if isinstance(said, ast.FunctionDef):
        returns = [part.value for part in ast.walk(said) if isinstance(part, ast.Return) and part.value is not None]
        if len(returns) != 1 or not said.args.args:
            raise Unread("its __tablename__ is computed")
        local, said = {said.args.args[0].arg: of}, returns[0]
    try:
        return str(value_of(source, At(at.module, said, local)))
    except Unknown:
        raise Unread("its __tablename__ is computed") from None


def _schemas(source: Source, at: At) -> Iterator[str]:
    """The schema in `__table_args__`: a mapping, or a tuple that ends with one."""
    leads = source.follow(at)
    node = leads.node if isinstance(leads, At) else None
    if isinstance(node, ast.Tuple) and node.elts and isinstance(leads, At):
        yield from _schemas(source, leads.to(node.elts[-1]))
    elif isinstance(node, ast.Dict) and isinstance(leads, At):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "schema":
                try:
                    yield value_of(source, leads.to(value))
                except Unknown:
                    raise Unread("its schema is computed") from None


def _type_map(source: Source, at: At) -> TypeMap | None:
    node = at.node
    said = class_value(node, "type_annotation_map") if isinstance(node, ast.ClassDef) else None
    if isinstance(node, ast.ClassDef) and said is None and (registry := class_value(node, "registry")) is not None:
        leads = source.follow(at.to(registry))
        return _type_map(source, leads) if isinstance(leads, At) and leads.node is not node else None
    if isinstance(node, ast.Call):
        given = keywords(source, at).get("type_annotation_map")
        if given is None and isinstance(node.func, ast.Attribute):
            leads = source.follow(at.to(node.func.value))
            return _type_map(source, leads) if isinstance(leads, At) and leads.node is not node else None
        if given is None:
            return None
        at, said = given, given.node
    leads = source.follow(at.to(said)) if said is not None else ""
    if not isinstance(leads, At) or not isinstance(leads.node, ast.Dict):
        return None
    pairs = zip(leads.node.keys, leads.node.values, strict=True)
    return TypeMap(tuple((source.follow(leads.to(key)), leads.to(value)) for key, value in pairs if key))


def _flag(node: ast.ClassDef, name: str) -> bool:
    said = class_value(node, name)
    return isinstance(said, ast.Constant) and bool(said.value)


def _last(name: Leads) -> str:
    return name.rpartition(".")[2] if isinstance(name, str) else ""


def _last_of(node: ast.expr) -> str:
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
