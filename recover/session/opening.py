"""Putting a playbook and its target together: everything a command needs, built once, closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from recover.errors import PlaybookError, Precondition, RecoverError, SystemRefused, Unreachable, UsageError
from recover.gatekeeping import Gatekeeper
from recover.halt import Halt
from recover.journal.lock import who
from recover.journal.places import one_name, project_folder
from recover.journal.records import write_private
from recover.live import LiveWorld
from recover.marked_yaml import did_you_mean
from recover.moment import Moment
from recover.playbook.model import DatabaseTarget, Playbook, StepSpec, Target
from recover.playbook.scope import Scope, Step
from recover.postgres.lease import DatabaseLease
from recover.postgres.session import Server
from recover.postgres.session import Session as PostgresSession
from recover.runtimes import RUNTIMES, Site
from recover.secrets import MASK, SHORTEST, Redactor, Secret, masking_cuts
from recover.session.bugs import report_bug
from recover.session.options import Options
from recover.session.saying import note
from recover.snapshot import Snapshot
from recover.web import HttpWeb
from recover.world import Forecast, RunPlace, Runtime

LOCK_PATIENCE = 3.0
"""Seconds that a read of a diagnosis waits for a lock: who holds it is looked at meanwhile."""


@dataclass
class Opened:
    """One playbook on one target, alive."""

    playbook: Playbook
    target: Target
    project: str
    specs: Sequence[StepSpec]
    live: LiveWorld
    databases: Databases
    scope: Scope
    runtime: Runtime
    redactor: Redactor = field(default_factory=Redactor)
    halt: Halt = field(default_factory=Halt)
    lacking: Mapping[str, str] = field(default_factory=dict)
    require_lease: Callable[[], None] = lambda: None

    def bind(self, spec: StepSpec, kept: Sequence[str]) -> Step:
        """The step with its ${…} filled in."""
        return spec.bind(replace(self.scope, kept=tuple(kept)))

    @contextmanager
    def leased(self, run: str, *, breaking: bool = False) -> Iterator[None]:
        """The target for this run alone, from whichever machine it is reached. Raises Locked, naming the holder, unless
        it is taken from him by `breaking` his leases.
        """
        person, host = who()
        leases = {name: DatabaseLease(self.databases(name), run, f"{person}@{host}") for name in self.target.databases}
        card = {"by": person, "host": host, "run": run}
        with self.runtime.lease(card, breaking=breaking) as self.require_lease, ExitStack() as stack:
            for lease in leases.values():
                stack.callback(lease.release)
                with suppress(Unreachable):
                    lease.require(breaking=breaking)  # one that is down is taken before its first change
            self.live.leases = {name: lease.require for name, lease in leases.items()}
            yield

    def forecast(self, moment: Moment | None = None) -> Forecast:
        """A preview's view of the world as it was in that moment, without one as it is now."""
        homes = {name: database.service for name, database in self.target.databases.items()}
        return Forecast(moment or Moment(self.live), homes)

    def dsn(self, database: str) -> str:
        """A libpq URI of the database that works as it is and shows no password: it names a password file."""
        server = self.databases(database).server
        passfile = quote(str(self._passfile))
        return f"postgresql://{server.user}@{server.host}:{server.port}/{server.dbname}?passfile={passfile}"

    def write_passfile(self, database: str) -> None:
        """Write the password file that `dsn` names (libpq documentation, "The Password File")."""
        server = self.databases(database).server
        password = server.password.reveal() if server.password else "*"
        fields = (server.host, str(server.port), "*", server.user, password)  # and of its copies
        line = ":".join(text.replace("\\", "\\\\").replace(":", "\\:") for text in fields)
        write_private(self._passfile, line + "\n")

    @property
    def _passfile(self) -> Path:
        return Path(self.scope.target["folder"]) / "secrets" / "pgpass"


def target_of(playbook: Playbook, options: Options) -> Target:
    """The target that was asked for, or the first. Raises UsageError."""
    name = options.target or next(iter(playbook.targets))
    if name not in playbook.targets:
        hint = did_you_mean(name, playbook.targets) or f"known: {', '.join(playbook.targets)}"
        raise UsageError(f"the playbook has no target {name!r}", where=str(playbook.source), why=hint)
    return playbook.targets[name]


def project_of(playbook: Playbook, options: Options) -> str:
    """The project whose runs and replica belong together. Raises UsageError for a name that leads elsewhere."""
    return one_name(options.project or target_of(playbook, options).services.project or playbook.name, "a project")


def replica_folder(state: Path, project: str, target: Target) -> Path:
    """Where `drill up` builds the replica of a project's target. Raises UsageError for a name that leads elsewhere."""
    return project_folder(state, project) / f"replica-{one_name(target.name, 'a target')}"


@contextmanager
def opened_from(playbook: Playbook, options: Options, place: RunPlace, snapshot: Snapshot) -> Iterator[Opened]:
    """The playbook on its target as it was when the snapshot was made.

    Raises UsageError for another target's, and for one with an answer of a form that no look has: its sha256 shows
    that it is whole, not that `recover snapshot` wrote it.
    """
    target, project = target_of(playbook, options), project_of(playbook, options)
    if (target.name, project) != (snapshot.target, snapshot.project):
        what = f"the snapshot is of {snapshot.target} ({snapshot.project}), not of {target.name} ({project})"
        raise UsageError(what, where=snapshot.path, next=f"--target {snapshot.target} --project {snapshot.project}")
    redactor, view = Redactor(), snapshot.view
    with masking(redactor):
        given = {"name": target.name, "project": project, "folder": str(replica_folder(options.state, project, target))}
        masks = {name: Secret(name, MASK) for name in playbook.secrets}
        services: Any = view.services
        scope = Scope(playbook.values, masks, given, services, place, playbook.folder)
        live: Any = view
        databases = Databases(target, scope, place)
        try:
            yield Opened(playbook, target, project, playbook.steps, live, databases, scope, services, redactor)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            what = "the snapshot holds an answer that no look gives"
            why, again = f"{type(error).__name__}: {error}", f"recover snapshot {playbook.source} -o FILE"
            raise UsageError(what, where=snapshot.path, why=why, next=again) from None


@contextmanager
def opened(
    playbook: Playbook, options: Options, place: RunPlace, *, looking: bool = False, patient: bool = False
) -> Iterator[Opened]:
    """The playbook on its target, for `looking` only or to act.

    Raises Precondition for a missing secret, Unreachable for a missing target. When `patient` a missing secret is
    only told (`lacking`), and raised by what needs it, and no read waits long for a lock.

    Whatever leaves this block has its secrets masked; what is not an error of ours becomes a Bug.
    """
    target, project = target_of(playbook, options), project_of(playbook, options)
    redactor = Redactor()
    with masking(redactor):
        folder = replica_folder(options.state, project, target)
        site = Site(target.services.files, project, folder, place.folder, looking, options.project_flags)
        services = _services(target, site)
        given = {"name": target.name, "project": project, "folder": str(folder)}
        secrets = Secrets(playbook, redactor)
        scope = Scope(playbook.values, secrets, given, services, place, playbook.folder)
        secrets.scope = scope
        lacking = secrets.lacking() if patient else {}
        try:
            if not patient:
                secrets.read_all()
        except Precondition:
            require_there(services)
            raise
        halt = Halt()
        databases = Databases(target, scope, place, halt, LOCK_PATIENCE if patient else None)
        gate = Gatekeeper(options.yes, options.ask, options.yes_destructive, halt, flags=options.flags)
        live = LiveWorld(services, HttpWeb(), databases, gate, place)
        try:
            specs = playbook.steps
            yield Opened(playbook, target, project, specs, live, databases, scope, services, redactor, halt, lacking)
        finally:
            live.close()


@dataclass
class Secrets(Mapping[str, Secret]):
    """The playbook's secrets, each read when first asked for, and known to the redactor from then on."""

    playbook: Playbook
    redactor: Redactor
    scope: Scope | None = None
    _read: dict[str, Secret] = field(default_factory=dict)

    def read_all(self) -> None:
        """Read every one. Raises Precondition for the first that is not there: better now than at its step."""
        for name in self.playbook.secrets:
            self[name]

    def lacking(self) -> Mapping[str, str]:
        """What is wrong with each that cannot be read, by its name."""
        found = {}
        for name in self.playbook.secrets:
            try:
                self[name]
            except Precondition as error:
                found[name] = f"{error.what}: {error.why}" if error.why else error.what
        return found

    def __getitem__(self, name: str) -> Secret:
        if name not in self._read:
            assert self.scope is not None  # set before anything is asked  # noqa: S101
            secret = self.playbook.secrets[name].read(self.scope)
            if not self.redactor.learn(secret):
                note(f"warning: secret {name} is shorter than {SHORTEST} characters, so outputs are not masked for it")
            self._read[name] = secret
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.playbook.secrets)

    def __len__(self) -> int:
        return len(self.playbook.secrets)


@dataclass
class Databases:
    """Opens the target's databases by name; their addresses are asked of the runtime at each connect."""

    target: Target
    scope: Scope
    place: RunPlace
    halt: Halt = field(default_factory=Halt)
    lock_patience: float | None = None
    step: str = ""

    def __call__(self, name: str) -> PostgresSession:
        """A session of the database. Raises PlaybookError for an unknown name."""
        if name not in self._bound:
            hint = did_you_mean(name, self._bound) or f"known: {', '.join(self._bound) or 'none'}"
            raise PlaybookError(f"the target {self.target.name} has no database {name!r}", why=hint)
        server = self._bound[name]
        return PostgresSession(
            lambda: self._server(server),
            run=self.place.id,
            step=lambda: self.step,
            lock_patience=self.lock_patience,
            halt=self.halt,
        )

    @cached_property
    def _bound(self) -> Mapping[str, DatabaseTarget]:
        return self.target.bind(self.scope).databases

    def _server(self, database: DatabaseTarget) -> Server:
        address = self.scope.services.address(database.service, database.port)
        password = database.password
        secret = Secret("database", password) if isinstance(password, str) else password
        return Server(address.host, address.port, database.dbname, database.user, secret)


def require_there(services: Runtime) -> None:
    """Raises Unreachable, with its own words, for a target that is not there at all."""
    for service in services.names()[:1]:
        services.state(service)


def _services(target: Target, site: Site) -> Runtime:
    """The target's services. Raises PlaybookError for a runtime there is none of."""
    kind = target.services.runtime
    if kind not in RUNTIMES:
        hint = did_you_mean(kind, RUNTIMES) or f"known: {', '.join(RUNTIMES)}"
        raise PlaybookError(f"there is no runtime {kind!r}", why=hint)
    return RUNTIMES[kind](site)


@contextmanager
def masking(redactor: Redactor) -> Iterator[None]:
    """What the redactor knows is masked in every error that passes, and in what is cut meanwhile."""
    try:
        with masking_cuts(redactor):
            yield
    except RecoverError as error:
        for part in ("what", "where", "why", "next"):
            setattr(error, part, redactor.text(getattr(error, part)))
        raise
    except OSError as error:
        raise SystemRefused.of(error) from None
    except Exception as error:
        raise report_bug(error, redactor) from None
