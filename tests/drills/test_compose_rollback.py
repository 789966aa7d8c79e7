"""A run on the 24 containers taken back: configuration, status, rows and labels as they were, then done again."""

from __future__ import annotations

import json
import signal
from typing import Any

import psycopg
import pytest
from crashing import assert_recovered, broken
from drilling import Drill
from engines import docker
from replicas import until

pytestmark = [pytest.mark.docker, pytest.mark.drill]

POINTS = (
    "worker:before-undo",
    "middleware[csrf]:after-undo",
    "api:after-undo-effect",
    "enums:after-undo",
    "postgres:before-undo",
)


def configurations(drill: Drill) -> dict[str, Any]:
    """What each container was made with, and whether it runs."""
    label = f"label=com.docker.compose.project={drill.project}"
    names = docker("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()
    kept = ("Env", "Cmd", "Entrypoint", "User", "WorkingDir")
    found = {}
    for facts in json.loads(docker("inspect", *names)):
        config = {key: facts["Config"][key] for key in kept}
        config["Env"] = sorted(config["Env"])
        found[facts["Name"]] = {**config, "image": facts["Image"], "running": facts["State"]["Running"]}
    return found


def looked_at(drill: Drill) -> tuple[Any, Any]:
    """Rows and labels: PostgreSQL has to be started for it, and is stopped again."""
    name = f"{drill.project}-postgres-1"
    docker("start", name)
    until(lambda: answers(drill), 60)
    seen = drill.rows(), drill.labels()
    docker("stop", name)
    return seen


def answers(drill: Drill) -> bool:
    try:
        return drill.sql("select 1") == [(1,)]
    except psycopg.OperationalError:
        return False


def test_done_undone_and_done_again_killed_on_the_way(compose_drill: Drill) -> None:
    drill = compose_drill
    census = drill.census()
    broken(drill)
    (before, labels), containers = looked_at(drill), configurations(drill)
    drill.playbook("run")
    assert configurations(drill) != containers
    for point in POINTS:
        killed = drill.recover("rollback", "--yes", env={"RECOVER_CRASH_AT": point}, expect=None)
        assert killed.returncode == -signal.SIGKILL, f"{point}: {killed.stdout}\n{killed.stderr}"
    drill.recover("rollback", "--yes")

    assert configurations(drill) == containers
    rows_now, labels_now = looked_at(drill)
    assert {table: now for table, now in rows_now.items() if now != before[table]} == {}
    kept = {name: [label for label in labels_now[name] if label in old] for name, old in labels.items()}
    assert kept == labels

    drill.resume()
    assert_recovered(drill, census)
