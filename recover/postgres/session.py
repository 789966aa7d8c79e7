"""Talking to one PostgreSQL database, and the only place where psycopg's errors become ours.

Sources: PostgreSQL documentation, "Message Flow" (the extended query protocol takes one statement),
"SET TRANSACTION" (no way back to read-write once a query has run), "Error Codes" (appendix A).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from recover.errors import Drifted, Locked, Precondition, RecoverError, StepError, Unreachable, UsageError
from recover.halt import Halt
from recover.postgres import catalog
from recover.postgres.connection import (
    GRACE,
    PINNED,
    ROLE_PATH,
    Server,
    application_name,
    begin,
    cancel,
    connect,
    connected,
    deadline,
    ms,
    no_waiting_for_locks,
)
from recover.postgres.dump import dump, restore
from recover.postgres.names import quote_literal
from recover.postgres.statements import READING, bind, excerpt, first_word, one_line, position
from recover.secrets import Secret, beginning
from recover.world import Row, Statement

if TYPE_CHECKING:
    import psycopg

    from recover.postgres.connection import Connection

__all__ = ["Server", "Session", "application_name", "ping"]

NOT_UP_YET = re.compile(
    r"starting up|shutting down|recovery mode|terminating connection|not yet accepting connections|too many"
)
LOCK_TRIES = 5
NO_VIEWS = "SET LOCAL restrict_nonsystem_relation_kind = 'view'"
"""A table of ours to read may have been exchanged for a view since it was looked at: nothing of that is carried out
(PostgreSQL documentation, restrict_nonsystem_relation_kind; CVE-2024-7348)."""
RESTRICTED_SINCE = {12: 20, 13: 16, 14: 13, 15: 8, 16: 4}
"""The first minor release of each major one that knows it; from 17 on all do."""
GUARDS: Mapping[str, type[RecoverError]] = {
    "RV001": StepError,
    "RV007": Precondition,
    "RV008": Drifted,
    "RV009": Locked,
}
"""What a guard inside a transaction of ours raises, by the exit code it means (class RV is not PostgreSQL's)."""


def ping(host: str, port: int, dbname: str, user: str, password: Secret | None, *, timeout: float) -> str:
    """Empty when a real query works as this role on this database, else the server's own words.

    `timeout` in seconds bounds the connection and, once more, the query.
    """
    import psycopg

    try:
        server = Server(host, port, dbname, user, password)
        with connected(server, "recover", timeout) as connection, deadline(connection, timeout):
            begin(connection, f"SET LOCAL statement_timeout = {ms(timeout)}", "SELECT 1", "COMMIT")
    except psycopg.Error as error:
        return str(error).strip()
    return ""


def server_of(dsn: str) -> Server:
    """The server that a libpq connection string, a URI or an SQLAlchemy URL names; "" means PGHOST and its like.

    Raises UsageError for what is none. Source: libpq documentation, "Connection Strings".
    """
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    text = re.sub(r"^(postgres(?:ql)?)\+\w+://", r"\1://", dsn)
    _require_encoded(text)
    try:
        told = {name: str(value) for name, value in conninfo_to_dict(text).items() if value is not None}
    except psycopg.ProgrammingError as error:
        raise UsageError(
            "this is no way to a PostgreSQL database",
            why=_QUOTED.sub('"…"', str(error).strip().replace(dsn, "…")),  # it may quote a part of the password
            next="--dsn postgresql://user@host:5432/dbname",
        ) from None
    password = told.pop("password", None)
    host, port, dbname, user = (told.pop(name, "") for name in ("host", "port", "dbname", "user"))
    secret = Secret("password", password) if password else None
    return Server(host, int(port) if port.isdigit() else 0, dbname, user, secret, tuple(sorted(told.items())))


_QUOTED = re.compile('".*"', re.DOTALL)


def _require_encoded(dsn: str) -> None:
    """Raises UsageError for a URI that libpq would cut within the password, and whose halves it would then tell."""
    place = dsn.partition("://")[2].partition("?")[0]
    if place.count("@") > 1 or ("@" in place and "@" not in place.partition("/")[0]):
        raise UsageError(
            "the user or the password in this connection string holds an @ or a / that is not percent-encoded",
            next="write %40 for @, %2F for / and %25 for %, or leave the password to ~/.pgpass or PGPASSWORD",
        )


class Session:
    """One database of the target: `world.Database`, read through one lazy connection, written through new ones.

    `server` may be a function, asked at each connect, because a service's address can change.
    `step` says which step runs now. Time-outs in seconds: `connect_timeout` for a connection,
    `read_timeout` for one read, of which `lock_patience` may be spent on a lock, `dump_timeout` for a whole dump. A
    change that waits for a lock stops waiting once `halt` is set; one that has its locks goes on.
    """

    def __init__(
        self,
        server: Server | Callable[[], Server],
        *,
        run: str = "",
        step: Callable[[], str] = lambda: "",
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        lock_patience: float | None = None,
        dump_timeout: float = 3600.0,
        pg_dump: Path | None = None,
        halt: Halt | None = None,
    ) -> None:
        self._server = server
        self._run = run
        self._step = step
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._lock_patience = lock_patience
        self._dump_timeout = dump_timeout
        self._pg_dump = pg_dump
        self._halt = halt or Halt()
        self._readers: dict[bool, Connection] = {}  # by whose search_path: ours, or (True) the role's

    @property
    def server(self) -> Server:
        """Where the database is now."""
        return self._server if isinstance(self._server, Server) else self._server()

    @property
    def application(self) -> str:
        """The name under which the server knows our connections at this moment."""
        return application_name(self._run, self._step())

    def close(self) -> None:
        """Hang up, and end a read that a thread was left with. The next read connects again."""
        readers, self._readers = self._readers, {}
        for reader in readers.values():
            cancel(reader)
            reader.close()

    def rows(self, about: str, statement: Statement) -> list[Row]:
        """The rows of one read-only statement, as `world.SeeDatabase` promises.

        Rows hidden by row-level security are an error (row_security = off), never a silent nothing.
        A kept connection that the server has dropped meanwhile is opened again, once.
        """
        if first_word(statement.text) not in READING:
            raise StepError(f"cannot read {about}", why=f"only {', '.join(sorted(READING))} can be read with")
        kept = statement.role_path in self._readers
        try:
            return self._read(about, statement)
        except Unreachable:
            if not kept or self._halt.is_set():
                raise
            return self._read(about, statement)

    def _read(self, about: str, statement: Statement) -> list[Row]:
        server = self.server
        with _translated(f"cannot read {about}", server, statement):
            own = statement.role_path
            if own not in self._readers:
                self._readers[own] = connect(server, self.application, self._connect_timeout, pinned=not own)
            try:
                return self._read_once(self._readers[own], statement)
            except BaseException:
                self.close()
                raise

    def _read_once(self, connection: Connection, statement: Statement) -> list[Row]:
        text, values = bind(statement)
        settings = [
            "SET LOCAL row_security = off",
            f"SET LOCAL statement_timeout = {ms(self._read_timeout)}",
            f"SET LOCAL application_name = {quote_literal(self.application)}",
        ]
        if self._lock_patience:
            settings.append(f"SET LOCAL lock_timeout = {ms(self._lock_patience)}")
        if not statement.role_path and knows_restriction(connection.info.server_version):
            settings.append(NO_VIEWS)
        with deadline(connection, self._read_timeout):
            # Once a query has run, the transaction cannot be made read-write any more.
            begin(connection, *settings, "SELECT 1", path=path_of(statement), read_only=True)
            with connection.cursor() as cursor:
                with connection.pipeline():  # the extended protocol, with or without values: one statement
                    cursor.execute(text, values)
                rows: list[Row] = [*cursor.fetchall()]
            connection.execute("ROLLBACK")
        return rows

    def execute(self, statements: Sequence[Statement], *, lock_timeout: float, statement_timeout: float) -> list[int]:
        """Run the statements in one transaction on a new connection, as `world.Database` promises.

        A statement without values may hold several, separated by semicolons; its count is their sum. Raises
        Interrupted, with nothing changed, when `halt` is set while it waits for a lock.
        """
        from tenacity import (
            Retrying,
            retry_if_exception,
            sleep_using_event,
            stop_after_attempt,
            stop_when_event_set,
            wait_random_exponential,
        )

        retrying = Retrying(
            retry=retry_if_exception(_is_lock_timeout),
            stop=stop_after_attempt(LOCK_TRIES) | stop_when_event_set(self._halt),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            sleep=sleep_using_event(self._halt),
            reraise=True,
        )
        try:
            return retrying(self._transact, statements, lock_timeout, statement_timeout)
        except RecoverError as error:
            if self._halt.is_set() and _waited_for_a_lock(error):
                raise self._halt.interrupted("while it waited for a lock", untouched=True) from None
            raise

    def _transact(self, statements: Sequence[Statement], lock_timeout: float, statement_timeout: float) -> list[int]:
        server = self.server
        counts = []
        with (
            _translated("cannot connect to change the database", server),
            self._writer(server, statements) as connection,
        ):
            settings = ["SET LOCAL row_security = off", *_limits(lock_timeout, statement_timeout)]
            if not _of_the_role(statements):  # in our path the names in a user's function mean something else
                settings.append("SET LOCAL check_function_bodies = off")
            begin(connection, *settings)
            with no_waiting_for_locks(connection, self._halt, partial(self._blocked, connection.info.backend_pid)):
                for statement in statements:
                    with _translated("the change was not made", server, statement):
                        counts.append(_run(connection, statement, statement_timeout))
            with _translated("the change was not confirmed at COMMIT", server):
                _commit(connection, statement_timeout)
        return counts

    def _writer(self, server: Server, statements: Sequence[Statement]) -> AbstractContextManager[Connection]:
        """A connection that can give each of the statements the search_path that it is to have."""
        pinned = not _of_the_role(statements)
        return connected(server, self.application, self._connect_timeout, pinned=pinned)

    def _blocked(self, pid: int) -> bool:
        """Does our backend wait for a lock at this moment?"""
        watcher = Session(self._server, connect_timeout=self._connect_timeout, read_timeout=self._connect_timeout)
        with closing(watcher):
            return bool(watcher.rows("what our own connection waits for", catalog.named("blocked", pid=pid)))

    def try_out(self, statements: Sequence[Statement], *, lock_timeout: float, statement_timeout: float) -> list[str]:
        """Run each statement in a savepoint of its own, on a new connection, and roll all of them back.

        For each "" or the server's words with the SQLSTATE before them. Raises Unreachable.
        """
        import psycopg

        server, answers = self.server, []
        with (
            _translated("cannot connect to try statements", server),
            self._writer(server, statements) as connection,
        ):
            begin(connection, *_limits(lock_timeout, statement_timeout))
            for statement in statements:
                connection.execute("SAVEPOINT tried")
                try:
                    _run(connection, statement, statement_timeout)
                    answers.append("")
                except psycopg.DatabaseError as error:
                    answers.append(f"{error.sqlstate} {error.diag.message_primary or str(error).strip()}")
                connection.execute("ROLLBACK TO SAVEPOINT tried")
            connection.execute("ROLLBACK")
        return answers

    @contextmanager
    def translated(self, what: str) -> Iterator[None]:
        """psycopg's errors as ours, in this block; `what` is the sentence for them."""
        with _translated(what, self.server):
            yield

    def command(self, text: str, *, timeout: float) -> None:
        """Run one statement that no transaction may hold (CREATE DATABASE), on a new connection. Raises StepError.

        `timeout` in seconds.
        """
        server, statement = self.server, Statement(text)
        with (
            _translated("the command was not carried out", server, statement),
            connected(server, self.application, self._connect_timeout) as connection,
        ):
            _set_time_out(connection, timeout)
            with deadline(connection, timeout):
                connection.execute(text)

    def restore(self, path: Path) -> None:
        """pg_restore of a dump into this (empty) database. Raises StepError with the program's words."""
        from psycopg.conninfo import make_conninfo

        server = self.server
        conninfo = make_conninfo(**server.parameters(self.application, self._connect_timeout))  # without a password
        restore(path, conninfo, server.password, self._pg_dump, self._dump_timeout)

    def dump(self, path: Path) -> Mapping[str, object]:
        """pg_dump in custom format to `path`, verified, as `world.Database` promises."""
        from psycopg.conninfo import make_conninfo

        server = self.server
        major = int(str(self.identity()["server_version_num"])) // 10000
        conninfo = make_conninfo(**server.parameters(self.application, self._connect_timeout))  # without a password
        return dump(path, conninfo, server.password, major, self._pg_dump, self._dump_timeout)

    def identity(self) -> Mapping[str, str]:
        """Which cluster and database this is: system_identifier, database, server_version, server_version_num."""
        [row] = self.rows("the identity of the cluster", catalog.named("identity"))
        return {
            name: str(row[name]) for name in ("system_identifier", "database", "server_version", "server_version_num")
        }

    def end_leftovers(self, run: str, *, patience: float = 2.0) -> int:
        """How many connections of that run were still open in this database; all are gone on return.

        A killed client's backend lives on until its statement ends: it gets `patience` seconds for
        that and is then terminated. Raises StepError when one of them does not go.
        """
        self.close()
        prefix = application_name(run)
        found = {row["pid"] for row in self._leftovers("backends", prefix)}
        left = _until_none(lambda: self._leftovers("backends", prefix), patience) if found else []
        if left:
            self._leftovers("end_backends", prefix)
            left = _until_none(lambda: self._leftovers("backends", prefix), patience + GRACE)
        if left:
            pids = ", ".join(str(row["pid"]) for row in left)
            raise StepError(f"connections of run {run} do not end", where=str(self.server), why=f"backends {pids}")
        return len(found)

    def _leftovers(self, name: str, prefix: str) -> list[Row]:
        # A reader of its own name: it is not one of those it looks for.
        watcher = Session(self._server, connect_timeout=self._connect_timeout, read_timeout=self._read_timeout)
        try:
            return watcher.rows("our own connections", catalog.named(name, prefix=prefix))
        finally:
            watcher.close()


def _until_none(ask: Callable[[], list[Row]], patience: float) -> list[Row]:
    until = time.monotonic() + patience
    while (left := ask()) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def path_of(statement: Statement) -> str:
    """What gives a transaction the search_path that the statement is to have."""
    return ROLE_PATH if statement.role_path else PINNED


def knows_restriction(version: int) -> bool:
    """Whether the server of that server_version_num knows `NO_VIEWS`."""
    major, minor = divmod(version, 10000)
    return major > max(RESTRICTED_SINCE) or minor >= RESTRICTED_SINCE.get(major, minor + 1)


def _limits(lock_timeout: float, statement_timeout: float) -> tuple[str, str]:
    return f"SET LOCAL lock_timeout = {ms(lock_timeout)}", f"SET LOCAL statement_timeout = {ms(statement_timeout)}"


def _set_time_out(connection: Connection, seconds: float) -> None:
    connection.execute(f"SET statement_timeout = {ms(seconds)}")


def _of_the_role(statements: Sequence[Statement]) -> bool:
    """Is a user's own text among them?"""
    return any(statement.role_path for statement in statements)


def _run(connection: Connection, statement: Statement, timeout: float) -> int:
    from psycopg.pq import TransactionStatus

    text, values = bind(statement)
    with deadline(connection, timeout), connection.cursor() as cursor:
        cursor.execute(path_of(statement))  # the one before may have set another
        cursor.execute(text, values or None)
        count = max(0, cursor.rowcount)
        while cursor.nextset():
            count += max(0, cursor.rowcount)
    if connection.info.transaction_status is not TransactionStatus.INTRANS:
        raise StepError("a statement ended the transaction it runs in", why=excerpt(text, 0))
    return count


def _commit(connection: Connection, timeout: float) -> None:
    with deadline(connection, timeout):
        connection.execute("COMMIT")


def _is_lock_timeout(error: BaseException) -> bool:
    import psycopg

    return isinstance(error.__cause__, psycopg.errors.LockNotAvailable)


def _waited_for_a_lock(error: BaseException) -> bool:
    """It did to the end, or until it was told to stop."""
    import psycopg

    return isinstance(error.__cause__, (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled))


@contextmanager
def _translated(what: str, server: Server, statement: Statement | None = None) -> Iterator[None]:
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise _ours(error, what, server, statement) from error


def _ours(error: psycopg.Error, what: str, server: Server, statement: Statement | None) -> RecoverError:
    import psycopg

    said = str(error).strip()
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
        if "FATAL:" in said and not NOT_UP_YET.search(said):
            return StepError(what, where=str(server), why=said)
        return Unreachable(f"PostgreSQL does not answer: {what}", where=str(server), why=said)
    if error.sqlstate is not None and error.sqlstate[:4] == "57P0":  # the server shuts down or starts
        return Unreachable(f"PostgreSQL does not answer: {what}", where=str(server), why=said)
    if error.sqlstate is None:  # psycopg's own words, such as a value that has no SQL type
        return StepError(what, where=str(server), why=said)
    where = _place(error, statement) if statement is not None else ""
    if error.sqlstate in GUARDS:
        return GUARDS[error.sqlstate](what, where=str(server), why=error.diag.message_primary or said)
    ours = StepError(what, where=f"{server} {where}".rstrip(), why=_words(error))
    ours.sqlstate = error.sqlstate
    return ours


def _place(error: psycopg.Error, statement: Statement) -> str:
    """Line and column in the text that was sent, with that line and a caret; without a position its beginning."""
    text, _ = bind(statement)
    if error.diag.statement_position is None:
        return f"in SQL\n{beginning(one_line(text), 200)}"
    offset = int(error.diag.statement_position) - 1
    line, column = position(text, offset)
    return f"SQL position {line}:{column}\n{excerpt(text, offset)}"


def _words(error: psycopg.Error) -> str:
    diag = error.diag
    rest = (("detail", diag.message_detail), ("hint", diag.message_hint), ("context", diag.context))
    said = f"{diag.message_primary} (SQLSTATE {error.sqlstate})"
    return "\n".join([said, *(f"{label}: {text}" for label, text in rest if text)])
