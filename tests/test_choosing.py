"""Which steps are left out, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from worlds import Is, each, want

from recover.choosing import Choice, leave_out, missed
from recover.errors import UsageError
from recover.plan import Plan, Planned

SPECS: list[Any] = [
    replace(want("db", a=1), tags=("data",)),
    replace(want("enums", b=1), tags=("data", "schema")),
    replace(want("api", c=1), needs=("db",)),
    *each("mw", "api", ["m1", "m2"], lambda _seen: True),
    replace(want("final"), id="final"),
]


def chosen(choice: Choice) -> list[str]:
    left_out = choice.left_out(SPECS)
    return [spec.id for spec in SPECS if spec.id not in left_out]


@pytest.mark.parametrize(
    ("choice", "ids"),
    [
        (Choice(), "db enums api mw[m1] mw[m2] final"),
        (Choice(since="api"), "api mw[m1] mw[m2] final"),
        (Choice(since="mw"), "mw[m1] mw[m2] final"),
        (Choice(only=("enums", "mw[m2]")), "enums mw[m2]"),
        (Choice(only=("enums", "final")), "enums final"),
        (Choice(tags=("data",)), "db enums"),
        (Choice(tags=("schema",), only=("api",)), "enums api"),
        (Choice(skip=("mw", "db")), "enums api final"),
        (Choice(since="enums", skip=("mw[m1]",), tags=("data",)), "enums"),
    ],
)
def test_steps_are_chosen_by_id_group_tag_and_place(choice: Choice, ids: str) -> None:
    assert chosen(choice) == ids.split()


@pytest.mark.parametrize(
    ("choice", "hint"),
    [
        (Choice(since="enum"), "did you mean 'enums'?"),
        (Choice(only=("x",)), "known: api, db"),
        (Choice(skip=("mw[m3]",)), "did you mean"),
        (Choice(tags=("dta",)), "did you mean 'data'?"),
    ],
)
def test_what_there_is_not_is_refused(choice: Choice, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        choice.left_out(SPECS)
    assert hint in caught.value.why


def plan(**statuses: str) -> Plan:
    return Plan(tuple(Planned(s, statuses.get(s.id, "to do"), f"{s.id} lacks") for s in SPECS))  # type: ignore[arg-type]


def test_what_is_left_out_is_not_needed_and_says_so() -> None:
    [db, *rest] = leave_out(plan(), ["db"]).items
    assert (db.status, db.because) == ("not needed", "left out")
    assert {item.status for item in rest} == {"to do"}


def test_a_warning_names_the_first_chosen_step_that_rests_on_it() -> None:
    assert missed(plan(), ["enums"]) == ["step enums is left out, and mw[m1] needs it: enums lacks"]
    assert missed(plan(), ["db"]) == ["step db is left out, and enums needs it: db lacks"]


def test_no_warning_where_nothing_rests_on_it_or_it_holds_already() -> None:
    assert missed(plan(db="not needed"), ["db"]) == []
    rest = [spec.id for spec in SPECS if spec.id not in ("api", "final")]
    assert missed(plan(), ["enums", *rest]) == ["step db is left out, and api needs it: db lacks"]
    assert Is("x").about == {"x"}
