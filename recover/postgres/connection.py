"""A connection to one database: how it is named, made, and hung up. Its errors stay psycopg's.

Sources: libpq documentation, "Parameter Key Words"; PostgreSQL documentation, application_name.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recover.errors import RecoverError
from recover.halt import LOOK, Halt
from recover.postgres.names import LONGEST_NAME, PATH
from recover.secrets import Secret

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[dict[str, object]]

PLAIN = re.compile(r"[A-Za-z0-9._:+ -]+")
PINNED = f"SET LOCAL search_path = {PATH}"
ROLE_PATH = "SET LOCAL search_path TO DEFAULT"
"""In a connection that was not pinned at its start: what the server gives a connection of this role."""
_REFUSED = re.compile(r"startup parameter|command-line options")
"""What PgBouncer, and Amazon's RDS Proxy, say to `options`."""
GRACE = 5.0
"""Seconds that a server may be late with its own time-out before we hang up on it."""


@dataclass(frozen=True)
class Server:
    """Where a database is and as whom it is used. Without a password libpq's own ways (.pgpass) apply."""

    host: str
    port: int
    dbname: str
    user: str
    password: Secret | None = None
    further: tuple[tuple[str, str], ...] = ()
    """Other parameters of libpq (sslmode, service, …). An empty host, dbname or user and port 0 are libpq's to say."""

    def __str__(self) -> str:
        port = f":{self.port}" if self.port else ""
        return f"{self.user or 'the default role'}@{self.host or 'the default host'}{port}/{self.dbname}".rstrip("/")

    def parameters(self, application: str, timeout: float) -> dict[str, Any]:
        """What libpq is told, the password apart. It knows no connect time-out below 2 s."""
        place = {"host": self.host, "port": self.port, "dbname": self.dbname, "user": self.user}
        return {
            **dict(self.further),
            **{name: value for name, value in place.items() if value},
            "application_name": application,
            "connect_timeout": max(2, round(timeout)),
            "keepalives_idle": 30,
        }


def application_name(run: str, step: str = "") -> str:
    """`recover/RUN/STEP` for pg_stat_activity, within the 63 bytes that PostgreSQL keeps of it.

    What is long, or not plain ASCII (the server would replace it), is cut and told apart by a hash.
    """
    prefix = f"recover/{_plain(run, 36)}/"
    return prefix + _plain(step, LONGEST_NAME - len(prefix))


def _plain(text: str, longest: int) -> str:
    if not text or (PLAIN.fullmatch(text) and len(text) <= longest):
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return "".join(PLAIN.findall(text))[: longest - 9] + "~" + digest


def connect(server: Server, application: str, timeout: float, *, pinned: bool = True) -> Connection:
    """A connection whose search_path is pinned from its start, where no pooler refuses that; else `begin` pins it.

    One that is not `pinned` starts with the search_path of its role. Raises psycopg.Error.
    """
    import psycopg

    told = server.parameters(application, timeout)
    if not pinned or ("service" in told and "options" not in told):  # a service's own options would be lost
        return _connect(server, told)
    try:
        return _connect(server, {**told, "options": f"{_options(told)} -c search_path={PATH.replace(' ', '')}".strip()})
    except psycopg.OperationalError as error:
        if not _REFUSED.search(str(error)):
            raise
    return _connect(server, told)


def _options(told: Mapping[str, Any]) -> str:
    """The command-line options that the user gave: a parameter of libpq's takes the place of PGOPTIONS."""
    from psycopg.pq import Conninfo

    known = {option.keyword: option.val for option in Conninfo.get_defaults()}
    return str(told.get("options") or (known.get(b"options") or b"").decode())


def _connect(server: Server, told: Mapping[str, Any]) -> Connection:
    import psycopg

    return psycopg.connect(
        "",
        **told,
        client_encoding="UTF8",
        password=server.password.reveal() if server.password else None,
        autocommit=True,
        prepare_threshold=None,  # prepared statements break behind a pooler and after a change of types
        row_factory=as_mapping,
        cursor_factory=psycopg.RawCursor,
    )


@contextmanager
def connected(server: Server, application: str, timeout: float, *, pinned: bool = True) -> Iterator[Connection]:
    connection = connect(server, application, timeout, pinned=pinned)
    try:
        yield connection
    finally:
        connection.close()


def begin(connection: Connection, *settings: str, path: str = PINNED, read_only: bool = False) -> None:
    """Begin a transaction with its search_path, and further SET LOCAL, in one message: nothing is parsed before.

    Only within a transaction is a setting certain to be ours: behind a pooler the next one may have another server
    process, and what is set for longer stays with whoever gets this one next.
    """
    connection.execute("; ".join([f"BEGIN {'READ ONLY' if read_only else ''}".strip(), path, *settings]))


def ask(connection: Connection, statement: str, values: Sequence[object] = ()) -> list[dict[str, object]]:
    """The rows of one statement of ours, committed in a transaction of its own. Raises psycopg.Error."""
    with connection.transaction():
        connection.execute(PINNED)
        return connection.execute(statement, values or None).fetchall()


def as_mapping(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[object]], dict[str, object]]:
    names: list[str] = []
    for column in cursor.description or ():
        taken = sum(name == column.name or name.startswith(f"{column.name} (") for name in names)
        names.append(column.name if not taken else f"{column.name} ({taken + 1})")
    return lambda values: dict(zip(names, values, strict=True))


def ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))  # 0 would mean "no limit"


@contextmanager
def deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """Hang up on a server that does not even keep its own time-out (paused, frozen, unplugged)."""
    timer = threading.Timer(seconds + GRACE, _hang_up, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def no_waiting_for_locks(connection: Connection, halt: Halt, blocked: Callable[[], bool]) -> Iterator[None]:
    """Once `halt` is set, cancel at the server whatever waits for a lock (`blocked` says so), and nothing else."""
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(connection, halt, blocked, over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()


def _watch(connection: Connection, halt: Halt, blocked: Callable[[], bool], over: threading.Event) -> None:
    while not over.is_set():
        if not halt.wait(LOOK):
            continue
        with suppress(RecoverError):
            if blocked() and not over.is_set():
                cancel(connection)
        over.wait(LOOK)


def cancel(connection: Connection) -> None:
    """Ask the server to end what the connection is doing, if anything; it may do so from another thread."""
    from psycopg import Error
    from psycopg.pq import TransactionStatus

    with suppress(Error):
        if connection.info.transaction_status is TransactionStatus.ACTIVE:
            connection.cancel_safe(timeout=GRACE)


def _hang_up(connection: Connection) -> None:
    from psycopg import Error

    with suppress(OSError, Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
