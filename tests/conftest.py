"""What every test runs in: one folder for the whole run, recover started warm, and where it asks for one a PostgreSQL.

The server is the wheel's, one for each worker, with a fresh database for each test. A test marked `every_postgres` runs
once on each version of `postgresqls.asked_for()`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import postgresqls
import profiles  # noqa: F401 - chosen before any test is read
import pytest
from helpers import clusters, run_folder, turns, warm_services, warm_start
from helpers.kept_sql import keeping

from recover.drill.postgres import Cluster, Running, server
from recover.errors import RecoverError
from recover.postgres.session import Server, Session
from recover.secrets import Secret
from recover.world import RunPlace

Sql = Callable[..., list[tuple[Any, ...]]]
ROLE = "app"
_numbers = count(1)
_folder = pytest.StashKey[run_folder.RunFolder]()
_warm = pytest.StashKey[warm_start.WarmStart | None]()
_left = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin the run and settle its versions of PostgreSQL, or as a worker take part in it."""
    if not hasattr(config, "workerinput"):
        if not config.option.collectonly:
            config.stash[_folder] = run_folder.begin()
            config.option.basetemp = config.option.basetemp or config.stash[_folder].tests
        postgresqls.choose(config)
    else:
        config.args = turns.rotated(config.args, *place_of(config))
    config.stash[_warm] = warm_start.install()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """What takes long first: at the head of each worker's share what is marked so, on an engine two whole replicas."""
    items[:] = turns.in_order(items)
    yield  # some are deselected, and shuffled where that is asked for
    _, workers = place_of(config)
    on_an_engine = all(item.get_closest_marker("docker") for item in items)
    items[:] = turns.spread(items) if on_an_engine else turns.dealt(items, workers)


def place_of(config: pytest.Config) -> tuple[int, int]:
    """Which of how many workers this process is."""
    told = getattr(config, "workerinput", {"workerid": "gw0", "workercount": 1})
    return int(told["workerid"].removeprefix("gw")), told["workercount"]


def pytest_collection_finish() -> None:
    """What was imported stays: the collector of garbage need not look through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)  # as recover itself


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """By file means: by file, and each drill by itself."""
    return turns.scheduler(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what the tests left behind: that something was is a failure of its own."""
    if warm := session.config.stash.get(_warm, None):
        warm.end()
    if folder := session.config.stash.get(_folder, None):
        warm_services.end()
        left = session.config.stash[_left] = folder.end(failed=bool(session.testsfailed))
        if left and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what the tests left behind."""
    if left := config.stash.get(_left, []):
        terminalreporter.section("left behind by the tests, and ended now", red=True)
        terminalreporter.write("".join(f"{line}\n" for line in left))


@dataclass(frozen=True)
class PostgresServer:
    """The running server, and how to reach one of its databases as the superuser or as the application."""

    running: Running
    cluster: Cluster
    major: int
    maintain: Sql
    """SQL in the database `postgres` as the superuser, in one session that is kept."""

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


class Servers:
    """One server per version for the whole session, started at the first test that needs it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._started: dict[int, PostgresServer] = {}
        self._failed: dict[int, str] = {}

    def of(self, version: int) -> PostgresServer:
        """The server of that major version. Fails the test, and each further one, where it cannot be had."""
        if version not in self._started and version not in self._failed:
            try:
                self._started[version] = self._start(version)
            except RecoverError as error:
                self._failed[version] = f"PostgreSQL {version}: {error}"
        if version in self._failed:
            pytest.fail(self._failed[version], pytrace=False)
        return self._started[version]

    def _start(self, version: int) -> PostgresServer:
        programs = postgresqls.binaries(version)
        data = self._folder / str(version) / "data"
        cluster = Cluster(data, "super-user-password", ROLE, "app-password-5f1c", "app", programs)
        clusters.copied(cluster, version)
        running = self._stack.enter_context(server(cluster, patience=300))
        password = Secret("admin", cluster.superuser_password)
        superuser = Server(running.host, running.port, "postgres", "postgres", password)
        return PostgresServer(running, cluster, version, self._stack.enter_context(keeping(superuser)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per version, where the marker asks for it."""
    if metafunc.definition.get_closest_marker("every_postgres") is None or "postgres" not in metafunc.fixturenames:
        return
    if "postgres_server" in metafunc.fixturenames:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: postgres_server is the wheel's; ask for postgres")
    metafunc.parametrize("postgres_version", postgresqls.asked_for(), indirect=True, ids=lambda v: f"pg{v}")


@pytest.fixture(scope="session")
def postgres_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The servers of this session, through the drill's own entry point."""
    with ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("postgres"), stack)


@pytest.fixture(scope="session")
def postgres_server(postgres_servers: Servers) -> PostgresServer:
    """The wheel's server, whatever version the test is for."""
    return postgres_servers.of(postgresqls.wheel())


@pytest.fixture
def postgres_version(request: pytest.FixtureRequest) -> int:
    """The major version that the test runs on."""
    return getattr(request, "param", None) or postgresqls.wheel()


@pytest.fixture
def postgres(postgres_servers: Servers, postgres_version: int) -> PostgresServer:
    """The server that the test runs on."""
    return postgres_servers.of(postgres_version)


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Server]:
    """A fresh, empty database owned by the application's role; dropped after the test."""
    name = f"test_{next(_numbers)}"
    # half the cost of the other way, which writes all of it to the WAL
    strategy = " STRATEGY FILE_COPY" if postgres.major >= 15 else ""
    postgres.maintain(f"CREATE DATABASE {name} OWNER {ROLE}{strategy}")
    yield postgres.app(name)
    drop(postgres, name)


def drop(postgres: PostgresServer, name: str) -> None:
    """Drop the database and end its sessions; before 13 DROP DATABASE cannot do that itself."""
    forced = " WITH (FORCE)" if postgres.major >= 13 else ""
    if not forced:
        postgres.maintain("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", name)
    postgres.maintain(f"DROP DATABASE {name}{forced}")


@pytest.fixture
def sql(database: Server) -> Sql:
    """Run SQL in the fresh database as the application: sql("select 1") == [(1,)]."""
    return lambda text, *values: query(database, text, *values)


@pytest.fixture
def admin_sql(postgres: PostgresServer, database: Server) -> Sql:
    """The same as the superuser."""
    return lambda text, *values: query(postgres.admin(database.dbname), text, *values)


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
