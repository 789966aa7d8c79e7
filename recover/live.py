"""The real world of one target: its services, databases, the web, this machine's programs, the human."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recover.errors import Drifted, NeedsApproval, StepError, Unreachable
from recover.journal.lock import who
from recover.postgres.session import Session as PostgresSession
from recover.secrets import Secret
from recover.world import Completed, Database, Row, RunPlace, Services, Statement, Text, Web

Learned = Callable[[str, Mapping[str, str]], None]
"""Told the identity of a database before anything is changed in it. Raises Drifted for a wrong one."""

PINNED = ("system_identifier", "database")
"""What tells one database from another; the server's version may change between crash and resume."""

OUTPUT_LIMIT = 64 * 1024


class Programs:
    """`world.Commands`: programs of this machine, each in its own process group."""

    def run(
        self, argv: Sequence[str], *, environment: Mapping[str, Text], folder: Path | None, timeout: float
    ) -> Completed:
        """Run it to its end. Raises StepError when it cannot be started or does not end in time."""
        env = {**os.environ, **{k: v.reveal() if isinstance(v, Secret) else v for k, v in environment.items()}}
        try:
            process = subprocess.Popen(
                list(argv),
                env=env,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise StepError(f"cannot start {argv[0]}", why=error.strerror or str(error)) from None
        try:
            output, _ = process.communicate(timeout=timeout)
        except BaseException as error:
            self._end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise Unreachable(f"{argv[0]} did not end within {timeout:g} s and was stopped") from None
            raise
        return Completed(process.returncode, output[-OUTPUT_LIMIT:].decode(errors="replace"))

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        """End the group: the program may have started others. It is ours and not yet reaped."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


@dataclass
class LiveWorld:
    """`world.World` and `world.View` of one target. Databases are opened when first used."""

    services: Services
    web: Web
    open_database: Callable[[str], PostgresSession]
    gate: Gatekeeper
    place: RunPlace
    learned: Learned = lambda _name, _identity: None
    commands: Programs = field(default_factory=Programs)
    _open: dict[str, BoundDatabase] = field(default_factory=dict)

    def database(self, name: str) -> Database:
        """The database of that name in the target."""
        if name not in self._open:
            self._open[name] = BoundDatabase(name, self.open_database(name), self._tell)
        return self._open[name]

    def _tell(self, name: str, identity: Mapping[str, str]) -> None:
        self.learned(name, identity)

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
    known: bool = False

    def rows(self, about: str, statement: Statement) -> list[Row]:
        """As the session."""
        return self.session.rows(about, statement)

    def execute(self, statements: Sequence[Statement], *, lock_timeout: float, statement_timeout: float) -> list[int]:
        """As the session, on the cluster and database this run is bound to only."""
        self.identify()
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


def same_target(name: str, bound: Mapping[str, str], identity: Mapping[str, str]) -> None:
    """Raises Drifted when the database is another one than the run began on.

    `system_identifier` is unique to a cluster (PostgreSQL documentation, pg_control_system).
    """
    for key, value in bound.items():
        if identity.get(key, value) != value:
            raise Drifted(
                f"database {name} is not the one this run began on",
                why=f"{key} was {value}, and is {identity[key]}",
                next="recover run PLAYBOOK starts over on the new one",
            )


@dataclass(frozen=True)
class Gatekeeper:
    """Answers a playbook's questions: --yes, else the human at the terminal, else nobody."""

    yes: bool
    ask: bool

    def __call__(self, question: str) -> Mapping[str, object]:
        """The answer and who gave it. Raises NeedsApproval when nobody is there, StepError on no."""
        person, host = who()
        if self.yes:
            return {"answer": "yes", "by": person, "host": host, "how": "--yes"}
        if not self.ask:
            raise NeedsApproval(f"a human has to answer: {question}", next="recover resume --yes, or at a terminal")
        if not self.wants(question):
            raise StepError(f"{person} said no: {question}", next="recover resume asks again")
        return {"answer": "yes", "by": person, "host": host, "how": "terminal"}

    def wants(self, question: str) -> bool:
        """Ask at the terminal; anything but y or yes is a no."""
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")
