"""Keys `service.start` and `service.stop`: which services run, and with which environment."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

from recover.checks.former import Former, ServiceAsBefore, former, otherwise
from recover.checks.service import ServiceIs, differences, finished, shown
from recover.errors import Drifted, PlaybookError, Unreachable
from recover.marked_yaml import did_you_mean
from recover.stack import RUNNING, Given, ServiceState
from recover.world import Action, Check, Forecast, Inverse, Resource, Seconds, View, World

KEPT_LINES = 50


@dataclass(frozen=True)
class Start:
    """Start the service, or replace its running instance, as its file says and with this.

    `before` is how it was; `anew`: there is an instance, and it is not as wanted.
    """

    service: str
    environment: Mapping[str, str]
    because: str
    before: Former
    command: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    anew: bool = False
    parallel: ClassVar[bool] = True

    @property
    def describe(self) -> str:
        """The service and what it gets that its file does not say."""
        verb = "recreate" if self.anew else "restart" if self.before.ran else "start"
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

    def inverse(self) -> Inverse | None:
        """As it was before; None where that cannot be made again."""
        settings = {"command": shlex.join(self.command)} if self.command else {}
        return Restore.of(self.service, self.before, Former("running", self.environment, settings), self.overrides)

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
    """Stop the service; `before` is how it was."""

    service: str
    because: str
    before: Former
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

    def inverse(self) -> Inverse | None:
        """As it was before; None where that cannot be made again."""
        return Restore.of(self.service, self.before, replace(self.before, status="stopped"))


@dataclass(frozen=True)
class Restore:
    """Bring the service back to how it was before an act that left it as in `after`, with these `overrides`."""

    service: str
    before: Former
    after: Former
    overrides: tuple[str, ...] = ()
    because: str = "undo"
    parallel: ClassVar[bool] = False

    @classmethod
    def of(cls, service: str, before: Former, after: Former, overrides: tuple[str, ...] = ()) -> Restore | None:
        """The undo of an act on the service; None where it cannot be as it was."""
        return None if before.lost else cls(service, before, after, overrides)

    @property
    def describe(self) -> str:
        """The service, its former status, and what it had that its file does not say."""
        had = [f"{key}={shown(key, value)}" for key, value in self.before.environment.items()]
        had += [f"{key} {shown(key, value)}" for key, value in self.before.settings.items()]
        verb = "start" if self.before.ran else "stop"
        return f"{verb} {self.service}, as it was" + (f", with {', '.join(had)}" if had else "")

    @property
    def touches(self) -> tuple[Resource, ...]:
        """The service."""
        return (f"service:{self.service}",)

    def apply(self, world: World) -> Mapping[str, object]:
        """Returns once it runs or is gone. Raises StepError, Drifted when somebody else has changed it meanwhile."""
        self._require_own(world)
        if self.before.ran:
            world.services.start(self.service, self.before.given)
        else:
            world.services.put_back(self.service, self.before.given)
        return {}

    def forecast(self, forecast: Forecast) -> None:
        """It will be as it was."""
        if self.before.ran:
            forecast.starts(self.service, self.before.given)
        else:
            forecast.stops(self.service)

    def inverse(self) -> Inverse | None:
        """None: what was undone is done again by its step."""
        return None

    def proofs(self) -> tuple[Check, ...]:
        """It is as it was."""
        return (ServiceAsBefore(self.service, self.before),)

    def _require_own(self, world: World) -> None:
        """What the act left, or what was before it: anything else is not ours to take back."""
        now = world.services.state(self.service)
        laid_over = world.services.state(self.service, overrides=tuple(Path(path) for path in self.overrides))
        if otherwise(now, self.before) and (differs := otherwise(laid_over, self.after)):
            raise Drifted(f"{self.service} is not as this run left it", why="; ".join(differs))


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
        starts = [self._start(view, name) for name in dict.fromkeys(self.services)]
        return tuple(start for start in starts if start)

    def claims(self, view: View) -> frozenset[Resource]:  # noqa: ARG002 - the same whatever is seen
        """The services."""
        return frozenset(f"service:{name}" for name in self.services)

    def fingerprint(self, view: View) -> Mapping[str, str]:
        """Which instances it finds."""
        return instances(view, self.services)

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """Each service is healthy, or for "started" runs at this moment."""
        names = dict.fromkeys(self.services)
        if self.wait == "started":
            return tuple((ServiceIs(name, "running"), 0.0) for name in names)
        return tuple((ServiceIs(name), float(self.within)) for name in names)

    def _start(self, view: View, name: str) -> Start | None:
        """Start it, restart it, or make it anew; None when it runs as wanted or has done its work."""
        state = view.services.state(name, overrides=self.overrides)
        differs = self._differs(state) if state.status != "missing" else []
        reasons = [*_not_running(state), *differs]
        if not reasons or finished(state):
            return None
        why = "; ".join([*reasons, *([state.note] if state.note else [])])
        given, before = self._given(name), former(view.services.state(name) if self.overrides else state)
        overrides = tuple(str(path) for path in given.overrides)
        return Start(name, given.environment, why, before, given.command, overrides, anew=bool(differs))

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
        return tuple(Stop(s.name, f"it is {s.status}", former(s)) for s in states if s.running)

    def claims(self, view: View) -> frozenset[Resource]:
        """The services that are to be down."""
        return frozenset(f"service:{name}" for name in self._chosen(view))

    def fingerprint(self, view: View) -> Mapping[str, str]:
        """Which instances it finds."""
        return instances(view, self._chosen(view))

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """None: a stop returns when the service is gone."""
        return ()

    def _chosen(self, view: View) -> list[str]:
        require_known((*(self.services or ()), *(self.except_ or ())), view)
        if self.services is not None:
            return [name for name in view.services.names() if name in self.services]
        return [name for name in view.services.names() if name not in (self.except_ or ())]


def instances(view: View, services: Iterable[str]) -> dict[str, str]:
    """Per service the container, or incarnation of a process, that there is; a foretold one is not known yet."""
    found = {name: view.services.state(name).instance for name in services}
    return {f"instance of {name}": instance for name, instance in found.items() if instance}


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
