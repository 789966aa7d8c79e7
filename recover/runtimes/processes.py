"""One service's process: its files, how it is, starting and ending it. `keeper.py` says why this is safe.

In the replica's folder: `run/NAME.json` (the record of the present incarnation), `run/NAME.exit.json` (how
it ended), `run/NAME.stop.json` (that we ended it), `run/NAME.lock`, `log/NAME.log`, `log/NAME.starts`.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from recover.errors import StepError, Unreachable
from recover.runtimes import keeper
from recover.secrets import end

EVERY = 0.02  # seconds between two looks while waiting for a process
STARTING = 30.0  # seconds until a start that says nothing has failed
SETTLING = 5.0  # seconds an unfinished start or end may take; it takes milliseconds
AFTER_KILL = 10.0  # seconds a killed process may take to vanish
LOG_LINE = 64 * 1024  # bytes; a longer line is given in pieces


@dataclass(frozen=True)
class Record:
    """One incarnation of a service, as it wrote it down before it became the service."""

    instance: str
    pid: int
    start: str
    environment: Mapping[str, str]
    started_at: datetime
    log_offset: int
    command: str = ""

    @property
    def alive(self) -> bool:
        """Does this very process live? A recycled pid began at another time, and a zombie is dead."""
        return bool(self.start) and keeper.start_of(self.pid) == self.start

    def signal(self, number: int) -> None:
        """Send a signal to this process and to no other: nothing is sent when it is gone.

        Between the look and the signal the pid cannot be given away: its keeper first writes the exit
        code to disk.
        """
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill_group(self) -> None:
        """SIGKILL to its process group, which it leads; nothing when it is gone."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Seen:
    """How a service is. `record` is missing before the first start, `exit_code` when it is not known."""

    status: Literal["missing", "stopped", "exited", "running"]
    record: Record | None = None
    exit_code: int | None = None


@dataclass(frozen=True)
class Process:
    """The process of one service in a replica's folder. Raises OSError where files cannot be used."""

    project: Path
    service: str

    def look(self) -> Seen:
        """How it is now. Changes nothing; an unfinished start or end is given a moment to be finished.

        "running" without a record: it stays unfinished.
        """
        until = time.monotonic() + SETTLING
        while True:
            record = self.record()
            if record is not None and record.alive:
                return Seen("running", record)
            if not self._locked():
                return self._ended(record)
            if time.monotonic() > until:
                return Seen("running")
            time.sleep(EVERY)

    def _ended(self, record: Record | None) -> Seen:
        if record is None:
            return Seen("missing")
        exit_code = self._facts("exit.json", record).get("exit_code")
        return Seen("stopped" if self._facts("stop.json", record) else "exited", record, exit_code)

    def record(self) -> Record | None:
        """The present or last incarnation. Raises Unreachable when the file is damaged."""
        facts = self._read("json")
        try:
            return Record(**{**facts, "started_at": datetime.fromisoformat(facts["started_at"])}) if facts else None
        except (TypeError, KeyError, ValueError) as error:
            raise self._damaged(self._file("json"), error) from None

    def launch(
        self,
        instance: str,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        base: Mapping[str, str],
    ) -> None:
        """Start it with `base` and `environment` (which is recorded). Returns when it has become the command.

        Raises StepError with the operating system's words when it has not.
        """
        (self.project / "log").mkdir(mode=0o700, exist_ok=True)
        order = {
            "command": list(command),
            "folder": str(folder),
            "environment": {**base, **environment},
            "log": str(self.log),
            "starts": str(self.log.with_suffix(".starts")),
            "record": str(self._file("json")),
            "exit": str(self._file("exit.json")),
            "facts": {"instance": instance, "environment": dict(environment), "command": shlex.join(command)},
        }
        if failure := self._hand_over(json.dumps(order).encode()):
            raise StepError(f"cannot start {self.service}", where=f"{folder}: {command[0]}", why=failure)

    def stop(self, number: int, within: float) -> None:
        """Signal it, wait `within` seconds, then kill its group; returns when it is gone.

        Raises StepError when it does not go even then.
        """
        seen = self.look()
        if seen.status != "running":
            return
        if (record := seen.record) is None:
            raise self._lost()
        # Before the signal: recover may be killed after it, and the end must not look like a crash then.
        keeper.write(self._file("stop.json"), {"instance": record.instance})
        record.signal(number)
        if self._gone(record, within):
            return
        record.kill_group()
        if not self._gone(record, AFTER_KILL):
            raise StepError(f"{self.service} does not end", where=f"pid {record.pid}", why="it survived SIGKILL")

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.project / "log" / f"{self.service}.log"

    def log_start(self, since: datetime | None) -> int:
        """Where in the log the present incarnation begins, or the first that was started at or after `since`."""
        record = self.record()
        begin = record.log_offset if record else 0
        if since is None:
            return begin
        starts = (line.split() for line in _lines(self.log.with_suffix(".starts"), 0))
        return min((int(offset) for at, offset in starts if datetime.fromisoformat(at) >= since), default=begin)

    def lines(self, offset: int) -> Iterator[str]:
        """The log from this byte to its present end, line by line. Bytes that are not UTF-8 become U+FFFD."""
        return _lines(self.log, offset)

    def last_words(self, number: int = 3) -> str:
        """The last lines that the present incarnation wrote, in one line of at most 500 characters."""
        with suppress(FileNotFoundError):
            begin = max(self.log_start(None), self.log.stat().st_size - 4096)
            said = [line.strip() for line in self.lines(begin) if line.strip()]
            return end(" | ".join(said[-number:]), 500)
        return ""

    # --- its files --------------------------------------------------------------------------------

    def _file(self, suffix: str) -> Path:
        return self.project / "run" / f"{self.service}.{suffix}"

    def _read(self, suffix: str) -> dict[str, Any]:
        path = self._file(suffix)
        try:
            facts = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise self._damaged(path, error) from None
        if not isinstance(facts, dict):
            raise self._damaged(path, TypeError("it holds no mapping"))
        return facts

    def _facts(self, suffix: str, record: Record) -> dict[str, Any]:
        """What the file says of this incarnation."""
        facts = self._read(suffix)
        return facts if facts.get("instance") == record.instance else {}

    def _lost(self) -> StepError:
        """The error for a service without a record: in the middle of its start, or its file was deleted."""
        held = f"{self._file('lock')} is held"
        if pid := self._file("lock").read_text().strip():
            why = f"{self._file('json')} is gone, and {held} by process {pid}"
            return StepError(f"{self.service} runs, but its record is lost", why=why, next=f"kill {pid}")
        return StepError(f"{self.service} is neither started nor gone", why=held)

    def _damaged(self, path: Path, error: Exception) -> Unreachable:
        return Unreachable(
            f"whether {self.service} runs cannot be told: its record is damaged",
            where=str(path),
            why=str(error),
            next=f"see whether it runs (ps), end it, then: rm {path}",
        )

    # --- the lock ---------------------------------------------------------------------------------

    def _locked(self) -> bool:
        """Does somebody hold the lock? Asked with a shared lock, which a starter waits out."""
        try:
            file = os.open(self._file("lock"), os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def _take_lock(self) -> int:
        """The locked file's descriptor. Raises StepError when another process starts the service too."""
        self._file("lock").parent.mkdir(mode=0o700, exist_ok=True)
        file = os.open(self._file("lock"), os.O_RDWR | os.O_CREAT, 0o600)
        until = time.monotonic() + 1.0
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    os.close(file)
                    raise StepError(f"another process is starting {self.service}") from None
                time.sleep(EVERY)
            else:
                return file

    # --- starting and ending ----------------------------------------------------------------------

    def _hand_over(self, order: bytes) -> str:
        """Give the order to a new keeper; "" when the service began, else why not."""
        lock = self._take_lock()
        words = [sys.executable, "-I", "-S", keeper.__file__, str(lock), f"{self.project}/{self.service}"]
        try:
            process = subprocess.Popen(
                words,
                env={},
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[lock],
                start_new_session=True,
            )
        finally:
            os.close(lock)  # never LOCK_UN: that would unlock it for the keeper too
        try:
            said, _ = process.communicate(order, timeout=STARTING)
        except subprocess.TimeoutExpired:
            return f"its keeper said nothing for {STARTING:g} s"
        finally:
            _let_go(process)
        return _failure(said.decode(errors="replace"))

    def _gone(self, record: Record, within: float) -> bool:
        until = time.monotonic() + within
        while self._locked() or record.alive:
            if time.monotonic() > until:
                return False
            time.sleep(EVERY)
        return True


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """The first process of a keeper ends by itself; one that hangs is killed. The keeper goes on."""
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()
    if process.poll() is None:
        process.kill()
        process.wait()


def _failure(said: str) -> str:
    try:
        return str(json.loads(said)["failure"])
    except (ValueError, TypeError, KeyError):
        last = said.strip().rpartition("\n")[2]
        return f"its keeper ended at once: {last}" if last else "its keeper was ended at once"


def _lines(path: Path, offset: int) -> Iterator[str]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        left = os.fstat(file.fileno()).st_size - offset
        file.seek(offset if left >= 0 else 0)  # cut short from outside: what is there is all there is
        left = left if left >= 0 else left + offset
        while left > 0 and (line := file.readline(min(left, LOG_LINE))):
            left -= len(line)
            yield line.decode(errors="replace").rstrip("\r\n")
