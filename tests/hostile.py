"""A database that belongs to a role which is no superuser, and that lays a trap behind every name it may make.

Whatever of it is carried out says so in the server's log, which no ROLLBACK takes back: TRAPPED, what, and as whom.
Sources: PostgreSQL documentation, "Writing SECURITY DEFINER Functions Safely"; CVE-2018-1058; CVE-2024-7348.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conftest import PostgresServer, drop, query

import recover
from recover.postgres.session import Server
from recover.secrets import Secret

PASSWORD = "mallory-password"


@dataclass(frozen=True)
class Hostile:
    """The database as the superuser sees it, as its owner does, and what of his was carried out."""

    admin: Server
    owner: Server
    log: Path
    major: int

    def trapped(self) -> set[str]:
        """What was carried out since the database was made, and as whom."""
        return set(re.findall(r"TRAPPED (.*)", self.log.read_text(errors="replace")))


@contextmanager
def hostile(postgres: PostgresServer, name: str) -> Iterator[Hostile]:
    """That database, dropped afterwards."""
    role = f"mallory_{name}"
    postgres.maintain(f"create role {role} login password '{PASSWORD}'")
    postgres.maintain(f"create database {name} owner {role}")
    try:
        admin, running = postgres.admin(name), postgres.running
        owner = Server(running.host, running.port, name, role, Secret("mallory", PASSWORD))
        names = ", ".join(f"'{function}'" for function in called())
        query(owner, Path(__file__).with_suffix(".sql").read_text().replace("(NAMES)", f"(array[{names}])"))
        query(owner, f"alter database {name} set search_path = public, pg_catalog")
        yield Hostile(admin, owner, running.data.with_name(running.data.name + ".log"), postgres.major)
    finally:
        drop(postgres, name)
        postgres.maintain(f"drop role {role}")


def called() -> list[str]:
    """Every function that recover's SQL names."""
    texts = [path.read_text() for path in Path(recover.__file__).parent.rglob("*") if path.suffix in (".sql", ".py")]
    return sorted({name for text in texts for name in re.findall(r"pg_catalog\.([a-z_0-9]+)\(", text)})
