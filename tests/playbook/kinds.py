"""Small step types and checks to read playbooks with: the format's own tests do not depend on the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from recover.errors import PlaybookError
from recover.evidence import Evidence
from recover.world import Action, Check, Resource, Seconds, Statement, Text, View


@dataclass(frozen=True)
class Start:
    """Starts services."""

    services: tuple[str, ...]
    wait: Literal["healthy", "started"] = "started"
    env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    repeatable: ClassVar[bool] = True

    def decide(self, view: View) -> tuple[Action, ...]:
        return ("start",)  # type: ignore[return-value]

    def claims(self, view: View) -> frozenset[Resource]:
        return frozenset(f"service:{service}" for service in self.services)

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        return tuple((Up(service), 60.0) for service in self.services if self.wait == "healthy")


@dataclass(frozen=True)
class Stop:
    except_: tuple[str, ...] = ()
    repeatable: ClassVar[bool] = True

    def decide(self, view: View) -> tuple[Action, ...]:
        return ()

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        return ()


@dataclass(frozen=True)
class Backup(Stop):
    database: str = "main"
    supports: ClassVar[bool] = True


@dataclass(frozen=True)
class Repair(Stop):
    database: str = ""
    expected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    strategy: Literal["rename"] = "rename"


@dataclass(frozen=True)
class RunSql(Stop):
    database: str = ""
    query: Statement | None = None
    file: Path | None = None
    repeatable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if (self.query is None) == (self.file is None):
            raise PlaybookError("sql.run takes exactly one of query and file")


@dataclass(frozen=True)
class Up:
    name: str
    restarts: int | None = None

    @property
    def about(self) -> frozenset[Resource]:
        return frozenset({f"service:{self.name}"})

    def ask(self, view: View) -> Evidence:
        return Evidence(f"is {self.name} up?", "no", passed=False)


@dataclass(frozen=True)
class Sql:
    database: str
    query: Statement
    expect: object

    @property
    def about(self) -> frozenset[Resource]:
        return frozenset({f"database:{self.database}"})


@dataclass(frozen=True)
class Logs:
    service: str
    absent: str

    @property
    def about(self) -> frozenset[Resource]:
        return frozenset({f"service:{self.service}"})


@dataclass(frozen=True)
class Expect:
    status: int = 200
    json: object = None


@dataclass(frozen=True)
class Http:
    get: str
    expect: Expect = field(default_factory=Expect)
    timeout: Seconds = Seconds(5)
    headers: Mapping[str, Text] = field(default_factory=dict)

    @property
    def about(self) -> frozenset[Resource]:
        return frozenset()


@dataclass(frozen=True)
class Follow:
    get: str
    expect: Expect = field(default_factory=Expect)


@dataclass(frozen=True)
class User:
    as_: str
    password: Text
    status: int = 200
    then: Follow | None = None


@dataclass(frozen=True)
class Login:
    url: str
    accept: User
    reject: tuple[User, ...] = ()

    @property
    def about(self) -> frozenset[Resource]:
        return frozenset()


@dataclass(frozen=True)
class Flag:
    """A check whose answer the test decides."""

    passes: bool

    @property
    def about(self) -> frozenset[Resource]:
        return frozenset()

    def ask(self, view: View) -> Evidence:
        return Evidence("is it set?", str(self.passes), passed=self.passes)

    @property
    def guarding(self) -> Flag:
        """Asked many times, it says yes."""
        return Flag(passes=True)


STEP_TYPES: dict[str, type] = {
    "service.start": Start,
    "service.stop": Stop,
    "database.backup": Backup,
    "enum.repair": Repair,
    "sql.run": RunSql,
}
CHECK_TYPES: dict[str, type] = {
    "service": Up,
    "sql": Sql,
    "logs": Logs,
    "http": Http,
    "login": Login,
    "flag": Flag,
}
