"""Two processes that want the same project at the same moment: exactly one has it, however often they try."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RACES = 200

# Waits for the start, tries once, says what came of it, and holds on to it until the next start.
RACER = """
import sys
from pathlib import Path
from recover.errors import Locked
from recover.journal.lock import project_lock
print("ready", flush=True)
for n, _ in enumerate(sys.stdin):
    try:
        with project_lock(Path(sys.argv[1]), f"p{n}", sys.argv[2]):
            print("won", flush=True)
            sys.stdin.readline()  # until the other has tried
            print("free", flush=True)
    except Locked as error:
        print(f"refused: {error.what}", flush=True)
        sys.stdin.readline()
        print("free", flush=True)
"""


@pytest.mark.long
def test_of_two_processes_exactly_one_runs_two_hundred_times(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for name in ("run-a", "run-b")
    ]
    wins = {"run-a": 0, "run-b": 0}
    try:
        answers(racers)
        for _ in range(RACES):
            start(racers)
            said = answers(racers)
            assert sorted(word.split(":")[0].strip() for word in said) == ["refused", "won"]
            winner, loser = ("run-a", 1) if said[0].startswith("won") else ("run-b", 0)
            assert winner in said[loser], "the refused one is told who holds it"
            wins[winner] += 1
            start(racers)
            answers(racers)
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
    assert sum(wins.values()) == RACES


def start(racers: list[subprocess.Popen[str]]) -> None:
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()


def answers(racers: list[subprocess.Popen[str]]) -> list[str]:
    said = []
    for racer in racers:
        assert racer.stdout is not None
        said.append(racer.stdout.readline())
    return said
