"""Runs in the user's own Python, in the user's container: what do the imported models expect? Prints one JSON line.

Needs nothing but the standard library (3.8 or later) and the user's SQLAlchemy (1.4 or 2). Read from stdin:
`python - MODULE:ATTR`.
"""

from __future__ import annotations

import enum
import importlib
import json
import sys
from pathlib import Path
from typing import Any

MARK = "recover-models:"


def tables_of(found: Any) -> list[Any]:
    """The tables behind a declarative base, a registry, a MetaData, or an SQLModel."""
    metadata = getattr(found, "metadata", found)
    if not hasattr(metadata, "tables"):
        raise SystemExit(f"{found!r} has no metadata: name a declarative base, a registry or a MetaData")
    return [metadata.tables[name] for name in sorted(metadata.tables)]


def enum_of(kind: Any) -> Any:
    """The Enum inside an array or a type decorator, or None."""
    from sqlalchemy import Enum

    for _ in range(5):
        if isinstance(kind, Enum):
            return kind
        kind = getattr(kind, "item_type", None) or getattr(kind, "impl", None)
    return None


def pairs_of(kind: Any) -> Any:
    """(name, value) of the Python enum's members, aliases included; values that are no text are spelled."""
    members = getattr(kind.enum_class, "__members__", None) or {}
    return [[name, m.value if isinstance(m.value, str) else repr(m.value)] for name, m in members.items()]


def column_of(table: Any, column: Any) -> Any:
    """Everything of one column, or None when no enum is behind it."""
    kind = enum_of(column.type)
    if kind is None:
        return None
    cls = kind.enum_class
    is_enum = isinstance(cls, type) and issubclass(cls, enum.Enum)
    return {
        "schema": table.schema,
        "table": table.name,
        "column": column.name,
        "type": kind.name,
        "type_schema": kind.schema or (table.schema if getattr(kind, "inherit_schema", False) else None),
        "labels": [str(label) for label in kind.enums],
        "native": bool(kind.native_enum),
        "enum": f"{cls.__module__}.{cls.__qualname__}" if is_enum else "",
        "pairs": pairs_of(kind),
    }


def main(target: str) -> None:
    """Import and tell."""
    sys.path.insert(0, str(Path.cwd()))
    module, _, attributes = target.partition(":")
    found = importlib.import_module(module)
    for part in filter(None, attributes.split(".")):
        found = getattr(found, part)
    columns = [column_of(table, column) for table in tables_of(found) for column in table.columns]
    sys.stdout.write("\n" + MARK + json.dumps([column for column in columns if column]) + "\n")


main(sys.argv[1])
