"""Runs in the user's own Python, in the user's container: what do the imported models expect? Prints one JSON line.

Needs nothing but the standard library (3.8 or later) and the user's SQLAlchemy (1.4 or 2). Read from stdin:
`python - MODULE:ATTR`. The line begins with MARK and is written past `sys.stdout`, whatever the models do to that.
"""

from __future__ import annotations

import enum
import importlib
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MARK = "recover-models:"


def main(look: Callable[[str], dict[str, Any]], target: str) -> None:
    """Print the answer, or what went wrong, and end at once: threads of the models would go on."""
    out = os.dup(1)
    sys.path.insert(0, str(Path.cwd()))
    try:
        answer = look(target)
    except BaseException as error:
        answer = {"error": described(error), "kind": type(error).__name__}
    sys.stdout.flush()
    with os.fdopen(out, "w") as plain:
        plain.write(f"\n{MARK}{json.dumps(answer)}\n")
    os._exit(0)


def look(target: str) -> dict[str, Any]:
    """Every column of the metadata behind the target that holds labels."""
    tables = metadata_of(target).tables
    columns = [facts(table, column) for _, table in sorted(tables.items()) for column in table.columns]
    return {"columns": [column for column in columns if column], "tables": len(tables)}


def metadata_of(target: str) -> Any:
    """What MODULE:ATTR keeps its tables in."""
    module, _, path = target.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    metadata = getattr(found, "metadata", found)
    if not hasattr(metadata, "tables"):
        raise TypeError(f"{path} has no metadata: it is no declarative base, registry, MetaData or SQLModel")
    return metadata


def facts(table: Any, column: Any) -> dict[str, Any] | None:
    """What one column declares; None when it holds no labels."""
    kind = bare(column.type)
    if not hasattr(kind, "enums"):
        return None
    python = getattr(kind, "enum_class", None)
    return {
        "table": str(table.name),
        "schema": named(table.schema),
        "column": str(column.name),
        "native": bool(getattr(kind, "native_enum", True)),
        "type": named(kind.name),
        "type_schema": named(kind.schema),
        "labels": [text(label) for label in kind.enums],
        "length": getattr(kind, "length", None),
        "enum": f"{python.__module__}.{python.__qualname__}" if python else "",
        "pairs": [[name, text(member.value)] for name, member in members(python)],
    }


def bare(kind: Any) -> Any:
    """The type as PostgreSQL gets it, without variants, decorators, arrays and domains around it."""
    from sqlalchemy.dialects import postgresql

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    kind = variant(kind)
    while not hasattr(kind, "enums"):
        if hasattr(kind, "load_dialect_impl"):
            inner = kind.load_dialect_impl(dialect)
        else:
            inner = getattr(kind, "item_type", None) or getattr(kind, "data_type", None)
        if inner is None or inner is kind:
            return kind
        kind = variant(inner)
    return kind


def variant(kind: Any) -> Any:
    """What stands for the type on PostgreSQL, where it says so."""
    return getattr(kind, "_variant_mapping", {}).get("postgresql", kind)


def members(python: Any) -> list[tuple[str, enum.Enum]]:
    """The members without their aliases."""
    return [(name, member) for name, member in python.__members__.items() if member.name == name] if python else []


def text(value: Any) -> str:
    """A value as text: what it is, for text; else as Python writes it."""
    return str.__str__(value) if isinstance(value, str) else repr(value)


def named(name: Any) -> str | None:
    """A plain str also for a name that carries its quoting along."""
    return None if name is None else str(name)


def described(error: BaseException) -> str:
    """The error in one line, without values: settings are refused together with the secrets in them."""
    told = str(error).strip().splitlines() or [""]
    if callable(getattr(error, "errors", None)):  # a ValidationError of pydantic, which quotes its whole input
        refused = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]  # type: ignore[attr-defined]
        told = ["; ".join(refused)]
    hidden = re.sub(r"://[^/\s@]*@", "://***@", told[0])
    return f"{type(error).__name__}: {hidden[:500]}".rstrip(": ")


if __name__ == "__main__":
    main(look, sys.argv[1])
