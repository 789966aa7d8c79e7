"""Python enums in source: their members' names and values, as Python would give them.

Source: Python documentation, "enum" (auto(), _generate_next_value_, aliases, the functional API).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from recover.models.constants import Unknown, value_of
from recover.models.modules import At, Source

_BASES = frozenset({"Enum", "StrEnum", "IntEnum", "Flag", "IntFlag", "ReprEnum", "TextChoices", "IntegerChoices"})
_MIXED = {"str": str, "int": int, "StrEnum": str, "IntEnum": int}


@dataclass(frozen=True)
class PythonEnum:
    """An enum; `members` are (name, value as text) without aliases, the value None where it has to be computed."""

    path: str
    members: tuple[tuple[str, str | None], ...]

    @property
    def pairs(self) -> dict[str, str]:
        """Those whose values are known."""
        return {name: value for name, value in self.members if value is not None}


def read_enum(source: Source, at: At) -> PythonEnum | None:
    """The enum that stands there, a class or a call of Enum; None when it is none."""
    if isinstance(at.node, ast.ClassDef):
        if not is_enum(source, at):
            return None
        return PythonEnum(f"{at.module.name}.{at.node.name}".lstrip("."), _without_aliases(_class_members(source, at)))
    if isinstance(at.node, ast.Call) and (kind := _functional(source, at)):
        return _called(source, at, kind)
    return None


def is_enum(source: Source, at: At, depth: int = 0) -> bool:
    """Whether a class is an enum, by its bases."""
    return depth < 20 and any(  # noqa: PLR2004 - a circle
        is_enum(source, base, depth + 1)
        if isinstance(base, At) and isinstance(base.node, ast.ClassDef)
        else isinstance(base, str) and _last(base) in _BASES and not base.startswith("sqlalchemy")
        for base in _bases(source, at)
    )


def _bases(source: Source, at: At) -> Iterator[At | str]:
    for base in getattr(at.node, "bases", ()):
        yield source.follow(at.to(base))


def _ancestors(source: Source, at: At) -> Iterator[At | str]:
    for base in _bases(source, at):
        yield base
        if isinstance(base, At):
            yield from _ancestors(source, base)


def _class_members(source: Source, at: At) -> list[tuple[str, object]]:
    ancestors = list(_ancestors(source, at))
    mixed = next((_MIXED[_last(a)] for a in ancestors if isinstance(a, str) and _last(a) in _MIXED), None)
    automatic = _automatic(source, [at, *(a for a in ancestors if isinstance(a, At))])
    strenum = any(isinstance(a, str) and _last(a) in ("StrEnum", "TextChoices") for a in ancestors)
    found: list[tuple[str, object]] = []
    for name, node in _assigned(at.node):
        value = _member(source, at.to(node), found)
        if value is _AUTO:
            value = automatic(name) if automatic else name.lower() if strenum else _next(found)
        found.append((name, value if mixed is None or value is None else _mixed(mixed, value)))
    return found


_AUTO = object()


def _assigned(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """What a class body sets to a value, and what makes a member of it by its name."""
    for part in node.body:
        value = part.value if isinstance(part, (ast.Assign, ast.AnnAssign)) else None
        targets = part.targets if isinstance(part, ast.Assign) else [getattr(part, "target", None)]
        for target in targets:
            if (
                value is not None
                and isinstance(target, ast.Name)
                and _is_public(target.id)
                and not isinstance(value, ast.Lambda)
            ):
                yield target.id, value


def _is_public(name: str) -> bool:
    """Neither of Python's own names (`__module__`, `_ignore_`) nor mangled (`__x`)."""
    return not name.startswith("__") and not (name.startswith("_") and name.endswith("_"))


def _member(source: Source, at: At, before: list[tuple[str, object]]) -> object:
    """A member's value, before a mixed-in type makes its own of it. None when it has to be computed."""
    node = at.node
    if isinstance(node, ast.Name) and node.id in dict(before):
        return dict(before)[node.id]
    if isinstance(node, ast.Call) and _last(_name(source.follow(at.to(node.func)))) == "auto":
        return _AUTO
    try:
        value: object = value_of(source, at)
    except Unknown:
        return None
    return value


def _automatic(source: Source, classes: Iterable[At]) -> Callable[[str], object] | None:
    """What _generate_next_value_ makes of a name, where it is one of the usual."""
    for at in classes:
        for part in at.node.body if isinstance(at.node, ast.ClassDef) else ():
            if isinstance(part, ast.FunctionDef) and part.name == "_generate_next_value_":
                return partial(_generated, source, at, part)
    return None


def _generated(source: Source, at: At, function: ast.FunctionDef, name: str) -> object:
    last = function.body[-1]
    bound = {function.args.args[0].arg: at.to(ast.Constant(name))}
    if not isinstance(last, ast.Return) or last.value is None:
        return None
    try:
        value: object = value_of(source, At(at.module, last.value, bound))
    except Unknown:
        return None
    return value


def _next(before: list[tuple[str, object]]) -> object:
    """auto(): one more than the highest number before it."""
    values = [value for _, value in before]
    if any(value is None for value in values):
        return None
    numbers = [int(value) for value in values if isinstance(value, (int, str)) and str(value).lstrip("-").isdigit()]
    return max(numbers, default=0) + 1


def _mixed(kind: type, value: object) -> object:
    try:
        made: object = kind(*value) if isinstance(value, tuple) else kind(value)
    except (TypeError, ValueError):
        return None
    return made


def _without_aliases(members: list[tuple[str, object]]) -> tuple[tuple[str, str | None], ...]:
    seen: list[object] = []
    kept = []
    for name, value in members:
        if value is None or value not in seen:
            kept.append((name, value if value is None or isinstance(value, str) else repr(value)))
        seen.append(value)
    return tuple(kept)


def _functional(source: Source, at: At) -> str:
    """Which enum a call makes a new one of: Enum("Colour", …)."""
    callee = source.follow(at.to(at.node.func))
    known = isinstance(callee, str) and _last(callee) in _BASES and not callee.startswith(("sqlalchemy", "sqlmodel"))
    return _last(str(callee)) if known and len(at.node.args) > 1 else ""


def _called(source: Source, at: At, kind: str) -> PythonEnum | None:
    types = [_last(_name(source.follow(at.to(k.value)))) for k in at.node.keywords if k.arg == "type"]
    mixed = _MIXED.get(types[0] if types else kind)
    try:
        name, names = value_of(source, at.to(at.node.args[0])), value_of(source, at.to(at.node.args[1]))
    except Unknown:
        return None
    if isinstance(names, str):
        names = names.replace(",", " ").split()
    given = names.items() if isinstance(names, dict) else [_numbered(kind, *pair) for pair in enumerate(names, 1)]
    pairs = [(str(key), value if mixed is None else _mixed(mixed, value)) for key, value in given]
    return PythonEnum(f"{at.module.name}.{name}".lstrip("."), _without_aliases(pairs))


def _numbered(kind: str, number: int, name: object) -> tuple[object, object]:
    if isinstance(name, tuple):
        return name[0], name[1]
    return name, str(name).lower() if kind == "StrEnum" else number


def _name(leads: At | str) -> str:
    return leads if isinstance(leads, str) else ""


def _last(name: str) -> str:
    return name.rpartition(".")[2]
