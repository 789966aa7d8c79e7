"""Test servers of PostgreSQL: made once per run and version, copied for each worker; passwords that cost nothing."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from recover.drill.postgres import Cluster, server

SALT = b"of every server!"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file: one worker after the other."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def shared_folder() -> Path:
    """The folder that all workers of this run share."""
    folder = Path(tempfile.gettempdir()) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def copied(cluster: Cluster, version: int) -> None:
    """Fill the cluster's data folder from the one that the first worker made. Raises what making it raises."""
    model = replace(cluster, data=shared_folder() / f"postgres-{version}" / "data")
    with locked(shared_folder() / f"postgres-{version}.lock"):
        if not model.data.with_name("made").exists():
            _make(model)
    cluster.data.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(model.data), str(cluster.data)], check=True)


def _make(model: Cluster) -> None:
    """A first start makes the cluster; its roles then get the same passwords, at one iteration each.

    libpq spends 11 ms of CPU on the 4,096 that PostgreSQL chooses, for every connection.
    """
    import psycopg

    with (
        server(model, patience=300) as running,
        psycopg.connect(
            host=running.host,
            port=running.port,
            dbname="postgres",
            user="postgres",
            password=model.superuser_password,
            autocommit=True,
        ) as connection,
    ):
        for role, password in (("postgres", model.superuser_password), (model.role, model.role_password)):
            text = f"alter role {role} password '{verifier(password)}'"
            connection.execute(text)  # type: ignore[call-overload]  # SQL of the test
        # in its folder, which goes with it: in /dev/shm what a killed server had would stay
        connection.execute("alter system set dynamic_shared_memory_type = mmap")  # type: ignore[call-overload]
        # the replica's role may make a copy of its database; most may not
        connection.execute(f"alter role {model.role} nocreatedb")  # type: ignore[call-overload]
        # A copy of a database whose catalog was read before has the cache of it, and answers its first client sooner.
        psycopg.connect(connection.info.dsn, dbname="template1", password=model.superuser_password).close()
    model.data.with_name("made").touch()


def verifier(password: str) -> str:
    """What PostgreSQL keeps of a password, with one iteration (RFC 5803; pg_authid, "rolpassword")."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), SALT, 1)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    own = hmac.digest(salted, b"Server Key", "sha256")
    salt, stored_key, server_key = (base64.b64encode(part).decode() for part in (SALT, stored, own))
    return f"SCRAM-SHA-256$1:{salt}${stored_key}:{server_key}"
