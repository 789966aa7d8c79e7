"""The compose runtime: a stack whose services are the containers of a Docker Compose project.

Containers are found by the labels that compose gives them, stopped ones too, never by a part of a name.
It never removes a volume, never pulls and never builds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from recover.answers import Completed
from recover.errors import PlaybookError, Precondition, Unreachable
from recover.runtimes import refusals, verdict
from recover.runtimes.compose_file import ComposeFile
from recover.runtimes.compose_project import ComposeProject
from recover.runtimes.engine_api import SERVICE, Engine, Facts
from recover.runtimes.inside import run_python
from recover.runtimes.lease import Lease
from recover.runtimes.service_facts import Declared, Made
from recover.runtimes.settings import compared, short
from recover.stack import AS_DECLARED, Address, Given, ServiceState, Status, same_settings

GRACE = 10  # seconds from the stop signal to the kill (Docker documentation, docker stop)
ANYWHERE = ("", "0.0.0.0", "::", "127.0.0.1")  # noqa: S104 - read, not bound
REPLACES, HASH = "com.docker.compose.replace", "com.docker.compose.config-hash"


@dataclass(frozen=True)
class ComposeRuntime:
    """`world.Services` over the containers of one project.

    Without a `file` the services are those of the containers that there are, and start as they are.
    `run` is the folder that override files are kept in. With `looking` the engine is asked nothing but
    GET, so that health is the engine's own last result. The project of a `replica` (its id) may be made
    from nothing, and is touched only if everything in it carries that id as its label; another project
    that has left no trace on the engine is taken for a wrong engine. Raises PlaybookError for a
    bad file or an unknown service, Unreachable when the engine does not answer.
    """

    project: str
    file: ComposeFile | None
    run: Path
    looking: bool = False
    replica: str = ""
    engine: Engine = field(default_factory=Engine)

    # --- looking --------------------------------------------------------------------------------

    def names(self) -> tuple[str, ...]:
        """The services of the file, what others depend on first; then those that only have containers."""
        written = self.file.names() if self.file else ()
        found = (facts["Labels"][SERVICE] for facts in self._project.listed())
        return tuple(dict.fromkeys([*written, *sorted(found)]))

    def statuses(self) -> Mapping[str, Status]:
        """How each service is, by one question to the engine: the list of containers has no more than that."""
        found: dict[str, Status] = dict.fromkeys(self.file.names() if self.file else (), "missing")
        for facts in self._project.listed():
            now = _LISTED.get(facts["State"], "exited")
            before = found.get(facts["Labels"][SERVICE], "missing")
            found[facts["Labels"][SERVICE]] = now if before in ("missing", "exited") else before
        return found

    def state(self, service: str, *, probe: bool = False, overrides: Sequence[Path] = ()) -> ServiceState:
        """How its container is; with `probe` also whether it is ready, and if not why."""
        declared = self._declared(service, overrides)
        found = self._containers(service)
        if not found:
            return self._missing(service, declared, probe=probe)
        states = [self._one(service, facts, declared, probe=probe) for facts in found]
        wanted = declared.scale if declared else len(found)
        if len(found) == wanted:
            return min(states, key=lambda state: (state.running, bool(state.ready)))
        names = ", ".join(f"{_name(facts)} ({facts['State']['Status']})" for facts in found)
        return replace(
            states[0],
            settings={**states[0].settings, "containers": names},
            declared_settings={**states[0].declared_settings, "containers": str(wanted)},
            ready=False if probe else None,
            detail=f"{len(found)} containers of {service}, not {wanted}: {names}",
        )

    def logs(self, service: str, since: datetime | None = None) -> Iterator[str]:
        """Its log lines up to now, oldest first; without `since` those since its last start.

        The log of a container is removed with it: what a replaced one wrote is not here.
        """
        self._declared(service)
        for facts in self._containers(service):
            yield from self.engine.logs(facts["Id"], since or verdict.log_begins(facts))

    def address(self, service: str, port: int | None = None) -> Address:
        """Where the container's `port` (default: its first published one) is reached from this machine.

        Raises PlaybookError when it is not published, Unreachable when the engine chooses the port and
        the container does not run.
        """
        written = self._written(service)
        published = written.ports if written else []
        wanted = port or next((target for target, _, _ in published), None)
        for target, host, fixed in published:
            if target == wanted and fixed:
                return Address(self._host(host), fixed)
        bound = self._bound(service)
        known = [target for target, _, _ in published] or [target for target, _ in bound]
        if not known or (port is not None and port not in known):
            hint = f"published: {', '.join(map(str, known)) or 'none'}"
            raise PlaybookError(f"{service} does not publish the port {port or ''}".rstrip(), next=hint)
        wanted = port or known[0]
        for target, address in bound:
            if target == wanted:
                return address
        raise Unreachable(f"where {service}:{wanted} is published is known only while it runs")

    # --- acting ---------------------------------------------------------------------------------

    def start(self, service: str, given: Given = AS_DECLARED) -> None:
        """Start its container, or replace a running instance: restarted when it is as wanted, else made anew.

        Raises StepError with the engine's or compose's words, when there are more containers than wanted, and for
        another configuration of a service that no file names.
        """
        declared, found = self._declared(service, given.overrides), self._containers(service)
        if declared is None and (given != AS_DECLARED or not found):
            raise refusals.unwritten(service)
        if declared and not self._as_wanted(declared, found, given):
            self._make(declared, given, found)
            found = self._containers(service)
        for facts in found:
            self._begin(facts)

    def stop(self, service: str) -> None:
        """Stop its containers and wait until they are gone. They, their volumes and their logs stay."""
        self._declared(service)
        for facts in self._containers(service):
            name = _name(facts)
            if facts["State"].get("Paused"):
                self.engine.unpause(facts["Id"], name)
            if facts["State"]["Status"] not in ("created", "exited", "dead"):
                self.engine.stop(facts["Id"], name, _grace(facts))

    def put_back(self, service: str, given: Given) -> None:
        """Stop its containers, and make them anew where they are not as wanted. Raises StepError as `start` does."""
        self.stop(service)
        declared, found = self._declared(service, given.overrides), self._containers(service)
        if declared and found and not self._as_wanted(declared, found, given):
            self._make(declared, given, found)

    def identity(self) -> Mapping[str, str]:
        """The engine's own id (Docker Engine API, "Get system information"), and the project."""
        return {"engine": self.engine.id, "project": self.project}

    @contextmanager
    def lease(self, card: Mapping[str, str], *, breaking: bool = False) -> Iterator[Callable[[], None]]:
        """The project on this engine for one run, as `world.Runtime` promises."""
        with Lease(self.engine, self.project, card).held(breaking=breaking) as require:
            yield require

    def python(self, service: str, script: str, args: Sequence[str], *, timeout: float) -> Completed:
        """Run a Python script in its container, or beside it when it does not run. As `world.Runtime` promises."""
        self._declared(service)
        found = self._containers(service)
        if not found:
            raise Precondition(f"there is no container of {service}", next="recover enums expected --source DIR")
        return run_python(self.engine, found[0], script, args, timeout)

    def _begin(self, facts: Facts) -> None:
        status, name = facts["State"]["Status"], _name(facts)
        if status == "paused":
            self.engine.unpause(facts["Id"], name)
        if status in ("running", "restarting", "paused"):
            self.engine.restart(facts["Id"], name, _grace(facts))
        else:
            self.engine.start(facts["Id"], name)

    def _make(self, declared: Declared, given: Given, found: Sequence[Facts]) -> None:
        if len(found) - len(_unfinished(found)) > declared.scale:
            raise refusals.too_many(declared.name, [_name(facts) for facts in found], declared.scale)
        if not declared.image:
            raise refusals.no_image(declared, self.project, self._source)
        for volume in declared.volumes:
            self._project.require_own_volume(volume)
        assert self.file is not None  # a declared service has a file  # noqa: S101
        clear, settled = partial(self._clear, declared.name), partial(self._settled, given.overrides)
        self.file.create(declared.name, self._named(given), self.run, clear, settled)

    def _named(self, given: Given) -> Given:
        """With the image as the engine takes it: by its name, or by its id where the name means another one now."""
        if not given.image:
            return given
        name, _, id = given.image.rpartition(" ")
        known = self.engine.image(name) if name else None
        return replace(given, image=name if known and short(known["Id"]) == id else id)

    def _clear(self, service: str) -> None:
        """Remove what a compose that was cut off had made in place of a container that is still there.

        It never ran, and compose would stumble over its name.
        """
        for facts in _unfinished(self._containers(service)):
            self.engine.remove(facts["Id"], _name(facts))

    def _settled(self, overrides: Sequence[Path], hashes: Mapping[str, str]) -> bool:
        """Would compose leave the containers of these services alone?"""
        return all(self._untouched(service, of, overrides) for service, of in hashes.items())

    def _untouched(self, service: str, config: str, overrides: Sequence[Path]) -> bool:
        declared, found = self._declared(service, overrides), self._containers(service)
        as_written = all(facts["Config"]["Labels"].get(HASH) == config for facts in found)
        return as_written and declared is not None and self._as_wanted(declared, found, AS_DECLARED)

    def _as_wanted(self, declared: Declared, found: Sequence[Facts], given: Given) -> bool:
        """Are there as many containers as there should be, each as the file and `given` want it?"""
        if len(found) != declared.scale:
            return False
        return all(_fits(Made(facts, self._image(facts)), declared, given) for facts in found)

    # --- one service ----------------------------------------------------------------------------

    def _declared(self, service: str, overrides: Sequence[Path] = ()) -> Declared | None:
        """What the file says of it, with its image; None for one that only has containers.

        Raises PlaybookError for none at all.
        """
        written = self._written(service, overrides)
        return replace(written, image=self.engine.image(written.reference) or {}) if written else None

    def _written(self, service: str, overrides: Sequence[Path] = ()) -> Declared | None:
        config: Facts = self.file.read(overrides) if self.file else {}
        said = (config.get("services") or {}).get(service)
        if said is not None:
            return Declared(said, config)
        if not self._project.listed(service):
            known = self.names()
            if not known:
                self._project.require_traces()
            raise refusals.unknown(service, known, self._source)
        return None

    def _containers(self, service: str) -> list[Facts]:
        return self._project.inspected(service)

    def _missing(self, service: str, declared: Declared | None, *, probe: bool) -> ServiceState:
        gone = self._volumes_gone(declared) if declared else []
        empty = f"; its volume {', '.join(gone)} is not there either and would begin empty" if gone else ""
        return ServiceState(
            service,
            "missing",
            declared=declared.environment() if declared else {},
            ready=False if probe else None,
            detail=f"there is no container of it{empty}",
            oneshot=bool(declared and declared.oneshot),
            needs=declared.needs if declared else (),
            lacks=self._lacks(declared) if declared and probe else (),
        )

    def _volumes_gone(self, declared: Declared) -> list[str]:
        return [name for name in declared.volumes if self.engine.volume_labels(name) is None]

    def _lacks(self, declared: Declared) -> tuple[str, ...]:
        """Volumes that are not there; files too, where the engine's machine is this one."""
        files = declared.files if self.engine.host == "127.0.0.1" else []
        lost = [path for path in files if not Path(path).exists()]
        return (*(f"volume {name}" for name in self._volumes_gone(declared)), *lost)

    def _one(self, service: str, facts: Facts, declared: Declared | None, *, probe: bool) -> ServiceState:
        made = Made(facts, self._image(facts))
        wants = declared.environment() if declared else {}
        environment = made.environment(wants)
        has, wanted = compared(declared, made) if declared else ({}, {})
        oneshot = declared.oneshot if declared else made.host("RestartPolicy")["Name"] == "no"
        detail = self._why_not_ready(facts, has, wanted, oneshot=oneshot) if probe else ""
        return ServiceState(
            name=service,
            status=verdict.status_of(facts),
            environment=environment,
            declared=wants if declared else environment,
            settings=has,
            declared_settings=wanted,
            ready=not detail if probe and detail != verdict.UNASKED else None,
            detail=detail,
            exit_code=None
            if facts["State"]["Running"] or facts["State"]["Status"] == "created"
            else facts["State"]["ExitCode"],
            restarts=facts["RestartCount"],
            started_at=verdict.started_at(facts),
            instance=f"{facts['Id'][:12]}@{facts['State']['StartedAt']}",
            oneshot=oneshot,
            note="" if declared else refusals.UNWRITTEN,
            addresses=made.addresses(),
            needs=declared.needs if declared else (),
            lacks=self._lacks(declared) if declared and probe else (),
            zone=verdict.zone_of(facts),
        )

    def _why_not_ready(self, facts: Facts, has: Mapping[str, str], wanted: Mapping[str, str], *, oneshot: bool) -> str:
        ask = None if self.looking else partial(self.engine.ask_inside, facts["Id"], within=verdict.patience(facts))
        why = verdict.why_not_ready(facts, oneshot=oneshot, ask=ask, last_words=lambda: self._last_words(facts))
        if has.get("networks") == wanted.get("networks") or why.startswith("it ended"):
            return why
        apart = f"it is on the network {has['networks'] or 'none'}, not on {wanted['networks']}"
        return f"{apart}; {why}" if why else apart

    def _last_words(self, facts: Facts) -> str:
        """Of the incarnation that has ended: one that runs again may be silent yet."""
        since = None if facts["State"]["Status"] == "running" else verdict.log_begins(facts)
        return "\n".join(self.engine.logs(facts["Id"], since, tail=3))

    def _image(self, facts: Facts) -> Facts:
        return self.engine.image(facts["Image"]) or {}

    def _bound(self, service: str) -> list[tuple[int, Address]]:
        """(container's port, where it is now) of the running container."""
        return [
            (int(target.partition("/")[0]), Address(self._host(each["HostIp"]), int(each["HostPort"])))
            for facts in self._containers(service)
            for target, several in (facts["NetworkSettings"].get("Ports") or {}).items()
            for each in several or ()
        ]

    def _host(self, published_on: str) -> str:
        return self.engine.host if published_on in ANYWHERE else published_on

    # --- the project ----------------------------------------------------------------------------

    @property
    def _source(self) -> str:
        return str(self.file.files[0]) if self.file else f"project {self.project}"

    @property
    def _project(self) -> ComposeProject:
        return ComposeProject(self.project, self.engine, self.replica)


_LISTED: dict[str, Status] = {
    "running": "running",
    "restarting": "restarting",
    "paused": "paused",
    "created": "stopped",
}


def _fits(made: Made, declared: Declared, given: Given) -> bool:
    wants = {**declared.environment(), **given.environment}
    has, wanted = compared(declared, made)
    alike = same_settings(has, given.over(wanted)) if given.image else has == given.over(wanted)
    return alike and made.environment(wants) == wants


def _unfinished(found: Sequence[Facts]) -> list[Facts]:
    """Those that were to replace one that is still there: compose starts a container only when that is gone."""
    ids = {facts["Id"] for facts in found}
    created = [facts for facts in found if facts["State"]["Status"] == "created"]
    return [facts for facts in created if (facts["Config"]["Labels"] or {}).get(REPLACES) in ids]


def _grace(facts: Facts) -> int:
    given = facts["Config"].get("StopTimeout")
    return GRACE if given is None else int(given)


def _name(facts: Facts) -> str:
    return str(facts["Name"]).lstrip("/")
