from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drilling import Drill
from engines import own_name
from helpers import warm_services
from helpers.prepared import broken, copy, healthy, prepared, start, taken_down


@pytest.fixture
def warm() -> Iterator[None]:
    """The services of the test's replica start warm."""
    with warm_services.used(warm_services.begun()):
        yield


@pytest.fixture
def drill(tmp_path: Path, warm: None) -> Iterator[Drill]:
    """A healthy replica, its services running; taken down at the end."""
    with taken_down(copy(prepared("healthy", healthy), tmp_path / "state")) as made:
        start(made)
        yield made


@pytest.fixture
def broken_drill(tmp_path: Path, warm: None) -> Iterator[Drill]:
    """A replica as the report found it: labels wrong, every service down. `before` is what it held until then."""
    with taken_down(copy(prepared("broken", broken), tmp_path / "state")) as made:
        yield made


@pytest.fixture
def seldom_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine asks each container for its health every 300 s, not every 5 s: that takes a fifth of two cores.

    For drills that rest on no result of the engine's: `drill` and `run` ask the containers themselves.
    """
    monkeypatch.setenv("HEALTH_INTERVAL", "300s")


@pytest.fixture
def compose_drill(tmp_path: Path, seldom_asked: None) -> Iterator[Drill]:
    """A healthy replica on containers; at the end nothing of it is left."""
    made = Drill(tmp_path / "state", "compose", own_name())
    try:
        made.up()
        yield made
    finally:
        made.drill("down", expect=None)
