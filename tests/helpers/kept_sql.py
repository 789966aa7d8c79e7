"""`sql` and `admin_sql` over one connection each, kept for the test: a new one costs 9 ms of CPU, and a first look at
the catalog in it 17 more.

A folder's conftest imports them where its tests ask the database a lot. Session state (SET, a temporary table) lasts
until the end of the test.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from recover.postgres.session import Server

if TYPE_CHECKING:
    from conftest import PostgresServer, Sql


@contextmanager
def keeping(server: Server) -> Iterator[Sql]:
    """Run SQL as `conftest.query` does, in one session; in a new one once the server has ended that."""
    kept: list[psycopg.Connection[Any]] = []

    def run(text: str, *values: object) -> list[tuple[Any, ...]]:
        if kept and (kept[0].closed or select.select([kept[0]], [], [], 0)[0]):
            kept.pop().close()
        if not kept:
            assert server.password is not None
            where = {"host": server.host, "port": server.port, "dbname": server.dbname, "user": server.user}
            password = server.password.reveal()
            kept.append(psycopg.connect(**where, password=password, autocommit=True))  # type: ignore[arg-type]
        with kept[0].cursor() as cursor:
            cursor.execute(text, values or None, prepare=False)  # type: ignore[call-overload]  # tests build text
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    try:
        yield run
    finally:
        for connection in kept:
            connection.close()


@pytest.fixture
def sql(database: Server) -> Iterator[Sql]:
    """Run SQL in the fresh database as the application: sql("select 1") == [(1,)]."""
    with keeping(database) as run:
        yield run


@pytest.fixture
def admin_sql(postgres: PostgresServer, database: Server) -> Iterator[Sql]:
    """The same as the superuser."""
    with keeping(postgres.admin(database.dbname)) as run:
        yield run
