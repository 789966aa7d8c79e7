"""status, runs, show, plan: they show what is, and never act."""

from __future__ import annotations

import json
import signal
from hashlib import sha256
from pathlib import Path

from fakes import died_before_its_head_was_kept
from tiny import Tiny


def fingerprint(folder: Path) -> dict[str, str]:
    return {str(p): sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_looking_leaves_the_state_of_a_killed_run_byte_for_byte(tiny: Tiny) -> None:
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "web:after-act"}, expect=-signal.SIGKILL)
    [journal] = tiny.state.glob("*/*/journal.jsonl")
    died_before_its_head_was_kept(journal)
    journal.write_bytes(journal.read_bytes()[:-3])  # a torn tail is not mended by looking
    (tiny.replica / "log").rename(tiny.folder / "log")  # the server logs each probe
    before = fingerprint(tiny.state)
    for words in (("status",), ("runs",), ("show",), ("status", "--json"), ("runs", "--json"), ("show", "--json")):
        tiny.recover(*words)
    assert fingerprint(tiny.state) == before


def test_runs_lists_all_and_status_finds_one_by_a_part_of_its_name(tiny: Tiny) -> None:
    tiny.recover("run", str(tiny.playbook))
    listed = json.loads(tiny.recover("runs", "--json").stdout)["runs"]
    assert [run["exit_code"] for run in listed] == [0]
    name = listed[0]["run"]
    assert f"tiny  {name}  recovered and verified" in tiny.recover("runs").stdout
    assert json.loads(tiny.recover("status", name[4:], "--json").stdout)["run"] == name
    unknown = tiny.recover("status", "nobody", expect=2).stderr
    assert f"next: recover runs --state-dir {tiny.state}\n" in unknown
    assert json.loads(tiny.recover("status", "--json").stdout)["done"] == ["web", "full", "final"]


def test_show_tells_the_story_and_gives_the_records(tiny: Tiny) -> None:
    tiny.recover("run", str(tiny.playbook))
    story = tiny.recover("show").stdout
    assert "start web with MODE='degraded'" in story
    assert "because it is missing" in story
    records = [json.loads(line) for line in tiny.recover("show", "--json").stdout.splitlines()]
    assert [record["n"] for record in records] == list(range(1, len(records) + 1))


def test_nothing_was_run_is_said(tiny: Tiny) -> None:
    assert "no runs yet" in tiny.recover("runs").stdout
    none = tiny.recover("status", expect=2).stderr
    assert f"next: recover run PLAYBOOK --state-dir {tiny.state}\n" in none


def test_a_plan_makes_no_run_and_starts_nothing(tiny: Tiny) -> None:
    before = fingerprint(tiny.state)
    plan = tiny.recover("plan", str(tiny.playbook))
    assert "will        web" in plan.stdout
    facts = json.loads(tiny.recover("plan", str(tiny.playbook), "--json").stdout)
    assert facts["nothing_to_do"] is False
    tiny.recover("plan", str(tiny.playbook), "--detailed-exitcode", expect=4)
    assert fingerprint(tiny.state) == before
    tiny.recover("run", str(tiny.playbook))
    tiny.recover("plan", str(tiny.playbook), "--detailed-exitcode")


def test_lint_and_schema_need_no_target(tiny: Tiny) -> None:
    assert "good, 2 stages, 3 steps" in tiny.recover("lint", str(tiny.playbook)).stdout
    assert json.loads(tiny.recover("lint", str(tiny.playbook), "--json").stdout)["steps"] == 3
    assert "$schema" in json.loads(tiny.recover("schema").stdout)


def test_lint_refuses_a_stack_file_without_its_version_and_says_what_to_write(tiny: Tiny) -> None:
    stack = tiny.folder / "local.yaml"
    whole = stack.read_text()
    stack.write_text(whole.replace("local: 1\n", ""))
    refused = tiny.recover("lint", str(tiny.playbook), expect=2).stderr
    stack.write_text(whole)
    assert "the stack file lacks its version" in refused
    assert "local.yaml:1:1" in refused
    assert "write as its first line: local: 1" in refused
