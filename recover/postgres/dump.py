"""A dump that can be trusted: it has its name only once it is complete, readable and on disk."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from recover import programs
from recover.errors import Precondition, StepError
from recover.postgres.programs import program
from recover.secrets import Secret


def dump(
    path: Path, conninfo: str, password: Secret | None, server_major: int, pg_dump: Path | None, timeout: float
) -> Mapping[str, object]:
    """Dump in custom format to `path`; {"path", "bytes", "sha256", "seconds"}.

    `conninfo` holds no password; it goes to the child's environment, never to its argv. `timeout` in
    seconds. Raises Precondition without a fitting pg_dump, StepError with the program's words.
    """
    began = time.monotonic()
    tool = _fitting(pg_dump or program("pg_dump"), server_major)
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [str(tool), "--format=custom", "--no-password", f"--file={partial}", f"--dbname={conninfo}"]
        _run(command, password, timeout)
        _run([str(tool.with_name("pg_restore")), "--list", str(partial)], None, timeout)
        size, digest = _settle(partial, path)
    except OSError as error:
        raise StepError(f"the dump to {path} failed", why=str(error)) from error
    finally:
        partial.unlink(missing_ok=True)
    return {"path": str(path), "bytes": size, "sha256": digest, "seconds": round(time.monotonic() - began, 3)}


def restore(path: Path, conninfo: str, password: Secret | None, pg_dump: Path | None, timeout: float) -> None:
    """Restore a dump in custom format, in one transaction, by the pg_restore beside that pg_dump.

    As `dump` for the rest.
    """
    tool = pg_dump or program("pg_dump")
    assert tool is not None  # it made the dump  # noqa: S101
    command = [str(tool.with_name("pg_restore")), "--no-password", "--single-transaction", "--exit-on-error"]
    _run([*command, f"--dbname={conninfo}", str(path)], password, timeout)


def _fitting(tool: Path | None, server_major: int) -> Path:
    """The pg_dump, when it is not older than the server: pg_dump refuses a newer one ("Notes" of its page)."""
    if tool is None:
        raise Precondition(
            "there is no pg_dump", why="neither in the wheel nor on PATH", next="apt-get install postgresql-client"
        )
    version = _run([str(tool), "--version"], None, 30.0)
    found = re.search(r"(\d+)(?:\.\d+|devel|beta|rc)", version)
    if found is None or int(found.group(1)) < server_major:
        raise Precondition(
            f"{tool} is too old for this server",
            why=f"the server is PostgreSQL {server_major}, this is {version.strip()}",
            next=f"apt-get install postgresql-client-{server_major}",
        )
    return tool


def _run(command: Sequence[str], password: Secret | None, timeout: float) -> str:
    """The program's output. Raises StepError with its words."""
    environment = dict(os.environ) if password is None else {**os.environ, "PGPASSWORD": password.reveal()}
    name = Path(command[0]).name
    try:
        ended = programs.run(command, environment=environment, timeout=timeout, umask=0o077)
    except subprocess.TimeoutExpired:
        raise StepError(f"{name} did not end within {timeout:g} s") from None
    except OSError as error:
        raise StepError(f"{name} could not be run", where=command[0], why=str(error)) from error
    if ended.returncode != 0:
        why = ended.stderr.decode(errors="replace").strip()
        raise StepError(f"{name} ended with code {ended.returncode}", why=why)
    return ended.stdout.decode(errors="replace")


def _settle(partial: Path, path: Path) -> tuple[int, str]:
    with partial.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    partial.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return size, digest
