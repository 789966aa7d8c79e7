"""PostgreSQL ended at once just before and just after COMMIT is sent: what resume says is what the catalog says."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import OneDatabase, query
from ports import free_port
from replicas import until
from worlds import Kept, Spec, bind

from recover.drill.postgres import Cluster, Running, server
from recover.engine import Engine
from recover.plan import Plan, Planned
from recover.postgres import session as module
from recover.postgres.session import Server, Session
from recover.secrets import Secret
from recover.steps.enum import RepairEnum
from recover.world import RunPlace

pytestmark = pytest.mark.postgres

SCHEMA = """
drop schema if exists recover cascade; drop table if exists users; drop type if exists role;
create type role as enum ('admin', 'user');
create table users (id int primary key, role role default 'user');
insert into users select g, case when g % 3 = 0 then 'admin' else 'user' end::role from generate_series(1, 60) g;
"""
LABELS = "select enumlabel from pg_enum where enumtypid = 'role'::regtype order by enumsortorder"
REPAIR: Any = Spec("enums", lambda _kept: RepairEnum("main", {"role": ("ADMIN", "USER")}))  # type: ignore[arg-type,return-value]
DELAYS = deque([0, 0.0003, 0.001, 0.005])
"""Seconds between COMMIT and the end, in turn."""
PLAN = Plan((Planned(REPAIR, "to do"),))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cluster, int]:
    """A cluster of its own, because it is ended hard again and again."""
    data = tmp_path_factory.mktemp("commit") / "data"
    return Cluster(data, "super-user-password", "app", "app-password-5f1c", "app"), free_port()


def reached(cluster: Cluster, port: int) -> Server:
    return Server("127.0.0.1", port, "app", "app", Secret("app", cluster.role_password))


def end_at_once(running: Running) -> None:
    """What `pg_ctl stop -m immediate` does (PostgreSQL documentation, "Shutting Down the Server"), to its end."""
    os.kill(running.pid, signal.SIGQUIT)
    until(lambda: gone(running.pid))


def gone(pid: int) -> bool:
    """Has it ended? Its parent, this process, may not have noticed yet."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def before_commit(running: Running) -> Any:
    def commit(connection: Any, timeout: float) -> None:
        end_at_once(running)
        connection.execute("COMMIT")

    return commit


def after_commit(running: Running) -> Any:
    """The COMMIT is on its way; whether it arrives, and is on disk, before the end is chance."""

    def commit(connection: Any, timeout: float) -> None:
        delay = DELAYS[0]
        DELAYS.rotate(-1)
        connection.pgconn.send_query(b"COMMIT")
        connection.pgconn.flush()
        time.sleep(delay)
        end_at_once(running)
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    return commit


@pytest.mark.parametrize("ending", [before_commit, after_commit])
def test_the_verdict_is_the_catalogs(
    cluster: tuple[Cluster, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: Any
) -> None:
    truths = [once(cluster, monkeypatch, tmp_path, ending) for _ in range(4)]
    assert ending is after_commit or truths == [False] * 4


@pytest.mark.nightly
@pytest.mark.parametrize("ending", [before_commit, after_commit])
def test_the_verdict_is_the_catalogs_fifty_times(
    cluster: tuple[Cluster, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: Any
) -> None:
    truths = [once(cluster, monkeypatch, tmp_path, ending) for _ in range(50)]
    print(f"{ending.__name__}: committed {sum(truths)} of {len(truths)}")  # shown with -s, for the note
    assert any(truths) == (ending is after_commit)


def once(cluster: tuple[Cluster, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: Any) -> bool:
    """Whether it was committed; the resumed run says so too, and ends with one repair."""
    made, port = cluster
    at, kept = reached(made, port), Kept([REPAIR])
    with server(made, port, patience=300) as running:
        query(at, SCHEMA)
        rows = query(at, "select id, upper(role::text) from users order by id")
        with monkeypatch.context() as patched, opened(at, tmp_path) as world:
            patched.setattr(module, "_commit", ending(running))
            outcome = Engine(world, bind, kept, kept.progress).run(PLAN)  # type: ignore[arg-type]
        assert outcome.exit_code == 1
        assert kept.progress.in_flight == "enums"
        assert kept.progress.pending, "nobody knows whether it happened"
    with server(made, port, patience=300), opened(at, tmp_path) as world:
        committed = [label for (label,) in query(at, LABELS)] == ["ADMIN", "USER"]
        assert Engine(world, bind, kept, kept.progress).run(PLAN).exit_code == 0  # type: ignore[arg-type]
        assert kept.progress.done == {"enums": "reconciled" if committed else "done"}
        assert query(at, "select id, role::text from users order by id") == rows
        assert query(at, "select count(*) from recover.enum_repairs") == [(1,)]
        return committed


class opened:  # noqa: N801 - a context manager
    """The database as a world."""

    def __init__(self, at: Server, folder: Path) -> None:
        self._session = Session(at, run="commit", step=lambda: "enums")
        self._world = OneDatabase(self._session, RunPlace("commit", folder))

    def __enter__(self) -> Any:
        return self._world

    def __exit__(self, *_exception: object) -> None:
        closing(self._session).__exit__(None, None, None)


def test_the_cluster_comes_up_again_after_a_hard_end(cluster: tuple[Cluster, int]) -> None:
    made, port = cluster
    with server(made, port, patience=300) as running:
        end_at_once(running)
    with server(made, port, patience=300):
        assert query(reached(made, port), "select 1") == [(1,)]
