"""The live view in a real pseudo-terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from signalling import noticed
from tiny import TOKEN, Tiny

SLOW = "  - {id: wait, name: Wait for the file, check: [{file: {path: %s/sign}, within: 60s}]}\n- stage: Web"


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Tiny]:
    made = Tiny(tmp_path).build()
    yield made
    made.down()


def terminal(tiny: Tiny, **environment: str) -> pexpect.spawn[str]:
    words = ["-m", "recover", "run", str(tiny.playbook), "--state-dir", str(tiny.state)]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tiny.folder), "TERM": "xterm", **environment}
    return pexpect.spawn(sys.executable, words, env=env, encoding="utf-8", dimensions=(24, 200), timeout=60)  # type: ignore[arg-type]


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_human_is_asked_and_sees_one_line_per_step(tiny: Tiny) -> None:
    child = terminal(tiny)
    child.expect(r"carry out \d steps\?")
    child.sendline("y")
    child.expect(pexpect.EOF)
    shown = plain(child.before or "")
    assert child.wait() == 0
    for line in ("✓ web: Start the web service", "✓ full: Leave the degraded mode", "recovered and verified"):
        assert line in shown
    assert TOKEN not in shown


def test_no_means_nothing_is_done(tiny: Tiny) -> None:
    child = terminal(tiny)
    child.expect(r"steps\?")
    child.sendline("n")
    child.expect(pexpect.EOF)
    assert child.wait() == 0
    assert not (tiny.replica / "run").exists()


def test_the_spinner_says_what_it_waits_for_and_ctrl_c_ends_it_at_once(tiny: Tiny) -> None:
    tiny.write(tiny.playbook.read_text().replace("- stage: Web", SLOW % tiny.folder))
    child = terminal(tiny)
    child.expect(r"steps\?")
    child.sendline("y")
    child.expect(r"Wait for the file: waiting .* of 1 min 0 s: is \S+/sign there\?")
    child.sendintr()
    child.expect("recover resume")
    child.expect(pexpect.EOF)
    assert child.wait() == 130


def test_a_second_ctrl_c_ends_it_at_once_and_says_so(tiny: Tiny) -> None:
    act = "command.run: {command: [sh, -c, 'sleep 600']}, done_when: [{file: {path: /no/such}}]}\n- stage: Web"
    tiny.write(tiny.playbook.read_text().replace("- stage: Web", f"  - {{id: slow, name: Slow, {act}"))
    child = terminal(tiny)
    child.expect(r"steps\?")
    child.sendline("y")
    child.expect("Slow: sh -c")
    with noticed(child.pid):
        child.sendintr()
    child.expect("Slow: sh -c")  # still drawn: the first lets the act end
    child.sendintr()
    child.expect("stopped at once: an act in flight is in doubt")
    child.expect("recover resume")
    child.expect(pexpect.EOF)
    assert child.wait() == 130


STUBBORN = """\
local: 1
services:
  a: &stubborn
    command: [sh, -c, 'trap "" TERM; echo deaf; while :; do sleep 0.1; done']
    stop: {within: 600s}
  b: *stubborn
"""
TOGETHER = """\
recover: 1
name: tiny
title: Two that do not end
target: {services: {runtime: local, project: tiny, files: [local.yaml]}}
stages:
- stage: Up
  steps:
  - id: up
    name: Both
    service.start: {services: [a, b], wait: started, env: {a: {N: "1"}, b: {N: "1"}}}
    check:
    - {logs: {service: a, present: deaf}, within: 60s}
    - {logs: {service: b, present: deaf}, within: 60s}
"""


def test_acts_in_flight_together_share_the_line_and_a_second_ctrl_c_leaves_them_all(tiny: Tiny) -> None:
    (tiny.folder / "local.yaml").write_text(STUBBORN)
    tiny.write(TOGETHER)
    tiny.recover("run", str(tiny.playbook), "--yes")
    tiny.write(TOGETHER.replace('"1"', '"2"'))
    try:
        child = terminal(tiny)
        child.expect(r"steps\?")
        child.sendline("y")
        child.expect("Both: recreate a with N='2'; recreate b with N='2'")
        with noticed(child.pid):
            child.sendintr()
        child.expect("Both: recreate a with N='2'; recreate b with N='2'")  # still drawn: the first lets the acts end
        child.sendintr()
        child.expect("stopped at once: an act in flight is in doubt")
        child.expect(pexpect.EOF)
        assert child.wait() == 130
        assert json.loads(tiny.recover("status", "--json").stdout)["in_doubt"] == "up"
    finally:
        for name in "ab":
            os.killpg(json.loads((tiny.replica / "run" / f"{name}.json").read_text())["pid"], signal.SIGKILL)


def test_colour_is_left_out_where_it_is_not_wanted(tiny: Tiny) -> None:
    child = terminal(tiny, NO_COLOR="1")
    child.expect(r"steps\?")
    child.sendline("y")
    child.expect(pexpect.EOF)
    assert not re.search(r"\x1b\[(?:\d+;)*3[1-7]m", child.before or "")


def test_a_dumb_terminal_gets_plain_lines(tiny: Tiny) -> None:
    child = terminal(tiny, TERM="dumb")
    child.expect(r"steps\?")
    child.sendline("y")
    child.expect(pexpect.EOF)
    assert "\x1b[" not in (child.before or "")
    assert re.search(r"\d\d:\d\d:\d\dZ web: done", child.before or "")
