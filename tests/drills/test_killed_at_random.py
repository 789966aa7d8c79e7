"""Fifty kills at random instants; what the last command told to type is typed, and then the stack is asked."""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

import pytest
from crashing import EXPECTED, crash, steps_of
from drilling import ROOT, Drill, shortened

from recover.runtimes.processes import Process

COMMANDS = ("run", "resume", "rollback", "takeover")
VICTIMS = ("recover", "recover", "postgres", "api", "every service")
"""recover twice: that is the one with a checkpoint to lose."""
SEEDS = range(50)
LONGEST = 5
"""Commands that a human may have to type after one kill."""
TYPED = re.compile(r"^\s*(?:next: )?recover ((?:run|resume|rollback) .*)$", re.MULTILINE)

pytestmark = [pytest.mark.drill, pytest.mark.nightly]


@dataclass
class Kill:
    """One kill and what was typed after it, as a row of a table."""

    seed: int
    command: str
    victim: str
    after: float = 0.0
    exits: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"| {self.seed} | {self.command} | {self.victim} | {self.after:.2f} s | {', '.join(self.exits)} |"


@dataclass
class Operator:
    """Types commands, and after a kill what the last one told to type; where it could not, `recover resume`."""

    drill: Drill
    kill: Kill

    def type(self, words: Sequence[str], meanwhile: Callable[[subprocess.Popen[str]], None] = lambda _: None) -> str:
        """The next command to type, or "" when it ended well."""
        command = subprocess.Popen(
            [sys.executable, "-m", "recover", *words, "--state-dir", str(self.drill.state)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        meanwhile(command)
        output, _ = command.communicate()
        assert "Traceback" not in output
        self.kill.exits.append(f"{words[0]} {command.returncode}")
        if command.returncode == 0:
            return ""
        told = TYPED.findall(output)
        print(output)
        return told[-1] if told else "resume"

    def until_it_ends_well(self, words: str) -> None:
        for _ in range(LONGEST):
            if not words:
                return
            typed = [word for word in shlex.split(words.replace(f" --state-dir {self.drill.state}", "")) if word]
            words = self.type([*typed, *(["--yes"] if "--yes" not in typed else [])])
        raise AssertionError(f"{LONGEST} commands did not end well: {self.kill}")


def kill_services(drill: Drill, victim: str) -> None:
    """SIGKILL to the process group of the service, or of each."""
    names = drill.services.names() if victim == "every service" else (victim,)
    for name in names:
        seen = Process(drill.replica, name).look()
        if seen.record and seen.status == "running":
            seen.record.kill_group()


def ready_for(command: str, drill: Drill, chance: random.Random) -> list[str]:
    """What is typed in the end, with what has to be there before it."""
    if command == "run":
        target = [] if drill.runtime == "local" else ["--target", drill.runtime]
        return ["run", drill.file, *target, "--yes"]
    if command == "rollback":
        drill.playbook("run", "--yes")
        return ["rollback", "--yes"]
    steps = [step for step in steps_of(drill.runtime) if not step.startswith("middleware")]
    crash(drill, chance.choice(steps[:-1]), chance.choice(("before-act", "after-act", "after-effect")))
    run = drill.progress()["run"]
    return ["resume", "--yes"] if command == "resume" else ["takeover", run, "--because", "a drill", "--yes"]


def assert_whole(drill: Drill) -> None:
    """The stack itself says so: labels, rows, logins."""
    assert drill.labels() == EXPECTED
    assert drill.census() == drill.before
    assert drill.login().status == 200
    assert drill.login(password="wrong").status == 401


@pytest.fixture
def rows() -> Iterator[list[Kill]]:
    kept: list[Kill] = []
    yield kept
    for kill in kept:
        print(kill)


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_a_random_instant(broken_drill: Drill, rows: list[Kill], seed: int) -> None:
    drill, chance = shortened(broken_drill), random.Random(seed)
    pairs = list(product(COMMANDS, VICTIMS))
    kill = Kill(seed, *pairs[seed % len(pairs)])
    rows.append(kill)
    operator = Operator(drill, kill)
    words = ready_for(kill.command, drill, chance)

    def strike(command: subprocess.Popen[str]) -> None:
        begun = time.monotonic()
        longest = chance.choice((1.0, 12.0))  # the first second as well as the middle
        try:
            command.wait(chance.uniform(0, longest))
        except subprocess.TimeoutExpired:
            kill.after = time.monotonic() - begun
            if kill.victim == "recover":
                os.kill(command.pid, signal.SIGKILL)
            else:
                kill_services(drill, kill.victim)

    told = operator.type(words, strike)
    operator.until_it_ends_well(told)
    if kill.command == "rollback":
        drill.services.start("postgres")
        drill.wait_for("postgres")
        assert drill.census() == drill.before
        operator.until_it_ends_well("resume")
    assert_whole(drill)
