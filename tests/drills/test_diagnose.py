"""The root cause is named: of the incident in its flood of log lines, of each single fault, and of none."""

from __future__ import annotations

import json
import resource
import shlex
from typing import Any

import pytest
from drilling import PLAYBOOK, Drill

pytestmark = pytest.mark.drill

FAULTS = "enum-cascade/faults"
LOCAL = {
    "redis-down": "service-down",
    "missing-secret": "missing-secret",
    "wrong-database": "wrong-database",
    "blocked": "blocked",
    "locked-out": "locked-out",
    "disk-full": "disk-full",
    "wrong-certificate=other-key": "certificate",
    "wrong-certificate=expired": "certificate",
}
COMPOSE = {"stale-image": "stale-image", "empty-pooler": "pooler-users"}


def diagnosed(drill: Drill, *, expect: int = 1) -> dict[str, Any]:
    target = ("--target", drill.runtime) if drill.runtime != "local" else ()
    told = drill.recover("diagnose", PLAYBOOK, *target, *drill._project, "--json", expect=expect)
    return json.loads(told.stdout)


def test_the_incident_is_named_in_the_flood_and_the_suggested_command_recovers_it(drill: Drill) -> None:
    assert diagnosed(drill, expect=0)["root"] is None
    before = drill.census()
    drill.recover("drill", "break", "enum-cascade", "--fault", "noise=report")
    for _ in range(42):
        assert drill.login().status == 500
    told = diagnosed(drill)
    root, noise = told["root"], told["unrelated"]
    assert told["lines"] >= 46_000
    assert (root["cause"], root["answer"]) == ("enum-drift", "yes")
    for words in ("public.userrole lacks ADMIN, USER", "public.userstatus lacks PENDING, ACTIVE, DISABLED"):
        assert words in root["evidence"]
    assert root["explains"] >= 42
    [exporter] = noise
    assert (exporter["cause"], exporter["older"]) == ("hung-up", True)
    assert {shape["service"] for shape in exporter["shapes"]} == {"node_exporter"}
    assert exporter["explains"] / told["lines"] == pytest.approx(0.85, abs=0.02)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 300 * 1024  # KiB; of every child so far
    command = shlex.split(told["next"][0])
    assert command[:2] == ["recover", "run"]
    drill.recover(*command[1:])
    assert drill.login().status == 200
    assert drill.census() == before
    assert diagnosed(drill, expect=0)["root"] is None


@pytest.mark.parametrize("fault", LOCAL)
def test_each_single_fault_is_named_first(drill: Drill, fault: str) -> None:
    drill.recover("drill", "break", FAULTS, "--fault", fault)
    told = diagnosed(drill)
    named = [suspect["cause"] for suspect in told["suspects"]]
    assert named[0] == LOCAL[fault], told["suspects"]
    assert told["root"]["answer"] == "yes"


@pytest.mark.docker
@pytest.mark.parametrize("fault", COMPOSE)
def test_each_single_fault_of_containers_is_named_first(compose_drill: Drill, fault: str) -> None:
    assert diagnosed(compose_drill, expect=0)["root"] is None
    words = ("--runtime", "compose", *compose_drill._project)
    compose_drill.recover("drill", "break", FAULTS, *words, "--fault", fault)
    told = diagnosed(compose_drill)
    assert told["suspects"][0]["cause"] == COMPOSE[fault], told["suspects"]
