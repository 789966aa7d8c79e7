"""database.backup: a new dump each time, in the run's evidence, with what is needed to trust it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recover.steps.backup import BackUpDatabase


@pytest.mark.postgres
def test_each_backup_is_a_new_dump_with_size_and_sum(world: Any, sql: Callable[..., Any]) -> None:
    sql("create table t as select generate_series(1, 10) n")
    step = BackUpDatabase("main")
    records = []
    for _ in range(2):
        [action] = step.decide(world)
        records.append(action.apply(world))
    paths = [Path(record["path"]) for record in records]
    assert paths[0] != paths[1]
    assert {path.parent for path in paths} == {world.place.folder / "evidence"}
    assert [path.stat().st_size for path in paths] == [record["bytes"] for record in records]
    assert all(path.name.startswith("main-") and path.suffix == ".dump" for path in paths)
    assert all(len(record["sha256"]) == 64 and record["seconds"] >= 0 for record in records)


def test_it_serves_later_steps_and_touches_only_the_backup() -> None:
    step = BackUpDatabase("main")
    [action] = step.decide(None)  # type: ignore[arg-type]  # it does not look
    assert step.supports
    assert step.repeatable
    assert step.claims(None) == {"backup:main"}  # type: ignore[arg-type]  # it does not look
    assert action.touches == ("backup:main",)
    assert action.inverse() is None
    assert step.proofs() == ()
