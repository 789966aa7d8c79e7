"""Which sessions to the target's databases a plan would end: those of every service that it stops or makes anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from recover.errors import RecoverError
from recover.previewing import Foreseen
from recover.session.opening import Opened
from recover.stack import ServiceState
from recover.world import Row, Statement

SESSIONS = Statement("""
select pg_catalog.host(client_addr) as address, coalesce(nullif(application_name, ''), usename) as who,
       pg_catalog.count(*) as n
from pg_catalog.pg_stat_activity
where backend_type = 'client backend' and datname = pg_catalog.current_database()
  and pid <> pg_catalog.pg_backend_pid()
  and application_name not like 'recover%%'
group by 1, 2 order by 1, 2
""")
"""Only a superuser or a member of pg_read_all_stats sees the addresses of other roles' sessions (PostgreSQL
documentation, "The Statistics Collector")."""


@dataclass(frozen=True)
class Ended:
    """So many sessions of a database, and whose they are."""

    number: int
    database: str
    who: str

    def __str__(self) -> str:
        return f"{self.number} session{'s' if self.number > 1 else ''} of {self.database} ({self.who})"


def dropped(session: Opened, foreseen: Iterable[Foreseen]) -> dict[str, list[Ended]]:
    """Per step what it ends: "3 sessions of main (aiwfe-api)". A database that does not answer has none."""
    rows = {name: _sessions(session, name) for name in session.target.databases}
    said: dict[str, list[Ended]] = {}
    gone: set[str] = set()
    for step in foreseen:
        for service in sorted(r.removeprefix("service:") for r in step.touches if r.startswith("service:")):
            if service not in gone and any(rows.values()):
                gone.add(service)
                said.setdefault(step.spec.id, []).extend(_of(session, service, rows))
    return {step: lines for step, lines in said.items() if lines}


def _of(session: Opened, service: str, rows: Mapping[str, list[Row]]) -> Iterable[Ended]:
    state = session.live.services.state(service)
    for name, found in rows.items():
        ended = [row for row in found if _ends(session, state, name, row)]
        if ended and state.running:
            number = sum(int(str(row["n"])) for row in ended)
            yield Ended(number, name, ", ".join(sorted({str(row["who"]) for row in ended})))


def _ends(session: Opened, state: ServiceState, database: str, row: Row) -> bool:
    """All sessions end with the server itself, its own with any other service."""
    return state.name == session.target.databases[database].service or row["address"] in state.addresses


def _sessions(session: Opened, database: str) -> list[Row]:
    try:
        return session.live.database(database).rows("sessions", SESSIONS)
    except RecoverError:
        return []
