"""What tests leave behind is ended and removed, whether they end or are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from replicas import until

ROOT = Path(__file__).parents[1]
RUN = """
import os, signal, subprocess, sys
from helpers import run_folder

folder = run_folder.begin()
folder.tests.mkdir()
words = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]
quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
log = (folder.tests / "log").open("w")
left = [
    subprocess.Popen(words, env={}, cwd=folder.tests, start_new_session=True, **quiet),
    subprocess.Popen([*words, str(folder.tests)], env={}, cwd="/", start_new_session=True, **quiet),
    subprocess.Popen(words, cwd="/", start_new_session=True, **quiet),
    subprocess.Popen(words, env={}, cwd="/", start_new_session=True, **{**quiet, "stdout": log}),
]
print(folder.path, folder.reaper.pid, *(process.pid for process in left), flush=True)
"""
MANY = """
import os, signal, subprocess
from helpers import run_folder

folder = run_folder.begin()
folder.tests.mkdir()
long = ["sleep", "600", *["0"] * 120]  # sleep adds its operands up
quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
left = [subprocess.Popen(long, cwd=folder.tests, start_new_session=True, **quiet) for _ in range(60)]
print(folder.path, folder.reaper.pid, *(process.pid for process in left), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
SHARED = """
import os, signal, subprocess, sys
from pathlib import Path
from helpers import run_folder

folder = run_folder.begin()
folder.tests.mkdir()
segment = Path("/dev/shm") / f"PostgreSQL.{folder.run}"
segment.write_bytes(bytes(4096))
maps = f"import mmap, os, time; kept = mmap.mmap(os.open({str(segment)!r}, os.O_RDWR), 4096)"
words = [sys.executable, "-I", "-S", "-c", f"{maps}; print(flush=True); time.sleep(600)"]
left = subprocess.Popen(words, cwd=folder.tests, stdout=subprocess.PIPE)
left.stdout.readline()
print(folder.path, segment, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
KILLED = f"{RUN}\nos.kill(os.getpid(), signal.SIGKILL)\n"
ENDED = f"{RUN}\nprint(*folder.end(failed=False), sep='\\n')\n"
WELL = "from helpers import run_folder\nprint(run_folder.begin().end(failed=False))\n"


def run(script: str) -> subprocess.CompletedProcess[str]:
    """A run of tests that does this; it is no run of ours."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("RECOVER_TEST_RUN")}
    env["PYTHONPATH"] = str(ROOT / "tests")
    return subprocess.run(
        [sys.executable, "-c", script], env=env, cwd=ROOT, capture_output=True, text=True, check=False
    )


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("left", [KILLED, MANY], ids=["each kind", "more to tell than a buffer holds"])
def test_a_killed_run_leaves_no_process_and_no_file(left: str) -> None:
    done = run(left)
    assert done.returncode == -signal.SIGKILL, done.stderr
    folder, *pids = done.stdout.split()
    until(lambda: not Path(folder).exists())
    until(lambda: not any(alive(int(pid)) for pid in pids))


def test_a_killed_run_leaves_no_shared_memory_of_a_server() -> None:
    done = run(SHARED)
    assert done.returncode == -signal.SIGKILL, done.stderr
    folder, segment = done.stdout.split()
    until(lambda: not Path(folder).exists())
    assert not Path(segment).exists()


def test_what_a_run_that_ended_left_behind_is_named() -> None:
    done = run(ENDED)
    assert done.returncode == 0, done.stderr
    first, *told = done.stdout.splitlines()
    folder, _, *pids = first.split()
    assert sorted(line.split(":")[0] for line in told) == sorted(f"process {pid}" for pid in pids)
    assert not Path(folder).exists()
    assert not any(alive(int(pid)) for pid in pids)


def test_a_run_that_left_nothing_is_told_nothing() -> None:
    done = run(WELL)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
