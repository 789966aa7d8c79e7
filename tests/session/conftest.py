from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import Tiny


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Tiny]:
    """The tiny stack, nothing of it running; stopped at the end."""
    made = Tiny(tmp_path).build()
    yield made
    made.down()
