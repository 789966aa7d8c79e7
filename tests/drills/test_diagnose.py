"""The root cause is named: of the incident in its flood of log lines, of each single fault, and of none."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drilling import PLAYBOOK, ROOT, Drill, can_fill_a_disk

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


def peak(drill: Drill) -> int:
    """The most memory that a diagnosis takes, in KiB."""
    words = ["diagnose", PLAYBOOK, "--state-dir", str(drill.state)]
    with subprocess.Popen([sys.executable, "-m", "recover", *words], cwd=ROOT, stdout=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 1
    return used.ru_maxrss


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
    assert exporter["explains"] == 39_686  # 85 % of the report's 46,769
    assert peak(drill) < 300 * 1024
    command = shlex.split(told["next"][0])
    assert command[:2] == ["recover", "run"]
    drill.recover(*command[1:])
    assert drill.login().status == 200
    assert drill.census() == before
    assert diagnosed(drill, expect=0)["root"] is None


@pytest.fixture
def faults(tmp_path: Path) -> Iterator[Drill]:
    """A healthy replica of the scenario with single faults, taken down at the end."""
    yield from replica(Drill(tmp_path / "state", scenario=FAULTS))


@pytest.fixture
def compose_faults(tmp_path: Path) -> Iterator[Drill]:
    """The same on containers."""
    yield from replica(Drill(tmp_path / "state", "compose", f"recovertest{secrets.token_hex(4)}", scenario=FAULTS))


def replica(made: Drill) -> Iterator[Drill]:
    try:
        made.up()
        yield made
    finally:
        made.drill("down", expect=None)


@pytest.mark.parametrize("fault", LOCAL)
def test_each_single_fault_is_named_first(faults: Drill, fault: str) -> None:
    if fault == "disk-full":
        can_fill_a_disk(faults)
    faults.drill("break", "--fault", fault)
    told = diagnosed(faults)
    named = [suspect["cause"] for suspect in told["suspects"]]
    assert named[0] == LOCAL[fault], told["suspects"]
    assert told["root"]["answer"] == "yes"


@pytest.mark.docker
@pytest.mark.parametrize("fault", COMPOSE)
def test_each_single_fault_of_containers_is_named_first(compose_faults: Drill, fault: str) -> None:
    assert diagnosed(compose_faults, expect=0)["root"] is None
    compose_faults.drill("break", "--fault", fault)
    told = diagnosed(compose_faults)
    assert told["suspects"][0]["cause"] == COMPOSE[fault], told["suspects"]
    assert told["root"]["answer"] == "yes"
