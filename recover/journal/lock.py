"""One run per project on this machine: a kernel lock that dies with its holder, and says who holds it."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recover.errors import JournalError, Locked, LostOwnership
from recover.journal.progress import fold
from recover.journal.records import NAME, records

LOOK, LOOKS = 0.01, 10
"""Seconds a `status` may hold the lock for its look, and how often a start tries again for it."""


def who() -> tuple[str, str]:
    """The person and the host, as the operating system names them."""
    try:
        person = getpass.getuser()
    except (KeyError, OSError):
        person = f"uid {os.getuid()}"
    return person, socket.gethostname()


@contextmanager
def project_lock(state: Path, project: str, run: str) -> Iterator[Callable[[], None]]:
    """Hold the project for `run`. Raises Locked, naming the holder, when another process does.

    What it gives raises LostOwnership once the lock was taken away: a new holder would lock another file.
    """
    folder = state / project
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(folder, error) from None
    try:
        _take(handle, folder)
        _sign(handle, run, folder)
        try:
            yield lambda: _require(handle, folder / "lock")
        finally:
            os.ftruncate(handle, 0)  # nobody's card is left lying about
    finally:
        os.close(handle)


def _require(handle: int, path: Path) -> None:
    """Raises LostOwnership unless the file of that name is the one that is locked."""
    try:
        mine = os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        mine = False
    if not mine:
        raise LostOwnership("lost ownership: the project's lock was taken away from this run", where=str(path))


def take_from(state: Path, project: str) -> str:
    """Take the lock away from whoever holds it, so that it can be held anew; who that was, or "".

    The former holder keeps the old file, and notices at its next line that its run was taken over.
    """
    card = holder(state, project)
    if not card:
        return ""
    lock = state / project / "lock"
    try:
        lock.rename(lock.with_name(f"lock.taken-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"))
    except OSError as error:
        raise _unusable(lock.parent, error) from None
    return f"{card.get('by', 'somebody')} on {card.get('host', 'an unknown machine')}"


def holder(state: Path, project: str) -> dict[str, Any]:
    """Who holds the project, or {}. The kernel is asked, with a shared lock that a starter waits out."""
    try:
        handle = os.open(state / project / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return {}
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(handle)
    finally:
        os.close(handle)
    return {}


def _take(handle: int, folder: Path) -> None:
    for _ in range(LOOKS):
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK)
    card = _holder(handle)
    raise Locked(
        f"{card.get('by', 'somebody')} on {card.get('host', 'this machine')} is running "
        f"{card.get('run', 'another run')}{_step(folder, card)}{_age(card)}",
        where=str(folder / "lock"),
        why=f"process {card.get('pid', '?')} holds the project's lock",
        next="recover status",
    )


def _unusable(folder: Path, error: OSError) -> JournalError:
    what = "the state folder cannot be written, so nothing more is done"
    return JournalError(what, where=str(folder), why=error.strerror or str(error), next="make space, or --state-dir")


def _sign(handle: int, run: str, folder: Path) -> None:
    person, host = who()
    card = {"by": person, "host": host, "pid": os.getpid(), "run": run, "since": datetime.now(UTC).isoformat()}
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(card).encode(), 0)
    except OSError as error:
        raise _unusable(folder, error) from None


def _holder(handle: int) -> dict[str, Any]:
    try:
        card = json.loads(os.pread(handle, 4096, 0))
    except ValueError:
        return {}
    return card if isinstance(card, dict) else {}


def _step(folder: Path, holder: dict[str, Any]) -> str:
    path = folder / str(holder.get("run", "")) / NAME
    if not path.is_file():
        return ""
    current = fold(records(path)).current
    return f", at step {current}" if current else ""


def _age(holder: dict[str, Any]) -> str:
    try:
        since = datetime.fromisoformat(str(holder["since"]))
    except (KeyError, ValueError):
        return ""
    return f", for {(datetime.now(UTC) - since).total_seconds():.0f} s"
