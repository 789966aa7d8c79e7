"""The local runtime: a stack whose services are processes of this machine, described by a local.yaml."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from recover import programs
from recover.answers import Completed
from recover.errors import PlaybookError, RecoverError, StepError, Unreachable
from recover.marked_yaml import MarkedDict, did_you_mean, read
from recover.runtimes.local_file import Reader, Service, entries, variables
from recover.runtimes.ports import HOST, holder, taken
from recover.runtimes.processes import Process, Seen
from recover.stack import AS_DECLARED, Address, Given, ServiceState, Status

PASSED_ON = ("PATH", "HOME", "LANG", "TZ")
"""All that a service gets of the caller's environment."""


@dataclass(frozen=True)
class LocalRuntime:
    """`world.Services` over the processes of one replica.

    `file` is a local.yaml, read once; `project` the replica's folder, whose `.env` is read each time, so
    that a changed variable counts from the next start on. A service is a process in a session and group
    of its own that outlives recover; what it writes is added to `log/NAME.log`. Raises PlaybookError for
    a bad file or an unknown service, Unreachable when the folder or its `.env` is not there, with the command that
    makes it, which needs `flags`.
    """

    file: Path
    project: Path
    flags: str = ""

    def names(self) -> tuple[str, ...]:
        """Every service, in the order of the file; needs no replica."""
        return tuple(str(name) for name in entries(self._tree))

    def statuses(self) -> Mapping[str, Status]:
        """How each process is."""
        return {name: self.state(name).status for name in self.names()}

    def state(self, service: str, *, probe: bool = False, overrides: Sequence[Path] = ()) -> ServiceState:
        """How the process is; with `probe` also whether it is ready, and if not why, in its own words.

        A service that ended by itself is "exited"; its exit code is None only when its keeper was killed
        or the machine went down. A one-shot is ready when it has ended with code 0.
        """
        self._require_none(overrides)
        spec = self._service(service)
        with _words(f"how {service} is cannot be told", Unreachable):
            process = self._process(service)
            seen = process.look()
            detail = _why_not_ready(spec, seen, process) if probe else ""
        record = seen.record
        return ServiceState(
            name=service,
            status=seen.status,
            environment=record.environment if record else {},
            declared=spec.environment,
            settings={"command": record.command} if record else {},
            declared_settings={"command": shlex.join(spec.command)},
            ready=not detail if probe else None,
            detail=detail,
            exit_code=seen.exit_code,
            started_at=record.started_at if record else None,
            instance=record.instance if record else "",
            oneshot=spec.oneshot,
            needs=self._before(service),
            fixed=False,
            zone=(record.environment if record else spec.environment).get("TZ", ""),
        )

    def logs(self, service: str, since: datetime | None = None) -> Iterator[str]:
        """Its log lines up to now, oldest first, read as they are taken.

        A process's lines carry no time. So the unit is the incarnation: without `since` the lines of
        the present or last one; with it those of every incarnation started at or after that time, and
        of the present one when there is none such.
        """
        self._service(service)
        return self._lines(self._process(service), since)

    def _lines(self, process: Process, since: datetime | None) -> Iterator[str]:
        with _words(f"the log of {process.service} cannot be read", Unreachable):
            yield from process.lines(process.log_start(since))

    def address(self, service: str, port: int | None = None) -> Address:
        """Where the port (default: the first) is, whether the service runs or not. Raises PlaybookError."""
        ports = self._service(service).ports
        if not ports:
            raise PlaybookError(f"{service} has no ports", where=str(self.file))
        if port is not None and port not in ports:
            self._unknown(f"{service} has no port {port}", str(port), map(str, ports))
        return Address(HOST, ports[0] if port is None else port)

    def start(self, service: str, given: Given = AS_DECLARED) -> None:
        """Start it, or replace a running instance. Returns when the process has become its command.

        Raises StepError, before anything is started, for a port that another process holds, and with the
        system's words when the command cannot be run or a file cannot be written.
        """
        self._require_none(given.overrides)
        spec = self._service(service)
        self.stop(service)
        for port in spec.ports:
            self._require_free(service, port)
        base = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        with _words(f"cannot start {service}", StepError):
            environment = {**spec.environment, **given.environment}
            command = given.command or spec.command
            self._process(service).launch(secrets.token_hex(8), command, spec.folder, environment, base)

    def stop(self, service: str) -> None:
        """End it with its signal, after its time with SIGKILL to its group, and wait until it is gone.

        One that has ended already stays as it is. Raises StepError when it does not go.
        """
        spec = self._service(service)
        with _words(f"cannot stop {service}", StepError):
            self._process(service).stop(spec.signal, spec.within)

    def put_back(self, service: str, given: Given) -> None:  # noqa: ARG002 - a process that does not run is nothing
        """Stop it. Raises StepError when it does not go."""
        self.stop(service)

    def identity(self) -> Mapping[str, str]:
        """Nothing: its processes are this machine's, and their folder is the run's own."""
        return {}

    @contextmanager
    def lease(
        self,
        card: Mapping[str, str],  # noqa: ARG002 - nobody else can have it
        *,
        breaking: bool = False,  # noqa: ARG002
    ) -> Iterator[Callable[[], None]]:
        """Nothing to hold: its processes are this machine's, and the project's lock is held already."""
        yield lambda: None

    def python(self, service: str, script: str, args: Sequence[str], *, timeout: float) -> Completed:
        """Run a Python script with its folder and environment. As `world.Runtime` promises."""
        spec = self._service(service)
        base = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        argv = [sys.executable, "-c", script, *args]
        try:
            env = {**base, **spec.environment}
            ended = programs.run(argv, environment=env, folder=spec.folder, timeout=timeout, together=True)
        except subprocess.TimeoutExpired:
            raise StepError(f"Python beside {service} did not end within {timeout:g} s") from None
        return Completed(ended.returncode, ended.stdout.decode(errors="replace"))

    def _before(self, service: str) -> tuple[str, ...]:
        """The one before it: a local.yaml says what needs what by its order alone."""
        names = self.names()
        return names[max(0, names.index(service) - 1) : names.index(service)]

    def _require_none(self, overrides: Sequence[Path]) -> None:
        if overrides:
            raise PlaybookError(
                "the runtime local has no override files", where=str(overrides[0]), next="use env or command"
            )

    @cached_property
    def _tree(self) -> MarkedDict:
        return read(self.file)

    def _service(self, name: str) -> Service:
        if name not in self.names():
            self._unknown(f"there is no service {name!r}", name, self.names())
        try:
            values = variables(self.file.parent.absolute(), self.project.absolute())
        except OSError as error:
            raise Unreachable(
                f"there is no replica in {self.project}",
                where=str(self.project / ".env"),
                why=error.strerror or str(error),
                next=f"recover drill up {self._scenario}{self.flags}",
            ) from None
        return Reader(values).services(self._tree)[name]

    @property
    def _scenario(self) -> str:
        """The drill that builds the replica: its stack lies in the folder of its name."""
        folder = self.file.absolute().parent
        return folder.parent.name if folder.name == "stack" else "SCENARIO"

    def _process(self, service: str) -> Process:
        return Process(self.project.absolute(), service)

    def _unknown(self, what: str, word: str, choices: Iterable[str]) -> NoReturn:
        known = tuple(choices)
        raise PlaybookError(what, where=str(self.file), next=did_you_mean(word, known) or f"known: {', '.join(known)}")

    def _require_free(self, service: str, port: int) -> None:
        if taken(port):
            who = holder(port) or "a process that cannot be told"
            raise StepError(
                f"cannot start {service}: port {port} is taken",
                where=f"{HOST}:{port}",
                why=f"{who} listens there",
                next=f"end it, or see: ss -ltnp 'sport = :{port}'",
            )


def _why_not_ready(spec: Service, seen: Seen, process: Process) -> str:
    """ "" when the service is ready."""
    if spec.oneshot and seen.status == "exited" and seen.exit_code == 0:
        return ""
    if seen.status == "exited":
        said = process.last_words()
        return f"it {_ended(seen.exit_code)}{f'; its last words: {said}' if said else ''}"
    if seen.status != "running":
        return "it was never started" if seen.status == "missing" else "it is stopped"
    if seen.record is None:
        return "it is being started or ended"
    if spec.oneshot:
        return "it has not ended yet"
    return spec.ready.ask(spec.ports[0] if spec.ports else 0) if spec.ready else ""


def _ended(exit_code: int | None) -> str:
    if exit_code is None:
        return "ended, and with which exit code is not known"
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    return f"was ended by {signal.Signals(-exit_code).name}"


@contextmanager
def _words(what: str, kind: type[RecoverError]) -> Iterator[None]:
    """The operating system's complaint as ours: its words and the file."""
    try:
        yield
    except OSError as error:
        raise kind(what, where=str(error.filename or ""), why=error.strerror or str(error)) from None
