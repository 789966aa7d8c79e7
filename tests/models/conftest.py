"""A Python for questions to models."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import warm_models


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Python that need not import SQLAlchemy first."""
    with warm_models.served(tmp_path_factory.mktemp("warm")) as python:
        yield python
