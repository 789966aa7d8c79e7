"""Does every mapper read from this database? Asked of the models themselves, in a Python of their own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recover.errors import Unreachable
from recover.models.imported import SCRIPT, answer_in, launched, require_target
from recover.postgres.connection import Server

MAPPERS = Path(__file__).with_name("mapper_script.py")
BEGIN = (
    "import sys,json;a,b=json.loads(sys.stdin.readline());g={'__name__':'models'};"
    "exec(compile(a,'probe_script.py','exec'),g);exec(compile(b,'mapper_script.py','exec'),g)"
)
"""What the Python is started with: neither the scripts nor the password fit into the words of a command."""

Kind = Literal["ok", "labels", "schema", "refused", "time", "other"]


@dataclass(frozen=True)
class MapperAnswer:
    """How one mapper reads. `kind` tells a label that one side does not know ("labels") from a column, table or type
    that is not there ("schema"), a missing grant ("refused") and a query that took too long ("time")."""

    mapper: str
    table: str
    ok: bool
    kind: Kind
    detail: str


def probe_mappers(
    target: str,
    server: Server,
    *,
    python: Path | str = sys.executable,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 120.0,
    statement_timeout: float = 10.0,
) -> tuple[MapperAnswer, ...]:
    """One answer for each mapper behind MODULE:ATTR, and one more for each further thing wrong with it.

    Each mapper reads a row, every enum column its distinct values, and the server is asked whether it takes every
    member: so a table without rows is told as well. Nothing is written: the transactions are read-only. Time-outs
    in seconds, one for all of it and one for each statement. Raises as `imported.from_import` does, and Unreachable
    when the models' own driver cannot reach the database.
    """
    require_target(target)
    words = json.dumps([SCRIPT.read_text(encoding="utf-8"), MAPPERS.read_text(encoding="utf-8")])
    given = f"{words}\n{_place(server, statement_timeout)}\n"
    ended = launched(["-c", BEGIN, target], given, target, python, folder, environment or {}, timeout)
    answer = answer_in(*ended, target)
    if "unreachable" in answer:
        raise Unreachable("the models cannot reach the database", where=str(server), why=answer["unreachable"])
    return tuple(MapperAnswer(ok=each["kind"] == "ok", **each) for each in answer["mappers"])


def _place(server: Server, statement_timeout: float) -> str:
    return json.dumps(
        {
            "host": server.host,
            "port": server.port,
            "database": server.dbname,
            "username": server.user,
            "password": server.password.reveal() if server.password else None,
            "options": dict(server.further),
            "statement_timeout": statement_timeout,
        }
    )
