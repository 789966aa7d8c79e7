"""What steps and checks may see (`View`), what actions may change (`World`), and `Forecast`.

If it can be called in `decide` or `ask`, it is safe: a `View` has no way to change anything.
Only `Action.apply` is handed the `World`. A preview hands `decide` a `Forecast`: the present view
plus the declared effects of the actions already previewed.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from recover.errors import NotYetKnown
from recover.evidence import Evidence
from recover.secrets import Secret

Resource = str
"""What an action touches and a step claims: "service:api", "database:main", "backup:main"."""

Row = Mapping[str, object]


class Seconds(float):
    """A span of time in seconds; a playbook spells it with its unit (500ms, 30s, 1m30s, 2h)."""


Text = str | Secret


# --- services ---------------------------------------------------------------------------------

Status = Literal["missing", "stopped", "exited", "running", "restarting", "paused"]
RUNNING: tuple[Status, ...] = ("running", "restarting", "paused")
"""The statuses of a service that is up, whether it answers or not."""


@dataclass(frozen=True)
class ServiceState:
    """One service as the runtime sees it now.

    `environment` is what the running instance was started with, `declared` what its file says; `settings`
    and `declared_settings` are the same for everything else that can be compared (command, image, mounts).
    `ready` is None when the runtime was not asked to probe; `detail` says why it is not. `started_at` is
    UTC. `exit_code` is the runtime's own: of a process negative for a signal, as in subprocess, of a
    container 128 more. `restarts` by the runtime itself since it was started; `instance` tells one
    incarnation from the next. A `oneshot` is meant to end: it is ready when it exited with code 0.
    `addresses` are those it connects from, where it has its own. `needs` are the services that its file
    wants before it.
    `note` says what cannot be known of it.
    """

    name: str
    status: Status
    environment: Mapping[str, str] = field(default_factory=dict)
    declared: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    declared_settings: Mapping[str, str] = field(default_factory=dict)
    ready: bool | None = None
    detail: str = ""
    exit_code: int | None = None
    restarts: int = 0
    started_at: datetime | None = None
    instance: str = ""
    oneshot: bool = False
    addresses: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    fixed: bool = True
    note: str = ""

    @property
    def running(self) -> bool:
        """Up, whether it answers or not."""
        return self.status in RUNNING


@dataclass(frozen=True)
class Given:
    """What an instance is given that its file does not say: the way into a degraded mode.

    `environment` is laid over the file's, `command` and `image` replace its when there is one, `overrides` are
    files that the runtime lays over its own first. An image is named as the setting of that name has it.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    overrides: tuple[Path, ...] = ()
    image: str = ""

    def over(self, settings: Mapping[str, str]) -> dict[str, str]:
        """The declared settings with this laid over them."""
        command = {"command": shlex.join(self.command)} if self.command else {}
        return {**settings, **command, **({"image": self.image} if self.image else {})}


def same_settings(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Are they the same? An image is what it is by its id, the last word, whatever it is called."""
    return _by_id(one) == _by_id(other)


def _by_id(settings: Mapping[str, str]) -> dict[str, str]:
    return {key: value.rpartition(" ")[2] if key == "image" else value for key, value in settings.items()}


AS_DECLARED = Given()
"""Nothing beyond the file: the way out of a degraded mode."""


@dataclass(frozen=True)
class Address:
    """Where a service can be reached from this machine."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as an http URL without a path."""
        return f"http://{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class SeeServices(Protocol):
    """Reading the services of one target."""

    def names(self) -> tuple[str, ...]:
        """Every service of the target, in the order of its file."""

    def statuses(self) -> Mapping[str, Status]:
        """The status of every service, at the least cost; "exited" may stand for "stopped" here.

        Raises Unreachable when the runtime cannot tell.
        """

    def state(self, service: str, *, probe: bool = False, overrides: Sequence[Path] = ()) -> ServiceState:
        """How the service is now; with `probe` its own readiness question is asked too.

        What it declares is read with the `overrides` laid over the file. Raises PlaybookError for an
        unknown service, Unreachable when the runtime cannot tell.
        """

    def logs(self, service: str, since: datetime | None = None) -> Iterable[str]:
        """Its log lines, oldest first; without `since` those of the present incarnation.

        A runtime whose lines carry no time gives the whole incarnations that `since` falls into; one that
        loses the log of a replaced instance gives that of the present one.
        """

    def address(self, service: str, port: int | None = None) -> Address:
        """Where its port (default: its first) is reachable, whether it runs or not."""


class Services(SeeServices, Protocol):
    """Changing them."""

    def start(self, service: str, given: Given = AS_DECLARED) -> None:
        """Start it, or replace a running instance, as its file says and with what is given.

        Returns once the process or container exists; readiness is a question, not an effect.
        Raises StepError with the service's own words when it cannot be started.
        """

    def stop(self, service: str) -> None:
        """Stop it and wait until it is gone. Volumes and data stay. Stopping twice is fine."""

    def put_back(self, service: str, given: Given) -> None:
        """Leave it stopped, made as its file says and with what is given, where a stopped one is made at all.

        Raises StepError as `start` does.
        """


class Runtime(Services, Protocol):
    """What the services of one target run on."""

    def python(self, service: str, script: str, args: Sequence[str], *, timeout: float) -> Completed:
        """Run a Python script with the code, environment and volumes of the service; nothing of it is changed.

        In the running instance, or beside one that does not run. `timeout` in seconds. Raises Precondition when
        there is none, StepError when there is no Python or it does not end.
        """


# --- databases --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Statement:
    """SQL text with %(name)s placeholders and the values bound to them (never spliced)."""

    text: str
    args: Mapping[str, object] = field(default_factory=dict)


class SeeDatabase(Protocol):
    """Reading one database."""

    def rows(self, about: str, statement: Statement) -> list[Row]:
        """The rows of one read-only statement; `about` says in words what is being read.

        Raises Unreachable when the server does not answer, StepError with the server's words
        (SQLSTATE, position) when the statement fails or tries to write.
        """


class Database(SeeDatabase, Protocol):
    """Changing it."""

    def execute(self, statements: Sequence[Statement], *, lock_timeout: float, statement_timeout: float) -> list[int]:
        """Run the statements in one transaction; the affected row counts. Time-outs in seconds.

        All or nothing; a lock time-out (55P03) is retried with jitter. Raises StepError.
        """

    def dump(self, path: Path) -> Mapping[str, object]:
        """pg_dump in custom format to `path`; {"path", "bytes", "sha256", "seconds"}.

        The file appears under its name only when complete and readable by pg_restore.
        """


# --- web, commands, humans ----------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """An HTTP answer. `text` is at most the first 64 KiB of the body."""

    status: int
    headers: Mapping[str, str]
    text: str
    seconds: float = 0.0

    def json(self) -> object:
        """The body as JSON, or None when it is none."""
        from json import loads

        try:
            return loads(self.text)
        except ValueError:
            return None


class SeeWeb(Protocol):
    """Asking over HTTP: a fresh connection each time, finite time-outs, no redirects followed."""

    def get(self, url: str, *, headers: Mapping[str, Text] | None = None, timeout: float = 5.0) -> Reply:
        """GET. Raises Unreachable when there is no answer."""

    def sign_in(self, url: str, form: Mapping[str, Text], *, timeout: float = 5.0) -> Reply:
        """POST of credentials as a form: the one POST that is a question. Raises Unreachable."""


class Web(SeeWeb, Protocol):
    """Any request."""

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, Text] | None = None,
        json: object = None,
        form: Mapping[str, Text] | None = None,
        timeout: float = 30.0,
    ) -> Reply:
        """One request with an effect. Raises Unreachable when there is no answer."""


@dataclass(frozen=True)
class Completed:
    """A command that ended. `output` is stdout and stderr together, the last 64 KiB."""

    exit_code: int
    output: str


class Commands(Protocol):
    """Programs on this machine."""

    def run(
        self, argv: Sequence[str], *, environment: Mapping[str, Text], folder: Path | None, timeout: float
    ) -> Completed:
        """Run it in its own process group; ended with the group after `timeout` seconds."""


class Gate(Protocol):
    """The human."""

    def __call__(self, question: str) -> Mapping[str, object]:
        """{"answer": "yes", "by": …}. Raises NeedsApproval when nobody is there, StepError on no."""


@dataclass(frozen=True)
class RunPlace:
    """The run's id and folder (dumps and evidence go there)."""

    id: str
    folder: Path


class View(Protocol):
    """Everything that can be looked at."""

    @property
    def services(self) -> SeeServices: ...

    @property
    def web(self) -> SeeWeb: ...

    def database(self, name: str) -> SeeDatabase:
        """The database of that name in the playbook's target."""


class World(Protocol):
    """Everything that can be changed."""

    @property
    def services(self) -> Services: ...

    @property
    def web(self) -> Web: ...

    @property
    def commands(self) -> Commands: ...

    @property
    def gate(self) -> Gate: ...

    @property
    def place(self) -> RunPlace: ...

    def database(self, name: str) -> Database:
        """The database of that name, writable."""


# --- the three kinds of thing a playbook is made of ----------------------------------------------


class Action(Protocol):
    """One effect, as plain data: it can say itself, do itself, foretell itself and undo itself.

    With `parallel` it may be applied at the same time as the parallel ones beside it.
    """

    parallel: ClassVar[bool]

    @property
    def because(self) -> str: ...

    @property
    def describe(self) -> str: ...

    @property
    def touches(self) -> tuple[Resource, ...]: ...

    def apply(self, world: World) -> Mapping[str, object]:
        """Do it; returns what is worth keeping. Raises RecoverError."""

    def forecast(self, forecast: Forecast) -> None:
        """Declare the effect to a preview."""

    def inverse(self) -> Inverse | None:
        """What takes it back, or None."""


class Inverse(Action, Protocol):
    """An action that takes another one back."""

    def proofs(self) -> tuple[Check, ...]:
        """The questions that are answered yes once it is taken back, or where it never happened."""


class Check(Protocol):
    """One question with a yes or no answer."""

    @property
    def about(self) -> frozenset[Resource]: ...

    def ask(self, view: View) -> Evidence:
        """Ask once. Not passing is an answer, and so is a target that cannot be reached."""


class Work(Protocol):
    """What a step does: a playbook's action key with its arguments."""

    def decide(self, view: View) -> tuple[Action, ...]:
        """Every action still needed, in order; none when the world is already as wanted."""

    def claims(self, view: View) -> frozenset[Resource]:
        """The resources whose state this step determines, whether it has to act or not."""

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """Checks that come with the step itself, each with the seconds it may take to turn true."""


# --- preview ---------------------------------------------------------------------------------


@dataclass
class Forecast:
    """A `View` of the world as it would be after the actions previewed so far.

    Reading what such an action changes raises `NotYetKnown` naming the step, except for service
    states, which are foretold exactly.
    """

    real: View
    homes: Mapping[str, str]  # database -> the service it lives in
    step: str = ""
    foretold: dict[str, ServiceState] = field(default_factory=dict)
    causes: dict[Resource, str] = field(default_factory=dict)

    def changes(self, *resources: Resource) -> None:
        """The step being previewed changes these in a way that cannot be foretold."""
        self.causes.update(dict.fromkeys(resources, self.step))

    def starts(self, service: str, given: Given) -> None:
        """The step being previewed leaves the service running, with what is given."""
        now = self.services.state(service, overrides=given.overrides)
        environment, settings = {**now.declared, **given.environment}, given.over(now.declared_settings)
        running = replace(now, status="running", environment=environment, settings=settings, ready=None)
        self._foretell(replace(running, exit_code=None, restarts=0))

    def stops(self, service: str) -> None:
        """The step being previewed leaves the service stopped."""
        self._foretell(replace(self.services.state(service), status="stopped", ready=None))

    def _foretell(self, state: ServiceState) -> None:
        self.foretold[state.name] = state
        self.changes(f"service:{state.name}")

    @property
    def services(self) -> SeeServices:
        """States with the foretold ones laid over."""
        return _ForetoldServices(self)

    @property
    def web(self) -> SeeWeb:
        """The real web, until a step would change anything that could answer."""
        if self.causes:
            raise NotYetKnown(f"step {next(iter(self.causes.values()))} changes the stack")
        return self.real.web

    def database(self, name: str) -> SeeDatabase:
        """The real database, unless a step changes it or its server."""
        self.require_settled(f"database:{name}", f"service:{self.homes.get(name, '')}")
        return self.real.database(name)

    def require_settled(self, *resources: Resource) -> None:
        """Raise NotYetKnown when a previewed step changes one of these."""
        for resource in resources:
            if resource in self.causes:
                raise NotYetKnown(f"step {self.causes[resource]} changes {resource.partition(':')[2]}")


@dataclass(frozen=True)
class _ForetoldServices:
    forecast: Forecast

    def names(self) -> tuple[str, ...]:
        return self.forecast.real.services.names()

    def statuses(self) -> Mapping[str, Status]:
        real = self.forecast.real.services.statuses()
        return {**real, **{name: state.status for name, state in self.forecast.foretold.items()}}

    def state(self, service: str, *, probe: bool = False, overrides: Sequence[Path] = ()) -> ServiceState:
        foretold = self.forecast.foretold.get(service)
        if foretold is None:
            return self.forecast.real.services.state(service, probe=probe, overrides=overrides)
        if probe:
            self.forecast.require_settled(f"service:{service}")
        wants = self.forecast.real.services.state(service, overrides=overrides)
        return replace(foretold, declared=wants.declared, declared_settings=wants.declared_settings)

    def logs(self, service: str, since: datetime | None = None) -> Iterable[str]:
        self.forecast.require_settled(f"service:{service}")
        return self.forecast.real.services.logs(service, since)

    def address(self, service: str, port: int | None = None) -> Address:
        return self.forecast.real.services.address(service, port)
