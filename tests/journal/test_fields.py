"""Records whose hashes are right and whose fields are not: damage, at the record, and never a bug."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recover.errors import JournalDamaged
from recover.events import RunStarted, StepDone
from recover.journal.fields import fault
from recover.journal.progress import fold
from recover.journal.records import GENESIS, NAME, plain, records, seal

STARTED: Any = plain(RunStarted("r", "book.yml", "local", {"one": "0"}, "ops", "here", "1"))
DONE: Any = plain(StepDone("one", "done", 0.5))


def journal(folder: Path, *bodies: dict[str, Any]) -> Path:
    """A journal of these records, chained as a run would."""
    previous, path = GENESIS, folder / NAME
    with path.open("wb") as file:
        for n, body in enumerate(bodies, 1):
            told = {"v": 1, "n": n, "at": "2026-01-01T00:00:00+00:00", "epoch": 1, **body, "prev": previous}
            line, previous = seal(told)
            file.write(line)
    return path


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"data": {**DONE, "step": None}}, "StepDone.step cannot be None"),
        ({"data": {**DONE, "step": ["one"]}}, "StepDone.step cannot be"),
        ({"data": {**DONE, "how": "guessed"}}, "StepDone.how cannot be 'guessed'"),
        ({"data": {**DONE, "seconds": 10**400}}, "too large a number"),
        ({"data": {"step": "one"}}, "missing"),
        ({"data": None}, ""),
        ({"event": ["StepDone"]}, ""),
        ({"epoch": "1"}, "epoch"),
        ({"at": "2026-01-01T00:00:00"}, "zone"),
    ],
)
def test_a_chained_record_with_a_wrong_field_is_damage(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    good = {"event": "RunStarted", "data": STARTED}
    path = journal(tmp_path, good, {"event": "StepDone", "data": DONE, **changed})
    with pytest.raises(JournalDamaged, match="record 2") as refused:
        list(records(path))
    assert said in refused.value.why
    assert refused.value.where == f"{path}:2"


def test_what_another_version_writes_is_read(tmp_path: Path) -> None:
    older = {name: value for name, value in STARTED.items() if name not in ("binding", "variables", "plan", "left_out")}
    newer = {**DONE, "since": "later"}
    path = journal(
        tmp_path,
        {"event": "RunStarted", "data": older},
        {"event": "FullMoon", "data": {"by": 7}},
        {"event": "StepDone", "data": newer},
    )
    assert fold(records(path)).done == {"one": "done"}


def test_every_answer_that_was_ever_kept_is_read() -> None:
    evidence = {"question": "is it?", "answer": "yes", "passed": True, "attachment": None, "colour": "red"}
    assert fault("CheckAnswered", {"step": "one", "evidence": evidence}) == ""
    assert fault("ActionDone", {"step": "one", "describe": "d", "outcome": {"ok": True, "n": None}, "seconds": 1}) == ""
