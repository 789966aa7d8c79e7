"""Keys `service.start` and `service.stop`: which services run, and with which environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from recover.checks.service import ServiceIs, differences, finished, looks_secret, shown
from recover.errors import PlaybookError
from recover.marked_yaml import did_you_mean
from recover.world import Action, Check, Forecast, Resource, Seconds, ServiceState, View, World


@dataclass(frozen=True)
class Start:
    """Start the service, or replace its running instance, with its file's environment and this.

    `replaces` is the environment, beyond the file's, of the running instance it replaces; None when
    nothing ran.
    """

    service: str
    environment: Mapping[str, str]
    because: str
    replaces: Mapping[str, str] | None = None

    @property
    def describe(self) -> str:
        """The service and what it gets that its file does not say."""
        verb = "start" if self.replaces is None else "replace"
        given = ", ".join(f"{key}={shown(key, value)}" for key, value in self.environment.items())
        return f"{verb} {self.service}{f' with {given}' if given else ''}"

    @property
    def touches(self) -> tuple[Resource, ...]:
        """The service."""
        return (f"service:{self.service}",)

    def apply(self, world: World) -> Mapping[str, object]:
        """Returns once it runs; whether it is ready is a question of its own. Raises StepError."""
        world.services.start(self.service, self.environment)
        return {"instance": world.services.state(self.service).instance}

    def forecast(self, forecast: Forecast) -> None:
        """It will run with this environment."""
        forecast.sets(self.service, "running", self.environment)

    def inverse(self) -> Action | None:
        """Stop it, or start it as it ran before."""
        if self.replaces is None:
            return Stop(self.service, because="undo", environment=self.environment)
        return Start(self.service, self.replaces, because="undo", replaces=self.environment)


@dataclass(frozen=True)
class Stop:
    """Stop the service. `environment` is what it ran with beyond its file's."""

    service: str
    because: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def describe(self) -> str:
        """The service."""
        return f"stop {self.service}"

    @property
    def touches(self) -> tuple[Resource, ...]:
        """The service."""
        return (f"service:{self.service}",)

    def apply(self, world: World) -> Mapping[str, object]:
        """Returns once it is gone. Raises StepError."""
        world.services.stop(self.service)
        return {}

    def forecast(self, forecast: Forecast) -> None:
        """It will not run."""
        forecast.sets(self.service, "stopped")

    def inverse(self) -> Action | None:
        """Start it as it ran."""
        return Start(self.service, self.environment, because="undo")


@dataclass(frozen=True)
class StartService:
    """The services run with their file's environment and `env`; a one that runs so already is left alone.

    They are started in parallel; `wait` says what has to be true of each `within` that time. Raises
    PlaybookError when `env` names a service that is not started here.
    """

    services: tuple[str, ...]
    wait: Literal["healthy", "started"] = "healthy"
    env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    within: Seconds = Seconds(60)
    repeatable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in self.env:
            if name not in self.services:
                hint = did_you_mean(name, self.services) or f"services: {', '.join(self.services)}"
                raise PlaybookError(f"env names {name!r}, which this step does not start", next=hint)

    def decide(self, view: View) -> tuple[Action, ...]:
        """A start for each service that does not run, is stuck, or runs with another environment."""
        require_known(self.services, view)
        states = [view.services.state(name) for name in dict.fromkeys(self.services)]
        wanted = [(state, self._why(state)) for state in states]
        return tuple(self._start(state, why) for state, why in wanted if why)

    def claims(self, view: View) -> frozenset[Resource]:  # noqa: ARG002 - the same whatever is seen
        """The services."""
        return frozenset(f"service:{name}" for name in self.services)

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """Each service is healthy, or for "started" runs at this moment."""
        names = dict.fromkeys(self.services)
        if self.wait == "started":
            return tuple((ServiceIs(name, "running"), 0.0) for name in names)
        return tuple((ServiceIs(name), float(self.within)) for name in names)

    def _why(self, state: ServiceState) -> str:
        """Why it has to be started, or ""."""
        if finished(state):
            return ""
        if state.status != "running":
            code = "" if state.exit_code is None or state.status != "exited" else f" (code {state.exit_code})"
            return f"it is {state.status}{code}"
        return "; ".join(differences({**state.declared, **self.env.get(state.name, {})}, state.environment))

    def _start(self, state: ServiceState, because: str) -> Start:
        replaces = beyond_file(state) if state.running else None
        return Start(state.name, dict(self.env.get(state.name, {})), because, replaces)


@dataclass(frozen=True)
class StopService:
    """None of these `services` runs, or none but those of `except`. Data and volumes stay.

    Raises PlaybookError when not exactly one of the two is given.
    """

    services: tuple[str, ...] | None = None
    except_: tuple[str, ...] | None = None
    repeatable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if (self.services is None) == (self.except_ is None):
            raise PlaybookError("service.stop needs either services or except")

    def decide(self, view: View) -> tuple[Action, ...]:
        """A stop for each that runs, the last of the file first: what depends on others goes before them."""
        states = [view.services.state(name) for name in reversed(self._chosen(view))]
        return tuple(Stop(s.name, f"it is {s.status}", beyond_file(s)) for s in states if s.running)

    def claims(self, view: View) -> frozenset[Resource]:
        """The services that are to be down."""
        return frozenset(f"service:{name}" for name in self._chosen(view))

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """None: a stop returns when the service is gone."""
        return ()

    def _chosen(self, view: View) -> list[str]:
        require_known((*(self.services or ()), *(self.except_ or ())), view)
        if self.services is not None:
            return [name for name in view.services.names() if name in self.services]
        return [name for name in view.services.names() if name not in (self.except_ or ())]


def require_known(names: Iterable[str], view: View) -> None:
    """Raises PlaybookError for a service that the target does not have."""
    known = view.services.names()
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
            raise PlaybookError(f"there is no service {name!r}", next=hint)


def beyond_file(state: ServiceState) -> dict[str, str]:
    """The variables that an instance has otherwise than its file says; enough to start it so again.

    Values of secrets are left out, because this is kept in the journal: they come back as the file has them.
    """
    has = state.environment.items()
    return {key: value for key, value in has if state.declared.get(key) != value and not looks_secret(key)}
