"""One run per project on one engine, whichever machines it is run from: a container that is made and never started.

Its name is taken by one run only; its labels say whose it is. Its holder gives it a pulse: the value of a setting
(`CpuShares`) that counts up. One whose pulse has stopped, or whose holder is seen to be dead on this machine, is
cleared away. Source: Docker Engine API, "Create a container" (409 for a name that is taken), "Update a container".
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from recover.errors import Locked, LostOwnership, RecoverError
from recover.runtimes.engine_api import Engine, Facts, Gone

LABEL = "dev.recover.lease"
BEAT, STILL = 2.0, 10.0
"""Seconds between two beats of the pulse, and for how long it has to stand still to be taken for stopped."""

TRIES = 20
UNKNOWN = "unknown"
LOWEST, HIGHEST = 2, 262_144  # what the kernel takes for CpuShares


@dataclass(frozen=True)
class Lease:
    """The lease of one project on one engine; `card` says who wants it: by, host, run."""

    engine: Engine
    project: str
    card: Mapping[str, str]

    @contextmanager
    def held(self, *, breaking: bool = False) -> Iterator[Callable[[], None]]:
        """Hold it. What is yielded raises LostOwnership once somebody else has it.

        Raises Locked, naming the holder, unless it is taken from him by `breaking` it; Unreachable when the engine
        does not answer.
        """
        if breaking and (found := self._found()) is not None:
            with suppress(RecoverError):
                self.engine.remove(found["Id"], self._name)
        mine, over = self._take(), threading.Event()
        pulse = threading.Thread(target=self._beat, args=(mine, over), daemon=True)
        pulse.start()
        try:
            yield lambda: self._require(mine)
        finally:
            over.set()
            with suppress(RecoverError):
                self.engine.remove(mine, self._name)

    @property
    def _name(self) -> str:
        return f"recover-lease-{self.project}"

    def _take(self) -> str:
        labels = {LABEL: self.project, "machine": machine(), "pid": str(os.getpid()), **self.card}
        labels["since"] = datetime.now(UTC).isoformat()
        for _ in range(TRIES):
            made = self.engine.make_idle(self._name, labels)
            if made is not None:
                return made
            found = self._found()
            if found is not None:
                self._require_dead(found)
                with suppress(RecoverError):  # another may have cleared it away just now
                    self.engine.remove(found["Id"], self._name)
        raise Locked(f"the lease {self._name} on this engine cannot be had", next=f"docker rm {self._name}")

    def _found(self) -> Facts | None:
        with suppress(Gone):
            return self.engine.inspect(self._name)
        return None

    def _require_dead(self, found: Facts) -> None:
        """Returns when the holder is dead; raises Locked when it lives."""
        labels = found["Config"]["Labels"] or {}
        here = labels.get("machine") == machine() != UNKNOWN
        if here and not _alive(labels.get("pid", "")):
            return
        until = time.monotonic() + STILL
        while time.monotonic() < until:
            time.sleep(BEAT / 4)
            now = self._found()
            if now is None or now["Id"] != found["Id"]:
                return  # it is free now, or another's: try again
            if _pulse(now) != _pulse(found):
                raise _refused(labels)

    def _beat(self, mine: str, over: threading.Event) -> None:
        count = LOWEST
        while not over.wait(BEAT):
            count = count + 1 if count < HIGHEST else LOWEST
            with suppress(RecoverError):
                self.engine.set_shares(mine, count)

    def _require(self, mine: str) -> None:
        found = self._found()
        if found is None or found["Id"] != mine:
            holder = (found["Config"]["Labels"] or {}).get("by", "somebody") if found else "nobody"
            raise LostOwnership(
                "lost ownership: the project's lease on the engine is not ours any more", why=f"{holder} has it"
            )


def machine() -> str:
    """What tells this machine, as far as process ids go, from every other: its boot and the namespace of its pids."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return UNKNOWN


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _pulse(found: Facts) -> object:
    return found["HostConfig"].get("CpuShares")


def _refused(labels: Mapping[str, str]) -> Locked:
    return Locked(
        f"{labels.get('by', 'somebody')} on {labels.get('host', 'another machine')} is running "
        f"{labels.get('run', 'another run')} on this engine{_age(labels.get('since', ''))}",
        why=f"process {labels.get('pid', '?')} there holds the project's lease",
        next="ask them; `recover status --handover` on their machine says where it stands",
    )


def _age(since: str) -> str:
    try:
        return f", for {(datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds():.0f} s"
    except ValueError:
        return ""
