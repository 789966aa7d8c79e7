"""The replica's parts on a real PostgreSQL and a real Valkey: one seeded database, copied for each state."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg
import pytest
from ports import free_port

STACK = Path(__file__).parents[3] / "playbooks" / "enum-cascade" / "stack"
sys.path.insert(0, str(STACK))

PASSWORD = "probe-password-9d2e"
JWT_KEY = "a-key-of-at-least-thirty-two-bytes-for-hs256"
LOGIN = "/api/v1/auth/jwt/login"
NO_TLS = ssl.create_default_context()  # made once: a client that makes its own takes longer than its request


def eventually(question: Callable[[], Any], seconds: float = 120.0) -> Any:
    """The first true answer; a question that raises is asked again."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.05)):
        try:
            if answer := question():
                return answer
        except (httpx.HTTPError, OSError):
            pass
        pause.wait(0.05)
    raise AssertionError("it did not become true in time")


@dataclass(frozen=True)
class Caller:
    """Somebody who talks to the API, each time over a fresh connection."""

    url: str
    log: Path | None = None

    def request(self, method: str, path: str, **words: Any) -> httpx.Response:
        with httpx.Client(base_url=self.url, timeout=10, verify=NO_TLS) as client:
            return client.request(method, path, **words)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.request("GET", path, headers={key.replace("_", "-"): value for key, value in headers.items()})

    def login(self, user: str, password: str = PASSWORD) -> httpx.Response:
        return self.request("POST", LOGIN, data={"username": f"{user}@example.com", "password": password})

    def register(self, user: str) -> httpx.Response:
        return self.request("POST", "/api/v1/auth/register", json={"email": f"{user}@example.com", "password": "x"})

    def bearer(self, user: str = "probe") -> str:
        return f"Bearer {self.login(user).json()['access_token']}"


@dataclass(frozen=True)
class Stack:
    """Where the replica's parts are, and how to start one of them."""

    folder: Path
    port: int
    superuser_password: str
    redis_port: int
    numbers: Iterator[int]

    def environ(self, dbname: str, **extra: str) -> dict[str, str]:
        secrets = {name: str(self.folder / name.lower()) for name in FILES}
        ports = {"DATABASE_PORT": str(self.port), "REDIS_PORT": str(self.redis_port), "DATABASE_NAME": dbname}
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(STACK), **secrets, **ports, **extra}

    def once(self, *module: str, dbname: str) -> str:
        """Run a module to its end; its output."""
        done = subprocess.run(
            [sys.executable, "-m", *module],
            env=self.environ(dbname),
            cwd=STACK,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def admin(self, text: str, dbname: str = "postgres") -> list[tuple[Any, ...]]:
        """SQL as the superuser."""
        who = {"user": "postgres", "password": self.superuser_password}
        with psycopg.connect(host="127.0.0.1", port=self.port, dbname=dbname, autocommit=True, **who) as connection:
            cursor = connection.execute(text)  # type: ignore[call-overload]  # psycopg wants literals, tests build text
            return cursor.fetchall() if cursor.description else []

    def copy(self, template: str) -> str:
        name = f"aiwfe_{next(self.numbers)}"
        self.admin(f"CREATE DATABASE {name} TEMPLATE {template} OWNER app")
        return name

    @contextmanager
    def process(self, module: str, *arguments: str, environ: Mapping[str, str]) -> Iterator[Path]:
        """A module as a process until the block ends; yields its log."""
        log = self.folder / f"{module}-{next(self.numbers)}.log"
        with log.open("wb") as out:
            command = [sys.executable, "-u", "-m", module, *arguments]
            child = subprocess.Popen(command, env=dict(environ), cwd=STACK, stdout=out, stderr=out)
            try:
                yield log
            finally:
                child.terminate()
                child.wait()

    @contextmanager
    def api(self, dbname: str, **extra: str) -> Iterator[Caller]:
        """The API as it is deployed, answering."""
        port = free_port()
        environ = self.environ(dbname, API_PORT=str(port), **extra)
        with self.process("aiwfe.api", environ=environ) as log:
            caller = Caller(f"http://127.0.0.1:{port}", log)
            eventually(lambda: caller.get("/api/health").status_code == 200)
            yield caller

    @contextmanager
    def sessions(self, dbname: str) -> Iterator[Any]:
        """ORM sessions of the deployed code."""
        from aiwfe.database import open_sessions
        from aiwfe.settings import database_url

        opened = open_sessions(database_url(self.environ(dbname)), "incident", "test")
        try:
            yield opened
        finally:
            opened.kw["bind"].dispose()

    @contextmanager
    def app(self, dbname: str, **changes: Any) -> Iterator[Caller]:
        """The API in this process, on a real socket, with changed settings."""
        import uvicorn
        from aiwfe.app import create_app
        from aiwfe.settings import api_settings

        settings = replace(api_settings(self.environ(dbname)), **changes)
        with self.sessions(dbname) as sessions:
            app = create_app(settings, sessions)
            port = free_port()
            server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
            thread = threading.Thread(target=server.run)
            thread.start()
            try:
                eventually(lambda: server.started)
                yield Caller(f"http://127.0.0.1:{port}")
            finally:
                server.should_exit = True
                thread.join()
                app.state.parts.redis.close()


FILES = {
    "DATABASE_PASSWORD_FILE": "",
    "JWT_KEY_FILE": JWT_KEY,
    "DEGRADED_JWT_KEY_FILE": f"degraded-{JWT_KEY}",
    "PROBE_PASSWORD_FILE": PASSWORD,
}


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The Valkey of a replica, through the drill's own entry point."""
    port = free_port()
    words = ["--port", str(port), "--data", str(tmp_path_factory.mktemp("valkey"))]
    child = subprocess.Popen([sys.executable, "-m", "recover.drill.redis", *words], stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close() or True)
        yield port
    finally:
        child.terminate()
        child.wait()


@pytest.fixture(scope="session")
def stack(postgres_server: Any, redis_port: int, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The parts, with one database `seeded` as the migration and the seed left it."""
    folder = tmp_path_factory.mktemp("replica")
    for name, text in {**FILES, "DATABASE_PASSWORD_FILE": postgres_server.cluster.role_password}.items():
        (folder / name.lower()).write_text(text)
    superuser = postgres_server.cluster.superuser_password
    made = Stack(folder, postgres_server.running.port, superuser, redis_port, count(1))
    made.admin("CREATE DATABASE seeded OWNER app")
    made.once("alembic", "-c", str(STACK / "alembic.ini"), "upgrade", "head", dbname="seeded")
    made.once("aiwfe.seed", dbname="seeded")
    return made


@pytest.fixture(scope="session")
def lower_case(stack: Stack) -> str:
    """A database as the incident found it: the labels of the migration."""
    return stack.copy("seeded")


@pytest.fixture(scope="session")
def repaired(stack: Stack) -> str:
    """A database whose labels are what the deployed code expects, the missing one included."""
    name = stack.copy("seeded")
    for statement in renames():
        stack.admin(statement, name)
    stack.admin("ALTER TYPE documentstatus ADD VALUE 'ARCHIVED'", name)
    return name


@pytest.fixture
def fresh_redis(stack: Stack) -> None:
    """Nothing counted yet."""
    import redis

    with redis.Redis(port=stack.redis_port) as store:
        store.flushdb()


def renames() -> list[str]:
    """From each label of the database to the one the deployed code persists for that member."""
    from aiwfe.models import Base, DocumentStatus
    from sqlalchemy import Enum

    found = {}
    for table in Base.metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, Enum):
                for member, label in zip(column.type.enum_class, column.type.enums, strict=True):
                    if member.value != label and member is not DocumentStatus.ARCHIVED:
                        found[column.type.name, member.value] = label
    return [f"ALTER TYPE {kind} RENAME VALUE '{old}' TO '{new}'" for (kind, old), new in found.items()]


@pytest.fixture(scope="session")
def helpers() -> Any:
    """`free_port` and `eventually`, for the tests of processes."""
    return SimpleNamespace(free_port=free_port, eventually=eventually)
