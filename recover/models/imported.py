"""`--models MODULE:ATTR`: what the code expects, by importing its models: exact, and half a second."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recover.enums.expected import Expected, Member
from recover.errors import Precondition, UsageError
from recover.postgres.names import quote_ident

SCRIPT = Path(__file__).with_name("probe_script.py")
MARK = "recover-models:"


def from_import(
    target: str, *, python: str = sys.executable, folder: Path | None = None, timeout: float = 60.0
) -> Expected:
    """Import the models in a Python of their own and read their metadata. `timeout` in seconds.

    Raises UsageError for a target that is none, Precondition, with Python's own last words, when the import fails
    or when two columns disagree about one type.
    """
    require_target(target)
    try:
        ended = subprocess.run(
            [python, "-", target],
            input=SCRIPT.read_bytes(),
            capture_output=True,
            cwd=folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Precondition(f"importing {target} took more than {timeout:g} s", where=target) from None
    except OSError as error:
        raise Precondition(f"cannot run {python}", why=error.strerror or str(error)) from None
    return told(ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace"), target)


def require_target(target: str) -> None:
    """Raise UsageError for what is no MODULE:ATTR."""
    module, colon, attribute = target.partition(":")
    names = [*module.split("."), *attribute.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        raise UsageError(f"--models takes MODULE:ATTR, not {target!r}", next="--models app.models:Base")


def told(output: str, errors: str, target: str, source: str = "") -> Expected:
    """What the script printed, among whatever else the models print. Raises Precondition."""
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    if not lines:
        words = [line.strip() for line in errors.splitlines() if line.strip()]
        raise Precondition(
            f"the models {target} cannot be imported",
            where=source or target,
            why=words[-1] if words else "Python said nothing",
            next="set what the import needs (PYTHONPATH, environment), or use --source DIR",
        )
    return expected_of(json.loads(lines[-1].removeprefix(MARK)), source or f"the models {target}")


def expected_of(columns: Sequence[Mapping[str, Any]], source: str) -> Expected:
    """The columns as an expected file has them. Raises Precondition when two of one type disagree."""
    members = {column_name(column): member_of(column) for column in columns}
    return gathered(members, source)


def gathered(members: Mapping[str, Member], source: str, notes: Sequence[str] = ()) -> Expected:
    """Types and text columns from what is behind each column. Raises Precondition when two of one type disagree."""
    types: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name, member in members.items():
        if member.type is None:
            continue
        first, labels = types.setdefault(member.type, (name, member.labels))
        if set(labels) != set(member.labels):
            raise Precondition(
                f"two columns disagree about the labels of {member.type}",
                where=source,
                why=f"{first} wants {list(labels)}, {name} wants {list(member.labels)}",
                next="let both store names, or both values; no database can suit both",
            )
    columns = {name: member.labels for name, member in members.items() if member.type is None}
    return Expected(
        types={type: labels for type, (_, labels) in types.items()},
        columns=columns,
        members=members,
        source=source,
        notes=tuple(notes),
    )


def column_name(column: Mapping[str, Any]) -> str:
    """schema.table.column as SQL names it; no schema means public."""
    parts = (column["schema"] or "public", column["table"], column["column"])
    return ".".join(spelled(part) for part in parts)


def member_of(column: Mapping[str, Any]) -> Member:
    """What is behind the column."""
    pairs = dict(column["pairs"] or [])
    labels = tuple(column["labels"])
    type = None
    if column["native"] and column["type"]:
        schema = column["type_schema"]
        type = f"{spelled(schema)}.{spelled(column['type'])}" if schema else spelled(column["type"])
    return Member(type, labels, column["enum"], stores(labels, pairs), pairs)


def stores(labels: Sequence[str], pairs: Mapping[str, str]) -> Any:
    """Which half of the pairs the labels are."""
    if pairs and set(labels) <= set(pairs):
        return "names"
    return "values" if pairs and set(labels) <= set(pairs.values()) else "strings"


def spelled(name: str) -> str:
    """The name as SQL reads it: quoted only where it has to be."""
    plain = name.isascii() and name.isidentifier() and name == name.lower()
    return name if plain else quote_ident(name)
