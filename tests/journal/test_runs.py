from __future__ import annotations

from pathlib import Path

import pytest
from fakes import mine

from recover.errors import UsageError
from recover.events import StepStarted
from recover.journal.records import NAME, FileJournal, create
from recover.journal.runs import every, find, folders
from recover.secrets import Redactor


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for project, run in (("b", "20260102-a"), ("a", "20260101-b"), ("a", "20260103-c")):
        FileJournal(create(tmp_path, project, run) / NAME, Redactor(), mine)(StepStarted(run, "n", "s"))
    (tmp_path / "a" / "replica").mkdir()  # no journal: not a run
    return tmp_path


def test_runs_are_listed_by_time_over_all_projects(state: Path) -> None:
    assert [f.name for f in folders(state)] == ["20260101-b", "20260102-a", "20260103-c"]
    assert [f.name for f in folders(state, "a")] == ["20260101-b", "20260103-c"]


def test_the_latest_is_the_default_and_a_unique_part_is_enough(state: Path) -> None:
    assert find(state, None).name == "20260103-c"
    assert find(state, None, "b").name == "20260102-a"
    assert find(state, "0101").name == "20260101-b"


@pytest.mark.parametrize("name", ["2026", "nothing"])
def test_an_ambiguous_or_unknown_name_is_refused(state: Path, name: str) -> None:
    with pytest.raises(UsageError, match=name) as caught:
        find(state, name, flags=" --project a")
    found = "20260101-b, 20260102-a, 20260103-c" if name == "2026" else "none"
    assert (caught.value.where, caught.value.why) == (str(state), f"found: {found}")
    assert caught.value.next == "recover runs --project a"


def test_no_runs_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no runs yet"):
        find(tmp_path, None)


def test_each_run_comes_with_its_progress(state: Path) -> None:
    assert [p.current for _, p in every(state, "b")] == ["20260102-a"]
