"""The root cause of the incident is named in its flood of log lines, and whatever else goes wrong; test_faults has the
single faults."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest
from drilling import PLAYBOOK, ROOT, Drill

pytestmark = pytest.mark.drill


BETWEEN = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""A small process between the tests and what is measured: Linux counts in a program's `ru_maxrss` what the process
held that started it, and this one's has grown with a thousand tests.
"""


def peak(drill: Drill) -> int:
    """The most memory that a diagnosis takes, in KiB."""
    words = ["diagnose", PLAYBOOK, "--state-dir", str(drill.state)]
    measured = [sys.executable, "-c", BETWEEN, sys.executable, "-m", "recover", *words]
    ended = subprocess.run(measured, check=False, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert ended.returncode == 1
    return int(ended.stdout)


def test_the_incident_is_named_in_the_flood_and_the_suggested_command_recovers_it(drill: Drill) -> None:
    assert drill.diagnosed(expect=0)["root"] is None  # the playbook expects labels of a release yet to come
    before = drill.census()
    drill.drill("break", "--fault", "noise=report")
    for _ in range(42):
        assert drill.login().status == 500
    told = drill.diagnosed()
    root, noise = told["root"], told["unrelated"]
    assert told["lines"] >= 46_000
    assert (root["cause"], root["answer"]) == ("enum-drift", "yes")
    for words in ("public.userrole lacks ADMIN, USER", "public.userstatus lacks PENDING, ACTIVE, DISABLED"):
        assert words in root["evidence"]
    assert root["explains"] >= 42
    assert {"api", "worker"} <= {shape["service"] for shape in root["shapes"]}
    assert "login" in {suspect["cause"] for suspect in told["suspects"]}
    [exporter] = noise
    assert (exporter["cause"], exporter["older"]) == ("hung-up", True)
    assert {shape["service"] for shape in exporter["shapes"]} == {"node_exporter"}
    assert exporter["explains"] == 39_686  # 85 % of the report's 46,769
    assert peak(drill) < 300 * 1024

    drill.services.stop("redis")
    assert [suspect["cause"] for suspect in drill.diagnosed()["suspects"]][:2] == ["enum-drift", "service-down"]
    drill.services.stop("postgres")
    found = drill.diagnosed()
    assert (found["root"]["cause"], found["root"]["about"]) == ("service-down", ["postgres"])
    [drift] = [suspect for suspect in found["suspects"] if suspect["cause"] == "enum-drift"]
    assert drift["answer"] == "unknown"

    command = shlex.split(told["next"][0])
    assert command[:3] == ["recover", "run", PLAYBOOK]
    drill.recover(*command[1:])
    assert drill.login().status == 200
    assert drill.census() == before
    found = drill.diagnosed(expect=0)
    assert (found["root"], found["unseen"]) == (None, {})
    assert any("is not among the defined enum values" in shape["shape"] for shape in found["unexplained"])
