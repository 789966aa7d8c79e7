"""A service is neither lost, nor started twice, nor confused with another process."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from replicas import Replica, replica, until

from recover.errors import StepError, Unreachable
from recover.runtimes import keeper, processes
from recover.runtimes.local import LocalRuntime
from recover.runtimes.processes import Record
from recover.stack import Given

YAML = """
local: 1
services:
  idle:
    command: ["${python}", "${stack}/idle.py"]
    environment: {TOKEN: "${project}"}
    stop: {within: 300ms}
  family: {command: ["${python}", "${stack}/family.py"], stop: {within: 300ms}}
  deaf: {command: ["${python}", "${stack}/deaf.py"], stop: {within: 200ms}}
  missing: {command: [no-such-program, --flag]}
  nowhere: {command: ["${python}", -c, pass], folder: "${stack}/nowhere"}
"""
IDLE = "import time; print('up', flush=True); time.sleep(600)"
FAMILY = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(600)"])
signal.signal(signal.SIGUSR1, lambda *_: os._exit(7))
print(child.pid, flush=True)
time.sleep(600)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Replica]:
    with replica(tmp_path, YAML) as made:
        for name, text in {"idle": IDLE, "family": FAMILY, "deaf": DEAF}.items():
            (made.file.parent / f"{name}.py").write_text(text)
        yield made


def alive(made: Replica, token: str = "TOKEN") -> list[int]:
    """The services idle of this replica, found by their environment."""
    wanted = f"{token}={made.project}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return [pid for pid in found if keeper.start_of(pid)]


def record(made: Replica, service: str = "idle") -> Record:
    found = made.process(service).record()
    assert found
    return found


def keeper_of(made: Replica, service: str) -> int:
    stat = Path(f"/proc/{record(made, service).pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def forge(made: Replica, pid: int, start: str) -> None:
    """The record of an earlier incarnation whose pid belongs to another process now."""
    path = made.project / "run" / "idle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pid": pid, "start": start}))


def begin_recover(made: Replica, script: str) -> subprocess.Popen[bytes]:
    """Another recover does this to the replica's runtime."""
    words = "import os, signal, subprocess, sys; from pathlib import Path\n"
    words += "from recover.runtimes import processes\nfrom recover.stack import Given\n"
    words += "from recover.runtimes.local import LocalRuntime\n"
    words += f"runtime = LocalRuntime(Path({str(made.file)!r}), Path({str(made.project)!r}))\n{script}"
    return subprocess.Popen([sys.executable, "-c", words])


def recover(made: Replica, script: str) -> int:
    """The same to its end; the exit code."""
    return begin_recover(made, script).wait(60)


KILLED = "os.kill(os.getpid(), signal.SIGKILL)\n"


# --- whose process it is --------------------------------------------------------------------------


def test_a_recycled_pid_is_never_signalled_and_does_not_count_as_running(made: Replica) -> None:
    made.runtime.start("idle")
    made.runtime.stop("idle")
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        forge(made, stranger.pid, keeper.start_of(os.getpid()))
        assert not made.runtime.state("idle").running
        made.runtime.stop("idle")
        record(made).signal(signal.SIGKILL)
        record(made).kill_group()
        made.runtime.start("idle")
        made.runtime.stop("idle")
        assert stranger.poll() is None
        forge(made, stranger.pid, keeper.start_of(stranger.pid))
        assert made.runtime.state("idle").running, "the same forgery with the right start time is believed"
    finally:
        stranger.kill()
        stranger.wait()


def test_a_zombie_is_dead(made: Replica) -> None:
    made.runtime.start("idle")
    made.runtime.stop("idle")
    zombie = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    forge(made, zombie.pid, keeper.start_of(zombie.pid))
    assert made.runtime.state("idle").running
    zombie.kill()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    assert not made.runtime.state("idle").running
    zombie.communicate()


def test_a_record_that_is_damaged_is_not_guessed_at(made: Replica) -> None:
    made.runtime.start("idle")
    made.runtime.stop("idle")
    (made.project / "run" / "idle.json").write_text('{"instance": ')
    with pytest.raises(Unreachable, match="its record is damaged") as caught:
        made.runtime.state("idle")
    assert caught.value.where.endswith("run/idle.json")
    (made.project / "run" / "idle.json").write_text('{"instance": "x"}')
    with pytest.raises(Unreachable, match="its record is damaged"):
        made.runtime.start("idle")
    Path(caught.value.next.rpartition("rm ")[2]).unlink()
    assert made.runtime.state("idle").status == "missing"


# --- recover is killed ----------------------------------------------------------------------------


def test_a_service_outlives_the_recover_that_started_it_and_its_exit_code_is_known_later(made: Replica) -> None:
    assert recover(made, "runtime.start('idle')\n" + KILLED) == -signal.SIGKILL
    state = made.runtime.state("idle")
    assert state.running
    pid = record(made).pid
    assert (os.getsid(pid), os.getpgid(pid)) == (pid, pid)
    os.kill(pid, signal.SIGSEGV)
    until(lambda: not made.runtime.state("idle").running)
    assert made.runtime.state("idle").status == "exited"
    assert made.runtime.state("idle").exit_code == -signal.SIGSEGV


def test_recover_killed_before_it_gave_the_order_has_started_nothing(made: Replica) -> None:
    die = f"processes.subprocess.Popen.communicate = lambda *_, **__: {KILLED}runtime.start('idle')"
    assert recover(made, die) == -signal.SIGKILL
    assert made.runtime.state("idle").status == "missing"
    assert alive(made) == []
    made.runtime.start("idle")
    assert alive(made) == [record(made).pid]


@pytest.mark.parametrize("cut", [1, 100, -1])
def test_recover_killed_in_the_middle_of_the_order_has_started_nothing(made: Replica, cut: int) -> None:
    die = "def part(self, order, timeout):\n"
    die += f"    os.write(self.stdin.fileno(), order[:{cut}])\n    {KILLED}"
    assert (
        recover(made, f"{die}processes.subprocess.Popen.communicate = part\nruntime.start('idle')") == -signal.SIGKILL
    )
    assert made.runtime.state("idle").status == "missing"
    assert alive(made) == []


def test_recover_killed_right_after_the_order_leaves_one_service_that_the_next_recover_knows(
    made: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "SETTLING", 60.0)
    die = "def whole(self, order, timeout):\n    os.write(self.stdin.fileno(), order)\n    " + KILLED
    die += "processes.subprocess.Popen.communicate = whole\nruntime.start('idle', Given({'MODE': 'degraded'}))"
    assert recover(made, die) == -signal.SIGKILL
    state = made.runtime.state("idle")  # at once: the service is perhaps not even forked
    assert state.running
    assert state.environment["MODE"] == "degraded"
    until(lambda: alive(made) == [record(made).pid])  # recorded first, then it becomes the service
    made.runtime.start("idle")
    assert alive(made) == [record(made).pid]
    assert "MODE" not in made.runtime.state("idle").environment


def test_a_start_in_which_everyone_else_was_killed_is_not_done_twice(
    made: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service hangs before it could write its record; recover and the keeper above it are killed."""
    made.runtime.start("idle")
    made.runtime.stop("idle")
    monkeypatch.setattr(processes, "SETTLING", 0.1)
    gate = made.project / "log" / "idle.starts"
    gate.unlink()
    os.mkfifo(gate)
    other = begin_recover(made, "runtime.start('idle')")
    until(lambda: len(keepers(made)) == 2)  # the keeper, and what is to become the service
    other.kill()
    other.wait()
    above, below = sorted(keepers(made), key=lambda pid: parent(pid) in keepers(made))
    os.kill(above, signal.SIGKILL)
    until(lambda: keepers(made) == [below])
    assert made.runtime.state("idle").running
    assert made.runtime.state("idle", probe=True).detail == "it is being started or ended"
    with pytest.raises(StepError, match="neither started nor gone"):
        made.runtime.start("idle")
    gate.read_text()
    until(lambda: made.process("idle").look().record)
    monkeypatch.undo()
    assert record(made).pid == below
    gate.unlink()
    made.runtime.start("idle")
    assert alive(made) == [record(made).pid]


def test_a_service_that_was_killed_before_it_could_begin_has_not_started(made: Replica) -> None:
    gate = made.project / "log" / "idle.starts"
    gate.parent.mkdir()
    os.mkfifo(gate)
    script = "try:\n    runtime.start('idle')\n"
    script += "except Exception as error:\n    sys.exit(error.why == 'it was ended before it could begin' and 5)"
    other = begin_recover(made, script)
    until(lambda: len(keepers(made)) == 2)
    [below] = [pid for pid in keepers(made) if parent(pid) in keepers(made)]
    os.kill(below, signal.SIGKILL)
    assert other.wait(60) == 5
    until(lambda: made.runtime.state("idle").status == "missing")


def keepers(made: Replica) -> list[int]:
    """The processes of this replica that are (still) a keeper, found by their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
            if keeper.__file__.encode() in words:
                locked = (path.parent / "fd" / words[4].decode()).readlink()
                found += [int(path.parent.name)] if locked == made.project / "run" / "idle.lock" else []
        except OSError:
            continue
    return found


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_recover_killed_while_it_stops_a_service_does_not_make_it_a_crash(made: Replica) -> None:
    made.runtime.start("idle")
    assert recover(made, f"processes.Process._gone = lambda *_: {KILLED}runtime.stop('idle')") == -signal.SIGKILL
    until(lambda: not made.runtime.state("idle").running)
    assert made.runtime.state("idle").status == "stopped"


def test_without_its_keeper_a_service_is_still_known_and_stopped(made: Replica) -> None:
    made.runtime.start("idle")
    os.kill(keeper_of(made, "idle"), signal.SIGKILL)
    until(lambda: not made.process("idle")._locked())
    assert made.runtime.state("idle").running
    made.runtime.stop("idle")
    assert alive(made) == []
    assert (made.runtime.state("idle").status, made.runtime.state("idle").exit_code) == ("stopped", None)


def test_two_recovers_cannot_start_a_service_at_once(made: Replica) -> None:
    made.runtime.start("idle")
    made.runtime.stop("idle")
    lock = made.process("idle")._take_lock()
    try:
        with pytest.raises(StepError, match="another process is starting idle"):
            made.process("idle").launch("x", ["true"], made.project, {}, {})
    finally:
        os.close(lock)


# --- ending ---------------------------------------------------------------------------------------


def test_a_service_that_ignores_its_signal_is_killed_when_its_time_is_up(made: Replica) -> None:
    made.runtime.start("deaf")
    until(lambda: list(made.runtime.logs("deaf")))
    made.runtime.stop("deaf")
    assert not record(made, "deaf").alive
    assert made.runtime.state("deaf").status == "stopped"
    assert made.runtime.state("deaf").exit_code == -signal.SIGKILL


@pytest.mark.parametrize("how", ["stop", "crash", "without keeper"])
def test_everything_in_the_group_ends_with_the_service(made: Replica, how: str) -> None:
    made.runtime.start("family")
    until(lambda: list(made.runtime.logs("family")))
    child = int(next(iter(made.runtime.logs("family"))))
    assert keeper.start_of(child)
    if how == "crash":
        os.kill(record(made, "family").pid, signal.SIGUSR1)
    elif how == "stop":
        made.runtime.stop("family")
    else:
        os.kill(keeper_of(made, "family"), signal.SIGKILL)
        record(made, "family").kill_group()
    until(lambda: not made.runtime.state("family").running)
    until(lambda: not keeper.start_of(child))
    if how == "crash":
        assert made.runtime.state("family").exit_code == 7


# --- starting -------------------------------------------------------------------------------------


def test_a_command_that_does_not_exist_is_said_in_the_systems_words(made: Replica) -> None:
    with pytest.raises(StepError, match="cannot start missing") as caught:
        made.runtime.start("missing")
    assert caught.value.why == "no-such-program: No such file or directory"
    assert "no-such-program" in caught.value.where
    until(lambda: not made.runtime.state("missing").running)
    assert made.runtime.state("missing").exit_code == 127


def test_a_working_directory_that_does_not_exist_is_named(made: Replica) -> None:
    with pytest.raises(StepError, match="cannot start nowhere") as caught:
        made.runtime.start("nowhere")
    assert caught.value.why.endswith("/stack/nowhere: No such file or directory")


def test_a_record_that_cannot_be_written_keeps_the_service_from_starting(made: Replica) -> None:
    """What a full disk does, done with the limit on a file's size: the system's words, and nothing runs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(StepError, match="cannot start idle") as caught:
            made.runtime.start("idle")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large" in caught.value.why
    until(lambda: made.runtime.state("idle").status == "missing")
    assert alive(made) == []


def test_no_secret_of_the_callers_environment_lives_on_in_the_keeper(
    made: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOVER_PROBE_PASSWORD", "planted")
    made.runtime.start("idle", Given({"MODE": "planted"}))
    above = Path(f"/proc/{keeper_of(made, 'idle')}")
    assert b"planted" not in (above / "environ").read_bytes() + (above / "cmdline").read_bytes()


def test_what_the_caller_ignores_is_not_ignored_by_the_service(made: Replica) -> None:
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for `recover … &`
    try:
        made.runtime.start("idle")
    finally:
        signal.signal(signal.SIGINT, former)
    until(lambda: list(made.runtime.logs("idle")))
    os.kill(record(made).pid, signal.SIGINT)
    until(lambda: not made.runtime.state("idle").running)
    assert "KeyboardInterrupt" in "".join(made.runtime.logs("idle"))


def test_its_files_are_private(made: Replica) -> None:
    made.runtime.start("idle")
    for folder in ("run", "log"):
        assert (made.project / folder).stat().st_mode & 0o077 == 0
        for path in (made.project / folder).iterdir():
            assert path.stat().st_mode & 0o077 == 0, path


def test_looking_changes_nothing(made: Replica) -> None:
    looked = LocalRuntime(made.file, made.project)
    looked.state("idle", probe=True)
    list(looked.logs("idle"))
    assert sorted(path.name for path in made.project.iterdir()) == [".env"]


def test_a_service_whose_record_was_deleted_is_named_with_its_pid_and_not_started_twice(made: Replica) -> None:
    made.runtime.start("idle")
    record = made.project / "run" / "idle.json"
    pid = json.loads(record.read_text())["pid"]
    kept = record.read_bytes()
    record.unlink()
    with pytest.raises(StepError, match="its record is lost") as caught:
        made.runtime.stop("idle")
    assert caught.value.next == f"kill {pid}"
    record.write_bytes(kept)
    made.runtime.stop("idle")
