"""Key `enum`: has the database the enum labels that the deployed code expects?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from recover.enums import ledger
from recover.enums.drift import Drift
from recover.enums.expected import Expected
from recover.enums.look import diagnose
from recover.errors import RecoverError, Unreachable
from recover.evidence import Evidence
from recover.world import Resource, View


@dataclass(frozen=True)
class EnumLabels:
    """Every expected label exists and nothing uses another one. Unused others are named and accepted."""

    database: str
    expected: Mapping[str, tuple[str, ...]]
    map: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def about(self) -> frozenset[Resource]:
        """The database."""
        return frozenset({f"database:{self.database}"})

    def ask(self, view: View) -> Evidence:
        """Read the catalog, and the rows where a label is not an expected one."""
        question = f"are the labels of {', '.join(self.expected)} in {self.database} what the code expects?"
        try:
            found = diagnose(view.database(self.database), Expected(types=self.expected, map=self.map))
        except RecoverError as error:
            return Evidence(question, f"{error.what}: {error.why}", passed=False)
        drifts = found.drifts
        wrong = [*(f"{r.object}: {r.reason}" for r in found.blocked), *(part for d in drifts for part in _wrong(d))]
        labels = sum(len(drift.expected) for drift in drifts)
        fine = [f"{labels} labels of {len(drifts)} types", *(part for drift in drifts for part in _remarks(drift))]
        return Evidence(question, "; ".join(wrong or fine), passed=not wrong)


@dataclass(frozen=True)
class RepairTakenBack:
    """No repair by the plan of that hash stands: it was taken back, or never made.

    The row that says so is written in the transaction of the repair itself.
    """

    database: str
    plan: str

    @property
    def about(self) -> frozenset[Resource]:
        """The database."""
        return frozenset({f"database:{self.database}"})

    def ask(self, view: View) -> Evidence:
        """Read the ledger in the database."""
        question = f"are the labels in {self.database} as before the repair?"
        try:
            standing = ledger.standing(view.database(self.database), self.plan)
        except RecoverError as error:
            unseen = isinstance(error, Unreachable)
            return Evidence(question, f"{error.what}: {error.why}", passed=False, unseen=unseen)
        return Evidence(question, f"repair {', '.join(standing)} stands" if standing else "yes", passed=not standing)


def _wrong(drift: Drift) -> Iterable[str]:
    missing = [label for label in drift.expected if label not in drift.type.labels]
    if missing:
        yield f"{drift.type.sql} lacks {', '.join(missing)}"
    for merge in drift.merges:
        yield f"{drift.type.sql} has rows that hold {merge.loser!r} and are to hold {merge.into!r}"
    for extra in drift.extras:
        if extra.used_in:
            yield f"{drift.type.sql} has {extra.label!r} in use: {', '.join(extra.used_in)}"
    if not missing and not drift.settled and not any(extra.used_in for extra in drift.extras):
        yield from (f"{refusal.object}: {refusal.reason}" for refusal in drift.refusals)


def _remarks(drift: Drift) -> Iterable[str]:
    unused = [extra.label for extra in drift.extras]
    if unused:
        yield f"{drift.type.sql} has unused extra labels: {', '.join(unused)}"
    if drift.reordered:
        yield f"{drift.type.sql} sorts its labels otherwise than expected"
