"""What a diagnosis can look at: the services, their logs, the databases, the playbook's own questions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from recover.checks.service import masked
from recover.diagnosis.causes import is_known
from recover.diagnosis.shapes import Shape, Shapes
from recover.enums.expected import Expected
from recover.errors import RecoverError, Unreachable
from recover.evidence import Evidence
from recover.log_lines import zone_named
from recover.postgres import catalog
from recover.stack import ServiceState
from recover.world import Check, Row, SeeDatabase, SeeServices, View

AT_ONCE = 8
LATELY = timedelta(hours=1)
"""What a service that is well said longer ago is of the past."""
ROUNDED = timedelta(seconds=1)
"""By so much a record may say that it is earlier than it was: many logs have whole seconds, and the engine notes a
start a moment after the process has begun.
"""
WATCH = 0.2  # seconds between two looks
PENDING = 3.0  # times that, for a health check that the engine has not asked yet
LONG = 10.0  # seconds that the log of one service is read before it is told that it is long
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
    `lacking` the playbook's files that could not be read, `unasked` what else cannot be asked, and why. `hide` takes
    secrets out of a text: before it is cut or masked, because a part of one would not be found again. `tell` gets what
    somebody who waits should know. `psql` is what that program needs to get to a database.
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
    unasked: Mapping[str, str] = field(default_factory=dict)
    hide: Callable[[str], str] = str
    tell: Callable[[str], None] = lambda _words: None
    psql: Callable[[str], str] = lambda _name: ""


@dataclass
class Scene:
    """What was seen. `unseen` says what could not be looked at, and why."""

    source: Source
    states: dict[str, ServiceState] = field(default_factory=dict)
    shapes: Shapes = field(default_factory=lambda: Shapes(is_known))
    answers: dict[str, Evidence] = field(default_factory=dict)
    waits: list[Row] = field(default_factory=list)
    idle: list[Row] = field(default_factory=list)
    unseen: dict[str, str] = field(default_factory=dict)
    deaf: dict[str, Unreachable] = field(default_factory=dict)
    names: Sequence[str] = ()
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @contextmanager
    def database(self, name: str) -> Iterator[ClosingDatabase]:
        """The database of that name, over a connection of its own. Raises Unreachable at once when it did before."""
        if name in self.deaf:
            raise self.deaf[name]
        opened = self.source.databases[name]()
        try:
            yield opened
        finally:
            opened.close()

    def down(self) -> list[ServiceState]:
        """The services that do not run, or are not ready, in the order of the file; a one-shot that is done is well."""
        return [s for s in self.states.values() if not (s.running and s.ready is not False) and not done(s)]

    def roots(self) -> list[ServiceState]:
        """Those of them that need none that is down."""
        down = self.down()
        names = {state.name for state in down}
        return [state for state in down if not names & self.before(state)] or down

    def before(self, state: ServiceState) -> set[str]:
        """What has to run before the service, near and far; of a one-shot that is done only what is before that."""
        found, left = dict[str, ServiceState](), list(state.needs)
        while left:
            name = left.pop()
            if name in self.states and name not in found:
                found[name] = self.states[name]
                left += found[name].needs
        return {name for name, needed in found.items() if not done(needed) and name != state.name}

    @property
    def fails(self) -> bool:
        """Is anything seen to be wrong at this moment?"""
        return bool(self.down()) or any(not answer.passed for answer in self.answers.values())

    def is_new(self, shape: Shape) -> bool:
        """Was it said by the instance that is there now, or was last? Where no line says its time, yes."""
        state = self.states.get(shape.service)
        return not (state and state.started_at and shape.last and shape.last < state.started_at - ROUNDED)

    def is_current(self, shape: Shape) -> bool:
        """The same, and lately where its service is well: that one may have got over it."""
        well = shape.service in self.states and shape.service not in {state.name for state in self.down()}
        return self.is_new(shape) and not (well and shape.last and shape.last < self.now - LATELY)


def done(state: ServiceState) -> bool:
    """Is it a one-shot that has nothing to do any more, or was not started?"""
    return state.oneshot and (state.exit_code == 0 or state.status in ("missing", "stopped"))


def look(source: Source, since: timedelta, now: datetime | None = None, *, settle: float = SETTLE) -> Scene:
    """Everything that any question needs, looked at once and side by side. Never raises for what cannot be seen.

    `since` is how far back logs are read; locks are watched for `settle` seconds at least.
    """
    scene = Scene(source, unseen=dict(source.unasked), now=now or datetime.now(UTC))
    scene.names = _names(scene)
    asked, pool, patient = threading.Event(), ThreadPoolExecutor(AT_ONCE), True
    try:
        watching = pool.submit(_locks, scene, asked, settle)
        try:
            _look(scene, since, pool, PENDING * settle)
        finally:
            asked.set()
        watching.result()
    except KeyboardInterrupt:
        patient = False  # a question that hangs does not hold it up
        raise
    finally:
        pool.shutdown(wait=patient, cancel_futures=True)
    return scene


def _look(scene: Scene, since: timedelta, pool: ThreadPoolExecutor, patience: float) -> None:
    probing = [pool.submit(_probe, scene, name, check) for name, check in scene.source.probes.items()]
    states = list(pool.map(lambda name: _state(scene, name, patience), scene.names))
    scene.states = {state.name: state for state in states if state}
    for name in scene.names:
        zone = scene.states[name].zone if name in scene.states else "UTC"
        scene.shapes.read(name, _log(scene, name, scene.now - since), zone_named(zone))
    for probe in probing:
        probe.result()


def _names(scene: Scene) -> tuple[str, ...]:
    try:
        return scene.source.services.names() if scene.source.services else ()
    except RecoverError as error:
        scene.unseen["services"] = words(error)
        return ()


def _state(scene: Scene, name: str, patience: float) -> ServiceState | None:
    """How the service is; one that was just started is given so many seconds to be known to be well or not."""
    assert scene.source.services is not None  # there are names  # noqa: S101
    until = time.monotonic() + patience
    try:
        while _pending(state := scene.source.services.state(name, probe=True)) and time.monotonic() < until:
            time.sleep(WATCH)
    except RecoverError as error:
        scene.unseen[name] = words(error)
        return None
    if _pending(state):
        scene.unseen[name] = _shown(scene, state.detail)
    return replace(state, detail=_shown(scene, state.detail))


def _shown(scene: Scene, text: str) -> str:
    """The text without secrets, those that are known and what looks like one: before anybody cuts it."""
    return masked(scene.source.hide(text))


def _pending(state: ServiceState) -> bool:
    return state.running and state.ready is None


def _log(scene: Scene, name: str, begin: datetime) -> Iterator[str]:
    """Its lines, up to where it breaks off."""
    assert scene.source.services is not None  # noqa: S101
    try:
        for line in _telling(scene, name, scene.source.services.logs(name, begin)):
            yield scene.source.hide(line)
    except RecoverError as error:
        scene.unseen[f"the log of {name}"] = words(error)


def _telling(scene: Scene, name: str, lines: Iterable[str]) -> Iterator[str]:
    """The lines; every `LONG` seconds it is told how many there were."""
    due = time.monotonic() + LONG
    for n, line in enumerate(lines, 1):
        yield line
        if (now := time.monotonic()) >= due:
            due = now + LONG
            scene.source.tell(f"the log of {name} is long: {n:,} lines so far; a shorter --since reads less")


def _probe(scene: Scene, name: str, check: Check) -> None:
    assert scene.source.view is not None  # whoever has probes has one  # noqa: S101
    try:
        answer = check.ask(scene.source.view)
        scene.answers[name] = replace(answer, answer=_shown(scene, answer.answer))
    except RecoverError as error:
        scene.unseen[f"probe {name}"] = words(error)


def _locks(scene: Scene, asked: threading.Event, settle: float) -> None:
    """Who waits for whom, watched while the probes are asked, and for a moment at least."""
    began = time.monotonic()
    for name in scene.source.databases:
        waits: list[Row] = []
        idle: list[Row] = []
        try:
            with scene.database(name) as database:
                while True:
                    waits = database.rows("who waits for a lock", catalog.named("lock_waits")) or waits
                    idle = database.rows("who holds a lock", catalog.named("idle_holders"))
                    if asked.is_set() and time.monotonic() - began >= settle:
                        break
                    time.sleep(WATCH)
        except RecoverError as error:
            scene.unseen[f"database {name}"] = words(error)
            if isinstance(error, Unreachable):
                scene.deaf[name] = error
        scene.waits += [{**row, "database": name} for row in waits]
        scene.idle += [{**row, "database": name} for row in idle]


def words(error: RecoverError) -> str:
    """What and why, in one line."""
    return f"{error.what}: {error.why}" if error.why else error.what
