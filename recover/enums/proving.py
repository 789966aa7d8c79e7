"""Proving the labels in use: every member written and rolled back, functions validated, indexes compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from recover.enums import catalog
from recover.enums.dependants import wrappers
from recover.enums.drift import EnumType
from recover.enums.holders import Holder
from recover.enums.look import Diagnosis
from recover.evidence import Evidence
from recover.postgres.names import quote_ident, quote_literal
from recover.world import SeeDatabase, Statement

LABEL = "22P02"
"""invalid_text_representation: what a label that does not exist gives (PostgreSQL documentation, appendix A)."""


class Trying(SeeDatabase, Protocol):
    """A database in which statements can be tried and rolled back."""

    def try_out(self, statements: Sequence[Statement], *, lock_timeout: float, statement_timeout: float) -> list[str]:
        """For each statement "" or its SQLSTATE and words; nothing is kept."""


WRONG_ROWS = "RV001"
VALIDATE = "SELECT pg_catalog.fmgr_sql_validator({}::pg_catalog.regprocedure)"


@dataclass(frozen=True)
class Try:
    """A statement to try, and what it would prove."""

    about: str
    statement: Statement


def verify(database: Trying, found: Diagnosis, *, write: bool) -> tuple[Evidence, ...]:
    """Every answer. With `write` one row of each table is updated to every label and rolled back.

    Raises Unreachable as the database does.
    """
    labels = Evidence("are the labels what the code expects?", _labels(found), passed=found.clean)
    members = [t for d in found.drifts for t in _members(d.type, d.expected, found.holders.get(d.type.oid, ()), write)]
    names = [str(row["name"]) for row in database.rows("the functions in SQL", catalog.named("sql_functions"))]
    functions = [Try(name, Statement(VALIDATE.format(quote_literal(name).lstrip()), role_path=True)) for name in names]
    wrapped = [row for row in wrappers(database, found.carriers) if row["kind"] == "index"]
    indexes = [Try(str(row["name"]), Statement(_comparing(str(row["relation"]), str(row["key"])))) for row in wrapped]
    return (
        labels,
        _answered(database, "can every member be written (and rolled back)?", members),
        _answered(database, "do the functions in SQL still know their labels?", functions),
        _answered(database, "do indexes over functions of labels find every row?", indexes, fatal=WRONG_ROWS),
    )


def _answered(database: Trying, question: str, tries: Sequence[Try], fatal: str = LABEL) -> Evidence:
    """An error of that SQLSTATE is a failure; what something else in the database refuses is only told."""
    answers = database.try_out([t.statement for t in tries], lock_timeout=1.0, statement_timeout=60.0) if tries else []
    said = [(words, f"{t.about}: {words}") for t, words in zip(tries, answers, strict=True) if words]
    wrong = [line for words, line in said if words.startswith(fatal)]
    other = [line for words, line in said if not words.startswith(fatal)]
    fine = f"{len(tries) - len(other)} of {len(tries)}" + (f"; refused otherwise: {'; '.join(other)}" if other else "")
    return Evidence(question, "; ".join(wrong) or fine, passed=not wrong)


def _labels(found: Diagnosis) -> str:
    wrong = [d.type.sql for d in found.todo] + [str(c.column) for c in found.columns_todo]
    told = [refusal.object for refusal in found.blocked]
    return ", ".join([*wrong, *told]) or f"{len(found.drifts)} types, {len(found.columns)} text columns"


def _members(type: EnumType, expected: Sequence[str], holders: Sequence[Holder], write: bool) -> Iterable[Try]:
    for label in expected:
        value = f"{quote_literal(label).lstrip()}::{type.sql}"
        yield Try(f"{type.sql} {label!r}", Statement(f"SELECT {value}"))
        for holder in holders if write else ():
            if holder.shape != "buried" and holder.relkind in ("r", "p") and not holder.generated:
                new = f"ARRAY[{value}]" if holder.shape == "array" else value
                yield Try(
                    f"{holder} {label!r}",
                    Statement(
                        f"UPDATE {holder.sql} SET {quote_ident(holder.column)} = {new} WHERE (tableoid, ctid) = "  # noqa: S608
                        f"(SELECT tableoid, ctid FROM {holder.sql} LIMIT 1)"
                    ),
                )


def _comparing(relation: str, key: str) -> str:
    """Raise unless the index finds as many rows per key as a scan does."""
    counting = f"SELECT pg_catalog.count(*) FROM {relation} WHERE {key} = $1"  # noqa: S608 - the server's words
    question = quote_literal(counting).lstrip()
    body = (
        "DECLARE r record; n bigint; BEGIN "  # noqa: S608 - the server's words
        "PERFORM pg_catalog.set_config('enable_indexscan', 'off', true), "
        "pg_catalog.set_config('enable_bitmapscan', 'off', true), "
        "pg_catalog.set_config('enable_indexonlyscan', 'off', true); "
        f"CREATE TEMP TABLE pg_temp.counted ON COMMIT DROP AS SELECT {key} AS value, pg_catalog.count(*) AS rows "
        f"FROM {relation} GROUP BY 1; "
        "PERFORM pg_catalog.set_config('enable_seqscan', 'off', true), "
        "pg_catalog.set_config('enable_bitmapscan', 'on', true), "
        "pg_catalog.set_config('enable_indexscan', 'on', true); "
        "FOR r IN SELECT * FROM pg_temp.counted WHERE value IS NOT NULL LOOP "
        f"EXECUTE {question} INTO n USING r.value; IF n <> r.rows THEN "
        f"RAISE EXCEPTION '% rows of %, where a scan finds %', n, r.value, r.rows USING ERRCODE = '{WRONG_ROWS}'; "
        "END IF; END LOOP; END"
    )
    return f"DO {quote_literal(body).lstrip()}"
