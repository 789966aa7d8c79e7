"""The real world of one target: its services, databases, the web, this machine's programs, the human."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from recover import programs
from recover.answers import Completed
from recover.errors import Drifted, StepError, Unreachable
from recover.gatekeeping import Gatekeeper
from recover.postgres.session import Session as PostgresSession
from recover.secrets import end, revealed
from recover.world import Database, Row, RunPlace, Services, Statement, Text, Web

Learned = Callable[[str, Mapping[str, str]], None]
"""Told the identity of a database before anything is changed in it. Raises Drifted for a wrong one."""

PINNED = ("system_identifier", "database")
"""What tells one database from another; the server's version may change between crash and resume."""

SERVICES = "services:"
"""What the runtime is called in a run's binding: no database can have that name."""

OUTPUT_LIMIT = 64 * 1024


class Programs:
    """`world.Commands`: programs of this machine, each in its own process group."""

    def run(
        self, argv: Sequence[str], *, environment: Mapping[str, Text], folder: Path | None, timeout: float
    ) -> Completed:
        """Run it to its end. Raises StepError when it cannot be started or does not end in time."""
        env = {**os.environ, **{k: revealed(v) for k, v in environment.items()}}
        try:
            ended = programs.run(argv, environment=env, folder=folder, timeout=timeout, together=True)
        except subprocess.TimeoutExpired:
            raise Unreachable(f"{argv[0]} did not end within {timeout:g} s and was stopped") from None
        except OSError as error:
            raise StepError(f"cannot start {argv[0]}", why=error.strerror or str(error)) from None
        output = ended.stdout.decode(errors="replace")
        return Completed(ended.returncode, output if len(output) <= OUTPUT_LIMIT else end(output, OUTPUT_LIMIT))


@dataclass
class LiveWorld:
    """`world.World` and `world.View` of one target. Databases are opened when first used."""

    services: Services
    web: Web
    open_database: Callable[[str], PostgresSession]
    gate: Gatekeeper
    place: RunPlace
    learned: Learned = lambda _name, _identity: None
    leases: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    commands: Programs = field(default_factory=Programs)
    _open: dict[str, BoundDatabase] = field(default_factory=dict)

    def database(self, name: str) -> Database:
        """The database of that name in the target."""
        if name not in self._open:
            self._open[name] = BoundDatabase(name, self.open_database(name), self._tell, lambda: self._lease(name))
        return self._open[name]

    def _tell(self, name: str, identity: Mapping[str, str]) -> None:
        self.learned(name, identity)

    def _lease(self, name: str) -> None:
        if name in self.leases:
            self.leases[name]()

    def beside(self) -> LiveWorld:
        """The same with database connections of its own, to look at from another thread."""
        return replace(self, _open={})

    def close(self) -> None:
        """Close what is open."""
        for database in self._open.values():
            database.session.close()


@dataclass
class BoundDatabase:
    """A database whose identity is made known before the first change, once per process."""

    name: str
    session: PostgresSession
    learned: Learned
    require_lease: Callable[[], None] = lambda: None
    known: bool = False

    def rows(self, about: str, statement: Statement) -> list[Row]:
        """As the session."""
        return self.session.rows(about, statement)

    def execute(self, statements: Sequence[Statement], *, lock_timeout: float, statement_timeout: float) -> list[int]:
        """As the session, on the cluster and database this run is bound to only."""
        self.identify()
        self.require_lease()
        return self.session.execute(statements, lock_timeout=lock_timeout, statement_timeout=statement_timeout)

    def dump(self, path: Path) -> Mapping[str, object]:
        """As the session, of the cluster and database this run is bound to only."""
        self.identify()
        return self.session.dump(path)

    def identify(self) -> None:
        """Make the identity known. Raises Drifted, Unreachable."""
        if not self.known:
            identity = self.session.identity()
            self.learned(self.name, {key: identity[key] for key in PINNED})
            self.known = True


def of_database(binding: Mapping[str, str], name: str) -> dict[str, str]:
    """The part of a run's binding that pins this database."""
    parts = ((key.partition("."), value) for key, value in binding.items())
    return {rest: value for (head, _, rest), value in parts if head == name}


def same_target(name: str, bound: Mapping[str, str], identity: Mapping[str, str]) -> None:
    """Raises Drifted when the database, or what the services run on, is another one than the run began on.

    `system_identifier` is unique to a cluster (PostgreSQL documentation, pg_control_system).
    """
    what = "what the services run on" if name == SERVICES else f"database {name}"
    for key, value in bound.items():
        if identity.get(key, value) != value:
            raise Drifted(
                f"{what} is not the one this run began on",
                why=f"{key} was {value}, and is {identity[key]}",
                next="recover run PLAYBOOK starts over on the new one",
            )
