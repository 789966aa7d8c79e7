"""The named queries of the enum doctor, in `catalog.sql` beside this."""

from __future__ import annotations

from pathlib import Path

from recover.postgres import catalog
from recover.world import Statement

_SQL = Path(__file__).with_suffix(".sql")


def named(name: str, **args: object) -> Statement:
    """The query of that name with its values. A KeyError is a bug in the caller."""
    return catalog.named(name, _SQL, **args)


def text(name: str) -> str:
    """The query as it stands in the file."""
    return catalog.queries(_SQL)[name]
