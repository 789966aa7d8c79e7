from __future__ import annotations

import os
import signal
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
