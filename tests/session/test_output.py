"""-o FILE where no file can be: bad usage, said before anything is looked at, and nothing is made."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from recover.cli import app
from recover.errors import SystemRefused, UsageError
from recover.session import output
from recover.session.output import require_writable, write_output

COMMANDS = (
    ("plan", "nothing.yml"),
    ("snapshot", "nothing.yml"),
    ("enums", "plan", "--dsn", "postgresql://nobody@127.0.0.1:1/x"),
    ("enums", "expected", "--source", "nothing"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_says_it_before_it_looks_at_anything(words: tuple[str, ...], tmp_path: Path) -> None:
    """The playbook, the database and the source are not there either: they are not asked."""
    file = tmp_path / "missing" / "out"
    with pytest.raises(UsageError) as caught:
        app([*words, "-o", str(file), "--state-dir", str(tmp_path / "state")], standalone_mode=False)
    assert caught.value.exit_code == 2
    assert (caught.value.what, caught.value.where) == (f"cannot write {file}", str(file))
    assert caught.value.why == f"there is no directory {tmp_path}/missing"
    assert caught.value.next == f"mkdir -p {tmp_path}/missing"
    assert list(tmp_path.iterdir()) == []


def refusal(path: Path) -> UsageError:
    """What is said beforehand, which is what writing would have come to."""
    before = sorted(path.parents[1].rglob("*"))
    with pytest.raises(UsageError, match="cannot write") as caught:
        require_writable(path)
    with pytest.raises(UsageError, match="cannot write"):
        write_output(path, "a plan")
    assert sorted(path.parents[1].rglob("*")) == before
    assert caught.value.next
    return caught.value


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(UsageError) as caught:
        require_writable(tmp_path / "d")
    assert (caught.value.why, caught.value.next) == ("it is a directory", f"-o {tmp_path}/d/FILE")
    with pytest.raises(UsageError, match="cannot write"):
        write_output(tmp_path / "d", "a plan")


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    assert refusal(tmp_path / "f" / "plan.json").why == f"{tmp_path}/f is not a directory"


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    assert refusal(tmp_path / ("n" * 300)).why == os.strerror(errno.ENAMETOOLONG)


def test_a_directory_that_may_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser, who may run this, may write to every directory but those of a file system that is read only."""
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (tmp_path, os.W_OK | os.X_OK))
    with pytest.raises(UsageError) as caught:
        require_writable(tmp_path / "plan.json")
    assert caught.value.why == f"{tmp_path} cannot be written to: Permission denied"
    assert caught.value.next == "-o FILE, in a directory that you may write to"
    if os.geteuid():
        tmp_path.chmod(0o555)
        monkeypatch.undo()
        refusal(tmp_path / "plan.json")
        tmp_path.chmod(0o755)


def test_a_full_disk_is_no_bad_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, _content: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(output, "write_whole", full)
    with pytest.raises(SystemRefused) as caught:
        write_output(tmp_path / "plan.json", "a plan")
    assert (caught.value.exit_code, caught.value.why) == (1, "No space left on device")


def test_what_can_be_written_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(pipe := tmp_path / "pipe")
    (tmp_path / "old").write_text("old")
    for path in (None, Path("plan.json"), tmp_path / "old", pipe, Path("/dev/stdout")):
        require_writable(path)
    for path in (Path("plan.json"), tmp_path / "old"):
        write_output(path, "new")
        assert path.read_text() == "new"
        assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "pipe", "plan.json"]
