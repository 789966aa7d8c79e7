"""One run per project on this machine: a kernel lock that dies with its holder, and says who holds it."""

from __future__ import annotations

import errno
import fcntl
import getpass
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

from recover.errors import JournalError, Locked, LostOwnership
from recover.journal.places import in_place, open_file, open_folder, project_folder
from recover.journal.progress import fold
from recover.journal.records import NAME, records

T = TypeVar("T")

LOCK, TAKEN = "lock", "lock.taken-"
"""The project's lock file, and what the name of one that was taken over begins with."""

NO_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP, errno.EISDIR)
"""What file systems without locks (on folders) say; NFS locks a file exclusively only where it can be written."""

LOOK, LOOKS = 0.01, 10
"""Seconds a `status` may hold the lock for its look, and how often a start tries again for it."""


def who() -> tuple[str, str]:
    """The person and the host, as the operating system names them."""
    try:
        person = getpass.getuser()
    except (KeyError, OSError):
        person = f"uid {os.getuid()}"
    return person, socket.gethostname()


@dataclass
class ProjectLock:
    """The project's folder and its lock file, both open; `whole` once both are locked.

    The file says who holds it, and can be taken over. The folder cannot be: who removes the file, or puts another one
    in its place, makes no second run possible. (NFS locks no folders; there only the file is locked.)
    """

    folder: Path
    place: int
    handle: int
    whole: bool = False

    def require(self) -> None:
        """Raises LostOwnership unless the folder and the file of these names are those that are locked."""
        path = self.folder / LOCK
        for handle, mine in ((self.place, self.folder), (self.handle, path)):
            if not in_place(handle, mine):
                raise LostOwnership(
                    "lost ownership: the project's lock was taken away from this run, so nothing more is done",
                    where=str(mine),
                    why="it was moved, deleted or replaced, or the run was taken over; an act in flight is in doubt",
                    next=self._status,
                )
        self._complete()

    def take(self) -> None:
        """Lock both. Raises Locked, naming the holder."""
        try:
            if not _soon(lambda: _locked(self.handle)):
                raise self._held_by(_card(self.handle))
        except OSError as error:
            raise _unusable(self.folder, error) from None
        if not _soon(lambda: self._complete() or _taken_over(self.folder)):
            raise self._without_its_file()

    def _complete(self) -> bool:
        """Have the folder locked too, where it can be: it is free once a run that was taken over has ended."""
        if not self.whole:
            try:
                self.whole = _locked(self.place)
            except OSError as error:
                self.whole = error.errno in NO_LOCKS
        return self.whole

    def sign(self, run: str) -> None:
        """Say in the file who holds it."""
        person, host = who()
        card = {"by": person, "host": host, "pid": os.getpid(), "run": run, "since": datetime.now(UTC).isoformat()}
        try:
            os.ftruncate(self.handle, 0)
            os.pwrite(self.handle, json.dumps(card).encode(), 0)
        except OSError as error:
            raise _unusable(self.folder, error) from None

    @property
    def _status(self) -> str:
        return f"recover status --state-dir {quote(str(self.folder.parent))}"

    def _held_by(self, card: Mapping[str, Any]) -> Locked:
        return Locked(
            f"{card.get('by', 'somebody')} on {card.get('host', 'this machine')} is running "
            f"{card.get('run', 'another run')}{_step(self.folder, card)}{_age(card)}",
            where=str(self.folder / LOCK),
            why=f"process {card.get('pid', '?')} holds the project's lock",
            next=self._status,
        )

    def _without_its_file(self) -> Locked:
        pid = _locker(self.place)
        return Locked(
            "another run holds the project's folder, and its lock file was removed or replaced",
            where=str(self.folder),
            why=f"{f'process {pid}' if pid else 'a process'} has the folder locked; it stops at its next line",
            next=f"look at it, or end it: ps -fp {pid}" if pid else self._status,
        )


@contextmanager
def project_lock(state: Path, project: str, run: str) -> Iterator[Callable[[], None]]:
    """Hold the project for `run`. Raises Locked, naming the holder, when another process does.

    What it gives raises LostOwnership once the lock was taken away: a new holder would lock another file.
    """
    folder = project_folder(state, project)
    with ExitStack() as held:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            place = open_folder(folder)
            held.callback(os.close, place)
            handle = open_file(folder / LOCK, os.O_RDWR | os.O_CREAT)
            held.callback(os.close, handle)
        except OSError as error:
            raise _unusable(folder, error) from None
        lock = ProjectLock(folder, place, handle)
        lock.take()
        lock.sign(run)
        held.callback(os.ftruncate, handle, 0)  # nobody's card is left lying about
        yield lock.require


def take_from(state: Path, project: str) -> str:
    """Take the lock away from whoever holds it, so that it can be held anew; who that was, or "".

    The former holder keeps the old file, and notices at its next line that its run was taken over.
    """
    card = holder(state, project)
    if "run" not in card:
        return ""
    lock = project_folder(state, project) / LOCK
    try:
        lock.rename(lock.with_name(f"{TAKEN}{datetime.now(UTC):%Y%m%dT%H%M%S%f}"))
    except OSError as error:
        raise _unusable(lock.parent, error) from None
    return f"{card.get('by', 'somebody')} on {card.get('host', 'an unknown machine')}"


def holder(state: Path, project: str) -> dict[str, Any]:
    """Who holds the project, or {}; only the pid where the lock file, which says the rest, was taken away.

    The kernel is asked, with a shared lock that a starter waits out.
    """
    folder = project_folder(state, project)
    card = _if_locked(open_file, folder / LOCK, _card)
    if card is not None:
        return card
    pid = None if _taken_over(folder) else _if_locked(open_folder, folder, _locker)
    return {} if pid is None else {"pid": pid or "?"}


def _unusable(folder: Path, error: OSError) -> JournalError:
    what = "the state folder cannot be written, so nothing more is done"
    return JournalError(what, where=str(folder), why=error.strerror or str(error), next="make space, or --state-dir")


def _locked(handle: int) -> bool:
    """Lock it, if nobody else has. Raises OSError where nothing can be locked."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _soon(done: Callable[[], bool]) -> bool:
    """Is it done within a few looks? What only looks holds a lock no longer."""
    for _ in range(LOOKS):
        if done():
            return True
        time.sleep(LOOK)
    return False


def _taken_over(folder: Path) -> bool:
    """Does a run live here that was taken over? It still has its old lock file locked, and the folder with it."""
    return any(_if_locked(open_file, path, bool) is not None for path in folder.glob(f"{TAKEN}*"))


def _if_locked(opened: Callable[[Path], int], path: Path, tell: Callable[[int], T]) -> T | None:
    """What `tell` says of it when another process has it locked, else None."""
    try:
        handle = opened(path)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return tell(handle)
    except OSError:
        return None  # nothing can be locked here
    finally:
        os.close(handle)
    return None


def _locker(handle: int) -> int:
    """The one process that has this locked, as Linux says (proc(5), /proc/locks); 0 when it cannot be told."""
    try:
        lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        return 0
    inode = os.fstat(handle).st_ino
    found = {int(line[4]) for line in lines if line[1] == "FLOCK" and line[5].endswith(f":{inode}")}
    return found.pop() if len(found) == 1 else 0


def _card(handle: int) -> dict[str, Any]:
    try:
        card = json.loads(os.pread(handle, 4096, 0))
    except ValueError:
        return {}
    return card if isinstance(card, dict) else {}


def _step(folder: Path, card: Mapping[str, Any]) -> str:
    path = folder / Path(str(card.get("run", ""))).name / NAME
    if not path.is_file():
        return ""
    current = fold(records(path)).current
    return f", at step {current}" if current else ""


def _age(card: Mapping[str, Any]) -> str:
    try:
        since = datetime.fromisoformat(str(card["since"]))
    except (KeyError, ValueError):
        return ""
    return f", for {(datetime.now(UTC) - since).total_seconds():.0f} s"
