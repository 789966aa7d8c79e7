"""A run on the incident taken back: rows, labels and services as they were, then done again; killed everywhere."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from crashing import assert_recovered
from drilling import Drill, shortened

from recover.journal.records import NAME, records

KILLED_EVERYWHERE = ("before-undo", "after-undo")


def steps_that_acted(drill: Drill) -> list[str]:
    kept = records(drill.run_folder() / NAME)
    acts = [r.data["step"] for r in kept if r.event == "ActionStarted" and r.data["touches"]]
    return [step for step in dict.fromkeys(reversed(acts)) if step != "backup"]


def looked_at(drill: Drill) -> tuple[Any, Any]:
    """Rows and labels: PostgreSQL has to be started for it, and is stopped again."""
    drill.services.start("postgres")
    drill.wait_for("postgres")
    seen = drill.rows(), drill.labels()
    drill.services.stop("postgres")
    return seen


@pytest.mark.long
@pytest.mark.parametrize(
    "points",
    [
        pytest.param((), id="killed nowhere"),
        pytest.param(KILLED_EVERYWHERE, id="after-undo", marks=pytest.mark.drill),
        pytest.param(("before-undo", "after-undo-effect"), id="after-undo-effect", marks=pytest.mark.drill),
    ],
)
def test_done_undone_and_done_again_killed_at_every_point_of_the_undo(
    broken_drill: Drill, points: tuple[str, ...]
) -> None:
    drill = broken_drill if points == KILLED_EVERYWHERE else shortened(broken_drill)
    (before, labels), services = looked_at(drill), drill.status()["services"]
    drill.playbook("run")
    for step in steps_that_acted(drill):
        for point in points:
            killed = drill.recover("rollback", "--yes", env={"RECOVER_CRASH_AT": f"{step}:{point}"}, expect=None)
            assert killed.returncode == -signal.SIGKILL, f"{step}:{point}: {killed.stdout}\n{killed.stderr}"
    drill.recover("rollback", "--yes")

    assert drill.status()["services"] == services
    rows_now, labels_now = looked_at(drill)
    assert {table: now for table, now in rows_now.items() if now != before[table]} == {}
    kept = {name: [label for label in labels_now[name] if label in old] for name, old in labels.items()}
    assert kept == labels
    added = {label for name, old in labels.items() for label in labels_now[name] if label not in old}
    assert added <= {"ARCHIVED"}, "only a label that was added stays: PostgreSQL has no DROP VALUE"

    drill.resume()
    assert_recovered(drill, drill.before)
