"""A service that is started warm is the process that a cold start would have made."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import warm_services
from helpers.warm_start import COLD
from replicas import Replica, replica, until

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or COLD in os.environ, reason="there is no warm start here, and nothing rests on it"
)
STACK = """\
local: 1
services:
  told: {command: ["${python}", -m, stand_ins.told, a word], environment: {PYTHONPATH: "${stack}", NAME: its own}}
"""
TOLD = """
import json, os, sys
files = sorted((int(n), os.readlink(f"/proc/self/fd/{n}")) for n in os.listdir("/proc/self/fd") if int(n) < 3)
print(json.dumps({
    "words": sys.argv[1:], "module": __name__, "folder": os.getcwd(), "environment": dict(os.environ), "files": files,
    "more files": len(os.listdir("/proc/self/fd")) - 4, "leads": os.getsid(0) == os.getpid(), "path": sys.path[:2],
    "ignored": open("/proc/self/status").read().split("SigIgn:")[1].split()[0],
}), flush=True)
print(json.dumps(["fastapi" in sys.modules, os.getppid() > 1]), file=sys.stderr)
sys.exit("and it ended")
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Replica]:
    with replica(tmp_path, STACK, {}) as made:
        (made.file.parent / "stand_ins").mkdir()
        (made.file.parent / "stand_ins" / "told.py").write_text(TOLD)
        yield made


def told(made: Replica) -> tuple[Any, list[bool], Any]:
    """What the service says of itself, whether FastAPI was imported already, and how it ended."""
    made.runtime.start("told")
    until(lambda: made.runtime.state("told").status == "exited")
    first, second, last = list(made.runtime.logs("told"))[-3:]
    assert last.strip() == "and it ended"
    facts = json.loads(first)
    facts["environment"].pop("LC_CTYPE", None)  # Python itself sets it at its start where no locale is given (PEP 538)
    return facts, json.loads(second), made.runtime.state("told").detail


def test_it_has_what_a_cold_one_has(made: Replica) -> None:
    cold = told(made)
    assert not cold[1][0]
    with warm_services.used(warm_services.begun()):
        warm = told(made)
    assert warm[1][0]
    assert warm[0] == cold[0]
    assert warm[2] == cold[2]


def test_afterwards_all_starts_are_cold(made: Replica) -> None:
    with warm_services.used(warm_services.begun()):
        pass
    assert not told(made)[1][0]
