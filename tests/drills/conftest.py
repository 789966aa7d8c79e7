from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drilling import Drill


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    """A healthy replica, taken down at the end."""
    made = Drill(tmp_path / "state")
    try:
        made.up()
        yield made
    finally:
        made.recover("drill", "down", "enum-cascade", expect=None)
