"""Acts that need a human: confirm gates, and acts in doubt."""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pexpect
from replicas import until
from tiny import TOKEN, Tiny

GATE = "- stage: Gate\n  steps:\n  - {id: gate, name: Ask, confirm: {question: Go on?}}\n- stage: Alone"
BLIND = (
    "- stage: Blind\n  steps:\n  - id: blind\n    name: Count\n"
    "    command.run: {{command: [sh, -c, 'echo x >> {0}/ran']}}\n"
    "    done_when: [{{file: {{path: {0}/never}}, within: 100ms}}]\n- stage: Alone"
)


def test_a_gate_without_a_human_waits_for_approval_and_yes_goes_on(tiny: Tiny) -> None:
    tiny.write(tiny.playbook.read_text().replace("- stage: Alone", GATE))
    waits = tiny.recover("run", str(tiny.playbook), expect=10)
    assert "Go on?" in waits.stderr
    assert not (tiny.replica / "run" / "web.json").exists()
    tiny.recover("resume", "--yes")


def gated(tiny: Tiny, terms: str = "") -> str:
    """The playbook with a gate of these terms before its second stage; the path."""
    gate = f"  - {{id: gate, name: Ask, confirm: {{question: Go on?{terms}}}}}\n  - id: web\n"
    tiny.write(tiny.playbook.read_text().replace("  - id: web\n", gate))
    return str(tiny.playbook)


def status(tiny: Tiny) -> Any:
    return json.loads(tiny.recover("status", "--json").stdout)


def test_an_approval_goes_on_with_the_run_and_is_kept_with_who_and_why(tiny: Tiny) -> None:
    waits = tiny.recover("run", gated(tiny), expect=10)
    run = status(tiny)["run"]
    flags = f" --state-dir {tiny.state}"
    approve = f"recover approve {run} gate --because 'why'{flags}"
    assert f"next: {approve}; or recover resume {run}{flags} --yes" in waits.stderr
    assert "is no gate of the run" in tiny.recover("approve", run, "web", "--because", "x", expect=2).stderr
    done = tiny.recover("approve", run, "gate", "--because", "the dump is good")
    assert "recovered and verified" in done.stdout
    assert "(recover approve): the dump is good" in tiny.recover("show").stdout
    assert "the gate gate is passed" in tiny.recover("approve", run, "gate", "--because", "x", expect=7).stderr


def test_one_of_two_approvers_is_not_enough_and_does_not_count_twice(tiny: Tiny) -> None:
    tiny.recover("run", gated(tiny, ", approvers: 2"), "--yes", expect=10)
    run = status(tiny)["run"]
    refused = tiny.recover("approve", run, "gate", "--because", "x", expect=7)
    assert "another person has to" in refused.stderr
    tiny.recover("approve", run, "gate", "--because", "x", env={"LOGNAME": "eva"})


def test_yes_does_not_answer_a_destructive_gate(tiny: Tiny) -> None:
    waits = tiny.recover("run", gated(tiny, ", destructive: true"), "--yes", expect=10)
    assert "--yes-destructive gate" in waits.stderr
    tiny.recover("resume", "--yes", expect=10)
    tiny.recover("resume", "--yes-destructive", "gate")


def test_when_nobody_answers_in_time_the_rest_of_the_stage_is_left_out(tiny: Tiny) -> None:
    text = gated(tiny, ", within: 3s, otherwise: skip")
    tiny.write(tiny.playbook.read_text().replace("\nfinal: [{service: {name: web, as_declared: true}}]", ""))
    tiny.recover("run", text, expect=10)
    nobody = datetime.now(UTC) + timedelta(seconds=3)
    until(lambda: datetime.now(UTC) > nobody)
    done = tiny.recover("resume", expect=3)
    assert "recovered, degraded: gate is left off, web is left off, full is left off" in done.stdout
    assert status(tiny)["isolated"] == ["gate", "web", "full"]
    assert not (tiny.replica / "run" / "web.json").exists()


def test_an_aborted_run_is_not_resumed_and_can_be_rolled_back(tiny: Tiny) -> None:
    tiny.recover("run", gated(tiny), expect=10)
    run = status(tiny)["run"]
    tiny.recover("abort", run, "--because", "wrong stack")
    assert "aborted by" in tiny.recover("status").stdout
    refused = tiny.recover("resume", expect=7)
    assert "wrong stack" in refused.stderr
    assert "recover rollback" in refused.stderr
    assert "has ended already" in tiny.recover("abort", run, "--because", "x", expect=7).stderr
    tiny.recover("rollback", "--yes")


def test_at_the_terminal_explain_shows_what_comes_and_abort_ends_the_run(tiny: Tiny) -> None:
    words = ["-m", "recover", "run", gated(tiny), "--state-dir", str(tiny.state)]
    child = pexpect.spawn(sys.executable, words, env={**os.environ, "TERM": "dumb"}, timeout=60, encoding="utf-8")
    child.expect(r"steps\?")
    child.sendline("y")
    child.expect("Go on")
    child.sendline("explain")
    child.expect("behind the gate gate:.*start web with MODE='degraded'")
    child.expect("Go on")
    child.sendline("abort this is the wrong stack")
    child.expect("aborted by .*: this is the wrong stack")
    child.expect(pexpect.EOF)
    assert child.wait() == 1
    assert "the wrong stack" in tiny.recover("resume", expect=7).stderr


def test_an_unrepeatable_act_in_doubt_is_never_repeated_without_a_human(tiny: Tiny) -> None:
    tiny.write(tiny.playbook.read_text().replace("- stage: Alone", BLIND.format(tiny.folder)))
    ran = tiny.folder / "ran"
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "blind:after-act"}, expect=-signal.SIGKILL)
    doubt = tiny.recover("resume", expect=6)
    assert "recover mark" in doubt.stderr
    assert ran.read_text() == "x\n"
    (tiny.folder / "never").touch()
    tiny.recover("mark", "latest", "blind", "maybe", "--because", "x", expect=2)
    run = next((tiny.state / "tiny").glob("*/journal.jsonl")).parent.name
    tiny.recover("mark", run, "blind", "done", "--because", "I looked")
    tiny.recover("resume")
    assert ran.read_text() == "x\n"


def test_marked_retry_it_is_tried_again(tiny: Tiny) -> None:
    tiny.write(tiny.playbook.read_text().replace("- stage: Alone", BLIND.format(tiny.folder)))
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "blind:before-act"}, expect=-signal.SIGKILL)
    run = next((tiny.state / "tiny").glob("*/journal.jsonl")).parent.name
    tiny.recover("mark", run, "blind", "retry", "--because", "it never began")
    tiny.recover("resume", expect=1)  # it ran; its done_when is still false
    assert (tiny.folder / "ran").read_text() == "x\n"


def test_marked_done_it_is_not_run_for_a_done_when_that_is_not_true(tiny: Tiny) -> None:
    text = tiny.playbook.read_text().replace("- stage: Alone", BLIND.format(tiny.folder))
    tiny.write(text)
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "blind:after-act"}, expect=-signal.SIGKILL)
    run = next((tiny.state / "tiny").glob("*/journal.jsonl")).parent.name
    tiny.recover("mark", run, "blind", "done", "--because", "I saw it")
    refused = tiny.recover("resume", expect=7).stderr
    assert "step blind was marked done, and its done_when is not true" in refused
    assert (tiny.folder / "ran").read_text() == "x\n"
    (tiny.folder / "never").touch()
    tiny.recover("resume")
    assert (tiny.folder / "ran").read_text() == "x\n"


SHORT = """\
recover: 1
name: tiny
title: A command that exits 0 and misses what it is for
target: {services: {runtime: local, project: tiny, files: [local.yaml]}}
secrets: {token: {file: "${target.folder}/secrets/token"}}
stages:
- stage: Only
  steps:
  - {id: first, name: Another, command.run: {command: [sh, -c, "echo 1 >> FOLDER/first; touch FOLDER/one"]},
     done_when: [{file: {path: FOLDER/one}, within: 100ms}]}
  - {id: blind, name: Blind, command.run: {command: [sh, -c, "echo x >> FOLDER/ran; touch FOLDER/made", TOKEN]},
     done_when: [{file: {path: FOLDER/wanted}, within: 100ms}]}
"""


def missed(tiny: Tiny) -> str:
    """The id of a run whose command exited 0, but is not what it was for."""
    tiny.write(SHORT.replace("FOLDER", str(tiny.folder)).replace("TOKEN", TOKEN))
    tiny.recover("run", str(tiny.playbook), expect=1)
    tiny.recover("resume", expect=1)
    assert (tiny.folder / "ran").read_text() == "x\n", "without a word it is not run again"
    return next((tiny.state / "tiny").glob("*/journal.jsonl")).parent.name


def edit(tiny: Tiny, old: str, new: str) -> None:
    text = tiny.playbook.read_text()
    assert old in text
    tiny.write(text.replace(old, new))


def test_a_mended_command_is_run_again_once_its_edit_is_accepted(tiny: Tiny) -> None:
    missed(tiny)
    edit(tiny, f"touch {tiny.folder}/made", f"touch {tiny.folder}/wanted")
    tiny.recover("resume", expect=8)
    tiny.recover("resume", "--accept-edits")
    assert (tiny.folder / "ran").read_text() == "x\nx\n"
    assert (tiny.folder / "first").read_text() == "1\n"


def test_an_edit_of_what_is_asked_or_of_another_step_does_not_run_it_again(tiny: Tiny) -> None:
    missed(tiny)
    edit(tiny, "name: Another", "name: Other")
    tiny.recover("resume", "--accept-edits", expect=1)
    edit(tiny, f"path: {tiny.folder}/wanted", f"path: {tiny.folder}/other")
    tiny.recover("resume", "--accept-edits", expect=1)
    edit(tiny, f"path: {tiny.folder}/other", f"path: {tiny.folder}/made")
    tiny.recover("resume", "--accept-edits")
    assert (tiny.folder / "ran").read_text() == "x\n"
    assert (tiny.folder / "first").read_text() == "1\n"


def test_marked_retry_a_command_that_missed_its_aim_is_run_again(tiny: Tiny) -> None:
    run = missed(tiny)
    tiny.recover("mark", run, "blind", "retry", "--because", "its server was down")
    tiny.recover("resume", expect=1)
    assert (tiny.folder / "ran").read_text() == "x\nx\n"
    tiny.recover("resume", expect=1)
    assert (tiny.folder / "ran").read_text() == "x\nx\n", "one word is for one time"
    assert "rollback" in tiny.recover("rollback", "--yes", expect=7).stderr
