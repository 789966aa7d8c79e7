"""The named queries of `catalog.sql`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from recover.world import Statement

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def queries() -> Mapping[str, str]:
    """Every query by its name, without the comments above it and the semicolon at its end."""
    parts = _NAME.split(Path(__file__).with_suffix(".sql").read_text())[1:]
    return {name: _bare(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def named(name: str, **args: object) -> Statement:
    """The query of that name with its values. A KeyError is a bug in the caller."""
    return Statement(queries()[name], args)


def _bare(body: str) -> str:
    lines = [line for line in body.strip().splitlines() if not line.startswith("--")]
    return "\n".join(lines).removesuffix(";")
