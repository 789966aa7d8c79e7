"""`--models MODULE:ATTR`: what the code expects, by importing its models: exact, and half a second."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from recover.enums.expected import Expected, Member
from recover.errors import Precondition, UsageError
from recover.postgres.names import quote_ident

SCRIPT = Path(__file__).with_name("probe_script.py")
MARK = "recover-models:"
SET = "set what the import needs (PYTHONPATH, environment), or use --source DIR"
ATTRIBUTE = "name a declarative base, a registry, a MetaData or SQLModel: --models app.models:Base"
_ATTRIBUTE = ("AttributeError", "TypeError")


def from_import(
    target: str,
    *,
    python: Path | str = sys.executable,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 60.0,
) -> Expected:
    """Import the models in a Python of their own, in `folder`, and read their metadata. `timeout` in seconds.

    The attribute is a declarative base, a registry, a MetaData or SQLModel; `environment` is added to ours.
    Raises UsageError for a target that is none, Precondition, with Python's own last words, when the import fails
    or when two columns disagree about one type.
    """
    require_target(target)
    asked = launched(["-", target], SCRIPT.read_text(encoding="utf-8"), target, python, folder, environment, timeout)
    return told(*asked, target)


def launched(
    words: Sequence[str],
    given: str,
    target: str,
    python: Path | str,
    folder: Path | None,
    environment: Mapping[str, str] | None,
    timeout: float,
) -> tuple[str, str]:
    """What a Python, given that text on its standard input, printed as output and as errors. Raises Precondition."""
    try:
        ended = subprocess.run(
            [str(python), *words],
            input=given.encode(),
            capture_output=True,
            cwd=folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        why = f"importing and asking them took more than {timeout:g} s"
        raise _unreadable(
            target, target, why, "does the import wait for something? --source DIR imports nothing"
        ) from None
    except OSError as error:
        raise Precondition(f"cannot run {python}", why=f"{error.filename}: {error.strerror}") from None
    errors = ended.stderr.decode(errors="replace") or f"Python ended with exit code {ended.returncode}"
    return ended.stdout.decode(errors="replace"), errors


def require_target(target: str) -> None:
    """Raise UsageError for what is no MODULE:ATTR."""
    module, colon, attribute = target.partition(":")
    names = [*module.split("."), *attribute.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        raise UsageError(f"--models takes MODULE:ATTR, not {target!r}", next="--models app.models:Base")


def told(output: str, errors: str, target: str, source: str = "") -> Expected:
    """What the script printed, among whatever else the models print. Raises Precondition."""
    answer = answer_in(output, errors, target, source)
    if not answer["tables"]:
        raise _unreadable(target, source or target, "it has no tables", "name the module that imports all models")
    return expected_of(answer["columns"], source or f"the models {target}")


def answer_in(output: str, errors: str, target: str, source: str = "") -> Mapping[str, Any]:
    """The answer of a script in what was printed. Raises Precondition when it says what went wrong, or nothing."""
    where = source or target
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    if not lines:
        words = [line.strip() for line in errors.splitlines() if line.strip()]
        raise _unreadable(target, where, without_password(words[-1]) if words else "Python said nothing", SET)
    answer: Mapping[str, Any] = json.loads(lines[-1].removeprefix(MARK))
    if "error" in answer:
        raise _unreadable(target, where, answer["error"], ATTRIBUTE if answer["kind"] in _ATTRIBUTE else SET)
    return answer


def without_password(line: str) -> str:
    """The line without what a URL in it signs in with."""
    return re.sub(r"://[^/\s@]*@", "://***@", line)


def _unreadable(target: str, where: str, why: str, next: str) -> Precondition:
    return Precondition(f"the models {target} cannot be imported", where=where, why=why, next=next)


def expected_of(columns: Sequence[Mapping[str, Any]], source: str) -> Expected:
    """The columns as an expected file has them. Raises Precondition when two of one type disagree."""
    nameless = [column for column in columns if column["native"] and not column["type"]]
    notes = [f"{column_name(column)}: its enum has no name, and PostgreSQL refuses such a type" for column in nameless]
    return gathered({column_name(c): member_of(c) for c in columns if c not in nameless}, source, notes)


def gathered(members: Mapping[str, Member], source: str, notes: Sequence[str] = ()) -> Expected:
    """Types and text columns from what is behind each column. Raises Precondition when two of one type disagree.

    Of labels in two orders the first stands, with a note.
    """
    types: dict[str, tuple[str, tuple[str, ...]]] = {}
    said = list(notes)
    for name, member in members.items():
        if member.type is None:
            continue
        first, labels = types.setdefault(member.type, (name, member.labels))
        if set(labels) != set(member.labels):
            raise disagreement(f"the labels of {member.type}", source, (first, members[first]), (name, member))
        if labels != member.labels:
            said.append(f"{member.type}: {name} has its labels in another order than {first}")
    columns = {name: member.labels for name, member in members.items() if member.type is None}
    return Expected(
        types={type: labels for type, (_, labels) in types.items()},
        columns=columns,
        members=members,
        source=source,
        notes=tuple(dict.fromkeys(said)),
    )


def disagreement(about: str, source: str, one: tuple[str, Member], other: tuple[str, Member]) -> Precondition:
    """The error for two places that no database can suit both."""
    return Precondition(
        f"two columns disagree about {about}",
        where=source,
        why=f"{_wants(*one)}; {_wants(*other)}",
        next="let both store names, or both values, or give one a type of its own; no database can suit both",
    )


def _wants(name: str, member: Member) -> str:
    half = "" if member.stores == "strings" else f"the {member.stores} of {member.enum}, "
    return f"{name} wants {half}{list(member.labels)}"


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
    kept = stores(labels, pairs)
    note = "its labels are neither the names nor the values of the enum" if pairs and kept == "strings" else ""
    length = None if column["native"] else column["length"]
    return Member(type, labels, column["enum"], kept, pairs, note=note, length=length)


def stores(labels: Sequence[str], pairs: Mapping[str, str]) -> Literal["names", "values", "strings"]:
    """Which half of the pairs the labels are."""
    if pairs and set(labels) <= set(pairs):
        return "names"
    return "values" if pairs and set(labels) <= set(pairs.values()) else "strings"


def spelled(name: str) -> str:
    """The name as SQL reads it: quoted only where it has to be."""
    plain = name.isascii() and name.isidentifier() and name == name.lower()
    return name if plain else quote_ident(name)
