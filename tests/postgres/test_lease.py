"""One run per database: refused by name, free with its holder, taken again after a restart of the server."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import psycopg
import pytest
from conftest import PostgresServer, Sql
from replicas import until

from recover.errors import Locked, Unreachable
from recover.postgres.lease import CLASS, OBJECT, DatabaseLease
from recover.postgres.session import Server, Session
from recover.secrets import Secret

pytestmark = [pytest.mark.postgres, pytest.mark.every_postgres]
HELD = (
    "select count(*) from pg_locks where locktype = 'advisory' "
    "and database = (select oid from pg_database where datname = current_database())"
)


def test_a_second_holder_is_refused_by_name_until_the_first_lets_go(database: Server, sql: Sql) -> None:
    with closing(Session(database)) as one, closing(Session(database)) as two:
        eva, ben = DatabaseLease(one, "20260101-a", "eva@berlin"), DatabaseLease(two, "20260102-b", "ben@munich")
        eva.require()
        eva.require()
        with pytest.raises(Locked, match="eva on berlin is running 20260101-a on this database, for") as caught:
            ben.require()
        assert "holds the database's lease" in caught.value.why
        assert sql(HELD) == [(1,)]
        eva.release()
        ben.require()
        with pytest.raises(Locked, match="ben on munich"):
            eva.require()
        ben.release()
    assert sql(HELD) == [(0,)]


def test_it_ends_with_its_connection_and_is_taken_again(database: Server, sql: Sql) -> None:
    with closing(Session(database)) as session:
        lease = DatabaseLease(session, "r", "eva@berlin")
        lease.require()
        sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'recover-lease/%'")
        until(lambda: sql(HELD) == [(0,)])
        lease.require()
        assert sql(HELD) == [(1,)]
        lease.release()


def test_another_database_is_free_and_a_server_that_is_down_says_so(database: Server, sql: Sql) -> None:
    with closing(Session(database)) as session, closing(Session(replace(database, dbname="postgres"))) as other:
        here, there = DatabaseLease(session, "r", "eva@berlin"), DatabaseLease(other, "r2", "ben@munich")
        here.require()
        there.require()
        here.release()
        there.release()
    with closing(Session(replace(database, port=1))) as away, pytest.raises(Unreachable):
        DatabaseLease(away, "r", "eva@berlin").require()


def test_it_can_be_taken_from_its_holder(database: Server, sql: Sql) -> None:
    with closing(Session(database)) as one, closing(Session(database)) as two:
        eva, ben = DatabaseLease(one, "r", "eva@berlin"), DatabaseLease(two, "r", "ben@munich")
        eva.require()
        ben.require(breaking=True)
        with pytest.raises(Locked, match="ben on munich"):
            eva.require()
        assert sql(HELD) == [(1,)]
        ben.release()


def test_through_a_pooler_no_lock_is_asked_for_because_it_would_stay_behind(
    database: Server, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler tells its client another process id than the server's."""
    monkeypatch.setattr("psycopg.ConnectionInfo.backend_pid", 1)
    with closing(Session(database)) as session:
        lease = DatabaseLease(session, "r", "eva@berlin")
        lease.require()
        assert sql(HELD) == [(0,)]
        lease.release()


@pytest.fixture
def mallory(postgres: PostgresServer, database: Server) -> Iterator[Server]:
    """A role that may do nothing but connect."""
    name = f"mallory_{database.dbname}"
    postgres.maintain(f"create role {name} login password 'm'")
    yield replace(database, user=name, password=Secret("mallory", "m"))
    postgres.maintain(f"drop role {name}")


@contextmanager
def holding(
    server: Server, lock: str = "pg_advisory_lock", name: str = "recover-lease/20260101-a/ceo@hq"
) -> Iterator[int]:
    """The lock in the hands of that role under that application name; its backend."""
    assert server.password
    where = {"host": server.host, "port": server.port, "dbname": server.dbname, "user": server.user}
    with closing(
        psycopg.connect(**where, password=server.password.reveal(), application_name=name, autocommit=True)  # type: ignore[arg-type]
    ) as connection:
        connection.execute(f"select {lock}({CLASS}, {OBJECT})")  # type: ignore[call-overload]
        yield connection.info.backend_pid


@pytest.mark.parametrize("lock", ["pg_advisory_lock", "pg_advisory_lock_shared"])
def test_a_stranger_with_the_lock_is_named_by_its_role_and_ended_by_the_command_that_is_told(
    postgres: PostgresServer, database: Server, mallory: Server, lock: str
) -> None:
    """What he calls himself is his to say; the server knows his role, his process, his address."""
    admin = postgres.admin(database.dbname)
    with closing(Session(admin)) as session, holding(mallory, lock) as pid:
        with pytest.raises(Locked) as caught:
            DatabaseLease(session, "r", "eva@berlin").require()
        assert re.fullmatch(
            rf"role {mallory.user} \(backend {pid}, from [^ )]+\), for \d+ s holds the database's lease, "
            r"and that is neither this role \(postgres\) nor a superuser",
            caught.value.what,
        )
        assert "can say anything, is 'recover-lease/20260101-a/ceo@hq'" in caught.value.why
        assert "ceo on hq is running" not in str(caught.value)
        assert f"as a member of {mallory.user} or of pg_signal_backend, or a superuser" in caught.value.next
        command = caught.value.next.partition(": ")[2].partition("   #")[0]
        assert shlex.split(command)[-1] == f"SELECT pg_catalog.pg_terminate_backend({pid})"
        psql(command, admin)
        lease = DatabaseLease(session, "r", "eva@berlin")
        lease.require()
        lease.release()


def psql(command: str, server: Server) -> None:
    """The command as pasted, with psql's place taken by psycopg where there is no psql."""
    assert server.password
    words = shlex.split(command)
    place = dict(zip(words[1:-2:2], words[2:-2:2], strict=True))
    assert (place["-h"], place["-p"], place["-d"]) == (server.host, str(server.port), server.dbname)
    with closing(
        psycopg.connect(
            host=place["-h"], port=place["-p"], dbname=place["-d"], user=server.user, password=server.password.reveal()
        )
    ) as connection:
        connection.execute(words[-1])  # type: ignore[call-overload]


def test_what_a_lesser_role_cannot_see_is_said_and_never_none(
    database: Server, mallory: Server, postgres: PostgresServer
) -> None:
    with closing(Session(database)) as session:
        with holding(mallory) as pid, pytest.raises(Locked) as caught:
            DatabaseLease(session, "r", "eva@berlin").require(breaking=True)  # which it may not, either
        assert f"role {mallory.user} (backend {pid}) holds the database's lease" in caught.value.what
        assert "from where, and since when, only a member of pg_read_all_stats can see" in caught.value.why
        assert "None" not in str(caught.value)
        with holding(postgres.admin(database.dbname), name="psql") as pid, pytest.raises(Locked) as caught:
            DatabaseLease(session, "r", "eva@berlin").require()
        assert f"role postgres (backend {pid}) holds the database's lease" in caught.value.what
        assert "neither this role" not in caught.value.what
        assert "None" not in str(caught.value)
