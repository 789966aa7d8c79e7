"""Who holds one of our advisory locks: what the server proves, apart from what the holder says of himself.

Any role that may connect can take the lock under any application_name. Sources: PostgreSQL documentation, pg_locks
("Advisory locks"; classid and objid are the halves of the key), pg_stat_activity (without pg_read_all_stats the address
and the times of another role's backend are NULL), pg_terminate_backend, PREPARE TRANSACTION.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recover.errors import Locked
from recover.postgres import catalog
from recover.postgres.connection import Server
from recover.postgres.names import quote_literal
from recover.world import SeeDatabase

PREFIX = "recover-lease"
"""How the application name of a lease's connection begins: PREFIX/RUN/PERSON@HOST."""


@dataclass(frozen=True)
class Holder:
    """One that holds the lock. `pid` is None for a prepared transaction, whose name is then `prepared`.

    `ours`: its role is this one (`me`), a superuser, a member of this one, or one that a lesser role is a member of.
    `seconds` is how long the connection, or the prepared transaction, is there; None, as `address`, where this role may
    not see it.
    """

    pid: int | None
    prepared: str
    role: str
    me: str
    ours: bool
    superuser: bool
    address: str | None
    seconds: int | None
    claim: str

    @property
    def proven(self) -> str:
        """What the server says of it."""
        if self.pid is None:
            return f"the prepared transaction {self.prepared!r} of role {self.role}, for {self.seconds} s"
        since = f", for {self.seconds} s" if self.seconds is not None else ""
        return f"role {self.role or '(unknown)'} (backend {self.pid}{self._place}){since}"

    @property
    def _place(self) -> str:
        return f", from {self.address}" if self.address else ""

    @property
    def unseen(self) -> str:
        """What this role may not see of it, in words; "" when that is nothing."""
        hidden = self.pid is not None and self.seconds is None
        return "from where, and since when, only a member of pg_read_all_stats can see" if hidden else ""

    @property
    def story(self) -> str:
        """What it says of itself where that is in our words; "" when it is not."""
        prefix, _, rest = self.claim.partition("/")
        run, _, holder = rest.partition("/")
        person, _, host = holder.partition("@")
        if prefix != PREFIX or not (run and person and host):
            return ""
        return f"{person} on {host} is running {run} on this database"

    def ending(self, server: Server) -> str:
        """The command that ends it, and who may give it."""
        if self.pid is None:
            what, who = f"ROLLBACK PREPARED {quote_literal(self.prepared).lstrip()}", f"as {self.role} or a superuser"
        else:
            what = f"SELECT pg_catalog.pg_terminate_backend({self.pid})"
            others = f"a member of {self.role} or of pg_signal_backend, or a superuser"
            who = "as a superuser" if self.superuser else f"as {others}"
        return f"{psql(server)} -c {shlex.quote(what)}   # {who}"


def psql(server: Server) -> str:
    """How psql finds that database; the role is the reader's to choose, and a password is not repeated."""
    place = {"-h": server.host, "-p": str(server.port or ""), "-d": server.dbname}
    return " ".join(["psql", *(f"{flag} {shlex.quote(value)}" for flag, value in place.items() if value)])


def holders(database: SeeDatabase, classid: int, objid: int, *, halves: bool) -> list[Holder]:
    """All that hold the lock of that key in this database, strangers first; `halves`: it was taken by two int keys.

    Raises as `rows` does.
    """
    query = catalog.named("holders", classid=classid, objid=objid, objsubid=2 if halves else 1)
    found: list[Mapping[str, Any]] = list(database.rows("who holds the lock", query))
    return [Holder(**row) for row in found]


def refused(found: list[Holder], server: Server, lock: str, fallback: str) -> Locked:
    """The error for a lock that one of these holds; `lock` says which, `fallback` what to do about one of ours."""
    if not found:
        return Locked(f"{lock} was held just now, and was let go", where=str(server), next="the same command again")
    first = found[0]
    more = f"{len(found) - 1} more hold it too" if len(found) > 1 else ""
    if first.ours:
        since = f", for {first.seconds} s" if first.seconds is not None else ""
        what = f"by its own word {first.story}{since}" if first.story else f"{first.proven} holds {lock}"
        why = _lines(f"{first.proven} holds {lock}", _claim(first), first.unseen, more)
        return Locked(what, where=str(server), why=why, next=fallback)
    return Locked(
        f"{first.proven} holds {lock}, and that is neither this role ({first.me}) nor a superuser",
        where=str(server),
        why=_lines("any role that may connect can take this lock", _claim(first), first.unseen, more),
        next=f"unless you know a run of that role: {first.ending(server)}",
    )


def _claim(holder: Holder) -> str:
    return f"its application name, which can say anything, is {holder.claim!r}" if holder.claim else ""


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
