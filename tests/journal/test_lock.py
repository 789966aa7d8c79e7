from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import mine

from recover.errors import JournalError, Locked, LostOwnership
from recover.events import StepStarted
from recover.journal.lock import holder, project_lock, take_from
from recover.journal.records import NAME, FileJournal, create
from recover.secrets import Redactor

HOLD = (
    "import sys; from pathlib import Path; from recover.journal.lock import project_lock\n"
    "with project_lock(Path(sys.argv[1]), 'p', 'run-1'): print('held', flush=True); sys.stdin.read()"
)
TAKE = (
    "import sys; from pathlib import Path; from recover.errors import Locked\n"
    "from recover.journal.lock import project_lock\n"
    "try:\n with project_lock(Path(sys.argv[1]), 'p', 'run-2'): print('taken')\n"
    "except Locked as error: print(error)"
)


def taken_by_another(state: Path) -> str:
    """What another process says that wants the project."""
    done = subprocess.run([sys.executable, "-c", TAKE, str(state)], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def other(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that holds the project."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_run_is_refused_by_name_host_run_and_step(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    journal = FileJournal(create(tmp_path, "p", "run-1") / NAME, Redactor(), mine)
    journal(StepStarted("enums", "Repair", "Data"))
    with pytest.raises(Locked) as caught, project_lock(tmp_path, "p", "run-2"):
        pass
    assert all(word in caught.value.what for word in ("run-1", "at step enums", " s"))
    assert f"process {other.pid}" in caught.value.why
    assert holder(tmp_path, "p")["pid"] == other.pid


def test_a_killed_holder_frees_the_project_at_once(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert holder(tmp_path, "p") == {}
    with project_lock(tmp_path, "p", "run-2"):
        assert holder(tmp_path, "p")["run"] == "run-2"
    assert holder(tmp_path, "p") == {}


def test_no_card_is_left_when_the_holder_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), project_lock(tmp_path, "p", "run-1"):
        raise ZeroDivisionError
    assert (tmp_path / "p" / "lock").read_bytes() == b""


def test_another_project_is_free(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with project_lock(tmp_path, "q", "run-2"):
        assert other.poll() is None


def test_a_state_folder_that_cannot_be_is_an_error_with_the_systems_words(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(JournalError) as caught, project_lock(tmp_path / "state", "p", "run-1"):
        pass
    assert caught.value.where.startswith(str(tmp_path / "state"))
    assert caught.value.why == "Not a directory"
    assert caught.value.next == "make space, or --state-dir"


@pytest.mark.parametrize("how", ["taken over", "deleted", "with its folder"])
def test_a_holder_notices_that_the_lock_was_taken_away(tmp_path: Path, how: str) -> None:
    with project_lock(tmp_path, "p", "run-1") as owned:
        owned()
        if how == "taken over":
            assert take_from(tmp_path, "p")
            with project_lock(tmp_path, "p", "run-2"):
                pass
        elif how == "deleted":
            (tmp_path / "p" / "lock").unlink()
        else:
            (tmp_path / "p").rename(tmp_path / "gone")
        with pytest.raises(LostOwnership):
            owned()


def test_a_removed_lock_file_makes_no_second_run_possible(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    lock = tmp_path / "p" / "lock"
    for trick in (lock.unlink, lock.touch):
        trick()
        with pytest.raises(Locked) as caught, project_lock(tmp_path, "p", "run-2"):
            pass
        assert "its lock file was removed or replaced" in caught.value.what
        assert f"process {other.pid} has the folder locked" in caught.value.why
        assert caught.value.next.endswith(f"ps -fp {other.pid}")


def test_who_took_over_has_the_folder_too_once_the_former_has_ended(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    assert take_from(tmp_path, "p")
    with project_lock(tmp_path, "p", "run-3") as owned:
        assert "run-3" in taken_by_another(tmp_path)
        other.kill()
        other.wait()
        owned()
        lock = tmp_path / "p" / "lock"
        lock.rename(lock.with_name("elsewhere"))
        assert "its lock file was removed" in taken_by_another(tmp_path)
        lock.with_name("elsewhere").rename(lock)


def test_a_file_system_that_locks_no_folders_still_locks_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS says EBADF for an exclusive lock on what is not open for writing, and no folder is."""
    real = fcntl.flock

    def flock(handle: int, how: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with project_lock(tmp_path, "p", "run-1") as owned:
        owned()
        with pytest.raises(Locked, match="run-1"), project_lock(tmp_path, "p", "run-2"):
            pass


@pytest.mark.parametrize("what", ["lock", "folder"])
def test_a_link_in_the_state_folder_is_not_followed(tmp_path: Path, what: str) -> None:
    victim, state = tmp_path / "victim", tmp_path / "state"
    victim.mkdir()
    (victim / "lock").write_text("precious")
    state.mkdir()
    if what == "lock":
        (state / "p").mkdir()
        (state / "p" / "lock").symlink_to(victim / "lock")
    else:
        (state / "p").symlink_to(victim)
    with pytest.raises(JournalError, match="state folder") as caught, project_lock(state, "p", "run-1"):
        pass
    assert "it is a link" in caught.value.why
    assert (victim / "lock").read_text() == "precious"
