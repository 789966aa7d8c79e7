"""Named queries, kept in .sql files beside the code that asks them; `catalog.sql` here holds the general ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from recover.world import Statement

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_HERE = Path(__file__).with_suffix(".sql")


@cache
def queries(file: Path = _HERE) -> Mapping[str, str]:
    """Every query of the file by its name, without the comments above it and the semicolon at its end."""
    parts = _NAME.split(file.read_text())[1:]
    return {name: _bare(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def named(name: str, file: Path = _HERE, /, **args: object) -> Statement:
    """The query of that name with its values. A KeyError is a bug in the caller."""
    return Statement(queries(file)[name], args)


def _bare(body: str) -> str:
    lines = [line for line in body.strip().splitlines() if not line.startswith("--")]
    return "\n".join(lines).removesuffix(";")
