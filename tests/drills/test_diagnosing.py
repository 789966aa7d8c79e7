"""diagnose on the replica: before, in and after the incident, and when more goes wrong than one thing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from drilling import PLAYBOOK, Drill

from recover.runtimes.local import LocalRuntime

pytestmark = pytest.mark.drill


def diagnosed(drill: Drill, expect: int = 1) -> Any:
    return json.loads(drill.recover("diagnose", PLAYBOOK, "--json", expect=expect).stdout)


def services(drill: Drill) -> LocalRuntime:
    [replica] = drill.state.glob("*/replica-local")
    return LocalRuntime(Path(PLAYBOOK).parent / "stack" / "local.yaml", replica)


def test_the_root_cause_is_named_whatever_else_is_wrong_and_nothing_when_all_is_well(drill: Drill) -> None:
    assert diagnosed(drill, expect=0)["root"] is None  # the playbook expects labels of a release yet to come
    drill.recover("drill", "break", "enum-cascade")
    assert drill.login().status == 500  # what the log speaks of from now on
    found = diagnosed(drill)
    assert (found["root"]["cause"], found["root"]["answer"]) == ("enum-drift", "yes")
    assert "public.userrole lacks ADMIN, USER (it has admin, user)" in found["root"]["evidence"]
    assert {"api", "worker"} <= {shape["service"] for shape in found["root"]["shapes"]}
    assert "login" in {suspect["cause"] for suspect in found["suspects"]}

    services(drill).stop("redis")
    assert [suspect["cause"] for suspect in diagnosed(drill)["suspects"]][:2] == ["enum-drift", "service-down"]

    services(drill).stop("postgres")
    found = diagnosed(drill)
    assert (found["root"]["cause"], found["root"]["about"]) == ("service-down", ["postgres"])
    [drift] = [suspect for suspect in found["suspects"] if suspect["cause"] == "enum-drift"]
    assert drift["answer"] == "unknown"

    command = found["next"][0].split()
    assert command[:3] == ["recover", "run", PLAYBOOK]
    drill.recover("run", PLAYBOOK)
    found = diagnosed(drill, expect=0)
    assert (found["root"], found["unseen"]) == (None, {})
    assert any("is not among the defined enum values" in shape["shape"] for shape in found["unexplained"])
