from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drilling import Drill
from engines import own_name


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    """A healthy replica, taken down at the end."""
    made = Drill(tmp_path / "state")
    try:
        made.up()
        yield made
    finally:
        made.recover("drill", "down", "enum-cascade", expect=None)


@pytest.fixture
def seldom_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine asks each container for its health every 30 s, not every 5 s: that takes a fifth of two cores.

    For drills that rest on no result of the engine's: `drill` and `run` ask the containers themselves.
    """
    monkeypatch.setenv("HEALTH_INTERVAL", "30s")


@pytest.fixture
def compose_drill(tmp_path: Path, seldom_asked: None) -> Iterator[Drill]:
    """A healthy replica on containers; at the end nothing of it is left."""
    made = Drill(tmp_path / "state", "compose", own_name())
    try:
        made.up()
        yield made
    finally:
        made.drill("down", expect=None)
