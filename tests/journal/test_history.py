from __future__ import annotations

from pathlib import Path

import pytest
from fakes import mine

from recover.events import RunStarted, StepDone
from recover.journal.history import Usual, usual
from recover.journal.records import NAME, FileJournal, create
from recover.secrets import Redactor

HERE = Path("/books/p.yml")


def run(state: Path, number: int, seconds: float, *, playbook: Path = HERE, how: str = "done") -> Path:
    folder = create(state, f"project-{number % 2}", f"r-{number:03d}")
    journal = FileJournal(folder / NAME, Redactor(), mine)
    journal(RunStarted(folder.name, str(playbook), "t", {"a": "1"}, "eva", "h", "0"))
    journal(StepDone("a", how, seconds))  # type: ignore[arg-type]
    journal.close()
    return folder / NAME


def test_half_and_nine_tenths_of_the_runs_of_all_projects(tmp_path: Path) -> None:
    for number in range(1, 12):
        run(tmp_path, number, float(number))
    assert usual(tmp_path, HERE) == {"a": Usual(6.0, 10.0, 11)}


def test_one_run_is_all_there_is_to_say(tmp_path: Path) -> None:
    run(tmp_path, 1, 2.5)
    assert usual(tmp_path, HERE) == {"a": Usual(2.5, 2.5, 1)}


@pytest.mark.parametrize("how", ["already", "verified", "reconciled"])
def test_a_step_that_was_not_done_there_and_then_tells_nothing(tmp_path: Path, how: str) -> None:
    run(tmp_path, 1, 0.0, how=how)
    assert usual(tmp_path, HERE) == {}


def test_other_playbooks_and_damaged_journals_tell_nothing(tmp_path: Path) -> None:
    run(tmp_path, 1, 2.0, playbook=Path("/books/other.yml"))
    damaged = run(tmp_path, 2, 2.0)
    damaged.write_text(damaged.read_text().replace("2.0", "9.0"))
    assert usual(tmp_path, HERE) == {}
    assert usual(tmp_path / "nowhere", HERE) == {}
