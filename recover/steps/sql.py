"""Key `sql.run`: SQL that changes something. Needs `done_when`: it cannot see its own outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from recover import inputs
from recover.errors import PlaybookError, Precondition
from recover.postgres.statements import excerpt, not_transactional, one_line, position
from recover.world import Action, Check, Forecast, Inverse, Resource, Seconds, Statement, View, World


@dataclass(frozen=True)
class RunStatements:
    """SQL run as one transaction. Without values it may be several statements."""

    database: str
    text: str
    args: Mapping[str, object]
    lock_timeout: float
    statement_timeout: float
    because: str
    parallel: ClassVar[bool] = False

    @property
    def describe(self) -> str:
        """The statements on one line, and the values that are bound to them."""
        values = ", ".join(f"{name}={value!r}" for name, value in self.args.items())
        return one_line(self.text) + (f" -- with {values}" if values else "")

    @property
    def touches(self) -> tuple[Resource, ...]:
        """The database."""
        return (f"database:{self.database}",)

    def apply(self, world: World) -> Mapping[str, object]:
        """Run it. Raises StepError, with nothing changed, when the server refuses."""
        statement = Statement(self.text, self.args, role_path=True)
        [rows] = world.database(self.database).execute(
            [statement], lock_timeout=self.lock_timeout, statement_timeout=self.statement_timeout
        )
        return {"rows": rows}

    def forecast(self, forecast: Forecast) -> None:
        """What the database answers afterwards is known only then."""
        forecast.changes(*self.touches)

    def inverse(self) -> Inverse | None:
        """None: what an arbitrary statement overwrote is gone."""
        return None


@dataclass(frozen=True)
class RunSql:
    """Exactly one of `query` (its ${…} become bound values) and `file` (also runs by hand: psql -1 -f FILE).

    Either runs in one transaction, so neither may begin or end one. Time-outs in seconds.
    Raises PlaybookError when both or none is given, or the query does so.
    """

    database: str
    query: Statement | None = None
    file: Path | None = None
    lock_timeout: Seconds = Seconds(2)
    statement_timeout: Seconds = Seconds(30)
    repeatable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """What can be said before anything runs."""
        if (self.query is None) == (self.file is None):
            raise PlaybookError("sql.run takes exactly one of query and file")
        if self.query is not None:
            _require_transactional(self.query.text, "query")

    def decide(self, view: View) -> tuple[Action, ...]:  # noqa: ARG002 - `done_when` has looked already
        """The statements. Raises Precondition when the file cannot be read, PlaybookError when it may not be run."""
        statement = self.query or Statement(_read(self.file))
        because = "what it is for is not true yet (done_when)"
        limits = self.lock_timeout, self.statement_timeout
        return (RunStatements(self.database, statement.text, statement.args, *limits, because),)

    def claims(self, view: View) -> frozenset[Resource]:  # noqa: ARG002 - the same whatever is seen
        """The database."""
        return frozenset({f"database:{self.database}"})

    def fingerprint(self, view: View) -> Mapping[str, str]:  # noqa: ARG002 - the actions say it all
        """Nothing beside the actions."""
        return {}

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """None of its own: `done_when` is asked afterwards."""
        return ()


def _read(file: Path | None) -> str:
    assert file is not None  # noqa: S101 - __post_init__ saw to it
    try:
        text = inputs.text(file, inputs.SQL)
    except OSError as error:
        why = error.strerror or str(error)
        raise Precondition(f"cannot read {file}", where=str(file), why=why, next=f"ls -l {file}") from None
    _require_transactional(text, str(file))
    return text


def _require_transactional(text: str, where: str) -> None:
    token = not_transactional(text)
    if token is None:
        return
    line, column = position(text, token.start)
    why = (
        "a command of psql is no SQL"
        if token.text == "\\"
        else "it runs in one transaction, which it may not begin or end"
    )
    raise PlaybookError(
        f"sql.run cannot run {token.text.upper()!r}",
        where=f"{where}:{line}:{column}\n{excerpt(text, token.start)}",
        why=why,
    )
