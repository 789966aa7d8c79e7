from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from worlds import Spec

from recover.previewing import Foreseen
from recover.ui.plan import data, text

SPEC: Any = Spec("enums", stage="Data", warn="registration will fail")
SQL = "BEGIN;\nALTER TYPE a RENAME VALUE 'x' TO 'X';\nCOMMIT;"


def act(describe: str, because: str, *, touches: tuple[str, ...]) -> Any:
    """An action that nothing takes back."""
    return SimpleNamespace(describe=describe, because=because, touches=touches, inverse=lambda: None)


ACTS = (act(SQL, "other spellings", touches=("database:main",)), act("dump it", "before", touches=("backup:main",)))
STEPS = [
    Foreseen(replace(SPEC, id="freeze", stage="Alone", warn=""), "not needed", "true already"),
    Foreseen(SPEC, "will", "", ACTS),
    Foreseen(replace(SPEC, id="login", warn=""), "at run time", "decided at run time, because step enums changes main"),
]


def test_each_step_has_its_status_its_exact_sql_its_reasons_and_its_warning() -> None:
    assert text("a title", STEPS, {"enums": ["2 sessions of main (api)"]}) == [
        "a title",
        "",
        "Alone",
        "  not needed  freeze  Step freeze",
        "      true already",
        "",
        "Data",
        "  will        enums   Step enums",
        "      BEGIN;",
        "      ALTER TYPE a RENAME VALUE 'x' TO 'X';",
        "      COMMIT;",
        "        (other spellings)",
        "      dump it   (before)",
        "      cannot be taken back: BEGIN;",
        "      drops 2 sessions of main (api)",
        "      mind: registration will fail",
        "  at run time login   Step login",
        "      decided at run time, because step enums changes main",
        "",
        "3 steps: 1 not needed, 1 will, 1 at run time",
    ]


def test_the_same_is_there_for_machines() -> None:
    [_, enums, _] = data(STEPS, {})
    assert enums["status"] == "will"
    assert enums["actions"][0] == {"describe": SQL, "because": "other spellings"}  # type: ignore[index]
    assert enums["cannot_be_taken_back"] == [SQL]
    assert enums["warn"] == "registration will fail"
