"""Fills every table with a few thousand rows, the same ones each time. Does nothing where there are users.

Raw SQL with the labels of the migration, in one transaction: all of it is there or nothing. LABELS=names then gives
the enums the labels that the deployed release expects: the database as it is after the incident.
"""

import os
from pathlib import Path

import psycopg

from aiwfe.passwords import hash_password
from aiwfe.settings import database_url, secret

SCRIPT = Path(__file__).with_name("seed.sql")
RENAMED = Path(__file__).with_name("labels.sql")


def main() -> None:
    """Seed the database that the environment names."""
    url = database_url(os.environ).set(drivername="postgresql")
    password = secret(os.environ, "PROBE_PASSWORD_FILE")
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        print(seed(connection, password, renamed=os.environ.get("LABELS") == "names"), flush=True)


def seed(connection: psycopg.Connection, probe_password: str, *, renamed: bool = False) -> str:
    """Insert the rows; the known users get this password, and the labels their new names. Returns what was done."""
    with connection.transaction():
        connection.execute("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
        if connection.execute("SELECT EXISTS (SELECT FROM users)").fetchone() == (True,):
            return "seeded already, nothing done"
        hashes = {"seed.known": hash_password(probe_password, "known"), "seed.bulk": hash_password("bulk", "bulk")}
        for name, value in hashes.items():
            connection.execute("SELECT set_config(%s, %s, true)", (name, value))
        connection.execute(SCRIPT.read_bytes())
        if renamed:
            connection.execute(RENAMED.read_bytes())
    return "seeded"


if __name__ == "__main__":
    main()
