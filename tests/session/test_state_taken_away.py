"""The state of a run is taken away while it works: it stops, and never says that it recovered anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from replicas import until
from tiny import Tiny

PLAYBOOK = """\
recover: 1
name: tiny
title: An act that takes the state away
target: {services: {runtime: local, project: tiny, files: [local.yaml]}}
stages:
- stage: All
  steps:
  - id: take
    name: Take it away
    command.run: {command: [sh, -c, 'cd %(state)s/tiny && { %(deed)s; } && touch %(folder)s/taken']}
    done_when: [{file: {path: %(folder)s/taken}}]
  - id: after
    name: Go on as if nothing had happened
    command.run: {command: [touch, %(folder)s/after]}
    done_when: [{file: {path: %(folder)s/after}}]
"""
LOST, TAKEN_OVER = 7, 9


def run_with(tiny: Tiny, deed: str) -> subprocess.CompletedProcess[str]:
    """A run whose first act does this in the project's folder."""
    tiny.write(PLAYBOOK % {"state": tiny.state, "folder": tiny.folder, "deed": deed})
    done = tiny.recover("run", str(tiny.playbook), "--yes", expect=None)
    assert (tiny.folder / "taken").exists(), done.stderr
    return done


@pytest.mark.parametrize(
    ("deed", "code", "word"),
    [
        ("rm -r 2*", LOST, "journal.jsonl"),
        ("mv 2*/journal.jsonl elsewhere", LOST, "journal.jsonl"),
        ("cp 2*/journal.jsonl copy && mv copy 2*/journal.jsonl", LOST, "journal.jsonl"),
        ("mv 2* moved && mkdir $(basename moved)x", LOST, "journal.jsonl"),
        ("rm -r heads", LOST, "heads/"),
        ("rm lock", TAKEN_OVER, "tiny/lock"),
        ("mv lock elsewhere && touch lock", TAKEN_OVER, "tiny/lock"),
        ("cd .. && mv tiny gone", TAKEN_OVER, "/tiny"),
        ("cd .. && mv tiny gone && cp -a gone tiny", TAKEN_OVER, "/tiny"),
    ],
)
def test_an_act_is_the_last_one_when_the_state_is_taken_away_meanwhile(
    tiny: Tiny, deed: str, code: int, word: str
) -> None:
    done = run_with(tiny, deed)
    assert done.returncode == code, done.stderr
    assert word in done.stderr
    assert "an act in flight is in doubt" in done.stderr
    assert str(tiny.state) in done.stderr.rpartition("next: ")[2]
    assert "recovered" not in done.stdout + done.stderr
    assert not (tiny.folder / "after").exists()
    if not (tiny.state / "tiny").exists():  # its end needs the replica
        (tiny.state / "gone").rename(tiny.state / "tiny")


@pytest.mark.parametrize(
    "deed", ["rm 2*/plan.json", "for plan in 2*/plan.json; do echo x >> $plan; done", "rm 2*/playbook.yml"]
)
def test_a_run_whose_own_files_were_changed_does_not_end_well(tiny: Tiny, deed: str) -> None:
    done = run_with(tiny, deed)
    assert done.returncode == LOST, done.stderr
    assert ("playbook.yml" if "playbook" in deed else "plan.json") in done.stderr
    assert "recovered" not in done.stdout + done.stderr


def test_a_second_run_is_impossible_though_the_lock_file_was_removed(tiny: Tiny) -> None:
    wait = f"while [ ! -e {tiny.folder}/go ]; do sleep 0.05; done"
    tiny.write(PLAYBOOK % {"state": tiny.state, "folder": tiny.folder, "deed": f"touch {tiny.folder}/in; {wait}"})
    words = [sys.executable, "-m", "recover", "run", str(tiny.playbook), "--yes", "--state-dir", str(tiny.state)]
    first = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        until((tiny.folder / "in").exists)
        lock = tiny.state / "tiny" / "lock"
        for trick in (lock.unlink, lambda: replaced(lock)):
            trick()
            second = tiny.recover("run", str(tiny.playbook), "--yes", expect=9).stderr
            assert "its lock file was removed or replaced" in second
            assert f"process {first.pid} has the folder locked" in second
            status = tiny.recover("status").stdout
            assert "running, at step take" in status
            assert "recover resume" not in status
            assert f"(pid {first.pid}) is at work on it" in tiny.recover("status", "--handover").stdout
    finally:
        (tiny.folder / "go").touch()
        _, said = first.communicate(timeout=60)
    assert first.returncode == TAKEN_OVER
    assert "recovered" not in said


def replaced(lock: Path) -> None:
    lock.with_name("new").touch()
    lock.with_name("new").replace(lock)
