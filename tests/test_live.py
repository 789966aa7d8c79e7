from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recover.errors import Drifted, Unreachable
from recover.live import Gatekeeper, LiveWorld, same_target
from recover.postgres.session import Server, Session
from recover.web import HttpWeb
from recover.world import RunPlace, Statement


def world(server: Server, place: Path, **more: Any) -> LiveWorld:
    return LiveWorld(
        services=None,  # type: ignore[arg-type]  # not asked here
        web=HttpWeb(),
        open_database=lambda _name: Session(server),
        gate=Gatekeeper(yes=False, ask=False),
        place=RunPlace("r", place),
        **more,
    )


@pytest.mark.postgres
def test_the_identity_is_made_known_once_and_before_the_first_change(database: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, str, int]] = []
    live = world(database, tmp_path)

    def learned(name: str, identity: Any) -> None:
        tables = live.database("main").rows("tables", Statement("select 1 from pg_class where relname = 't'"))
        seen.append((name, identity["database"], len(tables)))

    live.learned = learned
    for text in ("create table t (n int)", "insert into t values (1)"):
        live.database("main").execute([Statement(text, role_path=True)], lock_timeout=1, statement_timeout=5)
    assert seen == [("main", database.dbname, 0)]
    live.close()


@pytest.mark.postgres
def test_a_wrong_database_is_not_changed(database: Server, tmp_path: Path, sql: Any) -> None:
    def learned(name: str, identity: Any) -> None:
        same_target(name, {"system_identifier": "another"}, identity)

    live = world(database, tmp_path, learned=learned)
    with pytest.raises(Drifted, match="not the one this run began on"):
        live.database("main").execute(
            [Statement("create table t (n int)", role_path=True)], lock_timeout=1, statement_timeout=5
        )
    assert sql("select count(*) from pg_class where relname = 't'") == [(0,)]
    live.close()


def test_a_database_that_is_down_is_unreachable(tmp_path: Path) -> None:
    live = world(Server("127.0.0.1", 1, "x", "app"), tmp_path)
    with pytest.raises(Unreachable):
        live.database("main").rows("one", Statement("select 1"))
    live.close()


def test_the_same_identity_passes_and_unknown_keys_do_not_matter() -> None:
    same_target("main", {"system_identifier": "7"}, {"system_identifier": "7", "database": "x"})
    same_target("main", {}, {"system_identifier": "7"})
