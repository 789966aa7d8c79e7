"""Key `enum`: has the database the enum labels that the deployed code expects?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from recover.enums.drift import Drift
from recover.enums.look import look
from recover.errors import RecoverError
from recover.evidence import Evidence
from recover.world import Resource, View


@dataclass(frozen=True)
class EnumLabels:
    """Every expected label exists and nothing uses another one. Unused others are named and accepted."""

    database: str
    expected: Mapping[str, tuple[str, ...]]

    @property
    def about(self) -> frozenset[Resource]:
        """The database."""
        return frozenset({f"database:{self.database}"})

    def ask(self, view: View) -> Evidence:
        """Read the catalog, and the rows where a label is not an expected one."""
        question = f"are the labels of {', '.join(self.expected)} in {self.database} what the code expects?"
        try:
            drifts = look(view.database(self.database), self.expected, {})
        except RecoverError as error:
            return Evidence(question, f"{error.what}: {error.why}", passed=False)
        wrong = [part for drift in drifts for part in _wrong(drift)]
        labels = sum(len(drift.expected) for drift in drifts)
        fine = [f"{labels} labels of {len(drifts)} types", *(part for drift in drifts for part in _remarks(drift))]
        return Evidence(question, "; ".join(wrong or fine), passed=not wrong)


def _wrong(drift: Drift) -> Iterable[str]:
    missing = [label for label in drift.expected if label not in drift.type.labels]
    if missing:
        yield f"{drift.type.sql} lacks {', '.join(missing)}"
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
