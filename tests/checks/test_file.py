from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from recover.checks.file import FileIs

VIEW: Any = None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "f"
    file.write_text("hello\n")
    file.chmod(0o640)
    return file


def test_what_is_there_as_expected_passes(path: Path) -> None:
    assert FileIs(str(path), contains="hell", sha256=sha256(b"hello\n").hexdigest()).ask(VIEW).passed


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        ({"exists": False}, "it is there"),
        ({"contains": "bye"}, "does not contain 'bye'"),
        ({"sha256": "0" * 64}, "its sha256 is"),
        ({"private": True}, "its mode is 0640"),
    ],
)
def test_what_differs_is_named(path: Path, wanted: dict[str, Any], answer: str) -> None:
    evidence = FileIs(str(path), **wanted).ask(VIEW)
    assert not evidence.passed
    assert answer in evidence.answer


def test_a_missing_file_is_a_no_unless_it_is_to_be_missing(tmp_path: Path) -> None:
    assert not FileIs(str(tmp_path / "none")).ask(VIEW).passed
    assert FileIs(str(tmp_path / "none"), exists=False).ask(VIEW).passed


def test_a_folder_instead_of_a_file_is_a_no_and_not_a_crash(tmp_path: Path) -> None:
    assert "directory" in FileIs(str(tmp_path), contains="x").ask(VIEW).answer


def test_a_file_that_is_not_utf_8_is_searched_too(path: Path) -> None:
    path.write_bytes(b"\xff\xfe hello \x00")
    assert FileIs(str(path), contains="hello").ask(VIEW).passed
    assert FileIs(str(path), contains="bye").ask(VIEW).answer == "it does not contain 'bye'"
