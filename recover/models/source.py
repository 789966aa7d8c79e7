"""`--source DIR`: what the code expects, read from its source without importing any of it: a heuristic that says so.

Sources: SQLAlchemy documentation, "Declarative Table with mapped_column()"; SQLModel documentation, "Models".
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from recover.enums.expected import Expected, Member
from recover.errors import UsageError
from recover.models.annotations import COLUMNS, MAPPED, column_types, kind_of_annotation, unwrapped
from recover.models.calls import Unread, inlined, keywords, positional
from recover.models.classes import Mapped
from recover.models.constants import Unknown, value_of
from recover.models.imported import disagreement, gathered, spelled, stores
from recover.models.kinds import Kind, kind_of, metadata_schema
from recover.models.modules import At, Source

_AROUND = frozenset({"deferred", "column_property"})


def from_source(folder: Path) -> Expected:
    """What the tables in the folder's source expect; `notes` tell what could not be read there.

    Raises UsageError for what is no folder, Precondition when two columns disagree about one type.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", next="--source takes the folder of the application's code")
    source = Source.read(folder)
    found = _Found(f"the source in {folder}", list(source.broken))
    for module in source.modules.values():
        if not _is_migration(module.tree):
            for node in module.classes:
                found.add_class(Mapped(source, At(module, node)))
            for table in _tables(source, At(module, module.tree)):
                found.add_table(source, table)
    return gathered(found.members, found.name, found.notes)


@dataclass
class _Found:
    name: str
    notes: list[str]
    members: dict[str, Member] = field(default_factory=dict)

    def add_class(self, cls: Mapped) -> None:
        if not cls.is_mapped:
            return
        columns = list(_columns(cls))
        try:
            table, schema = cls.table, cls.schema
        except Unread as why:
            self.note_where_it_matters(cls.source, cls.at, cls.at.node.name, why, columns)
            return
        for column in columns if table is not None else ():
            self.add(cls.source, column, schema, table or "")

    def add_table(self, source: Source, call: At) -> None:
        placed, given = positional(source, call), keywords(source, call)
        made = (_column_call(source, part) for part in placed[2:])
        columns = [_Column("", call, None, column) for column in made if column is not None]
        metadata = placed[1] if len(placed) > 1 else given.get("metadata")
        try:
            table = _constant(source, placed[0], "its name")
            own = given.get("schema")
            schema = _constant(source, own, "its schema") if own is not None else _schema(source, metadata)
        except Unread as why:
            self.note_where_it_matters(source, call, "a Table", why, columns)
            return
        for column in columns:
            self.add(source, column, schema, table)

    def note_where_it_matters(self, source: Source, at: At, what: str, why: Unread, columns: list[_Column]) -> None:
        """Of a table that holds no enum nothing has to be told."""
        if any(column.may_hold_labels(source) for column in columns):
            self.note(at, what, why)

    def add(self, source: Source, column: _Column, schema: str | None, table: str) -> None:
        try:
            name, kind = column.read(source)
        except Unread as why:
            self.note(column.at, f"{table}.{column.attribute}".rstrip("."), why)
            return
        if kind is not None:
            if kind.native and not kind.name:
                self.note(column.at, f"{table}.{name}", "its enum has no name, and PostgreSQL refuses such a type")
            else:
                self.keep(".".join(map(spelled, (schema or "public", table, name))), _member(kind, schema))

    def keep(self, name: str, member: Member) -> None:
        known = self.members.setdefault(name, member)
        if (known.type, set(known.labels)) != (member.type, set(member.labels)):
            raise disagreement(f"the labels of {name}", self.name, (name, known), (name, member))

    def note(self, at: At, what: str, why: object) -> None:
        self.notes.append(f"{at}: {what}: {why}")


@dataclass(frozen=True)
class _Column:
    """A column as it stands in a class or a Table, its `home`: what it is annotated with, and what makes it."""

    attribute: str
    home: At
    annotation: At | None
    call: At | None
    cls: Mapped | None = None

    @property
    def at(self) -> At:
        return self.call or self.annotation or self.home

    def may_hold_labels(self, source: Source) -> bool:
        """Whether an enum is behind it, or may be."""
        try:
            return self.read(source)[1] is not None
        except Unread:
            return True

    def read(self, source: Source) -> tuple[str, Kind | None]:
        """The column's name and its enum. Raises Unread."""
        name = self.attribute
        if self.call is not None:
            name = _own_name(source, self.call) or name
            typed = list(column_types(source, self.call))
            if typed:
                return name, next((kind for kind in (kind_of(source, part) for part in typed) if kind), None)
        if self.annotation is None or self.cls is None:
            return name, None
        said = unwrapped(source, self.annotation)
        if said is None:
            return name, None
        for call in said.calls if isinstance(said.inner, At) else ():
            if isinstance(call.node, ast.Call):
                name = _own_name(source, call) or name
        if isinstance(said.inner, str) and not said.calls and _elsewhere(said.inner):
            raise Unread(f"{said.inner} is not in the folder, and may be an enum")
        return name, kind_of_annotation(source, said, self.cls.types)


def _elsewhere(name: str) -> bool:
    """Whether a name comes from a package that may hold enums: not Python's, not the ORM's."""
    top = name.partition(".")[0]
    known = {
        *sys.stdlib_module_names,
        "sqlalchemy",
        "sqlmodel",
        "pydantic",
        "typing_extensions",
        "pgvector",
        "geoalchemy2",
    }
    return "." in name and bool(top) and top not in known


def _own_name(source: Source, call: At) -> str | None:
    """The name a Column gives itself, where that is not its attribute's."""
    first = positional(source, call)[:1]
    texts = [each for each in first if isinstance(each.node, (ast.Constant, ast.JoinedStr))]
    said = keywords(source, call).get("name") or (texts[0] if texts else None)
    return _constant(source, said, "its name") if said is not None else None


def _constant(source: Source, at: At, what: str) -> str:
    try:
        return str(value_of(source, at))
    except Unknown:
        raise Unread(f"{what} is computed") from None


def _columns(cls: Mapped) -> Iterator[_Column]:
    """The columns of a class and its mixins, the nearest of a name counting."""
    seen: set[str] = set()
    for part in cls.parts:
        for name, annotation, value in _body(part):
            if name in seen or name.startswith("__"):
                continue
            seen.add(name)
            column = _column(cls, part, name, annotation, value)
            if column is not None:
                yield column


def _body(at: At) -> Iterator[tuple[str, ast.expr | None, ast.expr | None]]:
    """(name, annotation, value) of what may be a column in a class body."""
    for node in at.node.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node.annotation, node.value
        elif isinstance(node, ast.Assign):
            yield from ((target.id, None, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.FunctionDef) and any("declared_attr" in ast.unparse(d) for d in node.decorator_list):
            returns = [part.value for part in ast.walk(node) if isinstance(part, ast.Return)]
            yield node.name, node.returns, returns[0] if len(returns) == 1 else None


def _column(cls: Mapped, part: At, name: str, annotation: ast.expr | None, value: ast.expr | None) -> _Column | None:
    said = part.to(annotation) if annotation is not None else None
    call = part.to(value) if value is not None else None
    made = _column_call(cls.source, call) if call is not None else None
    field = _field(cls.source, call) if call is not None and made is None else None
    if made is None and field is not None:
        column = keywords(cls.source, field).get("sa_column")
        made = _column_call(cls.source, column) if column is not None else field
    by_annotation = said is not None and (cls.sqlmodel or _last(cls.source, said) in MAPPED)
    if said is not None and cls.sqlmodel and _last(cls.source, said) == "ClassVar":
        return None
    if made is None and (not by_annotation or (call is not None and isinstance(call.node, ast.Call))):
        return None
    return _Column(name, part, said if by_annotation else None, made, cls)


def _column_call(source: Source, at: At, depth: int = 0) -> At | None:
    """The call of Column or mapped_column in an expression, also inside deferred() or a helper of the application."""
    leads = source.follow(at)
    if not isinstance(leads, At) or not isinstance(leads.node, ast.Call) or depth > 5:  # noqa: PLR2004 - helpers of helpers
        return None
    callee = source.follow(leads.to(leads.node.func))
    if isinstance(callee, At):
        if not isinstance(callee.node, ast.FunctionDef):
            return None
        try:
            return _column_call(source, inlined(source, callee, leads), depth + 1)
        except Unread:
            return None
    last = callee.rpartition(".")[2]
    if last in _AROUND and leads.node.args:
        return _column_call(source, leads.to(leads.node.args[0]), depth + 1)
    return leads if last in COLUMNS else None


def _field(source: Source, at: At) -> At | None:
    """The call of SQLModel's Field."""
    leads = source.follow(at)
    if not isinstance(leads, At) or not isinstance(leads.node, ast.Call):
        return None
    callee = source.follow(leads.to(leads.node.func))
    return leads if isinstance(callee, str) and callee.rpartition(".")[2] == "Field" else None


def _last(source: Source, annotation: At) -> str:
    node = annotation.node
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.partition("[")[0].rpartition(".")[2]
    leads = source.follow(annotation.to(node.value if isinstance(node, ast.Subscript) else node))
    return leads.rpartition(".")[2] if isinstance(leads, str) else ""


def _tables(source: Source, at: At) -> Iterator[At]:
    """The calls of Table."""
    for node in ast.walk(at.node):
        if isinstance(node, ast.Call) and node.args and "Table" in (getattr(node.func, k, "") for k in ("attr", "id")):
            callee = source.follow(at.to(node.func))
            if isinstance(callee, str) and callee.startswith("sqlalchemy"):
                yield at.to(node)


def _schema(source: Source, metadata: At | None) -> str | None:
    """The schema of the MetaData that a Table is given, also as `Base.metadata`."""
    if metadata is None:
        return None
    if isinstance(metadata.node, ast.Attribute) and metadata.node.attr == "metadata":
        owner = source.follow(metadata.to(metadata.node.value))
        if isinstance(owner, At) and isinstance(owner.node, ast.ClassDef):
            return Mapped(source, owner).schema
    return metadata_schema(source, metadata)


def _is_migration(tree: ast.Module) -> bool:
    """Files of Alembic tell what once was."""
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = [getattr(node, "module", None) or node.names[0].name for node in imports]
    return any(name.partition(".")[0] == "alembic" for name in names)


def _member(kind: Kind, schema: str | None) -> Member:
    where = schema if kind.inherits else kind.schema
    type = ".".join(map(spelled, filter(None, (where, kind.name)))) if kind.native else None
    kept = stores(kind.labels, kind.pairs)
    return Member(type, kind.labels, kind.enum, kept, kind.pairs, kind.certain, kind.note, kind.length)
