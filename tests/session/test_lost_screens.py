"""stdout and stderr that cannot be written: a run goes on as if they could, and its journal says that they were lost.

Closed descriptors are a cold start's: the warm one opens its own files first.
"""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer.main
from tiny import TOKEN, Tiny

from recover.cli import ACTING, app
from recover.journal.records import NAME, records

COLD = {"RECOVER_TEST_COLD": "1"}
CLOSED = "<&- >&- 2>&-"
LONG = 20.0  # seconds that a command may take before it counts as blocked
QUICK = """\
recover: 1
name: tiny
title: Nothing to wait for
target: {services: {runtime: local, project: tiny, files: [local.yaml]}}
stages:
- stage: All
  steps:
  - {id: there, name: Make a file, command.run: {command: [touch, "%s"]}, done_when: [{file: {path: "%s"}}]}
"""


@pytest.fixture
def quick(tiny: Tiny) -> Tiny:
    """One step, which makes the file `made`."""
    made = tiny.folder / "made"
    tiny.write(QUICK % (made, made))
    return tiny


def shell(tiny: Tiny, words: str, redirected: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The command with its streams as a shell makes them."""
    line = f'"{sys.executable}" -m recover {words} --state-dir "{tiny.state}" {redirected}'
    done = subprocess.run(
        ["sh", "-c", line],
        env={**os.environ, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG,
    )
    for word in ("Traceback", "Exception ignored", TOKEN):
        assert word not in done.stdout + done.stderr
    return done


def events(tiny: Tiny) -> list[tuple[str, str]]:
    """What the journal says of the latest run: each event, and the stream that was lost."""
    journal = max(tiny.state.glob(f"tiny/*/{NAME}"))
    return [(record.event, record.data.get("stream", "")) for record in records(journal)]


@pytest.mark.parametrize(
    ("redirected", "lost"),
    [
        (">/dev/full 2>&1", {"stderr"}),
        ("2>&1 >/dev/null | true", {"stderr"}),
        ("--json >/dev/full", {"stdout"}),
        (CLOSED, {"stdout", "stderr"}),
    ],
)
def test_a_run_goes_on_and_its_journal_says_so(quick: Tiny, redirected: str, lost: set[str]) -> None:
    done = shell(quick, f"run {quick.playbook} --yes", redirected, **(COLD if redirected == CLOSED else {}))
    assert done.returncode == 0
    assert (quick.folder / "made").exists()
    seen = events(quick)
    assert {stream for event, stream in seen if event == "ScreenLost"} == lost
    assert seen[-1][0] == "RunEnded"
    assert "is lost" in quick.recover("show").stdout
    assert "recovered and verified" in quick.recover("status").stdout


def test_a_run_that_fails_says_so_by_its_exit_code(quick: Tiny) -> None:
    quick.write(quick.playbook.read_text().replace("touch", "false"))
    assert shell(quick, f"run {quick.playbook} --yes", ">/dev/full 2>&1").returncode == 1
    assert shell(quick, "resume --yes", ">/dev/full 2>&1").returncode in (1, 6)


LOOKS = ["plan {0}", "plan {0} --json", "show", "status", "runs --json"]


def test_what_was_asked_for_and_cannot_be_written_is_no_success(quick: Tiny) -> None:
    quick.recover("run", str(quick.playbook), "--yes")
    for words in LOOKS:
        done = shell(quick, words.format(quick.playbook), ">/dev/full")
        assert done.returncode == 1
        assert "stdout cannot be written" in done.stderr
        assert "No space left on device" in done.stderr


@pytest.mark.parametrize("words", ["runs"])
def test_a_closed_stdout_is_no_bug(quick: Tiny, words: str) -> None:
    quick.recover("run", str(quick.playbook), "--yes")
    assert shell(quick, words, ">&-", **COLD).returncode == 1


def test_a_reader_that_has_seen_enough_is_no_error(quick: Tiny) -> None:
    quick.recover("run", str(quick.playbook), "--yes")
    line = f'("{sys.executable}" -m recover show --state-dir "{quick.state}"; echo $? >&2) | true'
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, timeout=LONG)
    assert done.stderr == "0\n"


def test_a_pipe_that_nobody_drains_does_not_hold_a_run_up(quick: Tiny) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    while select.select([], [writing], [], 0)[1]:
        os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    words = [sys.executable, "-m", "recover", "run", str(quick.playbook), "--yes", "--state-dir", str(quick.state)]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=writing, check=False, timeout=LONG)
    os.close(writing)
    os.close(reading)
    assert done.returncode == 0
    assert ("ScreenLost", "stderr") in events(quick)


@pytest.mark.parametrize("ending", ["hangs up", "is stopped"])
def test_a_terminal_that(quick: Tiny, ending: str) -> None:
    """With the live view; a hang-up also sends SIGHUP to the run, which is the leader of the terminal's session."""
    quick.write(quick.playbook.read_text().replace("[touch", "[sh, -c, 'sleep 2; touch \"$0\"'"))
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        words = ["recover", "run", str(quick.playbook), "--yes", "--state-dir", str(quick.state)]
        os.execv(sys.executable, [sys.executable, "-m", *words])
    until = time.monotonic() + LONG
    while not list(quick.state.glob(f"tiny/*/{NAME}")) and time.monotonic() < until:
        os.read(terminal, 4096)
    if ending == "hangs up":
        os.close(terminal)
    else:
        os.write(terminal, b"\x13")  # Ctrl-S
    left = 0
    while not left and time.monotonic() < until:
        left, status = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)
    if not left:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert left, "it is blocked"
    assert os.waitstatus_to_exitcode(status) == 0
    assert (quick.folder / "made").exists()
    assert events(quick)[-1][0] == "RunEnded"
    assert ("ScreenLost", "stderr") in events(quick)


def test_an_older_recover_reads_a_journal_with_it(quick: Tiny) -> None:
    """It passes over an event that it does not know, which therefore never stands between intents, nor at the end."""
    shell(quick, f"run {quick.playbook} --yes", "2>/dev/full")
    journal = max(quick.state.glob(f"tiny/*/{NAME}"))
    names = [json.loads(line)["event"] for line in Path(journal).read_text().splitlines()]
    at = names.index("ScreenLost")
    assert names[at - 1] not in ("ActionStarted", "UndoStarted")
    assert at < len(names) - 1


SHOWING = {
    *("lint", "schema", "plan", "snapshot", "diagnose", "status", "runs", "show", "explain", "verify"),
    *("enums diff", "enums plan", "enums verify", "enums expected", "drill list", "drill status"),
}
"""Their product is what they print: it counts as a failure when that is lost."""


def test_a_new_command_says_whether_it_acts() -> None:
    known = set()
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]  # it is a group
        known |= {f"{name} {inner}" for inner in getattr(command, "commands", {})} or {name}
    acting = {" ".join(words) for words in ACTING}
    assert acting <= known
    assert known - acting <= SHOWING, "put it into recover.cli.ACTING, or here"
