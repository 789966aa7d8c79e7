"""Keys `service.start` and `service.stop`: which services run, and with which environment."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from recover.checks.service import ServiceIs, differences, finished, shown
from recover.errors import PlaybookError, Unreachable
from recover.marked_yaml import did_you_mean
from recover.world import RUNNING, Action, Check, Forecast, Given, Resource, Seconds, ServiceState, View, World

KEPT_LINES = 50


@dataclass(frozen=True)
class Start:
    """Start the service, or replace its running instance, as its file says and with this.

    `replaces` is the environment, beyond the file's, of the running instance it replaces; None when
    nothing ran. `anew`: there is an instance, and it is not as wanted.
    """

    service: str
    environment: Mapping[str, str]
    because: str
    replaces: Mapping[str, str] | None = None
    command: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    anew: bool = False
    parallel: ClassVar[bool] = True

    @property
    def describe(self) -> str:
        """The service and what it gets that its file does not say."""
        verb = "recreate" if self.anew else "start" if self.replaces is None else "restart"
        given = [f"{key}={shown(key, value)}" for key, value in self.environment.items()]
        given += [f"the command {shown('command', shlex.join(self.command))}"] if self.command else []
        given += [Path(path).name for path in self.overrides]
        return f"{verb} {self.service}" + (f" with {', '.join(given)}" if given else "")

    @property
    def touches(self) -> tuple[Resource, ...]:
        """The service."""
        return (f"service:{self.service}",)

    def apply(self, world: World) -> Mapping[str, object]:
        """Returns once it runs; whether it is ready is a question of its own. Raises StepError."""
        log = self._last_lines(world)
        world.services.start(self.service, self._given)
        return {"instance": world.services.state(self.service).instance, **({"log_before": log} if log else {})}

    def forecast(self, forecast: Forecast) -> None:
        """It will run with this."""
        forecast.starts(self.service, self._given)

    def inverse(self) -> Action | None:
        """Stop it, or start it as it ran before."""
        if self.replaces is None:
            return Stop(self.service, because="undo", environment=self.environment)
        return Start(self.service, self.replaces, because="undo", replaces=self.environment)

    def _last_lines(self, world: World) -> str:
        """What the instance that is replaced wrote last: its log may go with it."""
        if not self.anew:
            return ""
        try:
            return "\n".join(deque(world.services.logs(self.service), KEPT_LINES))
        except Unreachable:
            return ""

    @property
    def _given(self) -> Given:
        return Given(self.environment, self.command, tuple(Path(path) for path in self.overrides))


@dataclass(frozen=True)
class Stop:
    """Stop the service. `environment` is what it ran with beyond its file's."""

    service: str
    because: str
    environment: Mapping[str, str] = field(default_factory=dict)
    parallel: ClassVar[bool] = False

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
        forecast.stops(self.service)

    def inverse(self) -> Action | None:
        """Start it as it ran."""
        return Start(self.service, self.environment, because="undo")


@dataclass(frozen=True)
class StartService:
    """The services run as their file says; one that runs so already is left alone.

    Into a degraded mode: `env` and `command` (per service) and `overrides` (files laid over the target's,
    for all services of the step). Without them a service that was degraded is made as its file says again.
    Services are started in parallel, so none may need another of them to start; `wait` says what has to be
    true of each `within` that time. Raises PlaybookError when `env` or `command` names a service that is
    not started here.
    """

    services: tuple[str, ...]
    wait: Literal["healthy", "started"] = "healthy"
    env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    command: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    overrides: tuple[Path, ...] = ()
    within: Seconds = Seconds(60)
    repeatable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for key, names in (("env", self.env), ("command", self.command)):
            for name in names:
                if name not in self.services:
                    hint = did_you_mean(name, self.services) or f"services: {', '.join(self.services)}"
                    raise PlaybookError(f"{key} names {name!r}, which this step does not start", next=hint)

    def decide(self, view: View) -> tuple[Action, ...]:
        """A start for each service that does not run, is stuck, or runs with another environment."""
        require_known(self.services, view)
        states = [view.services.state(name, overrides=self.overrides) for name in dict.fromkeys(self.services)]
        return tuple(start for state in states if (start := self._start(state)))

    def claims(self, view: View) -> frozenset[Resource]:  # noqa: ARG002 - the same whatever is seen
        """The services."""
        return frozenset(f"service:{name}" for name in self.services)

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """Each service is healthy, or for "started" runs at this moment."""
        names = dict.fromkeys(self.services)
        if self.wait == "started":
            return tuple((ServiceIs(name, "running"), 0.0) for name in names)
        return tuple((ServiceIs(name), float(self.within)) for name in names)

    def _start(self, state: ServiceState) -> Start | None:
        """Start it, restart it, or make it anew; None when it runs as wanted or has done its work."""
        differs = self._differs(state) if state.status != "missing" else []
        reasons = [*_not_running(state), *differs]
        if not reasons or finished(state):
            return None
        why = "; ".join([*reasons, *([state.note] if state.note else [])])
        given, replaces = self._given(state.name), beyond_file(state) if state.running else None
        overrides = tuple(str(path) for path in given.overrides)
        return Start(state.name, given.environment, why, replaces, given.command, overrides, anew=bool(differs))

    def _differs(self, state: ServiceState) -> list[str]:
        given = self._given(state.name)
        return [
            *differences({**state.declared, **given.environment}, state.environment),
            *differences(given.over(state.declared_settings), state.settings),
        ]

    def _given(self, service: str) -> Given:
        return Given(dict(self.env.get(service, {})), self.command.get(service, ()), self.overrides)


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
        chosen, now = self._chosen(view), view.services.statuses()
        states = [view.services.state(name) for name in reversed(chosen) if now.get(name) in RUNNING]
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


def _not_running(state: ServiceState) -> list[str]:
    """ "it is exited (code 3)", "it is restarting (code 1, 4 restarts)", or nothing."""
    if state.status == "running":
        return []
    if state.status == "missing":
        return [f"it is missing{f': {state.detail}' if state.detail else ''}"]
    known = [] if state.exit_code is None or state.status == "stopped" else [f"code {state.exit_code}"]
    known += [f"{state.restarts} restarts"] if state.restarts else []
    return [f"it is {state.status}" + (f" ({', '.join(known)})" if known else "")]


def beyond_file(state: ServiceState) -> dict[str, str]:
    """The variables that an instance has otherwise than its file says; enough to start it so again.

    Values of secrets are left out, because this is kept in the journal: they come back as the file has them.
    """
    has = state.environment.items()
    return {key: value for key, value in has if state.declared.get(key) != value and shown(key, value) == repr(value)}
