"""A real PostgreSQL, started only when a test asks for it, and a fresh database for each such test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from recover.drill.postgres import Cluster, Running, server
from recover.postgres.session import Server, Session
from recover.secrets import Secret
from recover.world import RunPlace

Sql = Callable[..., list[tuple[Any, ...]]]
ROLE = "app"
_numbers = count(1)


@dataclass(frozen=True)
class PostgresServer:
    """The running server, and how to reach one of its databases as the superuser or as the application."""

    running: Running
    cluster: Cluster

    def admin(self, dbname: str = "postgres") -> Server:
        return Server(
            self.running.host, self.running.port, dbname, "postgres", Secret("admin", self.cluster.superuser_password)
        )

    def app(self, dbname: str) -> Server:
        password = Secret("app", self.cluster.role_password)
        return Server(self.running.host, self.running.port, dbname, self.cluster.role, password)


def query(server: Server, text: str, *values: object) -> list[tuple[Any, ...]]:
    """Run SQL beside the code under test: autocommit, rows as tuples ([] when there are none)."""
    import psycopg

    password = server.password.reveal() if server.password else None
    with (
        psycopg.connect(
            host=server.host,
            port=server.port,
            dbname=server.dbname,
            user=server.user,
            password=password,
            autocommit=True,
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(text, values or None)  # type: ignore[call-overload]  # psycopg wants literals, tests build text
        while cursor.nextset():
            pass
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole session, through the drill's own entry point."""
    folder = tmp_path_factory.mktemp("postgres")
    cluster = Cluster(folder / "data", "super-user-password", ROLE, "app-password-5f1c", "app")
    with server(cluster) as running:
        yield PostgresServer(running, cluster)


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[Server]:
    """A fresh, empty database owned by the application's role; dropped after the test."""
    name = f"test_{next(_numbers)}"
    query(postgres_server.admin(), f"CREATE DATABASE {name} OWNER {ROLE}")
    yield postgres_server.app(name)
    query(postgres_server.admin(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sql(database: Server) -> Sql:
    """Run SQL in the fresh database as the application: sql("select 1") == [(1,)]."""
    return lambda text, *values: query(database, text, *values)


@pytest.fixture
def admin_sql(postgres_server: PostgresServer, database: Server) -> Sql:
    """The same as the superuser."""
    return lambda text, *values: query(postgres_server.admin(database.dbname), text, *values)


@dataclass(frozen=True)
class OneDatabase:
    """As much of a `World` as steps and checks of one database need; it is called "main"."""

    main: Session
    place: RunPlace

    def database(self, name: str) -> Session:
        assert name == "main"
        return self.main


@pytest.fixture
def world(database: Server, tmp_path: Path) -> Iterator[OneDatabase]:
    """The fresh database as View and World, in a run folder of its own."""
    with closing(Session(database, run="test", step=lambda: "step")) as session:
        yield OneDatabase(session, RunPlace("test", tmp_path / "run"))
