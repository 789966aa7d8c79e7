"""The run's memory: one line per event, appended, chained by hashes, durable before the next act.

`STATE/<project>/<run-id>/{journal.jsonl, playbook.yml, plan.json, evidence/}`; folders 0700, files 0600.
A line is JSON: {"v", "n", "at", "epoch", "event", "data", "prev", "hash"}; `prev` is the hash of the
line before, `hash` that of this line without its hash. A torn last line (no line feed: the process
died while writing) is cut off and kept aside; damage anywhere else is refused with the record's number.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from recover.errors import JournalDamaged, JournalError, LostOwnership
from recover.events import CheckAnswered, CheckWaiting, Event, StepStarted
from recover.journal.fields import fault
from recover.secrets import Redactor, Secret

NAME = "journal.jsonl"
GENESIS = "0" * 64
RUN_FIELDS = frozenset({"run", "playbook", "target", "steps", "binding", "variables", "plan", "left_out"})
STRUCTURE = RUN_FIELDS | frozenset({"step", "act", "touches", "how", "verdict"})
"""Fields that progress is computed from. They hold names, and a name that happens to be some secret's
value must stay what it is: a masked step id would make a done step look as if it had never begun."""

_NOT_KEPT = (CheckWaiting,)
_NOT_SYNCED = (CheckAnswered, StepStarted)  # durable with the next line that is; nothing is acted on before


class Record(NamedTuple):
    """One line of a journal. `at` is UTC; `data` holds the event's fields."""

    n: int
    at: datetime
    epoch: int
    event: str
    data: Mapping[str, Any]
    hash: str


class FileJournal:
    """Appends to one run's journal. Holds the file open; `owned` raises once the project's lock is another's."""

    def __init__(
        self, path: Path, redactor: Redactor, owned: Callable[[], None], *, last: Record | None = None
    ) -> None:
        self.path = path
        self._owned = owned
        self.epoch = last.epoch + 1 if last else 1
        self._redactor = redactor
        self._n = last.n if last else 0
        self._hash = last.hash if last else GENESIS
        self._attachments = 0
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._end = os.fstat(self._file).st_size
        except OSError as error:
            raise _unwritable(path, error) from None

    def __call__(self, event: Event) -> Record | None:
        """Keep the event; its record, or None for an event that is only shown.

        Raises JournalError when it cannot be made durable, or its file is not where it was; LostOwnership when the run
        was taken over: the lock is another's, or another process has written since.
        """
        if isinstance(event, _NOT_KEPT):
            return None
        try:
            return self._append(event)
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)

    def _append(self, event: Event) -> Record:
        self._owned()
        here = os.fstat(self._file)
        if not self._in_place(here):
            raise JournalError(
                "the run's journal is not where it was, so nothing more is done",
                where=str(self.path),
                why="it was moved, deleted or replaced",
                next="put it back, then: recover resume",
            )
        if here.st_size != self._end:
            raise LostOwnership("lost ownership: another process goes on with this run", where=str(self.path))
        data: Any = {f.name: self._clean(f.name, plain(getattr(event, f.name))) for f in fields(event)}
        data = self._shelve(data) if isinstance(event, CheckAnswered) else data
        n, at, name = self._n + 1, datetime.now(UTC), type(event).__name__
        stamp = at.isoformat(timespec="microseconds")
        line, digest = seal(
            {"v": 1, "n": n, "at": stamp, "epoch": self.epoch, "event": name, "data": data, "prev": self._hash}
        )
        self._write(line)
        if not isinstance(event, _NOT_SYNCED):
            os.fsync(self._file)
        self._n, self._hash = n, digest
        return Record(n, at, self.epoch, name, data, digest)

    def _in_place(self, mine: os.stat_result) -> bool:
        """Is the file of the journal's name the one that is open here?"""
        try:
            return os.path.samestat(mine, self.path.stat())
        except FileNotFoundError:
            return False

    def _clean(self, name: str, value: object) -> object:
        return value if name in STRUCTURE else self._redactor.data(value)

    def _write(self, line: bytes) -> None:
        """All of the line, or none of it: half a line would turn the next good one into damage."""
        try:
            written = os.write(self._file, line)
            if written != len(line):
                raise OSError(28, "No space left on device")
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._end += len(line)

    def _shelve(self, data: Any) -> Any:
        """Move a long attachment into evidence/ and leave its name in the line."""
        text = data["evidence"].get("attachment")
        if not text:
            return data
        self._attachments += 1
        name = f"evidence/{self._n + 1:05d}-{self._attachments}.txt"
        write_private(self.path.parent / name, text)
        return {**data, "evidence": {**data["evidence"], "attachment": name}}


def seal(body: Mapping[str, object]) -> tuple[bytes, str]:
    """The line for a record and its hash."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()  # as json reads bytes: a name need not be UTF-8
    return f'{text[:-1]},"hash":"{digest}"}}\n'.encode("utf-8", "surrogatepass"), digest


def create(state: Path, project: str, run: str) -> Path:
    """Make the folder of a new run, durably; its path. Raises JournalError."""
    folder = state / project / run
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        (folder / "evidence").mkdir(mode=0o700)
        for made in (folder, folder.parent):
            sync_folder(made)
    except OSError as error:
        raise _unwritable(folder, error) from None
    return folder


def records(path: Path) -> Iterator[Record]:
    """Every good record, verified against the chain; a torn tail is passed over.

    Raises JournalDamaged naming the first record that does not match.
    """
    previous, n = GENESIS, 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            n += 1
            record = _verified(line, n, previous, path)
            previous = record.hash
            yield record


def mend(path: Path) -> Record | None:
    """Cut a torn tail off (kept beside the journal as journal.torn-N), and return the last record."""
    last: Record | None = None
    for record in records(path):
        last = record
    with path.open("rb+") as file:
        content = file.read()
        good = content.rfind(b"\n") + 1
        if tail := content[good:]:
            write_private(path.with_name(f"journal.torn-{last.n + 1 if last else 1}"), tail)
            file.truncate(good)
            os.fsync(file.fileno())
    return last


def write_private(path: Path, content: str | bytes) -> None:
    """Write a 0600 file of a run whole and durable, or not at all. Raises JournalError."""
    try:
        write_whole(path, content)
    except OSError as error:
        raise _unwritable(path, error) from None


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a 0600 file whole and durable, or not at all. Raises OSError.

    What is there and is no file (/dev/stdout, a pipe) is written to as it is, and never replaced.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    partial = path.with_name(path.name + ".partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise


def sync_folder(path: Path) -> None:
    """Make the folder's entries durable (fsync of a file does not cover its name)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _verified(line: bytes, n: int, previous: str, path: Path) -> Record:
    try:
        body = json.loads(line)
        digest = body.pop("hash")
        sealed, _ = seal(body)
        intact = sealed == line and body["prev"] == previous and body["n"] == n
        at = datetime.fromisoformat(body["at"])
        record = Record(n, at, body["epoch"], body["event"], body["data"], digest)
    except (ValueError, KeyError, TypeError, AttributeError):
        intact = False
    if not intact:
        raise JournalDamaged(
            f"record {n} of the journal is damaged",
            where=f"{path}:{n}",
            why="it does not match the hash chain: bytes inside the journal were changed after they were written",
            next="look with: recover show; start over from the world with: recover run PLAYBOOK",
        )
    _require_readable(record, path)
    return record


def _require_readable(record: Record, path: Path) -> None:
    """Raises JournalDamaged for a record whose hashes are right, and which no run has written."""
    why = fault(record.event, record.data)
    if not isinstance(record.epoch, int) or record.at.tzinfo is None:
        why = "its epoch is no number, or its time has no zone"
    if why:
        raise JournalDamaged(
            f"record {record.n} of the journal cannot be read",
            where=f"{path}:{record.n}",
            why=why,
            next="if a newer recover wrote it, use that one; start over from the world with: recover run PLAYBOOK",
        )


def plain(value: object, secret: Callable[[Secret], str] = str) -> object:
    """Dataclasses, mappings and sequences as JSON-like data; a Secret as its mask, or as `secret` says."""
    if isinstance(value, Secret):
        return secret(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name), secret) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item, secret) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, secret) for item in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _unwritable(path: Path, error: OSError) -> JournalError:
    return JournalError(
        f"{path.name} cannot be written, so nothing more is done",
        where=str(path),
        why=error.strerror or str(error),
        next="make space or fix the permissions, then: recover resume",
    )
