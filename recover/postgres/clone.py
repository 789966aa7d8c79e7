"""A copy of a database on the same server, for a rehearsal: made, used, dropped.

Sources: PostgreSQL documentation, CREATE DATABASE (a template may have no other connection), pg_restore.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from recover.errors import Precondition, StepError
from recover.postgres.catalog import named
from recover.postgres.connection import Server
from recover.postgres.names import quote_ident, quote_literal
from recover.postgres.session import Session

PREFIX = "recover_rehearsal_"
IN_USE, NOT_ALLOWED = "55006", "42501"


@contextmanager
def cloned(server: Server, *, timeout: float = 3600.0) -> Iterator[tuple[Server, str]]:
    """A copy of the database and how it was made ("template" or "dump"); dropped afterwards.

    `timeout` in seconds for making it. By CREATE DATABASE … TEMPLATE when nobody else is connected, else by a dump
    that is restored. Copies of the same database that a killed rehearsal left are dropped first. Raises
    Precondition when this role may make no database, StepError with the server's words.
    """
    with closing(Session(server, run="rehearsal")) as session:
        name = session.identity()["database"]
        _drop_leftovers(session, name)
        session.close()
        clone = replace(server, dbname=_own(name) + secrets.token_hex(6))
        try:
            yield clone, _make(session, name, clone, timeout)
        finally:
            session.close()
            session.command(f"DROP DATABASE IF EXISTS {quote_ident(clone.dbname)}", timeout=60.0)


def _make(session: Session, name: str, clone: Server, timeout: float) -> str:
    copy = f"CREATE DATABASE {quote_ident(clone.dbname)}"
    try:
        # Not through the database itself: its template may have no connection, ours included.
        elsewhere = Session(replace(session.server, dbname="postgres"), run="rehearsal")
        elsewhere.command(f"{copy} TEMPLATE {quote_ident(name)}", timeout=timeout)
        how = "template"
    except StepError as error:
        if error.sqlstate == NOT_ALLOWED:
            next = f"psql -c 'ALTER ROLE {session.server.user} CREATEDB', as a superuser"
            raise Precondition("this role may not make a database to rehearse in", why=error.why, next=next) from None
        if error.sqlstate != IN_USE:
            raise
        _require_harmless(session)
        session.command(f"{copy} TEMPLATE template0", timeout=timeout)
        _restored(session, clone, timeout)
        how = "dump"
    session.command(f"COMMENT ON DATABASE {quote_ident(clone.dbname)} IS {quote_literal(_note(name))}", timeout=60.0)
    return how


def _require_harmless(session: Session) -> None:
    """Raise Precondition when restoring a dump would run, as a superuser, what a lesser role has written.

    A database that is copied as files runs nothing.
    """
    found = session.rows("what a restore would run", named("foreign_code", relations=None))
    if found:
        raise Precondition(
            "a copy made by a dump would run another role's functions as this superuser",
            why="\n".join(f"{row['object']} of {row['owner']} runs {row['function']}" for row in found),
            next=f"connect as {found[0]['owner']}, or end all other sessions: the copy is then made of files",
        )


def _restored(session: Session, clone: Server, timeout: float) -> None:
    with TemporaryDirectory() as folder, closing(Session(clone, run="rehearsal", dump_timeout=timeout)) as copy:
        dumped = Path(folder) / "original.dump"
        session.dump(dumped)
        copy.restore(dumped)


def _drop_leftovers(session: Session, name: str) -> None:
    left = named("rehearsals", own=_own(name), note=_note(name), prefix=PREFIX)
    for row in session.rows("copies that were left behind", left):
        session.command(f"DROP DATABASE IF EXISTS {quote_ident(str(row['name']))}", timeout=60.0)


def _own(name: str) -> str:
    """How the names of all copies of this database begin: there from the first moment on, as a comment is not."""
    return f"{PREFIX}{sha256(name.encode()).hexdigest()[:8]}_"


def _note(name: str) -> str:
    return f"a rehearsal of {name} by recover; may be dropped"
