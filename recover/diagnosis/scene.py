"""What a diagnosis can look at: the services, their logs, the databases, the playbook's own questions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from recover.diagnosis.shapes import Shapes
from recover.enums.expected import Expected
from recover.errors import RecoverError
from recover.evidence import Evidence
from recover.postgres import catalog
from recover.stack import ServiceState
from recover.world import Check, Row, SeeDatabase, SeeServices, View

AT_ONCE = 8
SETTLE = 2.0  # seconds for which locks are watched at least: a login that hangs shows who waits for whom


class ClosingDatabase(SeeDatabase, Protocol):
    """A database with a connection of its own."""

    def close(self) -> None:
        """Hang up."""


@dataclass(frozen=True)
class Source:
    """Where a diagnosis looks: all that the command line, or a playbook, says of the stack.

    `databases` opens each by name, `dbnames` is what the server calls them. `probes` and `certificates` are the
    playbook's own questions; `steps` the kinds of its steps; `folders` those whose file systems matter;
    `lacking` what of the playbook's own could not be read.
    """

    services: SeeServices | None = None
    databases: Mapping[str, Callable[[], ClosingDatabase]] = field(default_factory=dict)
    dbnames: Mapping[str, str] = field(default_factory=dict)
    view: View | None = None
    expected: Mapping[str, Expected] = field(default_factory=dict)
    probes: Mapping[str, Check] = field(default_factory=dict)
    certificates: Sequence[Check] = ()
    steps: frozenset[str] = frozenset()
    folders: Sequence[Path] = ()
    lacking: Sequence[str] = ()


@dataclass
class Scene:
    """What was seen. `unseen` says what could not be looked at, and why."""

    source: Source
    states: dict[str, ServiceState] = field(default_factory=dict)
    shapes: Shapes = field(default_factory=Shapes)
    answers: dict[str, Evidence] = field(default_factory=dict)
    waits: list[Row] = field(default_factory=list)
    idle: list[Row] = field(default_factory=list)
    unseen: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def database(self, name: str) -> Iterator[ClosingDatabase]:
        """The database of that name, over a connection of its own."""
        opened = self.source.databases[name]()
        try:
            yield opened
        finally:
            opened.close()

    def down(self) -> list[ServiceState]:
        """The services that do not run, or are not ready, in the order of the file; a one-shot that is done is well."""
        return [state for state in self.states.values() if not (state.running and state.ready) and not done(state)]


def done(state: ServiceState) -> bool:
    """Is it a one-shot that has nothing to do any more, or was not started?"""
    return state.oneshot and (state.exit_code == 0 or state.status in ("missing", "stopped"))


def look(source: Source, since: timedelta, settle: float = SETTLE) -> Scene:
    """Everything that any question needs, looked at once and side by side. Never raises for what cannot be seen.

    `since` is how far back logs are read; locks are watched for `settle` seconds at least.
    """
    scene, begin = Scene(source), datetime.now(UTC) - since
    names = _names(scene)
    asked = threading.Event()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        watching = pool.submit(_locks, scene, asked, settle)
        probing = [pool.submit(_probe, scene, name, check) for name, check in source.probes.items()]
        states = list(pool.map(lambda name: _state(scene, name), names))
        scene.states = {state.name: state for state in states if state}
        for name in names:
            _logs(scene, name, begin)
        for probe in probing:
            probe.result()
        asked.set()
        watching.result()
    return scene


def _names(scene: Scene) -> tuple[str, ...]:
    try:
        return scene.source.services.names() if scene.source.services else ()
    except RecoverError as error:
        scene.unseen["services"] = _words(error)
        return ()


def _state(scene: Scene, name: str) -> ServiceState | None:
    assert scene.source.services is not None  # there are names  # noqa: S101
    try:
        return scene.source.services.state(name, probe=True)
    except RecoverError as error:
        scene.unseen[name] = _words(error)
        return None


def _logs(scene: Scene, name: str, begin: datetime) -> None:
    assert scene.source.services is not None  # noqa: S101
    try:
        scene.shapes.read(name, scene.source.services.logs(name, begin))
    except RecoverError as error:
        scene.unseen[f"the log of {name}"] = _words(error)


def _probe(scene: Scene, name: str, check: Check) -> None:
    assert scene.source.view is not None  # whoever has probes has one  # noqa: S101
    try:
        scene.answers[name] = check.ask(scene.source.view)
    except RecoverError as error:
        scene.unseen[f"probe {name}"] = _words(error)


def _locks(scene: Scene, asked: threading.Event, settle: float) -> None:
    """Who waits for whom, watched while the probes are asked, and for a moment at least."""
    began = time.monotonic()
    for name in scene.source.databases:
        try:
            with scene.database(name) as database:
                while True:
                    scene.waits = scene.waits or database.rows("who waits for a lock", catalog.named("lock_waits"))
                    scene.idle = scene.idle or database.rows("who holds a lock", catalog.named("idle_holders"))
                    over = asked.is_set() and time.monotonic() - began >= settle
                    if scene.idle or over:
                        break
                    asked.wait(0.2)
        except RecoverError as error:
            scene.unseen[f"database {name}"] = _words(error)


def _words(error: RecoverError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what
