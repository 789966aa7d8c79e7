"""Two operators on one target: refused by name, handed over, taken over."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from replicas import until
from tiny import Tiny


@pytest.fixture
def first(tiny: Tiny) -> Iterator[subprocess.Popen[str]]:
    """A colleague's run, which waits at a check of its second step."""
    wait = "  - {id: wait, name: Wait, check: [{file: {path: %s/go}, within: 600s}]}\n- stage: Web"
    tiny.write(tiny.playbook.read_text().replace("- stage: Web", wait % tiny.folder))
    words = [sys.executable, "-m", "recover", "run", str(tiny.playbook), "--state-dir", str(tiny.state)]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: process.poll() is not None or "at step wait" in tiny.recover("runs").stdout)
        assert process.poll() is None, process.communicate()
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def run_of(tiny: Tiny) -> str:
    return str(json.loads(tiny.recover("status", "--json").stdout)["run"])


@pytest.mark.parametrize("verb", ["resume", "rollback", "abort", "approve", "mark"])
def test_every_command_that_would_act_is_refused_by_name(tiny: Tiny, first: subprocess.Popen[str], verb: str) -> None:
    words = {
        "approve": ("wait", "--because", "x"),
        "mark": ("wait", "done", "--because", "x"),
        "abort": ("--because", "x"),
        "rollback": ("--yes",),
    }
    refused = tiny.recover(verb, run_of(tiny), *words.get(verb, ()), expect=9)
    assert "is running" in refused.stderr
    assert "at step wait" in refused.stderr
    assert f"process {first.pid}" in refused.stderr


def test_the_card_says_everything_a_colleague_needs(tiny: Tiny, first: subprocess.Popen[str]) -> None:
    run = run_of(tiny)
    card = tiny.recover("status", "--handover").stdout
    assert f"HANDOVER of run {run}" in card
    assert "next      wait, web, full, final" in card
    assert f"(pid {first.pid}) is at work on it: talk first" in card
    assert f"command   recover takeover {run} --state-dir {tiny.state} --because 'why'" in card
    first.kill()
    first.wait()
    card = tiny.recover("status", "--handover").stdout
    assert "at work" not in card
    assert f"command   recover resume {run}" in card


def test_a_frozen_colleague_is_taken_over_and_stops_before_the_next_act(
    tiny: Tiny, first: subprocess.Popen[str]
) -> None:
    run = run_of(tiny)
    first.send_signal(signal.SIGSTOP)
    (tiny.folder / "go").touch()
    done = tiny.recover("takeover", run, "--because", "eva went to bed")
    assert "recovered and verified" in done.stdout
    first.send_signal(signal.SIGCONT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 9
    assert "lost ownership" in said
    story = tiny.recover("show").stdout
    assert "eva went to bed" in story
    assert story.count("start web with MODE='degraded'") == 1


def test_a_dead_colleague_needs_no_breaking(tiny: Tiny, first: subprocess.Popen[str]) -> None:
    first.kill()
    first.wait()
    (tiny.folder / "go").touch()
    done = tiny.recover("takeover", run_of(tiny), "--because", "x")
    assert "nobody holds run" in done.stderr
    assert "has ended" in tiny.recover("takeover", run_of(tiny), "--because", "x", expect=7).stderr
