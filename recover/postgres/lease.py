"""One run per database, whichever machines it is run from: an advisory lock of a connection kept open for it.

It ends with its connection, so with its holder. Source: PostgreSQL documentation, "Advisory Locks" (a lock of a
session is held until it is released or the session ends), pg_locks, application_name.
"""

from __future__ import annotations

import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recover.errors import Locked
from recover.postgres.connection import ask, connect
from recover.postgres.holders import PREFIX, holders, refused
from recover.postgres.session import Session

if TYPE_CHECKING:
    from recover.postgres.connection import Connection

CLASS, OBJECT = 7_265_636, 2
"""The two halves of the key. Advisory locks are per database; the first half is that of all our locks."""

TAKE = """SELECT pg_catalog.pg_backend_pid() AS pid, CASE WHEN pg_catalog.pg_backend_pid() = $3::int
    THEN pg_catalog.pg_try_advisory_lock($1::int, $2::int) ELSE false END AS mine"""
LET_GO = """SELECT CASE WHEN pg_catalog.pg_backend_pid() = $3::int
    THEN pg_catalog.pg_advisory_unlock($1::int, $2::int) ELSE false END"""
BREAK = """SELECT pg_catalog.pg_terminate_backend(l.pid) FROM pg_catalog.pg_locks l
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1::int::pg_catalog.oid
  AND l.objid = $2::int::pg_catalog.oid AND l.objsubid = 2
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())"""
TRIES, PAUSE = 10, 0.05
TRIES_AFTER_BREAKING = 200  # he was told to end, and does when his server gives him a turn
LONGEST = 63  # bytes of an application_name that the server keeps


@dataclass
class DatabaseLease:
    """The lease of one database for one run; `holder` says who wants it: "eva@berlin"."""

    session: Session
    run: str
    holder: str
    _connection: Connection | None = field(default=None, repr=False)

    def require(self, *, breaking: bool = False) -> None:
        """Hold it from now on; take it again when the server has been restarted meanwhile.

        Raises Locked, naming the holder, unless it is taken from him by `breaking` his connection; Unreachable when
        the server does not answer.
        """
        if self._connection is not None and self._answers(self._connection):
            return
        import psycopg

        self.release()
        with self.session.translated("cannot take the database's lease"):
            connection = connect(self.session.server, f"{PREFIX}/{self.run}/{self.holder}"[:LONGEST], 5.0)
            if breaking:
                with suppress(psycopg.errors.InsufficientPrivilege):  # then he holds it still, and is named
                    ask(connection, BREAK, [CLASS, OBJECT])
            taken = self._taken(connection, TRIES_AFTER_BREAKING if breaking else TRIES)
        if not taken:
            connection.close()
            raise self._refused()
        self._connection = connection

    @staticmethod
    def _taken(connection: Connection, tries: int) -> bool:
        """Is it ours now, or is there a pooler between us? With that a lock would stay behind: none is asked for.

        A holder that has just ended needs a moment to be gone from the server.
        """
        own = connection.info.backend_pid
        for _ in range(tries):
            [row] = ask(connection, TAKE, [CLASS, OBJECT, own])
            if row["mine"] or row["pid"] != own:
                return True
            time.sleep(PAUSE)
        return False

    def release(self) -> None:
        """Let it go."""
        connection, self._connection = self._connection, None
        if connection is not None:
            import psycopg

            with closing(connection), suppress(psycopg.Error):  # with its connection it is gone in any case
                ask(connection, LET_GO, [CLASS, OBJECT, connection.info.backend_pid])

    @staticmethod
    def _answers(connection: Connection) -> bool:
        import psycopg

        with suppress(psycopg.Error):
            connection.execute("SELECT 1")
            return True
        return False

    def _refused(self) -> Locked:
        found = holders(self.session, CLASS, OBJECT, halves=True)
        fallback = "ask them; `recover status --handover` on their machine says where it stands"
        return refused(found, self.session.server, "the database's lease", fallback)
