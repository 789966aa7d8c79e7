"""`python -m recover` without its cold start: forked from a process that has imported everything already.

A cold start costs 0.9 CPU seconds, and the tests make a thousand; one of the replica's API costs 2. `install` replaces
the one call of `subprocess` that makes a process: where the command is `[sys.executable, "-m", "recover", …]`, or `-m`
with a module of the replica's stack, or `-c` with a program that imports from recover, the process is a copy of
`warm_process`. It is a child of the test process as any other (its own pid, exit code, signals, session, descriptors,
environment, folder), so no test has to know. Everything else, and every command that differs in what Python reads at
its start (PYTHON… variables, options of the interpreter, a folder with a `recover` of its own), starts as always.

RECOVER_TEST_COLD=1 in a command's environment starts it cold, in the tests' own environment all of them.
"""

from __future__ import annotations

import array
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COLD = "RECOVER_TEST_COLD"
STACK = ("aiwfe.", "alembic", "stand_ins.")
"""What the modules of the replica's stack are called."""
READ_AT_START = ("PYTHON", "LD_", "MALLOC_", "COVERAGE_", COLD)
"""The beginnings of variables that only a new interpreter takes up."""


@dataclass(frozen=True)
class Wanted:
    """What `_posixsubprocess.fork_exec` was asked for, as far as a warm start knows it."""

    words: tuple[str, ...]
    of_stack: bool
    folder: str
    environment: dict[str, str]
    stdio: tuple[int, int, int]
    passed: tuple[int, ...]
    new_session: bool
    group: int


class WarmStart:
    """The warm process of this test process, started at the first command that wants it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def fork(self, wanted: Wanted) -> int:
        """A process that runs the command; its pid."""
        with self._lock:
            line = self._line or self._begin()
            descriptors = [*wanted.stdio, *wanted.passed]
            order = {
                "words": wanted.words,
                "of_stack": wanted.of_stack,
                "folder": wanted.folder,
                "environment": wanted.environment,
                "descriptors": [0, 1, 2, *wanted.passed],
                "new_session": wanted.new_session,
                "group": wanted.group,
            }
            text = json.dumps(order).encode()
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            line.sendmsg([len(text).to_bytes(4, "big")], rights)
            line.sendall(text)
            answer = line.recv(4)
        if len(answer) != 4:
            raise RuntimeError("the warm process of the tests is gone")
        return int.from_bytes(answer, "big")

    def _begin(self) -> socket.socket:
        ours, its = socket.socketpair()
        script = Path(__file__).with_name("warm_process.py")
        with its:
            words = [sys.executable, str(script), str(its.fileno())]
            self._process = subprocess.Popen(words, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL, cwd=ROOT)
        self._line = ours
        return ours

    def end(self) -> None:
        """End the warm process; commands that still run go on."""
        if self._line and self._process:
            self._line.close()
            self._process.wait()
            self._line = self._process = None


def install() -> WarmStart | None:
    """Start recover warm from now on; None where it cannot be (not on Linux, or RECOVER_TEST_COLD is set)."""
    if sys.platform != "linux" or os.environ.get(COLD):
        return None
    warm = WarmStart()
    cold: Callable[..., int] = subprocess._fork_exec  # type: ignore[attr-defined]

    def fork_exec(*asked: Any) -> int:
        wanted = _wanted(asked)
        return warm.fork(wanted) if wanted else cold(*asked)

    subprocess._fork_exec = fork_exec  # type: ignore[attr-defined]
    return warm


def _wanted(asked: Sequence[Any]) -> Wanted | None:
    """The command, where it is one of recover and nothing was asked for that only a cold start has.

    The arguments are those of CPython's `_posixsubprocess.fork_exec`, the same from 3.11 to 3.14.
    """
    argv, _, close, keep, cwd, env, stdin, _, _, stdout, _, stderr, _, told, _, session, group, *rest = asked
    gid, gids, uid, umask, before = rest[:5]
    words = tuple(os.fsdecode(word) for word in argv)
    of_stack = _of_stack(words[1:])
    if of_stack and words[1] == "-u":
        words = (words[0], *words[2:])
    if words[0] != sys.executable or not (of_stack or _of_recover(words[1:3])) or not close or before is not None:
        return None
    if (gid, gids, uid, umask) != (None, None, None, -1):
        return None
    folder = str(Path(cwd).absolute() if cwd else Path.cwd())
    environment = dict(os.environ) if env is None else dict(os.fsdecode(pair).split("=", 1) for pair in env)
    own = Path(folder) / "recover"
    if own.exists() and not own.samefile(ROOT / "recover"):
        return None
    known = {"PYTHONPATH"} if of_stack else set[str]()
    if _read_at_start(environment, known) != _read_at_start(os.environ, known):
        return None
    stdio = tuple(number if given == -1 else given for number, given in enumerate((stdin, stdout, stderr)))
    passed = tuple(number for number in keep if number != told)
    return Wanted(words[1:], of_stack, folder, environment, stdio, passed, bool(session), group)


def _of_recover(words: Sequence[str]) -> bool:
    return words == ("-m", "recover") or (len(words) == 2 and words[0] == "-c" and "from recover." in words[1])


def _of_stack(words: Sequence[str]) -> bool:
    module = words[2:3] if words[:2] == ("-u", "-m") else words[1:2] if words[:1] == ("-m",) else ()
    return bool(module) and module[0].startswith(STACK)


def _read_at_start(environment: Mapping[str, str], known: set[str]) -> dict[str, str]:
    """What a new interpreter would take up; an empty variable is none."""
    read = {name: value for name, value in environment.items() if name.startswith(READ_AT_START) and value}
    return {name: value for name, value in read.items() if name not in known}
