"""The run's memory: one line per event, appended, chained by hashes, durable before the next act.

`STATE/<project>/<run-id>/{journal.jsonl, playbook.yml, plan.json, evidence/}`; folders 0700, files 0600.
A line is JSON: {"v", "n", "at", "epoch", "event", "data", "kept", "prev", "hash"}; `prev` is the hash of the
line before, `hash` that of this line without its hash, `kept` the sha256 of each file of the run that was
written since the line before. A torn last line (no line feed: the process died while writing) is cut off and
kept aside; damage anywhere else is refused with the record's number.

`STATE/<project>/heads/<run-id>` holds the number and the hash of the last durable line, written after it: a journal
that ends before its head was cut. One that goes on after it was killed between the two, which is no damage.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from hashlib import file_digest, sha256
from pathlib import Path
from shlex import quote
from shutil import rmtree
from typing import Any, NamedTuple

from recover.errors import JournalDamaged, JournalError, LostOwnership, StateLost
from recover.events import ActionStarted, CheckAnswered, CheckWaiting, Event, RunEnded, StepStarted, UndoStarted
from recover.halt import INTENDED
from recover.journal.fields import fault
from recover.journal.places import head_file, in_place, open_file, open_folder, project_folder
from recover.secrets import Redactor, Secret

NAME = "journal.jsonl"
GENESIS = "0" * 64
RUN_FIELDS = frozenset({"run", "playbook", "target", "steps", "binding", "variables", "plan", "left_out"})
STRUCTURE = RUN_FIELDS | frozenset({"step", "act", "touches", "how", "verdict"})
"""Fields that progress is computed from. They hold names, and a name that happens to be some secret's
value must stay what it is: a masked step id would make a done step look as if it had never begun."""

_NOT_KEPT = (CheckWaiting,)
_NOT_SYNCED = (CheckAnswered, StepStarted)  # durable with the next line that is; nothing is acted on before


TEXTS = ("playbook.yml", "plan.json")
"""The files of a run's folder that say what it does; a line keeps their sha256 once they are there."""


class Record(NamedTuple):
    """One line of a journal. `at` is UTC; `data` holds the event's fields; `kept` the sha256 of files, None in a line
    of a version that kept none.
    """

    n: int
    at: datetime
    epoch: int
    event: str
    data: Mapping[str, Any]
    hash: str
    kept: Mapping[str, str] | None = None


class Head(NamedTuple):
    """The last durable line of a run, as it is kept outside of its folder."""

    n: int
    hash: str

    @property
    def short(self) -> str:
        """As it is printed, for a ticket: 64 bits of the hash, which nobody makes another journal for."""
        return f"{self.hash[:16]} (record {self.n})"


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
        self._known = set[str]()
        self._fresh: dict[str, str] = {}
        self._written: dict[str, str] = {}
        if last:
            for record in records(path):
                self._known.update(record.kept or ())
        try:
            self._file = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            self._end = os.fstat(self._file).st_size
            self._head = self._open_head(head_file(path.parent))
        except OSError as error:
            raise _unwritable(path, error) from None

    def __call__(self, event: Event) -> Record | None:
        """Keep the event; its record, or None for an event that is only shown.

        Raises JournalError when it cannot be made durable, StateLost when a file of the run is not where it was;
        LostOwnership when the run was taken over: the lock is another's, or another process has written since.
        """
        if isinstance(event, _NOT_KEPT):
            return None
        try:
            return self._append(event)
        except FileNotFoundError as error:
            raise self._lost(Path(error.filename)) from None
        except OSError as error:
            raise _unwritable(self.path, error) from None

    @property
    def head(self) -> Head:
        """The last line."""
        return Head(self._n, self._hash)

    def close(self) -> None:
        """Release the files."""
        os.close(self._file)
        os.close(self._head)

    def _append(self, event: Event) -> Record:
        self._owned()
        for handle, path in ((self._file, self.path), (self._head, head_file(self.path.parent))):
            if not in_place(handle, path):
                raise self._lost(path)
        if os.fstat(self._file).st_size != self._end:
            raise LostOwnership("lost ownership: another process goes on with this run", where=str(self.path))
        data: Any = {f.name: self._clean(f.name, plain(getattr(event, f.name))) for f in fields(event)}
        data = self._shelve(data) if isinstance(event, CheckAnswered) else data
        if isinstance(event, RunEnded):
            self._require_whole()
        if isinstance(event, (ActionStarted, UndoStarted)):
            INTENDED.set()
        n, at, name = self._n + 1, datetime.now(UTC), type(event).__name__
        stamp = at.isoformat(timespec="microseconds")
        kept = self._newly_kept()
        body = {"v": 1, "n": n, "at": stamp, "epoch": self.epoch, "event": name, "data": data, "kept": kept}
        line, digest = seal({**body, "prev": self._hash})
        self._write(line)
        if not isinstance(event, _NOT_SYNCED):
            os.fsync(self._file)
            os.pwrite(self._head, _head_line(n, digest), 0)
        self._n, self._hash = n, digest
        self._known.update(kept)
        self._written.update(kept)
        self._fresh.clear()
        return Record(n, at, self.epoch, name, data, digest, kept)

    def _newly_kept(self) -> dict[str, str]:
        """The sha256 of each file of the run that no line has yet."""
        for name in TEXTS:
            path = self.path.with_name(name)
            if name not in self._known and path.exists():
                self._fresh[name] = digest_of(path)
        return dict(self._fresh)

    def _require_whole(self) -> None:
        """What a run says at its end rests on what it wrote: every line and file of this process is read again.

        Raises JournalDamaged, StateLost.
        """
        for _ in records(self.path):
            pass
        for name, digest in self._written.items():
            path = self.path.parent / name
            if digest_of(path) != digest:
                raise self._lost(path)

    def _open_head(self, path: Path) -> int:
        """The head's file, durable from the first line on."""
        path.parent.mkdir(mode=0o700, exist_ok=True)
        os.close(open_folder(path.parent))  # not a link that leads elsewhere
        handle = open_file(path, os.O_WRONLY | os.O_CREAT)
        os.pwrite(handle, _head_line(self._n, self._hash), 0)
        os.fsync(handle)
        for folder in (path.parent, path.parent.parent):
            sync_folder(folder)
        return handle

    def _lost(self, path: Path) -> StateLost:
        run = self.path.parent
        return StateLost(
            "the run's record is not as it was written, so nothing more is done",
            where=str(path),
            why="it was moved, deleted or changed under the run; an act in flight is in doubt",
            next=f"put it back, then: recover resume {run.name} --state-dir {quote(str(run.parent.parent))}",
        )

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
        write_whole(self.path.parent / name, text)
        _give_to_owner(self.path.parent / name, self.path)
        self._fresh[name] = sha256(text.encode()).hexdigest()
        return {**data, "evidence": {**data["evidence"], "attachment": name}}


def seal(body: Mapping[str, object]) -> tuple[bytes, str]:
    """The line for a record and its hash."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()  # as json reads bytes: a name need not be UTF-8
    return f'{text[:-1]},"hash":"{digest}"}}\n'.encode("utf-8", "surrogatepass"), digest


def create(state: Path, project: str, run: str) -> Path:
    """Make the folder of a new run, durably; its path. Raises JournalError."""
    folder = project_folder(state, project) / run
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        (folder / "evidence").mkdir(mode=0o700)
        for made in (folder, folder.parent):
            sync_folder(made)
    except OSError as error:
        raise _unwritable(folder, error) from None
    return folder


def forget(journal: FileJournal) -> None:
    """Remove what is kept of a run that has written no line. One with lines stays as it is.

    The head goes first: a head without its run would say that a run was taken away.
    """
    if journal.head.n:
        return
    folder = journal.path.parent
    with suppress(OSError):
        head_file(folder).unlink(missing_ok=True)
        rmtree(folder)


def records(path: Path) -> Iterator[Record]:
    """Every good record, verified against the chain and the run's head; a torn tail is passed over.

    Raises JournalDamaged naming the first record that does not match, or that is missing.
    """
    head = kept_head(path.parent)  # looked at before the lines: a run that writes meanwhile is never behind it
    previous, n = GENESIS, 0
    with os.fdopen(_open_journal(path), "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            n += 1
            record = _verified(line, n, previous, path)
            previous = record.hash
            if n == 1 and record.kept is not None and head is None:
                raise _headless(path, record)
            if head and n == head.n and head.hash != previous:
                raise _damaged(path, f"record {n} of the journal is another one than was kept", "its hash differs")
            yield record
    if head and n < head.n:
        raise _damaged(path, f"the journal was cut: it ends with record {n} of {head.n}", "its head is kept elsewhere")


def _headless(path: Path, first: Record) -> JournalDamaged:
    whose = first.data.get("run", path.parent.name)
    moved = whose != path.parent.name
    what = f"the journal in this folder is that of run {whose}" if moved else "the run's head is missing"
    why = f"{head_file(path.parent)} is not there: without it a journal that was cut cannot be told"
    return _damaged(path, what, why)


def kept_head(folder: Path) -> Head | None:
    """The head that is kept of the run in this folder, None when there is none. Raises JournalDamaged."""
    path = head_file(folder)
    try:
        with os.fdopen(open_file(path), "rb") as file:
            words = file.read(200).split()
        return Head(int(words[0]), words[1].decode("ascii")) if words else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexError) as error:
        raise _damaged(path, "the run's head cannot be read", str(error)) from None


def digest_of(path: Path) -> str:
    """The sha256 of a plain file, "" when there is none."""
    try:
        with os.fdopen(open_file(path), "rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _head_line(n: int, digest: str) -> bytes:
    """Of one length: a new one takes the place of the old one whole."""
    return f"{n:012d} {digest}\n".encode()


def _open_journal(path: Path) -> int:
    try:
        return open_file(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _damaged(path, "the journal cannot be read", error.strerror or str(error)) from None


def _damaged(path: Path, what: str, why: str) -> JournalDamaged:
    again = "look with: recover show; start over from the world with: recover run PLAYBOOK"
    return JournalDamaged(what, where=str(path), why=why, next=again)


def mend(path: Path) -> Record | None:
    """Cut a torn tail off (kept beside the journal as journal.torn-N), and return the last record."""
    last: Record | None = None
    for record in records(path):
        last = record
    with os.fdopen(open_file(path, os.O_RDWR), "rb+") as file:
        content = file.read()
        good = content.rfind(b"\n") + 1
        if tail := content[good:]:
            torn = path.with_name(f"journal.torn-{last.n + 1 if last else 1}")
            write_private(torn, tail)
            _give_to_owner(torn, path)
            file.truncate(good)
            os.fsync(file.fileno())
    return last


def _give_to_owner(path: Path, journal: Path) -> None:
    """What root writes in a user's run is the user's, so that he can read it and go on with it. Raises OSError."""
    if os.geteuid() == 0:
        owner = journal.stat(follow_symlinks=False)
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


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
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(open_file(partial, flags), "wb") as file:
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
    handle = open_folder(path)
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
        kept = body.get("kept")
        intact = intact and isinstance(body["data"], dict) and all(isinstance(v, str) for v in (kept or {}).values())
        record = Record(n, at, body["epoch"], body["event"], body["data"], digest, kept)
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
