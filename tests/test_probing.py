"""Each part alone, all together and none; the one that breaks something is named, and all is put back."""

from __future__ import annotations

from typing import Any

import pytest
from worlds import Is, Kept, Things, bind, each, load, want

from recover.errors import UsageError
from recover.probing import ALL, NONE, Matrix, Probing, trials


def tried(things: Things, *bad: str, items: tuple[str, ...] = ("a", "b", "c"), together: bool = True) -> Matrix:
    def test(on: object) -> bool:
        names = set(filter(None, str(on).split(",")))
        return not names & set(bad) and (together or len(names) < len(items))

    specs: Any = each("parts", "on", items, test)
    kept = Kept(specs)
    combinations = trials(specs, None)
    return Probing(things, bind, kept, kept.progress, load).matrix(combinations, lambda _row: None)  # type: ignore[arg-type]


def test_every_combination_is_tried_and_the_culprit_named() -> None:
    things = Things({"on": "a,b,c"})
    matrix = tried(things, "b")
    assert [row.trial.name for row in matrix.rows] == [NONE, "a", "b", "c", ALL]
    assert [row.good for row in matrix.rows] == [True, True, False, True, False]
    assert (matrix.culprits, matrix.verdict) == (("b",), "broken by b")


def test_two_at_once_are_both_named() -> None:
    assert tried(Things({"on": ""}), "a", "c").culprits == ("a", "c")


def test_what_breaks_only_together_is_said_so() -> None:
    matrix = tried(Things({"on": ""}), together=False)
    assert not matrix.culprits
    assert matrix.verdict.startswith("each is good alone, and all together they are not")


def test_where_it_is_broken_without_any_part_no_part_is_blamed() -> None:
    matrix = tried(Things({"on": ""}), "None", "")
    assert Matrix().culprits == ()
    assert matrix.good
    things = Things({"on": ""}, set_in_stone={"on"})
    things.now["on"] = "b"
    broken = tried(things, "b")
    assert broken.culprits == ()
    assert broken.verdict.startswith("it is broken with none of them on")


def test_afterwards_everything_is_as_it_was() -> None:
    things = Things({"on": "c,a"})
    tried(things, "b")
    assert things.now == {"on": "c,a"}


def test_a_part_that_cannot_even_be_started_is_a_culprit() -> None:
    matrix = tried(Things({"on": ""}, broken={"c"}))
    assert matrix.culprits == ("c",)
    assert "it says no" in matrix.rows[3].wrong


def test_a_playbook_without_such_a_step_says_so() -> None:
    specs: Any = [want("a", a=1)]
    with pytest.raises(UsageError, match="which step's items"):
        trials(specs, None)
    parts: Any = each("parts", "on", ("a",), Is("on").test or bool)
    with pytest.raises(UsageError, match="step other has no items"):
        trials(parts, "other")


def test_only_the_parts_of_that_step_are_tried() -> None:
    parts, others = (each(name, name, items, bool) for name, items in (("parts", "ab"), ("others", "cd")))
    specs: Any = [want("before", x=1), *parts, *others, want("after", y=1)]
    assert [trial.name for trial in trials(specs, "parts")] == [NONE, "a", "b", ALL]
    assert [trial.kept for trial in trials(specs, "others")] == [(), ("c",), ("d",), ("c", "d")]
    with pytest.raises(UsageError, match="which step's items"):
        trials(specs, None)
