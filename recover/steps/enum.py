"""Key `enum.repair`: make the labels of enum types what the deployed code expects, and lose no row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from recover.checks.enum import EnumLabels, RepairTakenBack
from recover.enums.carrying import carry_out
from recover.enums.choices import Choices
from recover.enums.expected import Expected
from recover.enums.fingerprint import fingerprint
from recover.enums.ledger import new_id
from recover.enums.look import diagnose
from recover.enums.planning import plan
from recover.enums.repair import Repair, doing, undoing
from recover.world import Action, Check, Forecast, Inverse, Resource, Seconds, Statement, View, World


@dataclass(frozen=True)
class RepairLabels:
    """One transaction: repairs all types, proves itself before its COMMIT, leaves its inverse in the database."""

    database: str
    repair: Repair
    lock_timeout: float
    statement_timeout: float
    because: str
    parallel: ClassVar[bool] = False

    @property
    def describe(self) -> str:
        """The statements; the guards and proofs that run around them are not shown."""
        return "\n".join(f"{sql};" for sql in ("BEGIN", *self.repair.statements, "COMMIT"))

    @property
    def touches(self) -> tuple[Resource, ...]:
        """The database."""
        return (f"database:{self.database}",)

    def apply(self, world: World) -> Mapping[str, object]:
        """Repair. Raises StepError, Drifted or Locked, with everything as it was."""
        id = new_id()
        _carried(world, self, doing(self.repair, id))
        return {"repair": id, "renamed": len(self.repair.renames), "types": sorted(self.repair.before)}

    def forecast(self, forecast: Forecast) -> None:
        """What the database answers afterwards is known only then."""
        forecast.changes(*self.touches)

    def inverse(self) -> Inverse:
        """The repair taken back, last first. Labels that were added stay: PostgreSQL has no DROP VALUE."""
        return UndoRepair(self.database, self.repair, self.lock_timeout, self.statement_timeout, "undo")


@dataclass(frozen=True)
class UndoRepair:
    """One transaction that takes a repair back."""

    database: str
    repair: Repair
    lock_timeout: float
    statement_timeout: float
    because: str
    parallel: ClassVar[bool] = False

    @property
    def describe(self) -> str:
        """The statements."""
        return "\n".join(f"{sql};" for sql in ("BEGIN", *self.repair.undo, "COMMIT"))

    @property
    def touches(self) -> tuple[Resource, ...]:
        """The database."""
        return (f"database:{self.database}",)

    def apply(self, world: World) -> Mapping[str, object]:
        """Take it back. Raises StepError, Drifted or Locked, with everything as it was."""
        _carried(world, self, undoing(self.repair))
        return {"undone": self.repair.digest}

    def forecast(self, forecast: Forecast) -> None:
        """What the database answers afterwards is known only then."""
        forecast.changes(*self.touches)

    def inverse(self) -> Inverse | None:
        """None: what was undone is done again by its step."""
        return None

    def proofs(self) -> tuple[Check, ...]:
        """No such repair stands in the database."""
        return (RepairTakenBack(self.database, self.repair.digest),)


def _carried(world: World, action: RepairLabels | UndoRepair, statements: list[Statement]) -> None:
    carry_out(
        world.database(action.database),
        statements,
        action.repair.touched,
        lock_timeout=action.lock_timeout,
        statement_timeout=action.statement_timeout,
    )


@dataclass(frozen=True)
class RepairEnum:
    """Types are named as in SQL (`userrole`, `app.userrole`, `"UserRole"`); `map` says, per type, which old label
    became which new one. Without it a label is renamed only if exactly one differs by nothing but its case.

    Time-outs in seconds. Extra labels that nothing uses are left alone. `expand` lets raw SQL go on writing the old
    labels: a trigger maps them. What holds old labels as text is refused, unless it may be rewritten or ignored.
    """

    database: str
    expected: Mapping[str, tuple[str, ...]]
    map: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    strategy: Literal["rename", "expand"] = "rename"
    rewrite_dependants: bool = False
    ignore: tuple[str, ...] = ()
    lock_timeout: Seconds = Seconds(2)
    statement_timeout: Seconds = Seconds(30)
    repeatable: ClassVar[bool] = True

    def decide(self, view: View) -> tuple[Action, ...]:
        """One action for everything, or none when the labels are as expected.

        Raises Precondition, with nothing touched, when anything would have to be guessed or is not allowed.
        """
        database = view.database(self.database)
        diagnosis = diagnose(database, Expected(types=self.expected, map=self.map))
        repair = plan(database, diagnosis, Choices(self.strategy, self.rewrite_dependants, self.ignore))
        if repair is None:
            return ()
        because = "the deployed code expects other labels"
        return (RepairLabels(self.database, repair, self.lock_timeout, self.statement_timeout, because),)

    def claims(self, view: View) -> frozenset[Resource]:  # noqa: ARG002 - the same whatever is seen
        """The database."""
        return frozenset({f"database:{self.database}"})

    def fingerprint(self, view: View) -> Mapping[str, str]:
        """The labels of every type, and the rows of every table that holds them."""
        return fingerprint(view.database(self.database), Expected(types=self.expected, map=self.map))

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """The labels, read again."""
        return ((EnumLabels(self.database, self.expected, self.map), 5.0),)
