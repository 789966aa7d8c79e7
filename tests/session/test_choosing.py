"""--from, --only, --skip, --tags and --step through the command line, on a tiny stack."""

from __future__ import annotations

import json
import os
import sys

import pexpect
from tiny import Tiny

from recover.runtimes.local import LocalRuntime


def running(tiny: Tiny) -> list[str]:
    services = LocalRuntime(tiny.folder / "local.yaml", tiny.replica)
    return [name for name in services.names() if services.state(name).running]


def test_what_is_left_out_is_not_done_also_after_a_kill_and_a_warning_says_what_needs_it(tiny: Tiny) -> None:
    killed = tiny.recover(
        "run",
        str(tiny.playbook),
        "--skip",
        "full",
        "--skip",
        "final",
        env={"RECOVER_CRASH_AT": "web:after-act"},
        expect=-9,
    )
    assert "mind: " not in killed.stderr, "nothing rests on the last step"
    assert "done what was chosen; not verified: full, final" in tiny.recover("resume", expect=3).stdout
    assert running(tiny) == ["web"]
    assert "not verified: full, final" in tiny.recover("status").stdout
    assert "not verified: full, final" in tiny.recover("runs").stdout
    status = json.loads(tiny.recover("status", "--json").stdout)
    assert (status["done"], status["skipped"]) == (["web"], ["freeze", "full", "final"])


def test_a_step_that_a_chosen_one_needs_is_warned_about_by_plan_and_run(tiny: Tiny) -> None:
    for verb in ("plan", "run"):
        done = tiny.recover(verb, str(tiny.playbook), "--only", "full", expect=None)
        assert done.returncode == (3 if verb == "run" else 0)
        said = done.stderr
        assert "mind: step web is left out, and full needs it: " in said
    assert running(tiny) == ["web", "other"]


def test_a_tag_and_a_place_choose(tiny: Tiny) -> None:
    tiny.write(tiny.playbook.read_text().replace("{id: full,", "{id: full, tags: [out],"))
    assert "left out" in tiny.recover("plan", str(tiny.playbook), "--from", "full").stdout
    tiny.recover("run", str(tiny.playbook), "--tags", "out", expect=3)
    assert running(tiny) == ["web", "other"]
    assert "did you mean 'full'?" in tiny.recover("run", str(tiny.playbook), "--only", "ful", expect=2).stderr


def test_what_is_left_out_and_there_already_is_no_reason_to_doubt(tiny: Tiny) -> None:
    tiny.recover("run", str(tiny.playbook))
    assert "not verified: final" in tiny.recover("run", str(tiny.playbook), "--only", "web", expect=3).stdout
    LocalRuntime(tiny.folder / "local.yaml", tiny.replica).stop("other")
    done = tiny.recover("run", str(tiny.playbook), "--skip", "freeze")
    assert "recovered and verified" in done.stdout


def test_a_plan_file_keeps_the_choice(tiny: Tiny) -> None:
    plan = str(tiny.folder / "plan.json")
    tiny.recover("plan", str(tiny.playbook), "--only", "web", "-o", plan)
    assert "no more" in tiny.recover("run", "--plan", plan, "--only", "full", expect=2).stderr
    tiny.recover("run", "--plan", plan, expect=3)
    assert running(tiny) == ["web"]


def test_step_by_step_each_act_is_shown_and_asked_for(tiny: Tiny) -> None:
    assert "nobody can be asked" in tiny.recover("run", str(tiny.playbook), "--step", expect=2).stderr
    words = ["-m", "recover", "run", str(tiny.playbook), "--step", "--state-dir", str(tiny.state)]
    child = pexpect.spawn(sys.executable, words, env={**os.environ, "TERM": "dumb"}, timeout=60, encoding="utf-8")
    child.expect(r"steps\?")
    child.sendline("y")
    child.expect(r"step web: Start the web service\s+start web with MODE='degraded'\s+go on\?")
    child.sendline("y")
    child.expect(r"step full: .*go on\?")
    child.sendline("n")
    child.expect("step full is not wanted now")
    child.expect(pexpect.EOF)
    assert child.wait() == 10
    assert running(tiny) == ["web"]
    tiny.recover("resume")
