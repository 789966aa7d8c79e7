"""The incident planned as a file and carried out as planned; and refused for every kind of change in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from crashing import EXPECTED
from drilling import PLAYBOOK, Drill, shortened

from recover.agreement import canonical
from recover.journal.records import NAME, records

pytestmark = pytest.mark.drill


def entries(plan: Path) -> dict[str, Any]:
    return {step["step"]: step for step in json.loads(plan.read_text())["steps"]}


def acts(drill: Drill, step: str = "") -> list[Any]:
    kept = records(drill.run_folder() / NAME)
    return [r.data for r in kept if r.event == "ActionStarted" and step in ("", r.data["step"])]


def test_a_plan_is_carried_out_byte_for_byte_and_refused_after_any_change(drill: Drill, tmp_path: Path) -> None:
    drill.recover("drill", "break", "enum-cascade")
    plan = tmp_path / "plan.json"

    def planned() -> None:
        drill.recover("plan", PLAYBOOK, "-o", str(plan))

    def refused(change: str, back: str, step: str, word: str) -> None:
        """The step is refused, nothing of it was done; then everything is as it was for the next plan."""
        planned()
        drill.sql(change)
        before = drill.labels()
        done = drill.recover("run", "--plan", str(plan), expect=8)
        assert word in done.stderr, done.stderr
        assert drill.labels() == before
        assert acts(drill, step) == []
        drill.recover("rollback", "--yes")
        drill.sql(back)

    rename = "alter type userrole rename value %s to %s"
    refused(rename % ("'admin'", "'Admin'"), rename % ("'Admin'", "'admin'"), "enums", "'Admin' TO 'ADMIN'")
    row = "insert into users (email, password_hash, role, status) values ('new@example.com', 'x', 'user', 'active')"
    refused(row, "delete from users where email = 'new@example.com'", "enums", "rows of")

    planned()
    blast = json.loads(drill.recover("plan", PLAYBOOK, "--json").stdout)["blast_radius"]
    assert (len(blast["types"]), blast["databases"], blast["volumes"]) == (6, ["main"], 0)
    assert "api" in blast["restarted"]
    enums = entries(plan)["enums"]
    assert enums["status"] == "will"
    assert 'rows of "public"."users"' in enums["facts"]
    drill.recover("run", "--plan", str(plan))
    assert drill.labels() == EXPECTED
    assert drill.login().status == 200
    for step, entry in entries(plan).items():
        if entry["status"] == "will":
            told = [(canonical(act["action"]), act["describe"], act["because"]) for act in entry["actions"]]
            assert [(canonical(d["action"]), d["describe"], d["because"]) for d in acts(drill, step)] == told, step
        elif entry["status"] != "at run time":
            assert acts(drill, step) == [], step


def test_with_the_database_down_the_plan_invents_nothing(broken_drill: Drill, tmp_path: Path) -> None:
    drill = shortened(broken_drill)
    plan = tmp_path / "plan.json"
    drill.playbook("plan", "-o", str(plan))
    enums = entries(plan)["enums"]
    assert (enums["status"], enums["actions"], enums["facts"]) == ("at run time", [], {})
    assert "step postgres" in enums["because"]
    drill.recover("run", "--plan", str(plan))
    assert drill.login().status == 200
