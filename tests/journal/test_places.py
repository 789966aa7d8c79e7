from __future__ import annotations

import os
from pathlib import Path

import pytest

from recover.errors import UsageError
from recover.journal.lock import holder, project_lock, take_from
from recover.journal.places import open_file, project_folder
from recover.journal.records import create, write_whole
from recover.journal.runs import find, folders, gone, used

ELSEWHERE = [
    "",
    ".",
    "..",
    "../x",
    "a/../../x",
    "/etc",
    "a/b",
    "a\0b",
    "a\nb",
    "\x1b[2J",
    "\u202ea",
    "x" * 201,
    "\udcff",
]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_no_project_leads_out_of_the_state_folder(tmp_path: Path, name: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    for use in (
        lambda: project_folder(state, name),
        lambda: create(state, name, "run"),
        lambda: folders(state, name),
        lambda: gone(state, name),
        lambda: find(state, None, name),
        lambda: used(state, name, "x"),
        lambda: holder(state, name),
        lambda: take_from(state, name),
        lambda: project_lock(state, name, "run").__enter__(),
    ):
        with pytest.raises(UsageError, match="cannot be the name of a project") as caught:
            use()
        assert caught.value.what.isprintable()
    assert [*tmp_path.rglob("*")] == [state]


@pytest.mark.parametrize("name", ["shop", "my shop", "läden-2.0_x", "*", "[a-z]", "...", "-x"])
def test_what_is_one_folder_is_a_project(tmp_path: Path, name: str) -> None:
    (create(tmp_path, name, "run-1") / "journal.jsonl").touch()
    (create(tmp_path, "other", "run-2") / "journal.jsonl").touch()
    assert folders(tmp_path, name) == [tmp_path / name / "run-1"]


def test_only_a_plain_file_is_opened_and_none_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, why in (("pipe", "not a file"), ("link", "it is a link"), ("zero", "it is a link"), ("none", "No such")):
        with pytest.raises(OSError, match=why):
            open_file(tmp_path / name)
    with pytest.raises(OSError, match="not a file"):
        open_file(Path("/dev/zero"))
    os.close(open_file(tmp_path / "file"))


def test_a_file_that_is_written_whole_never_goes_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "plan.json.partial").symlink_to("precious")
    with pytest.raises(OSError, match="it is a link"):
        write_whole(tmp_path / "plan.json", "x")
    assert (tmp_path / "precious").read_text() == "precious"
