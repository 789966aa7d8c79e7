"""What steps and checks may see (`View`), what actions may change (`World`), and `Forecast`.

If it can be called in `decide` or `ask`, it is safe: a `View` has no way to change anything.
Only `Action.apply` is handed the `World`. A preview hands `decide` a `Forecast`: the present view
plus the declared effects of the actions already previewed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Protocol

from recover.answers import Completed, Question, Reply
from recover.errors import NotYetKnown
from recover.evidence import Evidence
from recover.secrets import Secret
from recover.stack import AS_DECLARED, Address, Given, KeyPair, Presented, ServiceState, Status, TlsProtocol

Resource = str
"""What an action touches and a step claims: "service:api", "database:main", "backup:main"."""

Row = Mapping[str, object]


class Seconds(float):
    """A span of time in seconds; a playbook spells it with its unit (500ms, 30s, 1m30s, 2h)."""


Text = str | Secret


# --- services ---------------------------------------------------------------------------------


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

    def identity(self) -> Mapping[str, str]:
        """What tells where the services run from another such place; a run is bound to it. Raises Unreachable."""

    def lease(self, card: Mapping[str, str], *, breaking: bool = False) -> AbstractContextManager[Callable[[], None]]:
        """The project for one run, wherever else its services can be reached from; `card` says who wants it.

        What it gives raises LostOwnership once somebody else has it. Raises Locked, naming the holder, unless it is
        taken from him by `breaking` it.
        """

    def python(self, service: str, script: str, args: Sequence[str], *, timeout: float) -> Completed:
        """Run a Python script with the code, environment and volumes of the service; nothing of it is changed.

        In the running instance, or beside one that does not run. `timeout` in seconds. Raises Precondition when
        there is none, StepError when there is no Python or it does not end.
        """


# --- databases --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Statement:
    """SQL text with %(name)s placeholders and the values bound to them (never spliced).

    Names without a schema are the system's alone, unless it is a user's own text: with `role_path` they are looked up
    where the server has this role look for them.
    """

    text: str
    args: Mapping[str, object] = field(default_factory=dict)
    role_path: bool = False


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


class SeeWeb(Protocol):
    """Asking over HTTP: a fresh connection each time, finite time-outs, no redirects followed."""

    def get(self, url: str, *, headers: Mapping[str, Text] | None = None, timeout: float = 5.0) -> Reply:
        """GET. Raises Unreachable when there is no answer."""

    def sign_in(
        self,
        url: str,
        form: Mapping[str, Text],
        *,
        headers: Mapping[str, Text] | None = None,
        json: bool = False,
        per_minute: int | None = None,
        timeout: float = 5.0,
    ) -> Reply:
        """POST of credentials as a form, or as `json`: the one POST that is a question.

        Waits until it is within the budget of so many calls `per_minute` to this address. Raises Limited when
        the other side wants to be left alone (429), Unreachable.
        """

    def certificates(
        self,
        host: str,
        port: int,
        *,
        protocol: TlsProtocol = "tls",
        name: str = "",
        client: KeyPair | None = None,
        timeout: float = 5.0,
    ) -> Presented:
        """The certificates that the server there shows, whatever they are worth: nothing is verified, nothing asked.

        `name` is the host name it is asked for (SNI), `client` what we show of ourselves. Raises Unreachable when
        there is no TLS, StepError when the client's files cannot be used.
        """


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


class Commands(Protocol):
    """Programs on this machine."""

    def run(
        self, argv: Sequence[str], *, environment: Mapping[str, Text], folder: Path | None, timeout: float
    ) -> Completed:
        """Run it in its own process group; ended with the group after `timeout` seconds."""


class Gate(Protocol):
    """The human."""

    def __call__(self, question: Question) -> Mapping[str, object]:
        """{"answer": "yes", "by": …}. Raises NeedsApproval when nobody is there, StepError, LeftOut or Aborted."""


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

    def fingerprint(self, view: View) -> Mapping[str, str]:
        """What `decide` rests on beside its actions, each fact by its name; a plan that is carried out later is
        refused when one of them has changed. What cannot be known yet is left out."""

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
        running = replace(now, status="running", environment=environment, settings=settings, ready=None, instance="")
        self._foretell(replace(running, exit_code=None, restarts=0))

    def stops(self, service: str) -> None:
        """The step being previewed leaves the service stopped."""
        self._foretell(replace(self.services.state(service), status="stopped", ready=None, instance=""))

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
