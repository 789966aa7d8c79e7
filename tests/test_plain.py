"""Dataclasses out of plain data, and back to the same; whatever has another shape is refused by its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from json import dumps, loads
from typing import Any, Literal

import pytest

from recover.acting import as_data
from recover.checks.former import Former
from recover.enums.repair import Change, Repair
from recover.journal.records import plain
from recover.plain import load
from recover.steps import ACTIONS, load_action
from recover.steps.enum import RepairLabels
from recover.steps.service import Start, Stop


@dataclass(frozen=True)
class Part:
    number: float = 0.0


@dataclass(frozen=True)
class Whole:
    name: str
    kind: Literal["a", "b"] = "a"
    parts: tuple[Part, ...] = ()
    pair: tuple[str, int] | None = None
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    yes: bool = False
    anything: object = None


def test_what_was_written_comes_back_the_same() -> None:
    whole = Whole("n", "b", (Part(1.5), Part(2)), ("x", 3), {"k": ("l", "m")}, yes=True, anything=[1])
    assert load(Whole, loads(dumps(plain(whole)))) == whole


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({}, "name"),
        ({"name": 1}, "Whole.name"),
        ({"name": "n", "kind": "c"}, "Whole.kind"),
        ({"name": "n", "parts": [{"number": True}]}, r"Whole.parts\[0\].number"),
        ({"name": "n", "parts": [{"unheard": 1}]}, r"Whole.parts\[0\] has no unheard"),
        ({"name": "n", "pair": ["x"]}, "Whole.pair"),
        ({"name": "n", "words": {"k": [1]}}, "Whole.words.k"),
        ({"name": "n", "yes": 1}, "Whole.yes"),
        ([], "Whole"),
    ],
)
def test_another_shape_is_refused_by_its_place(data: Any, where: str) -> None:
    with pytest.raises(ValueError, match=where):
        load(Whole, data)


REPAIR = Repair(
    "rename", {"t": ("a",)}, {"t": ("A",)}, (("t", "a", "A"),), (Change("x", "y"),), dependants=(("v", "1", "2"),)
)


@pytest.mark.parametrize(
    "action",
    [
        Start(
            "api",
            {"MODE": ""},
            "because",
            Former("exited", {"A": "b"}, {"image": "app 1"}),
            ("run",),
            ("o.yaml",),
            anew=True,
        ),
        Stop("api", "because", Former("running", lost=("X",))),
        RepairLabels("main", REPAIR, 2.0, 30, "because"),
    ],
)
def test_an_action_that_a_journal_kept_is_loaded_as_it_was(action: Any) -> None:
    kept = loads(dumps(plain(as_data(action))))
    assert load_action(kept) == action
    assert load_action(kept).inverse() == action.inverse()


def test_an_action_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="no action Melt"):
        load_action({"type": "Melt"})
    with pytest.raises(ValueError, match="replaces"):
        load_action({"type": "Stop", "service": "a", "because": "b", "replaces": {}})
    assert {name: type.__name__ for name, type in ACTIONS.items()} == {name: name for name in ACTIONS}
