from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from drilling import Drill
from helpers.prepared import broken, copy, healthy, prepared, start, taken_down


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    """A healthy replica, its services running; taken down at the end."""
    with taken_down(copy(prepared("healthy", healthy), tmp_path / "state")) as made:
        start(made)
        yield made


@pytest.fixture
def broken_drill(tmp_path: Path) -> Iterator[Drill]:
    """A replica as the report found it: labels wrong, every service down. `before` is what it held until then."""
    with taken_down(copy(prepared("broken", broken), tmp_path / "state")) as made:
        yield made


@pytest.fixture
def compose_drill(tmp_path: Path) -> Iterator[Drill]:
    """A healthy replica on containers; at the end nothing of it is left."""
    made = Drill(tmp_path / "state", "compose", f"recovertest{secrets.token_hex(4)}")
    try:
        made.up()
        yield made
    finally:
        made.drill("down", expect=None)
