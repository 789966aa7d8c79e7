"""Services without processes, for tests of what is above them. tests/contract keeps them honest.

Different services may be started from different threads: what they share is only appended to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from recover.errors import PlaybookError
from recover.journal.places import head_file
from recover.journal.records import records
from recover.marked_yaml import did_you_mean
from recover.stack import AS_DECLARED, Address, Given, ServiceState, Status


@dataclass
class FakeServices:
    """`world.Services` in memory.

    `declared`: each service's environment, in order. `unready`: why a running service is not ready.
    `first_words`: what every service logs when it starts, with {NAME} from its environment.
    `deeds` are the starts and stops that changed something. `during` is called in every start before it
    has an effect: it may wait or raise.
    """

    declared: dict[str, dict[str, str]]
    ports: dict[str, tuple[int, ...]] = field(default_factory=dict)
    oneshots: frozenset[str] = frozenset()
    unready: dict[str, str] = field(default_factory=dict)
    first_words: str = ""
    deeds: list[str] = field(default_factory=list)
    during: Callable[[str], None] = lambda _service: None
    _states: dict[str, ServiceState] = field(default_factory=dict)
    _lines: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        return tuple(self.declared)

    def statuses(self) -> dict[str, Status]:
        return {name: self.state(name).status for name in self.names()}

    def state(self, service: str, *, probe: bool = False, overrides: Sequence[Path] = ()) -> ServiceState:
        self._require(service)
        known = self._states.get(service, ServiceState(service, "missing"))
        state = replace(
            known,
            declared=self.declared[service],
            declared_settings={"command": f"serve {service}"},
            oneshot=service in self.oneshots,
            needs=self._before(service),
        )
        if not probe:
            return state
        done = state.oneshot and state.status == "exited" and state.exit_code == 0
        detail = self.unready.get(service, "") if state.status == "running" else f"it is {state.status}"
        return replace(state, ready=done or not detail, detail="" if done else detail)

    def logs(self, service: str, since: datetime | None = None) -> Iterator[str]:
        self._require(service)
        begin = self.state(service).started_at
        starts = [at for at, _ in self._lines.get(service, []) if since and at >= since]
        begin = min([*starts, begin]) if begin else None
        return iter([line for at, line in self._lines.get(service, []) if begin and at >= begin and line])

    def address(self, service: str, port: int | None = None) -> Address:
        self._require(service)
        ports = self.ports.get(service, ())
        if not ports or (port is not None and port not in ports):
            known = [str(known) for known in ports]
            hint = did_you_mean(str(port), known) or f"known: {', '.join(known)}"
            raise PlaybookError(f"{service} has no port {port or ''}", next=hint)
        return Address("127.0.0.1", port or ports[0])

    def start(self, service: str, given: Given = AS_DECLARED) -> None:
        self._require(service)
        self.during(service)
        self.deeds.append(f"start {service}")
        got = {**self.declared[service], **given.environment}
        now = datetime.now(UTC)
        self._states[service] = ServiceState(
            service,
            "running",
            environment=got,
            settings=given.over({"command": f"serve {service}"}),
            started_at=now,
            instance=f"{service}-{len(self.deeds)}",
        )
        if service not in self.oneshots:
            self._lines.setdefault(service, []).append((now, self.first_words.format_map(got)))
        if service in self.oneshots:  # it ends well, at once
            self.end(service, 0)

    def stop(self, service: str) -> None:
        if self.state(service).running:
            self.deeds.append(f"stop {service}")
            self._states[service] = replace(self._states[service], status="stopped")

    def put_back(self, service: str, given: Given) -> None:
        self.stop(service)
        known = self.state(service)
        if known.status != "missing":
            got = {**self.declared[service], **given.environment}
            settings = given.over({"command": f"serve {service}"})
            if (got, settings) != (known.environment, known.settings):
                self.deeds.append(f"make {service}")
                self._states[service] = replace(known, status="stopped", environment=got, settings=settings)

    # --- what happens to it from outside ---

    def end(self, service: str, exit_code: int) -> None:
        """It ends by itself."""
        self._states[service] = replace(self._states[service], status="exited", exit_code=exit_code)

    def be(self, service: str, **changes: object) -> None:
        """Its state is otherwise."""
        self._states[service] = replace(self.state(service), **changes)  # type: ignore[arg-type]  # test data

    def say(self, service: str, line: str) -> None:
        """It writes a line to its log."""
        self._lines.setdefault(service, []).append((datetime.now(UTC), line))

    def _before(self, service: str) -> tuple[str, ...]:
        names = self.names()
        return names[max(0, names.index(service) - 1) : names.index(service)]

    def _require(self, service: str) -> None:
        if service not in self.declared:
            hint = did_you_mean(service, self.declared) or f"known: {', '.join(self.declared)}"
            raise PlaybookError(f"there is no service {service!r}", next=hint)


def mine() -> None:
    """A project's lock that nobody takes away."""


def died_before_its_head_was_kept(journal: Path) -> None:
    """The head of a run as a process leaves it that dies while it writes its last line: that of the line before."""
    *_, before, _ = records(journal)
    head_file(journal.parent).write_text(f"{before.n:012d} {before.hash}\n")
