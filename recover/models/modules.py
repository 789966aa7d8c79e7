"""Python source as a tree of modules whose names can be followed, without importing any of it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", ".tox", "site-packages"})


@dataclass(frozen=True)
class Imported:
    """A name that comes from another module: `attribute` of it, or the module itself."""

    module: str
    attribute: str = ""


Bound = ast.expr | ast.ClassDef | Imported


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
            if isinstance(node, ast.ClassDef):
                yield node.name, node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                yield node.targets[0].id, node.value
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                yield node.target.id, node.value
            elif isinstance(node, ast.Import):
                for each in node.names:
                    yield (
                        (each.asname, Imported(each.name))
                        if each.asname
                        else (
                            each.name.split(".")[0],
                            Imported(each.name.split(".")[0]),
                        )
                    )
            elif isinstance(node, ast.ImportFrom):
                for each in node.names:
                    yield each.asname or each.name, Imported(self.absolute(node), each.name)
            elif isinstance(node, (ast.If, ast.Try)):
                yield from self._bindings(node.body)


@dataclass(frozen=True)
class Found:
    """What a name leads to: an expression or a class in one of the modules, or a dotted name outside of them."""

    module: Module | None = None
    node: ast.expr | ast.ClassDef | None = None
    outside: str = ""


@dataclass
class Source:
    """All modules of a folder."""

    modules: Mapping[str, Module]
    broken: tuple[str, ...] = ()
    _depth: int = field(default=0)

    @classmethod
    def read(cls, folder: Path) -> Source:
        """Parse every file of the folder; what is no Python is noted in `broken`."""
        modules, broken = {}, []
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).parts
            if SKIPPED.isdisjoint(parts):
                names = [*parts[:-1], path.stem] if path.stem != "__init__" else list(parts[:-1])
                if (folder / "__init__.py").exists():
                    names = [folder.resolve().name, *names]
                try:
                    tree = ast.parse(path.read_bytes())
                except (SyntaxError, ValueError) as error:
                    broken.append(f"{path} is no Python that this one can read: {error}")
                    continue
                modules[".".join(names)] = Module(".".join(names), path, tree, path.stem == "__init__")
        return cls(modules, tuple(broken))

    def module(self, name: str) -> Module | None:
        """The module of that name, also when the folder is deeper in the package than the import says."""
        if name in self.modules:
            return self.modules[name]
        near = [
            m
            for known, m in self.modules.items()
            if known and (name.endswith(f".{known}") or known.endswith(f".{name}"))
        ]
        return near[0] if len(near) == 1 else None

    def follow(self, module: Module, node: ast.expr, depth: int = 0) -> Found:
        """Where a name or a dotted name leads, through imports and re-exports; any other expression is itself."""
        if depth > 20:  # noqa: PLR2004 - imports in a circle
            return Found()
        if isinstance(node, ast.Name):
            return self._bound(module, node.id, depth)
        if isinstance(node, ast.Attribute):
            owner = self.follow(module, node.value, depth + 1)
            if owner.outside:
                inner = self.module(owner.outside)
                return self._bound(inner, node.attr, depth) if inner else Found(outside=f"{owner.outside}.{node.attr}")
            if owner.module and isinstance(owner.node, ast.ClassDef):
                return Found(owner.module, class_value(owner.node, node.attr))
            return Found()
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                return self.follow(module, ast.parse(node.value, mode="eval").body, depth + 1)
            except SyntaxError:
                return Found(module, node)
        return Found(module, node)

    def _bound(self, module: Module, name: str, depth: int) -> Found:
        bound = module.names.get(name)
        if isinstance(bound, Imported):
            return self._imported(bound, depth)
        if isinstance(bound, ast.ClassDef):
            return Found(module, bound)
        if bound is not None:
            leads = self.follow(module, bound, depth + 1) if isinstance(bound, (ast.Name, ast.Attribute)) else None
            return leads if leads and (leads.node or leads.outside) else Found(module, bound)
        for star in module.stars:
            other = self.module(star)
            if other and other is not module and (found := self._bound(other, name, depth + 1)).node:
                return found
        return Found(outside=name)

    def _imported(self, bound: Imported, depth: int) -> Found:
        if not bound.attribute:
            return Found(outside=bound.module)
        inner = self.module(f"{bound.module}.{bound.attribute}")
        home = self.module(bound.module)
        if home is not None and bound.attribute in {*home.names} | (
            {bound.attribute} if home.stars and not inner else set()
        ):
            return self._bound(home, bound.attribute, depth + 1)
        return Found(outside=inner.name if inner else f"{bound.module}.{bound.attribute}")


def class_value(node: ast.ClassDef, name: str) -> ast.expr | None:
    """What an attribute of a class is set to in its body."""
    for part in reversed(node.body):
        if isinstance(part, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in part.targets):
            return part.value
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.target.id == name:
            return part.value
    return None
