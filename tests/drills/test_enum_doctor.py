"""The enum doctor on the incident: all eight types told apart, and raw SQL kept working by a bridge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drilling import PLAYBOOK, ROOT, Drill

from recover.web import HttpWeb

pytestmark = pytest.mark.drill
HERE = ("--playbook", PLAYBOOK)
NAMES = {
    "userrole": {"admin": "ADMIN", "user": "USER"},
    "userstatus": {"pending_approval": "PENDING", "active": "ACTIVE", "disabled": "DISABLED"},
    "taskstatus": {label: label.upper() for label in ("pending", "in_progress", "completed", "cancelled")},
    "taskpriority": {label: label.upper() for label in ("low", "medium", "high", "urgent")},
    "tasktype": {label: label.upper() for label in ("general", "research", "coding", "meeting")},
    "documentstatus": {label: label.upper() for label in ("uploaded", "processing", "completed", "failed")},
    "eventcategory": {},
    "googleservice": {},
}


def register(drill: Drill, email: str) -> int:
    url = f"{drill.facts['api']}/api/v1/auth/register"
    return HttpWeb().send("POST", url, json={"email": email, "password": "a-long-password-1"}).status


def test_every_type_gets_the_names_of_the_deployed_code_and_raw_sql_goes_on(drill: Drill, tmp_path: Path) -> None:
    before = drill.census()
    drill.recover("drill", "break", "enum-cascade")
    file = str(tmp_path / "expected.yml")
    drill.recover("enums", "expected", "--service", "api", *HERE, "--models", "aiwfe.models:Base", "-o", file)

    # what the container's own code says is enough: no map, the pairs of the Python enums are it
    source = str(ROOT / "playbooks/enum-cascade/stack/aiwfe")
    words = ("enums", "diff", *HERE, "--expected", file, "--source", source, "--json")
    found = json.loads(drill.recover(*words, expect=4).stdout)
    assert {each["name"]: each["renames"] for each in found["types"]} == NAMES
    assert {each["name"]: each["add"] for each in found["types"] if each["add"]} == {"documentstatus": ["ARCHIVED"]}
    assert [w for w in found["writers"] if "routes/auth.py" in w["where"] and w["certainty"] == "sure"]
    assert found["blocked"] == []

    # both rehearsals of the README go on this replica: with the playbook's secret, and with the DSN that is shown
    drill.recover("rehearse", PLAYBOOK)
    drill.recover("enums", "rehearse", "--dsn", drill.facts["dsn"], "--expected", file, "--source", source)

    assert drill.login().status == 500
    assert register(drill, "before@example.com") == 201
    drill.recover("enums", "repair", *HERE, "--expected", file, "--strategy", "expand", "--yes")
    assert drill.login().status == 200
    assert register(drill, "after@example.com") == 201
    assert drill.sql("select role::text, status::text from users where email = 'after@example.com'") == [
        ("USER", "PENDING")
    ]
    assert "NO " not in drill.recover("enums", "verify", *HERE, "--expected", file).stdout
    after = drill.census()
    grown = {what: after[what] - rows for what, rows in before.items() if after[what] != rows}
    assert grown == {"users": 2, "role#2": 2, "status#1": 2}  # two users who wait for approval, and nothing else

    # the playbook agrees, and the bridge can be taken away once the code is fixed
    assert "RENAME VALUE" not in drill.recover("plan", PLAYBOOK).stdout
    drill.recover("enums", "repair", *HERE, "--expected", file, "--strategy", "contract", "--yes")
    assert drill.login().status == 200
    assert register(drill, "third@example.com") == 500
    drill.recover("enums", "undo", *HERE, "--yes")
    assert register(drill, "third@example.com") == 201
    [[bridge]] = drill.sql("select id from recover.enum_repairs where strategy = 'expand'")
    drill.recover("enums", "undo", *HERE, "--yes", "--repair", bridge)
    assert drill.login().status == 500
