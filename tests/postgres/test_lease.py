"""One run per database: refused by name, free with its holder, taken again after a restart of the server."""

from __future__ import annotations

from contextlib import closing

import pytest
from conftest import Sql
from replicas import until

from recover.errors import Locked, Unreachable
from recover.postgres.lease import DatabaseLease
from recover.postgres.session import Server, Session

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
    from dataclasses import replace

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
