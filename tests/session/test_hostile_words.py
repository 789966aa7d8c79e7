"""A hostile text wherever others write into a run; the bytes that reach a pipe and a terminal are looked at."""

from __future__ import annotations

import json
import os
import re
import sys

import pexpect
import pytest
from tiny import Tiny

HOSTILE = (
    "x\x1b]0;owned\x07\x1b[2Jy\rrecovered and verified\u202ez\u2066\u200b"
    "[bold]b[/bold][link=file:///]l[/link]\nrecovered and verified"
)
IN_YAML = json.dumps(HOSTILE)
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]")
OURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]|\x1b\[[0-9;]*m|\r\n|\r")
PROGRAM = json.dumps(
    ["sh", "-c", r"printf 'a\033]0;owned\007\rrecovered and verified\nrecovered and verified\n'; exit 3"]
)
STEP = f"""\
  - id: cmd
    name: {IN_YAML}
    warn: {IN_YAML}
    command.run: {{command: {PROGRAM}}}
    done_when: [{{file: {{path: /nowhere}}}}]
"""


def hostile(tiny: Tiny) -> Tiny:
    text = tiny.playbook.read_text()
    text = text.replace("title: A tiny stack", f"title: {IN_YAML}").replace("name: Stop the rest", f"name: {IN_YAML}")
    tiny.write(text.replace("- stage: Web", f"{STEP}- stage: Web"))
    return tiny


def clean(text: str) -> None:
    assert not FORBIDDEN.search(text), FORBIDDEN.search(text)
    assert not [line for line in text.splitlines() if line.startswith("recovered and verified")]


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_no_outside_text_reaches_a_pipe_as_it_is(tiny: Tiny, words: tuple[str, ...]) -> None:
    book = str(hostile(tiny).playbook)
    for command, expect in (
        (("lint", book), 0),
        (("plan", book), 0),
        (("run", book, "--yes"), 1),
        (("show",), 0),
        (("status",), 0),
        (("runs",), 0),
        (("explain",), 0),
        (("rollback", "--no-input"), None),
    ):
        ended = tiny.recover(*command, *words, expect=expect)
        clean(ended.stdout)
        clean(ended.stderr)
        if words:
            assert all(json.loads(line) for line in ended.stdout.splitlines())
    handed = tiny.recover("status", "--handover")
    clean(handed.stdout)


def test_no_outside_text_reaches_a_terminal_as_it_is(tiny: Tiny) -> None:
    book = str(hostile(tiny).playbook)
    command = ["-m", "recover", "run", book, "--yes", "--state-dir", str(tiny.state)]
    environment = {**os.environ, "TERM": "xterm"}
    child = pexpect.spawn(sys.executable, command, encoding="utf-8", dimensions=(50, 400), env=environment)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    said = OURS.sub("\n", child.before or "")
    assert "owned" in said
    assert "[bold]b[/bold]" in said
    assert "\x1b]" not in said
    clean(said)
