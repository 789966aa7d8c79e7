"""Key `enum.repair`: make the labels of enum types what the deployed code expects, without touching a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from recover.checks.enum import EnumLabels
from recover.enums.drift import Add, Drift, Refusal, Rename
from recover.enums.look import look, refuse
from recover.enums.repair import add_value, prove, remember, rename_value
from recover.errors import Precondition
from recover.postgres import catalog
from recover.world import Action, Check, Forecast, Resource, Seconds, SeeDatabase, Statement, View, World

ADDS_IN_TRANSACTION = 120000
"""The first server_version_num whose ADD VALUE may run in a transaction block (release notes of 12)."""


@dataclass(frozen=True)
class RenamedLabel:
    """One rename: the type as SQL names it anywhere, the old spelling and the new."""

    type: str
    old: str
    new: str

    @property
    def sql(self) -> str:
        """Its statement."""
        return rename_value(self.type, Rename(self.old, self.new))


@dataclass(frozen=True)
class RenameLabels:
    """All renames of all types in one transaction, which proves before its COMMIT that only spellings changed."""

    database: str
    renames: tuple[RenamedLabel, ...]
    lock_timeout: float
    statement_timeout: float
    because: str
    parallel: ClassVar[bool] = False

    @property
    def describe(self) -> str:
        """The statements; the proof (oids, order of the labels, files of the tables) runs with them."""
        return "\n".join(f"{sql};" for sql in ("BEGIN", *(rename.sql for rename in self.renames), "COMMIT"))

    @property
    def touches(self) -> tuple[Resource, ...]:
        """The database."""
        return (f"database:{self.database}",)

    def apply(self, world: World) -> Mapping[str, object]:
        """Rename. Raises StepError, with everything as it was, when one of them cannot be renamed."""
        types = sorted({rename.type for rename in self.renames})
        statements = [remember(types), *(Statement(rename.sql) for rename in self.renames), prove(types)]
        world.database(self.database).execute(
            statements, lock_timeout=self.lock_timeout, statement_timeout=self.statement_timeout
        )
        return {"renamed": len(self.renames), "types": types}

    def forecast(self, forecast: Forecast) -> None:
        """What the database answers afterwards is known only then."""
        forecast.changes(*self.touches)

    def inverse(self) -> Action:
        """The renames taken back, last first."""
        back = tuple(RenamedLabel(r.type, r.new, r.old) for r in reversed(self.renames))
        return RenameLabels(self.database, back, self.lock_timeout, self.statement_timeout, "undo")


@dataclass(frozen=True)
class AddLabel:
    """One label that is missing. It cannot be taken away again, and does no harm unused."""

    database: str
    type: str
    label: str
    place: Literal["BEFORE", "AFTER", ""]
    neighbour: str
    lock_timeout: float
    statement_timeout: float
    because: str
    parallel: ClassVar[bool] = False

    @property
    def describe(self) -> str:
        """The statement."""
        return add_value(self.type, Add(self.label, self.place, self.neighbour))

    @property
    def touches(self) -> tuple[Resource, ...]:
        """The database."""
        return (f"database:{self.database}",)

    def apply(self, world: World) -> Mapping[str, object]:
        """Add it, in a transaction of its own: it is usable after the commit only. Raises StepError."""
        world.database(self.database).execute(
            [Statement(self.describe)], lock_timeout=self.lock_timeout, statement_timeout=self.statement_timeout
        )
        return {"added": self.label, "type": self.type}

    def forecast(self, forecast: Forecast) -> None:
        """What the database answers afterwards is known only then."""
        forecast.changes(*self.touches)

    def inverse(self) -> Action | None:
        """None: PostgreSQL has no DROP VALUE."""
        return None


@dataclass(frozen=True)
class RepairEnum:
    """Types are named as in SQL (`userrole`, `app.userrole`, `"UserRole"`); `map` says, per type, which old label
    became which new one. Without it a label is renamed only if exactly one differs by nothing but its case.

    Time-outs in seconds. Extra labels that nothing uses are left alone.
    """

    database: str
    expected: Mapping[str, tuple[str, ...]]
    map: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    strategy: Literal["rename"] = "rename"
    lock_timeout: Seconds = Seconds(2)
    statement_timeout: Seconds = Seconds(30)
    repeatable: ClassVar[bool] = True

    def decide(self, view: View) -> tuple[Action, ...]:
        """One action for all renames, then one for each missing label.

        Raises Precondition, with nothing touched, when anything would have to be guessed or is not allowed.
        """
        database = view.database(self.database)
        drifts = look(database, self.expected, self.map)
        refuse(refusal for drift in drifts for refusal in drift.refusals)
        todo = [drift for drift in drifts if not drift.settled]
        if not todo:
            return ()
        self._require_allowed(database, todo)
        return (*self._rename(todo), *(add for drift in todo for add in self._add(drift)))

    def _require_allowed(self, database: SeeDatabase, todo: list[Drift]) -> None:
        refuse(
            Refusal(d.type.sql, f"only its owner, {d.type.owner}, may alter it", f"connect as {d.type.owner}")
            for d in todo
            if not d.type.owned
        )
        [server] = database.rows("what the server is", catalog.named("server"))
        if server["standby"]:
            raise Precondition("the database is a standby", why="it can only be read", next="connect to the primary")
        if int(str(server["version"])) < ADDS_IN_TRANSACTION and any(d.adds for d in todo):
            raise Precondition("this PostgreSQL cannot add a label in a transaction", next="add it by hand, in psql")

    def _rename(self, todo: list[Drift]) -> Iterable[Action]:
        renames = tuple(RenamedLabel(d.type.sql, r.old, r.new) for d in todo for r in d.renames)
        if renames:
            because = "the deployed code expects other spellings"
            yield RenameLabels(self.database, renames, self.lock_timeout, self.statement_timeout, because)

    def _add(self, drift: Drift) -> Iterable[Action]:
        limits = self.lock_timeout, self.statement_timeout
        because = f"the deployed code expects it and {drift.type.sql} lacks it"
        for add in drift.adds:
            yield AddLabel(
                self.database, drift.type.sql, add.label, add.place, add.neighbour, limits[0], limits[1], because
            )

    def claims(self, view: View) -> frozenset[Resource]:  # noqa: ARG002 - the same whatever is seen
        """The database."""
        return frozenset({f"database:{self.database}"})

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """The labels, read again."""
        return ((EnumLabels(self.database, self.expected), 5.0),)
