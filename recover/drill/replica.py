"""The replica of a stack: its private folder, secrets, certificates, free ports, and its services' start."""

from __future__ import annotations

import secrets
import shutil
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from recover.acting import at_once, neighbours
from recover.checks.wait import Patience, Waiter
from recover.drill import certificates, disk
from recover.drill.scenario import Scenario
from recover.errors import StepError, Unreachable
from recover.journal.records import write_private
from recover.steps.service import StartService, StopService
from recover.world import Seconds, View, Work, World

Tell = Callable[[str], None]
READY = Seconds(60)  # what a service of a replica may take to answer


@dataclass(frozen=True)
class Replica:
    """The folder of one replica: `.env`, `secrets/`, and what its services write."""

    folder: Path

    @property
    def exists(self) -> bool:
        """Was it built?"""
        return (self.folder / ".env").is_file()

    def require(self, up: str) -> None:
        """Raises Unreachable when it was not built; `up` is the command that builds it."""
        if not self.exists:
            raise Unreachable("there is no replica", where=str(self.folder), next=up)

    def prepare(self, scenario: Scenario) -> None:
        """Make folder, secrets, certificates and free ports; what is there already stays."""
        self.sweep()
        (self.folder / "secrets").mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in scenario.replica.secrets:
            path = self.folder / "secrets" / name
            if not path.exists():
                write_private(path, secrets.token_urlsafe(24))
        certificates.make(self.folder, scenario.replica.certificates, datetime.now(UTC))
        if not self.exists:
            own = {"REPLICA": str(self.folder.absolute()), "REPLICA_ID": secrets.token_hex(8)}
            paths = (scenario.playbook.parent / name for name in scenario.replica.env_files)
            files = [variables(path) for path in paths if path.is_file()]
            given = dict(pair for file in files for pair in file.items())
            self._write_env({**given, **scenario.replica.env, **own, **_free_ports(scenario.replica.ports)})

    def env(self) -> dict[str, str]:
        """The variables of the stack's file."""
        return variables(self.folder / ".env")

    def set(self, changes: Mapping[str, str]) -> None:
        """Change variables; services take them up at their next start."""
        self._write_env({**self.env(), **changes})

    def mark_broken(self) -> None:
        """Note the instant of the break: the outage, and the RTO clock, begin here."""
        write_private(self.folder / "broken_at", datetime.now(UTC).isoformat())

    def broken_at(self) -> datetime | None:
        """When it was broken, or None."""
        path = self.folder / "broken_at"
        return datetime.fromisoformat(path.read_text()) if path.is_file() else None

    def remove(self) -> None:
        """Delete the folder with everything in it. The services must be stopped.

        It is renamed first: one that is half deleted must not look like a replica. Raises StepError for a disk in it
        that cannot be unmounted.
        """
        self.sweep()
        self.folder.rename(self._gone)
        self.sweep()

    def sweep(self) -> None:
        """Finish a deletion that was cut off."""
        if self._gone.exists():
            disk.release(self._gone)
            shutil.rmtree(self._gone)

    @property
    def _gone(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.gone")

    def _write_env(self, values: Mapping[str, str]) -> None:
        write_private(self.folder / ".env", "".join(f"{key}={value}\n" for key, value in values.items()))


def start_all(world: World, view: View, tell: Tell) -> None:
    """Start every service, in turns: all at once whose needs are ready. Raises StepError."""
    needs = {name: view.services.state(name).needs for name in view.services.names()}
    while needs:
        turn = tuple(name for name, needed in needs.items() if not set(needed) & set(needs))
        tell(f"start {', '.join(turn)}")
        start(world, view, turn)
        needs = {name: needed for name, needed in needs.items() if name not in turn}


def start(world: World, view: View, services: tuple[str, ...]) -> None:
    """Start (or restart with changed variables) these services and wait until they are ready."""
    work = StartService(services=services, within=READY)
    carry_out(work, world, view)
    waiter = Waiter(view)
    for check, within in work.proofs():
        evidence = waiter.ask(check, Patience(within=within, every=0.1))
        if not evidence.passed:
            raise StepError(
                f"{evidence.question} no",
                why=evidence.answer,
                next="recover drill down",
            )


def stop_all(world: World, view: View, tell: Tell) -> None:
    """Stop every service, the last started first."""
    tell("stop every service")
    carry_out(StopService(except_=()), world, view)


def carry_out(work: Work, world: World, view: View) -> None:
    """Apply what the work decides: a drill's own acts are not part of any run."""
    for together in neighbours(work.decide(view)):
        for _, end in at_once([partial(action.apply, world) for action in together]):
            if isinstance(end, BaseException):
                raise end


def variables(path: Path) -> dict[str, str]:
    """The NAME=VALUE lines of a file."""
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)


def _free_ports(names: Iterable[str]) -> dict[str, str]:
    """A free TCP port for each name, all held at once so that they differ."""
    with ExitStack() as held:
        ports = {}
        for name in names:
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            ports[name] = str(probe.getsockname()[1])
        return ports
