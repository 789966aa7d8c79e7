"""The score of a drill: how long the outage was, and whether a row was lost.

Rows are counted per table, and per enum label by the label's oid: a rename keeps it, so the counts
before and after can be compared whatever the labels are called meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from recover.errors import StepError
from recover.journal.records import Record, write_private
from recover.postgres.names import quote_ident
from recover.world import Row, SeeDatabase, Statement

TABLES = """
select n.nspname as schema, c.relname as name
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema', 'recover') order by 1, 2
"""
ENUM_COLUMNS = """
select n.nspname as schema, c.relname as name, a.attname as column, t.oid as type
from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_type t on t.oid = a.atttypid
where c.relkind = 'r' and t.typtype = 'e' and not a.attisdropped and n.nspname <> 'pg_catalog' order by 1, 2, 3
"""
LABELS = "select oid::pg_catalog.text as oid, enumlabel as label, enumtypid as type from pg_catalog.pg_enum"


Labels = Mapping[str, tuple[str, int]]
"""Per label's oid: how it is spelt, and in how many rows of the column it stands."""


@dataclass(frozen=True)
class Census:
    """Rows per table, and per enum column (schema.table.column) and label. Nothing at all: it could not be counted."""

    tables: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, Labels] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Keep it for the comparison after the recovery."""
        write_private(path, json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Census:
        """The one that was kept. Raises StepError when none was."""
        try:
            kept = json.loads(path.read_text())
            labels = {
                column: {oid: (name, n) for oid, (name, n) in at.items()} for column, at in kept["labels"].items()
            }
            return cls(kept["tables"], labels)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StepError("the rows before the break were not counted", where=str(path), why=str(error)) from None

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(self.tables.values())


def count(database: SeeDatabase) -> Census:
    """Count everything, exactly. Raises Unreachable, StepError."""
    tables = {}
    for row in database.rows("tables", Statement(TABLES)):
        table = _name(row, "schema", "name")
        query = f"select pg_catalog.count(*) as n from {table}"  # noqa: S608 - quoted
        [total] = database.rows(f"rows of {table}", Statement(query))
        tables[table] = int(str(total["n"]))
    oids = {(r["type"], r["label"]): str(r["oid"]) for r in database.rows("labels", Statement(LABELS))}
    labels = {}
    for row in database.rows("enum columns", Statement(ENUM_COLUMNS)):
        table, column = _name(row, "schema", "name"), _name(row, "column")
        query = (
            f"select pg_catalog.enum_out({column})::pg_catalog.text as label, pg_catalog.count(*) as n "  # noqa: S608 - quoted
            f"from {table} where {column} is not null group by {column}"
        )
        found = database.rows(f"labels of {table}.{column}", Statement(query))
        labels[f"{table}.{column}"] = {
            oids[row["type"], r["label"]]: (str(r["label"]), int(str(r["n"]))) for r in found
        }
    return Census(tables, labels)


def _name(row: Row, *parts: str) -> str:
    return ".".join(quote_ident(str(row[part])) for part in parts)


@dataclass(frozen=True)
class Score:
    """The result of a drill. Times in seconds; `rpo_objective` in rows."""

    scenario: str
    run: str
    folder: str
    exit_code: int
    rto: float | None
    rto_objective: float | None
    rpo_objective: int | None
    before: Census
    after: Census
    isolated: tuple[str, ...] = ()

    @property
    def lost(self) -> int:
        """Rows that are gone. A table that is gone loses all of its rows."""
        return sum(max(0, rows - self.after.tables.get(table, 0)) for table, rows in self.before.tables.items())

    @property
    def moved(self) -> int:
        """Rows whose label is another one now; a label that is only spelt otherwise is the same one."""
        return sum(
            max(0, n - self.after.labels.get(column, {}).get(oid, ("", 0))[1])
            for column, labels in self.before.labels.items()
            for oid, (_, n) in labels.items()
        )

    @property
    def met(self) -> bool:
        """Were the playbook's objectives met?"""
        in_time = self.rto is not None and (self.rto_objective is None or self.rto <= self.rto_objective)
        return in_time and self.lost <= (self.rpo_objective or 0) and self.moved == 0

    def data(self) -> dict[str, object]:
        """The score for machines, with every count before and after."""
        return {"v": 1, **asdict(self), "lost": self.lost, "moved": self.moved, "met": self.met}

    def text(self) -> str:
        """The score for a reader."""
        rto = "not reached" if self.rto is None else f"{self.rto:.1f} s from the break to the first proven login"
        limit = f" (objective {self.rto_objective / 60:g} min)" if self.rto_objective else ""
        lines = [
            f"score of {self.scenario}: {'objectives met' if self.met else 'OBJECTIVES MISSED'}",
            f"  RTO       {rto}{limit}",
            f"  RPO       {self.lost} rows lost of {self.before.rows} (after: {self.after.rows}), "
            f"{self.moved} changed their label",
            *(f"  labels    {line}" for line in self._labels()),
            f"  isolated  {', '.join(self.isolated) or 'nothing'}",
            f"  exit      {self.exit_code}",
            f"  record    {self.folder}",
        ]
        return "\n".join(lines)

    def _labels(self) -> Iterator[str]:
        for column, labels in self.before.labels.items():
            now = self.after.labels.get(column, {})
            pairs = (
                f"{name} {n} -> {' '.join(map(str, now.get(oid, ('none', 0))))}" for oid, (name, n) in labels.items()
            )
            yield f"{column.replace(chr(34), '')}: {', '.join(pairs)}"


def outage(broken: datetime | None, records: list[Record], restored: str) -> float | None:
    """Seconds from the break to the checkpoint of the step that proves the service again."""
    ends = [r.at for r in records if r.event == "StepDone" and r.data["step"] == restored]
    return (ends[0] - broken).total_seconds() if broken and ends else None
