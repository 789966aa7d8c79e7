"""The main job on an engine: the 24 containers of the incident, planned, recovered, killed, continued, taken back."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from crashing import assert_recovered, broken, chain, one_of_each_kind, schema_changes, steps_of
from drilling import Drill
from engines import IMAGE, docker, own_name
from proxies import proxy
from replicas import until

from recover.drill.containers import remove_containers

pytestmark = [pytest.mark.docker, pytest.mark.drill]

ONE_SHOTS = {"migrate", "seed"}
TAKEN_BACK_AT = (
    "worker:before-undo",
    "middleware[csrf]:after-undo",
    "api:after-undo-effect",
    "enums:after-undo",
    "postgres:before-undo",
)
RECREATED = {"api": 7, "worker": 1, "webui": 1, "google_sync": 1, "log_watcher": 1}
"""How often a container is to be made: the API degraded and with each of six middlewares, the others for their
stale image."""


def left(drill: Drill) -> dict[str, str]:
    """The status of each of the project's containers, by its name."""
    label = f"label=com.docker.compose.project={drill.project}"
    lines = docker("ps", "--all", "--filter", label, "--format", "{{.Names}} {{.State}}").splitlines()
    return dict(line.split() for line in lines)


@contextmanager
def counting_creations(drill: Drill) -> Iterator[Counter[str]]:
    """Counts, per service, the containers that the engine is asked to make meanwhile."""
    words = [
        "docker",
        "events",
        "--filter",
        "event=create",
        "--filter",
        "type=container",
        "--format",
        "{{json .Actor}}",
    ]
    label = f"label=com.docker.compose.project={drill.project}"
    events = subprocess.Popen([*words, "--filter", label], stdout=subprocess.PIPE, text=True)
    made: Counter[str] = Counter()
    try:
        yield made
    finally:
        last = ("--label", label.removeprefix("label="), "--label", "last=yes")
        docker("run", "--rm", "--network", "none", *last, "--entrypoint", "true", IMAGE)
        assert events.stdout
        for line in events.stdout:
            attributes = json.loads(line)["Attributes"]
            if "last" in attributes:
                break
            made[attributes["com.docker.compose.service"]] += 1
        events.terminate()
        events.wait()
        events.stdout.close()


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


@pytest.mark.long
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(one_of_each_kind("compose"), id="of one step of each kind"),
        pytest.param(steps_of("compose"), id="of every step", marks=pytest.mark.nightly),
    ],
)
def test_planned_by_looking_alone_and_done_and_taken_back_killed_at_every_point(
    compose_drill: Drill, steps: list[str]
) -> None:
    """No container is made twice, and the rollback leaves what was before: configuration, status, rows and labels."""
    drill = compose_drill
    before = drill.census()
    broken(drill)
    (rows, labels), containers = looked_at(drill), configurations(drill)
    assert len(left(drill)) == 24
    assert set(left(drill).values()) == {"exited"}

    with proxy(reading=True) as engine:
        plan = drill.playbook("plan", env={"DOCKER_HOST": engine.url}).stdout
    assert engine.asked
    assert engine.refused == []
    assert "start postgres   (it is stopped)" in plan
    assert "MIDDLEWARE is 'error,security_headers,authentication,csrf,request_protection,metrics', wanted ''" in plan
    assert "image is 'recover-replica/app:incident" in plan
    assert "wanted 'recover-replica/app:rebuilt" in plan
    assert set(left(drill).values()) == {"exited"}

    with counting_creations(drill) as made:
        chain(drill, steps)
    assert dict(made) == RECREATED
    assert_recovered(drill, before)
    assert drill.login("disabled@example.com").status == 401
    assert drill.login("pending@example.com").status == 403
    assert len(left(drill)) == 24
    assert {name for name, state in left(drill).items() if state != "running"} == {
        f"{drill.project}-{service}-1" for service in ONE_SHOTS
    }
    changes = schema_changes(drill)
    assert len(changes) == 22
    assert set(changes.values()) == {1}, changes
    assert configurations(drill) != containers

    for point in TAKEN_BACK_AT:
        killed = drill.recover("rollback", "--yes", env={"RECOVER_CRASH_AT": point}, expect=None)
        assert killed.returncode == -signal.SIGKILL, f"{point}: {killed.stdout}\n{killed.stderr}"
    drill.recover("rollback", "--yes")
    assert configurations(drill) == containers
    rows_now, labels_now = looked_at(drill)
    assert {table: now for table, now in rows_now.items() if now != rows[table]} == {}
    kept = {name: [label for label in labels_now[name] if label in old] for name, old in labels.items()}
    assert kept == labels

    drill.resume()
    assert_recovered(drill, before)


def test_one_command_breaks_recovers_scores_and_leaves_nothing(tmp_path: Path, seldom_asked: None) -> None:
    drill = Drill(tmp_path / "state", "compose", own_name())
    done = drill.drill("run")
    for words in ("objectives met", "RTO", "0 rows lost"):
        assert words in done.stdout
    assert left(drill) == {}
    for kind in ("volume", "network"):
        assert docker(kind, "ls", "--quiet", "--filter", f"label=com.docker.compose.project={drill.project}") == ""


def test_a_replica_touches_no_other_project_of_its_name(tmp_path: Path) -> None:
    drill = Drill(tmp_path / "state", "compose", own_name())
    words = ("--label", f"com.docker.compose.project={drill.project}", "--label", "com.docker.compose.service=api")
    mine = docker(
        "run", "--detach", "--network", "none", *words, "--entrypoint", "sleep", "recover-replica/app:incident", "600"
    ).strip()
    try:
        refused = drill.drill("up", expect=7)
        assert f"the engine has another project '{drill.project}', which is not the replica" in refused.stderr
        assert "--project NAME" in refused.stderr
        drill.drill("down")
        assert json.loads(docker("inspect", mine))[0]["State"]["Running"]
    finally:
        docker("rm", "--force", mine)


def test_what_has_another_label_is_never_removed(tmp_path: Path) -> None:
    name = own_name()
    docker("volume", "create", "--label", "dev.recover.replica=another", name)
    try:
        remove_containers("one", lambda _line: None)
        assert docker("volume", "inspect", "--format", "{{.Name}}", name).strip() == name
    finally:
        docker("volume", "rm", name)
