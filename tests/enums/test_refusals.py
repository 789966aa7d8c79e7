"""Refusals are answers: who may not, where it cannot, what else is connected; the catalog stays byte-identical."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import postgresqls
import psycopg
import pytest
from conftest import PostgresServer, query
from enum_worlds import Sql, catalog, rows
from helpers import clusters

from recover.drill.postgres import Cluster, server
from recover.enums.expected import Expected
from recover.enums.look import diagnose
from recover.enums.planning import plan
from recover.enums.surroundings import surroundings
from recover.errors import Precondition
from recover.postgres.session import Server, Session
from recover.secrets import Secret

pytestmark = [pytest.mark.postgres, pytest.mark.every_postgres]
EXPECTED = Expected(types={"t": ("A", "B")})
SCHEMA = "create type t as enum ('a', 'B', 'A'); create table x (id int primary key, r t);"
ROWS = "insert into x values (1, 'a'), (2, 'A'), (3, 'A');"


def refused(database: Server) -> Precondition:
    with closing(Session(database)) as session, pytest.raises(Precondition) as why:
        plan(session, diagnose(session, EXPECTED))
    return why.value


@pytest.mark.parametrize(
    ("made", "reason", "next"),
    [
        (
            "alter table x owner to postgres; grant select, update on x to app",
            "its owner, postgres",
            "connect as postgres",
        ),
        ("alter table x owner to postgres; grant update on x to app", "may not read the column", "GRANT SELECT ON"),
        ("alter type t owner to postgres", "only its owner, postgres, may alter it", "connect as postgres"),
    ],
)
def test_who_may_not_is_told_who_may(
    database: Server, sql: Sql, admin_sql: Sql, made: str, reason: str, next: str
) -> None:
    sql(SCHEMA + ROWS)
    admin_sql(made)
    before = catalog(admin_sql), rows(admin_sql)
    error = refused(database)
    assert reason in error.why
    assert next in error.next
    assert (catalog(admin_sql), rows(admin_sql)) == before


def test_a_role_that_can_keep_no_record_is_told_what_to_have_made(
    database: Server, sql: Sql, admin_sql: Sql, postgres: PostgresServer
) -> None:
    sql(SCHEMA)
    query(postgres.admin(), f"alter database {database.dbname} owner to postgres")
    admin_sql(f"grant connect on database {database.dbname} to app; alter type t rename value 'A' to 'x'")
    error = refused(database)
    assert "CREATE SCHEMA recover AUTHORIZATION app" in error.next
    admin_sql("create schema recover authorization app")
    with closing(Session(database)) as session:
        assert plan(session, diagnose(session, EXPECTED)) is not None


def test_a_schema_of_that_name_that_is_somebody_elses_is_left_alone(database: Server, sql: Sql, admin_sql: Sql) -> None:
    sql(SCHEMA + ROWS)
    admin_sql("create schema recover; create table recover.enum_repairs (x int); grant usage on schema recover to app")
    before = catalog(admin_sql), rows(admin_sql)
    error = refused(database)
    assert "are not this role's to use" in error.what
    assert (catalog(admin_sql), rows(admin_sql)) == before


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A server of one's own, whose configuration may be changed."""
    cluster = Cluster(tmp_path / "data", "super-user-password", "app", "app-password-5f1c", "app")
    clusters.copied(cluster, postgresqls.wheel())
    return cluster


def test_a_standby_is_refused(cluster: Cluster) -> None:
    def at(running: Any) -> Server:
        return Server(running.host, running.port, "app", "app", Secret("app", cluster.role_password))

    with server(cluster) as running:
        query(at(running), SCHEMA + ROWS)
    standby = cluster.data / "standby.signal"
    standby.touch()
    standby.chmod(0o666)
    with server(cluster) as running:
        error = refused(at(running))
    assert (error.what, error.why) == ("the database is a standby", "it can only be read")
    assert error.exit_code == 7


def test_what_else_is_connected_is_named(cluster: Cluster) -> None:
    with (cluster.data / "postgresql.auto.conf").open("a") as conf:
        conf.write("max_prepared_transactions = 5\nwal_level = logical\n")
    with server(cluster) as running:
        app = Server(running.host, running.port, "app", "app", Secret("app", cluster.role_password))
        admin = Server(running.host, running.port, "app", "postgres", Secret("a", cluster.superuser_password))
        query(app, SCHEMA)
        query(admin, "select pg_create_logical_replication_slot('feed', 'test_decoding')")
        options = "connect = false, slot_name = none"
        query(admin, f"create subscription news connection 'host=127.0.0.1' publication p with ({options})")
        query(app, "begin; insert into x values (9, 'B'); prepare transaction 'half a transfer'")
        where = f"host={app.host} port={app.port} dbname=app user=app password={cluster.role_password}"
        with psycopg.connect(where, application_name="the api"), closing(Session(app)) as session:
            words = list(surroundings(session).words())
        query(app, "rollback prepared 'half a transfer'")
        query(admin, "select pg_drop_replication_slot('feed')")
    told = "\n".join(words)
    assert "restart them afterwards: 1 of the api (app)" in told
    assert "ROLLBACK PREPARED 'half a transfer'" in told
    assert "the logical replication slot feed" in told
    assert "the subscription news" in told
