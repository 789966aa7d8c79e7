"""The score of a drill: how long the outage was, and whether a row was lost.

Rows are counted per table, and per enum label by the label's oid: a rename keeps it, so the counts
before and after can be compared whatever the labels are called meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from recover.errors import StepError
from recover.journal.records import Record, write_private
from recover.postgres.names import quote_ident
from recover.world import SeeDatabase, Statement

TABLES = """
select n.nspname as schema, c.relname as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema') order by 1, 2
"""
ENUM_COLUMNS = """
select n.nspname as schema, c.relname as name, a.attname as column, t.oid as type
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
join pg_type t on t.oid = a.atttypid
where c.relkind = 'r' and t.typtype = 'e' and not a.attisdropped and n.nspname <> 'pg_catalog' order by 1, 2, 3
"""
LABELS = "select oid::text as oid, enumlabel as label, enumtypid as type from pg_enum"


@dataclass(frozen=True)
class Census:
    """Rows per table, and per (table.column, label's oid)."""

    tables: Mapping[str, int]
    labels: Mapping[str, Mapping[str, int]]

    def save(self, path: Path) -> None:
        """Keep it for the comparison after the recovery."""
        write_private(path, json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Census:
        """The one that was kept. Raises StepError when none was."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise StepError("the rows before the break were not counted", where=str(path), why=str(error)) from None

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(self.tables.values())


def count(database: SeeDatabase) -> Census:
    """Count everything, exactly. Raises Unreachable, StepError."""
    tables = {}
    for row in database.rows("tables", Statement(TABLES)):
        table = f"{quote_ident(str(row['schema']))}.{quote_ident(str(row['name']))}"
        [total] = database.rows(f"rows of {table}", Statement(f"select count(*) as n from {table}"))  # noqa: S608 - quoted
        tables[table] = int(str(total["n"]))
    oids = {(r["type"], r["label"]): str(r["oid"]) for r in database.rows("labels", Statement(LABELS))}
    labels = {}
    for row in database.rows("enum columns", Statement(ENUM_COLUMNS)):
        table = f"{quote_ident(str(row['schema']))}.{quote_ident(str(row['name']))}"
        column = quote_ident(str(row["column"]))
        query = f"select {column}::text as label, count(*) as n from {table} where {column} is not null group by 1"  # noqa: S608 - quoted
        found = database.rows(f"labels of {table}.{column}", Statement(query))
        labels[f"{table}.{column}"] = {oids[row["type"], r["label"]]: int(str(r["n"])) for r in found}
    return Census(tables, labels)


@dataclass(frozen=True)
class Score:
    """The result of a drill. Times in seconds; `lost` rows and `moved` label counts should be 0."""

    scenario: str
    run: str
    folder: str
    exit_code: int
    rto: float | None
    rto_objective: float | None
    rows_before: int
    rows_after: int
    lost: int
    rpo_objective: int | None
    moved: int
    isolated: tuple[str, ...]

    @property
    def met(self) -> bool:
        """Were the playbook's objectives met?"""
        in_time = self.rto is not None and (self.rto_objective is None or self.rto <= self.rto_objective)
        return in_time and self.lost <= (self.rpo_objective or 0) and self.moved == 0

    def text(self) -> str:
        """The score for a reader."""
        rto = "not reached" if self.rto is None else f"{self.rto:.1f} s from the break to the first proven login"
        limit = f" (objective {self.rto_objective / 60:g} min)" if self.rto_objective else ""
        return "\n".join(
            [
                f"score of {self.scenario}: {'objectives met' if self.met else 'OBJECTIVES MISSED'}",
                f"  RTO       {rto}{limit}",
                f"  RPO       {self.lost} rows lost of {self.rows_before} (after: {self.rows_after}), "
                f"{self.moved} changed their label",
                f"  isolated  {', '.join(self.isolated) or 'nothing'}",
                f"  exit      {self.exit_code}",
                f"  record    {self.folder}",
            ]
        )


def compare(before: Census, after: Census) -> tuple[int, int]:
    """(rows lost, rows whose label is another one). A table that is gone loses all of its rows."""
    lost = sum(max(0, rows - after.tables.get(table, 0)) for table, rows in before.tables.items())
    moved = 0
    for column, labels in before.labels.items():
        now = after.labels.get(column, {})
        moved += sum(max(0, n - now.get(oid, 0)) for oid, n in labels.items())
    return lost, moved


def outage(broken: datetime | None, records: list[Record], restored: str) -> float | None:
    """Seconds from the break to the checkpoint of the step that proves the service again."""
    ends = [r.at for r in records if r.event == "StepDone" and r.data["step"] == restored]
    return (ends[0] - broken).total_seconds() if broken and ends else None
