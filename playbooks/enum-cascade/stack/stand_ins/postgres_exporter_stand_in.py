"""Stand-in for postgres_exporter: a few of its metrics, read from the real pg_stat_database.

LOGIN_BREAKER=postgres_exporter makes it hold the table of the users locked as long as it runs: every login hangs,
/api/health stays 200.
"""

import os
import threading
import time
from collections.abc import Iterator

import psycopg
from aiwfe.settings import database_url
from psycopg.rows import dict_row

from stand_ins.exporter import Sample, export

QUERY = """
SELECT datname, numbackends, xact_commit, xact_rollback, tup_returned, tup_inserted, deadlocks,
       pg_database_size(datname) AS size
FROM pg_stat_database WHERE datname = current_database()
"""


def read() -> Iterator[Sample]:
    """The statistics of the application's database."""
    with connected() as connection:
        row = connection.cursor(row_factory=dict_row).execute(QUERY).fetchone()
    labels = (("datname", row["datname"]),)
    yield Sample("pg_stat_database_numbackends", row["numbackends"], labels)
    yield Sample("pg_database_size_bytes", row["size"], labels)
    for name in ("xact_commit", "xact_rollback", "tup_returned", "tup_inserted", "deadlocks"):
        yield Sample(f"pg_stat_database_{name}", row[name], labels)


def connected() -> psycopg.Connection:
    """A fresh connection to the application's database."""
    url = database_url(os.environ).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(url, connect_timeout=2, application_name="postgres_exporter")


def lock_users() -> None:
    """Hold the lock; the server gives it back when this process, and with it the connection, has ended."""
    with connected() as connection:
        connection.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        while True:
            time.sleep(60)


if __name__ == "__main__":
    if os.environ.get("LOGIN_BREAKER") == "postgres_exporter":
        threading.Thread(target=lock_users, daemon=True).start()
    export("postgres_exporter", "postgres_exporter, small, on the real PostgreSQL", "pg_up", read)
