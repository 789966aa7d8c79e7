"""The main job, end to end: broken as in the incident, planned, recovered, proven; by hand and as a drill."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from drilling import PLAYBOOK, Drill, shortened
from helpers.warm_services import SOCKET

from recover.drill.replica import Replica


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file below the folder by digest, but for what running servers write by themselves."""
    living = ("data", "log", "pycache")
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and not set(living) & set(p.relative_to(folder).parts))
    return {str(p): sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.long
def test_the_incident_is_real_the_plan_is_harmless_and_the_run_mends_it(drill: Drill) -> None:
    before = drill.census()
    old_token = drill.login().json()["access_token"]  # type: ignore[index]  # the healthy answer
    drill.recover("drill", "break", "enum-cascade")

    # as users saw it
    assert drill.login().status == 500
    assert drill.login(password="wrong").status == 500
    assert drill.login("nobody@example.com").status == 401
    assert drill.get("/api/v1/users/me", old_token).status == 401
    assert drill.get("/api/health").status == 200

    # the plan says everything and changes nothing
    files, services, labels = fingerprint(drill.state), drill.status()["services"], drill.labels()
    plan = drill.recover("plan", PLAYBOOK)
    assert "ALTER TYPE" in plan.stdout
    assert "RENAME VALUE 'pending_approval' TO 'PENDING'" in plan.stdout
    for word in ("will ", "already ", "at run time"):
        assert word in plan.stdout
    assert drill.recover("plan", PLAYBOOK, "--detailed-exitcode", expect=4).stdout == plan.stdout
    assert (fingerprint(drill.state), drill.status()["services"], drill.labels()) == (files, services, labels)
    assert not list(drill.state.glob("*/*/journal.jsonl"))

    # the run mends it
    drill.recover("run", PLAYBOOK)
    assert drill.login().status == 200
    assert drill.login(password="wrong").status == 401
    assert drill.login("disabled@example.com").status == 401
    assert drill.login("pending@example.com").status == 403
    assert set(drill.status()["services"].values()) <= {"ready", "exited", "stopped"}
    assert drill.census() == before
    dump = next((drill.run_folder() / "evidence").glob("*.dump"))
    assert dump.stat().st_size > 10_000

    # a break now would change nothing, and says so
    refused = drill.recover("drill", "break", "enum-cascade", expect=7)
    assert "broken and recovered" in refused.stderr

    # a second run does nothing
    files = fingerprint(drill.state)
    again = drill.recover("run", PLAYBOOK)
    assert "nothing to do" in again.stdout
    assert fingerprint(drill.state) == files


@pytest.mark.drill
def test_tokens_of_the_degraded_mode_that_outlive_it_are_named(broken_drill: Drill) -> None:
    drill = shortened(broken_drill)
    secrets = drill.replica / "secrets"
    (secrets / "degraded_jwt_key").write_bytes((secrets / "jwt_key").read_bytes())
    done = drill.playbook("run", expect=3)
    assert "step full failed" in done.stdout
    assert "with a token of a retired key, " in done.stderr
    (secrets / "degraded_jwt_key").write_text("of the degraded mode alone, and never of any other")
    drill.playbook("run")


@pytest.mark.drill
def test_a_broken_middleware_is_left_off_and_named(broken_drill: Drill) -> None:
    drill = broken_drill
    Replica(drill.replica).set({"BROKEN_MIDDLEWARE": "csrf"})  # as --fault does; tests of middlewares give it
    done = drill.recover("run", PLAYBOOK, expect=3)
    assert "csrf is left off" in done.stdout
    assert drill.login().status == 200
    assert json.loads(drill.recover("status", "--json").stdout)["isolated"] == ["middleware[csrf]"]
    assert "middleware[csrf]: LEFT OFF" in done.stderr


@pytest.mark.drill
def test_replicas_stand_side_by_side(drill: Drill) -> None:
    second = ("--project", "second")
    drill.recover("drill", "up", "enum-cascade", *second)
    try:
        drill.recover("drill", "break", "enum-cascade", *second)
        facts = json.loads(drill.recover("drill", "status", "enum-cascade", "--json", *second).stdout)
        assert facts["api"] != drill.facts["api"]
        assert drill.login().status == 200
        plan = drill.recover("plan", PLAYBOOK, "--detailed-exitcode", *second, expect=4)
        assert "(second)" in plan.stdout
    finally:
        drill.recover("drill", "down", "enum-cascade", *second)
    assert drill.login().status == 200


@pytest.mark.drill
def test_one_command_breaks_recovers_scores_and_cleans_up(tmp_path: Path) -> None:
    drill = Drill(tmp_path / "state")
    done = drill.recover("drill", "run", "enum-cascade")
    for words in ("objectives met", "RTO", "0 rows lost", "record", "waiting" if "waiting" in done.stderr else "ok"):
        assert words in done.stdout + done.stderr
    assert not (drill.state / "ai_workflow_engine" / "replica-local").exists()
    assert len(list(drill.state.glob("*/*/journal.jsonl"))) == 1


@pytest.mark.drill
def test_no_secret_is_in_any_record_screen_or_process_list(
    broken_drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SOCKET)  # services with command lines of their own
    drill = shortened(broken_drill)
    outputs = [drill.playbook("plan"), drill.playbook("run"), drill.recover("show"), drill.recover("show", "--json")]
    outputs += [drill.recover("drill", "status", "enum-cascade", "--json"), drill.recover("status", "--json")]
    said = "".join(done.stdout + done.stderr for done in outputs)
    kept = b"".join(p.read_bytes() for p in drill.run_folder().rglob("*") if p.is_file() and p.suffix != ".dump")
    argv = b"".join(p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline"))
    assert b"aiwfe.api" in argv
    for secret in (drill.replica / "secrets").iterdir():
        value = secret.read_text().strip()
        if secret.name != "pgpass":
            assert value not in said, secret.name
            assert value.encode() not in kept, secret.name
            assert value.encode() not in argv, secret.name
