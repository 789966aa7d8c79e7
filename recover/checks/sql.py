"""Key `sql`: does a query give the expected answer?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from recover.errors import RecoverError
from recover.evidence import Evidence
from recover.postgres.statements import one_line
from recover.world import Resource, Statement, View

LONGEST = 300


@dataclass(frozen=True)
class SqlAnswers:
    """`expect` is a value (of the first column of the only row), a list (the only row), or a list of lists (all rows).

    Numbers equal numbers (1, 1.0, numeric 1), and nothing else: 1 is neither "1" nor true. A value of a
    type that YAML does not have (a date, a uuid) equals its text.
    """

    database: str
    query: Statement
    expect: object

    @property
    def about(self) -> frozenset[Resource]:
        """The database."""
        return frozenset({f"database:{self.database}"})

    def ask(self, view: View) -> Evidence:
        """Read, in a transaction that cannot write."""
        question = f"does {one_line(self.query.text)} in {self.database} give {_shown(self.expect)}?"
        try:
            rows = [[*row.values()] for row in view.database(self.database).rows("the answer", self.query)]
        except RecoverError as error:
            return Evidence(question, _cut(f"{error.what}: {error.why}"), passed=False)
        passed = same(self.expect, self._answer(rows))
        got = f"got {_shown(self._answer(rows))}"
        return Evidence(question, got if passed else _cut(f"{got}, wanted {_shown(self.expect)}"), passed=passed)

    def _answer(self, rows: Sequence[Sequence[object]]) -> object:
        """The rows in the shape of `expect`; all of them when they have another shape."""
        every = [[*row] for row in rows]
        if _is_table(self.expect) or len(every) != 1:
            return every
        return every[0] if isinstance(self.expect, list | tuple) else every[0][0]


def _is_table(expect: object) -> bool:
    return isinstance(expect, list | tuple) and all(isinstance(row, list | tuple) for row in expect)


def same(wanted: object, got: object) -> bool:
    """Whether a value of a playbook equals one of the database."""
    if isinstance(wanted, list | tuple):
        return isinstance(got, list | tuple) and len(wanted) == len(got) and all(map(same, wanted, got))
    if isinstance(wanted, Mapping):
        return isinstance(got, Mapping) and wanted.keys() == got.keys() and all(same(wanted[k], got[k]) for k in wanted)
    if wanted is None or isinstance(wanted, bool) or got is None or isinstance(got, bool):
        return wanted is got
    if isinstance(wanted, int | float):
        return isinstance(got, int | float | Decimal) and _equal(wanted, got)
    if isinstance(got, int | float | list | tuple | Mapping):
        return False
    return not isinstance(got, Decimal) and wanted == str(got)


def _equal(wanted: float, got: float | Decimal) -> bool:
    return wanted == got or (isinstance(wanted, float) and wanted == float(got))


def _shown(value: object) -> str:
    """The value as a playbook would spell it."""
    from json import dumps

    return _cut(dumps(value, ensure_ascii=False, default=lambda v: int(v) if _whole(v) else str(v)))


def _whole(value: object) -> bool:
    return isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value()


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
