"""Is a service of the local runtime ready? Each probe is one real question; "" is yes, else the other side's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from recover import inputs, programs
from recover.runtimes.ports import HOST
from recover.secrets import Secret

TIMEOUT = 2.0  # seconds one question may take


class Probe(Protocol):
    """One readiness question."""

    def ask(self, port: int) -> str:
        """ "" when the service on this port of this machine is ready, else why not, in its words."""


@dataclass(frozen=True)
class Sql:
    """A query as this role on this database: a server that is up can lack both."""

    dbname: str
    user: str
    password_file: Path | None = None

    def ask(self, port: int) -> str:
        """One query on a new connection."""
        from recover.postgres.session import ping

        try:
            password = (
                Secret("ready", inputs.text(self.password_file, inputs.SECRET).rstrip("\n"))
                if self.password_file
                else None
            )
        except OSError as error:
            return f"the password file: {error}"
        return ping(HOST, port, self.dbname, self.user, password, timeout=TIMEOUT)


@dataclass(frozen=True)
class Http:
    """A GET of the path answers 2xx."""

    path: str

    def ask(self, port: int) -> str:
        """One GET on a new connection."""
        from recover.web import ping

        return ping(f"http://{HOST}:{port}{self.path}", TIMEOUT)


@dataclass(frozen=True)
class Https:
    """A GET of the path answers 2xx, over TLS with a certificate of this authority for 127.0.0.1."""

    path: str
    authority: Path

    def ask(self, port: int) -> str:
        """One GET on a new connection; what is wrong with the certificate in OpenSSL's words."""
        from recover.web import ping

        try:
            return ping(f"https://{HOST}:{port}{self.path}", TIMEOUT, authority=str(self.authority))
        except OSError as error:
            return f"the authority's file: {error}"


@dataclass(frozen=True)
class Redis:
    """PING is answered PONG; a server that still loads its data answers LOADING."""

    def ask(self, port: int) -> str:
        """One PING on a new connection."""
        said = _talk(port, b"PING\r\n")
        return "" if said == "+PONG" else said


@dataclass(frozen=True)
class Tcp:
    """A connection is accepted."""

    def ask(self, port: int) -> str:
        """One connection."""
        return _talk(port, b"")


@dataclass(frozen=True)
class Command:
    """A program ends with exit code 0."""

    argv: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]

    def ask(self, port: int) -> str:  # noqa: ARG002 - the program knows where it asks
        """One run of the program."""
        import subprocess

        try:
            ended = programs.run(self.argv, environment=dict(self.environment), folder=self.folder, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            return f"{self.argv[0]} did not end within {TIMEOUT:g} s"
        except OSError as error:
            return f"{self.argv[0]}: {error.strerror or error}"
        last = (ended.stdout + ended.stderr).decode(errors="replace").strip().rpartition("\n")[2]
        return "" if ended.returncode == 0 else f"{self.argv[0]} ended with code {ended.returncode}: {last}"


def _talk(port: int, request: bytes) -> str:
    """Connect, send the request if there is one, and give the first line of the answer, or what went wrong."""
    import socket

    try:
        with socket.create_connection((HOST, port), TIMEOUT) as connection:
            if not request:
                return ""
            connection.sendall(request)
            with connection.makefile("rb") as answer:
                line = answer.readline(1024).decode(errors="replace").strip()
                return line or "it hung up without an answer"
    except OSError as error:
        return error.strerror or str(error)
