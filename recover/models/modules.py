"""Python source as a tree of modules whose names can be followed, without importing any of it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from recover import inputs

SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", ".tox", "site-packages"})
_DEEPEST = 30  # names that lead to names: more is a circle


@dataclass(frozen=True)
class Imported:
    """A name that comes from another module: `attribute` of it, or the module itself."""

    module: str
    attribute: str = ""


Bound = ast.expr | ast.ClassDef | ast.FunctionDef | Imported


@dataclass(eq=False)
class Module:
    """One file. `name` is its dotted name below the folder that was read."""

    name: str
    path: Path
    tree: ast.Module
    package: bool

    @cached_property
    def names(self) -> Mapping[str, Bound]:
        """What every name at the top of the module is bound to, the last binding counting."""
        return dict(self._bindings(self.tree.body))

    @cached_property
    def classes(self) -> tuple[ast.ClassDef, ...]:
        """The classes at the top of the module."""
        return tuple(bound for _, bound in self._bindings(self.tree.body) if isinstance(bound, ast.ClassDef))

    @cached_property
    def stars(self) -> tuple[str, ...]:
        """The modules of `from … import *`."""
        found = [n for n in ast.walk(self.tree) if isinstance(n, ast.ImportFrom) and n.names[0].name == "*"]
        return tuple(self.absolute(node) for node in found)

    def absolute(self, node: ast.ImportFrom) -> str:
        """The dotted name that a relative import means."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".") if self.name else []
        base = parts[: len(parts) - node.level + self.package]
        return ".".join([*base, *([node.module] if node.module else [])])

    def _bindings(self, body: Iterable[ast.stmt]) -> Iterator[tuple[str, Bound]]:
        for node in body:
            yield from self._of_statement(node)

    def _of_statement(self, node: Any) -> Iterator[tuple[str, Bound]]:  # noqa: C901 - one case per kind of statement
        match node:
            case ast.ClassDef() | ast.FunctionDef():
                yield node.name, node
            case ast.Assign(value=value):
                yield from ((target.id, value) for target in node.targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value
            case ast.Import():
                for each in node.names:
                    top = each.name.split(".")[0]
                    yield each.asname or top, Imported(each.name if each.asname else top)
            case ast.ImportFrom():
                for each in node.names:
                    yield each.asname or each.name, Imported(self.absolute(node), each.name)
            case ast.If() | ast.Try() | ast.With():
                for part in ("body", "orelse", "finalbody"):
                    yield from self._bindings(getattr(node, part, ()))
            case _ if type(node).__name__ == "TypeAlias":  # `type X = …`, Python 3.12
                yield node.name.id, node.value


@dataclass(frozen=True, eq=False)
class At:
    """A piece of the source and the module it stands in. `local` are the arguments of a function around it."""

    module: Module
    node: Any
    local: Mapping[str, At] = field(default_factory=dict)

    def to(self, node: Any) -> At:
        """Another piece of the same place."""
        return replace(self, node=node)

    def __str__(self) -> str:
        return f"{self.module.path}:{getattr(self.node, 'lineno', 1)}"


Leads = At | str
"""Where a name leads: a piece of the source, or the dotted name of something outside of the folder."""


@dataclass(frozen=True)
class Source:
    """All modules of a folder; `broken` tells which files are no Python."""

    modules: Mapping[str, Module]
    broken: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Source:
        """Parse every file of the folder; what is no Python is noted in `broken`."""
        top = [folder.resolve().name] if (folder / "__init__.py").exists() else []
        modules, broken = {}, []
        for path in python_files(folder):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join([*top, *(parts[:-1] if path.stem == "__init__" else parts)])
            try:
                tree = ast.parse(inputs.read(path, inputs.SOURCE))
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                broken.append(f"{path} is no Python that this one can read: {error}")
            except OSError as error:
                broken.append(f"{path} cannot be read: {error.strerror}")
            else:
                modules[name] = Module(name, path, tree, path.stem == "__init__")
        return cls(modules, tuple(broken))

    def module(self, name: str) -> Module | None:
        """The module of that name, also when the folder is deeper in the package than the import says."""
        if name in self.modules:
            return self.modules[name]
        near = [m for known, m in self.modules.items() if known and _ends_alike(name, known)]
        return near[0] if len(near) == 1 else None

    def follow(self, at: At, depth: int = 0) -> Leads:
        """Where a name or a dotted name leads, through imports and re-exports; any other expression is itself."""
        node = at.node
        if depth > _DEEPEST:
            return ""
        if isinstance(node, ast.Name):
            if node.id in at.local:
                return self.follow(at.local[node.id], depth + 1)
            return self._bound(at.module, node.id, depth + 1)
        if isinstance(node, ast.Attribute):
            return self._attribute(self.follow(at.to(node.value), depth + 1), node.attr, depth + 1)
        return at

    def _attribute(self, owner: Leads, name: str, depth: int) -> Leads:
        if isinstance(owner, str):
            inner = self.module(owner) if owner else None
            found = self._bound(inner, name, depth) if inner else ""
            return found or f"{owner}.{name}"
        if isinstance(owner.node, ast.ClassDef):
            value = class_value(owner.node, name)
            return self.follow(owner.to(value), depth) if value else f".{owner.node.name}.{name}"
        if isinstance(owner.node, ast.Call) and str(self.follow(owner.to(owner.node.func), depth)).endswith(
            ".SQLAlchemy"
        ):
            return f"flask_sqlalchemy.{name}" if name == "Model" else f"sqlalchemy.{name}"
        return ""

    def _bound(self, module: Module, name: str, depth: int) -> Leads:
        if depth > _DEEPEST:
            return ""
        bound = module.names.get(name)
        if isinstance(bound, Imported):
            return self._imported(bound, depth)
        if bound is not None:
            here = At(module, bound)
            return self.follow(here, depth) or here
        for star in module.stars:
            other = self.module(star)
            found: Leads = "" if other in (None, module) else self._bound(other, name, depth + 1)
            if isinstance(found, At) or "." in found:
                return found
        return name if not module.stars else next((f"{s}.{name}" for s in module.stars if not self.module(s)), name)

    def _imported(self, bound: Imported, depth: int) -> Leads:
        whole = f"{bound.module}.{bound.attribute}"
        if not bound.attribute:
            return bound.module
        home = self.module(bound.module)
        if home is not None and (bound.attribute in home.names or home.stars):
            found = self._bound(home, bound.attribute, depth + 1)
            if isinstance(found, At) or "." in found:
                return found
        inner = self.module(whole)
        return inner.name if inner else whole


def python_files(folder: Path, suffix: str = ".py") -> Iterator[Path]:
    """The files of the folder in order, without those of other people's packages."""
    for path in sorted(folder.rglob(f"*{suffix}")):
        if SKIPPED.isdisjoint(path.relative_to(folder).parts) and path.is_file():
            yield path


def class_value(node: ast.ClassDef, name: str) -> ast.expr | ast.ClassDef | None:
    """What an attribute of a class is set to in its body."""
    for part in reversed(node.body):
        if isinstance(part, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in part.targets):
            return part.value
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.target.id == name:
            return part.value
        if isinstance(part, ast.ClassDef) and part.name == name:
            return part
    return None


def _ends_alike(name: str, known: str) -> bool:
    return name.endswith(f".{known}") or known.endswith(f".{name}")
