"""plan -o and run --plan through the command line, on a tiny stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny import TOKEN, Tiny

from recover.agreement import canonical
from recover.journal.records import NAME, records
from recover.runtimes.local import LocalRuntime
from recover.stack import Given


def services(tiny: Tiny) -> LocalRuntime:
    return LocalRuntime(tiny.folder / "local.yaml", tiny.replica)


@pytest.fixture
def plan(tiny: Tiny) -> Path:
    """A plan made while the other service runs."""
    services(tiny).start("other")
    path = tiny.folder / "plan.json"
    tiny.recover("plan", str(tiny.playbook), "-o", str(path))
    return path


def acts(tiny: Tiny) -> list[Any]:
    [folder] = [path.parent for path in tiny.state.glob(f"*/*/{NAME}")]
    return [record.data["action"] for record in records(folder / NAME) if record.event == "ActionStarted"]


def runs(tiny: Tiny) -> list[Path]:
    return list(tiny.state.glob(f"*/*/{NAME}"))


def test_the_run_does_exactly_the_acts_of_the_plan_byte_for_byte(tiny: Tiny, plan: Path) -> None:
    done = tiny.recover("run", "--plan", str(plan))
    assert "recovered and verified" in done.stdout
    planned = [act["action"] for step in json.loads(plan.read_text())["steps"] for act in step["actions"]]
    assert [canonical(act) for act in acts(tiny)] == [canonical(act) for act in planned]
    assert len(planned) == 4
    assert TOKEN not in plan.read_text()
    assert plan.stat().st_mode & 0o077 == 0


def test_a_plan_is_for_one_run(tiny: Tiny, plan: Path) -> None:
    tiny.recover("run", "--plan", str(plan))
    again = tiny.recover("run", "--plan", str(plan), expect=8)
    assert "the plan was carried out by run" in again.stderr
    assert len(runs(tiny)) == 1


def test_a_playbook_that_was_edited_is_refused_and_a_comment_is_no_edit(tiny: Tiny, plan: Path) -> None:
    text = tiny.playbook.read_text()
    tiny.write(text.replace("MODE: degraded", "MODE: other"))
    assert "edited since the plan was made" in tiny.recover("run", "--plan", str(plan), expect=8).stderr
    assert runs(tiny) == []
    tiny.write("# only a word\n" + text)
    tiny.recover("run", "--plan", str(plan))


def test_another_instance_of_a_service_is_refused_and_not_touched(tiny: Tiny, plan: Path) -> None:
    services(tiny).start("other")
    instance = services(tiny).state("other").instance
    refused = tiny.recover("run", "--plan", str(plan), expect=8)
    assert "instance of other: planned: " in refused.stderr
    assert services(tiny).state("other").instance == instance


def test_a_service_with_another_environment_is_refused(tiny: Tiny, plan: Path) -> None:
    services(tiny).start("web", Given({"MODE": "degraded"}))
    refused = tiny.recover("run", "--plan", str(plan), expect=8)
    assert "step web would do something else than planned" in refused.stderr or "has changed" in refused.stderr
    assert services(tiny).state("web").environment == {"MODE": "degraded"}


def test_a_step_that_has_become_needless_is_refused(tiny: Tiny, plan: Path) -> None:
    tiny.recover("run", str(tiny.playbook))
    refused = tiny.recover("run", "--plan", str(plan), expect=8)
    assert "the world has changed since the plan was made" in refused.stderr
    assert len(runs(tiny)) == 1


def test_killed_in_the_middle_the_plan_is_carried_on(tiny: Tiny, plan: Path) -> None:
    tiny.recover("run", "--plan", str(plan), env={"RECOVER_CRASH_AT": "full:after-effect:1"}, expect=-9)
    tiny.recover("resume")
    planned = [act["action"] for step in json.loads(plan.read_text())["steps"] for act in step["actions"]]
    assert {canonical(act) for act in acts(tiny)} == {canonical(act) for act in planned}


def test_what_changes_between_kill_and_resume_is_refused_too(tiny: Tiny, plan: Path) -> None:
    tiny.recover("run", "--plan", str(plan), env={"RECOVER_CRASH_AT": "web:after-effect"}, expect=-9)
    services(tiny).start("other", Given({"SPECIAL": "1"}))
    refused = tiny.recover("resume", expect=8)
    assert "would do something else than planned" in refused.stderr


@pytest.mark.parametrize("words", [("--target", "x"), ("-e", "greeting=x"), ("--project", "x")])
def test_the_plan_says_where_and_nothing_else_does(tiny: Tiny, plan: Path, words: tuple[str, ...]) -> None:
    assert "the plan says what runs where" in tiny.recover("run", "--plan", str(plan), *words, expect=2).stderr
    assert "run takes a playbook or a plan" in tiny.recover("run", expect=2).stderr


def test_making_a_plan_changes_nothing_but_its_file(tiny: Tiny, plan: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in tiny.folder.rglob("*") if path != plan)
    tiny.recover("plan", str(tiny.playbook), "-o", str(plan))
    assert sorted((path, path.stat().st_mtime_ns) for path in tiny.folder.rglob("*") if path != plan) == before


def test_the_outlook_has_what_is_touched_and_how_long_it_took_before(tiny: Tiny) -> None:
    services(tiny).start("other")
    first = tiny.recover("plan", str(tiny.playbook)).stdout
    assert "touches  2 services restarted, 0 sessions dropped, 0 volumes" in first
    assert "takes    not known: these steps have never been done" in first
    tiny.recover("run", str(tiny.playbook))
    tiny.recover("rollback", "--yes")
    told = json.loads(tiny.recover("plan", str(tiny.playbook), "--json").stdout)
    assert told["blast_radius"]["restarted"] == ["other", "web"]
    assert told["blast_radius"]["volumes"] == 0
    assert set(told["estimate"]["steps"]) == {"freeze", "web", "full", "final"}
    assert 0 < told["estimate"]["total"]["p50"] <= told["estimate"]["total"]["p90"]
    text = tiny.recover("plan", str(tiny.playbook), "-o", str(tiny.folder / "plan.json")).stdout
    assert text.count("as a rule") == 5, "each of four steps, and the total"
    kept = json.loads((tiny.folder / "plan.json").read_text())
    assert set(kept["estimate"]["steps"]) == set(told["estimate"]["steps"])
    assert kept["blast_radius"]["volumes"] == 0
