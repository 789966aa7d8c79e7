"""The plan of a repair as a file: what is written is read again, and only an equal repair is carried out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recover.enums.choices import Choices, choices_of
from recover.enums.expected import Expected, Member
from recover.enums.planfile import PlanFile, read, require_same, text
from recover.enums.repair import Change, Repair
from recover.errors import Drifted, UsageError

MEMBER = Member("mood", ("ok", "größe"), "app.Mood", "names", {"ok": "OK"}, certain=False, note="read", length=7)
EXPECTED = Expected(
    types={"mood": ("ok", "größe")},
    map={"mood": {"ill": "ok"}},
    columns={"public.t.state": ("ON",)},
    members={"public.t.mood": MEMBER},
    notes=("a note",),
    source="app.models:Base",
)
REPAIR = Repair(
    "rename",
    {"public.mood": ("ill",)},
    {"public.mood": ("ok", "größe")},
    (("public.mood", "ill", "ok"),),
    (Change("ALTER a", "UNDO a"), Change("ALTER b")),
    dependants=(("view v", "old", "new"),),
)
CHOICES = Choices("expand", rewrite=True, ignore=("view w",))
HERE = {"system_identifier": "7", "database": "app", "server_version": "18"}


def written(tmp_path: Path, content: str | None = None) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(content if content is not None else text(REPAIR, EXPECTED, CHOICES, HERE, ["look out"]))
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    bound = {"system_identifier": "7", "database": "app"}
    statements = ("ALTER a", "ALTER b")
    before = {"public.mood": ("ill",)}
    assert read(written(tmp_path)) == PlanFile(REPAIR.digest, bound, EXPECTED, CHOICES, before, statements)


def test_a_human_can_read_it(tmp_path: Path) -> None:
    shown = written(tmp_path).read_text()
    value = json.loads(shown)
    assert "größe" in shown
    assert shown.endswith("\n}\n")
    assert value["labels"] == {"before": {"public.mood": ["ill"]}, "after": {"public.mood": ["ok", "größe"]}}
    assert (value["v"], value["undo"], value["mind"]) == (1, ["UNDO a"], ["look out"])
    assert value["dependants"] == [{"object": "view v", "before": "old", "after": "new"}]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"v": 1}', '{"v": 1, "sha256": "x", "database": 7}'])
def test_what_is_none_is_refused_with_what_makes_one(tmp_path: Path, content: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UsageError, match="this is not a plan of a repair") as caught:
        read(path)
    assert (caught.value.where, caught.value.next) == (str(path), f"recover enums plan -o {path}")
    assert caught.value.why


def test_one_of_another_version_and_one_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a plan of version 2"):
        read(written(tmp_path, '{"v": 2}'))
    with pytest.raises(UsageError, match="cannot read") as caught:
        read(tmp_path / "none")
    assert caught.value.next == f"recover enums plan -o {tmp_path / 'none'}"


def test_an_equal_repair_of_the_same_database_is_carried_out(tmp_path: Path) -> None:
    require_same(read(written(tmp_path)), replace(REPAIR, after={}), {**HERE, "server_version": "19"})


@pytest.mark.parametrize("other", [{"system_identifier": "8"}, {"database": "other"}])
def test_another_database_is_refused(tmp_path: Path, other: dict[str, str]) -> None:
    with pytest.raises(Drifted, match="another database") as caught:
        require_same(read(written(tmp_path)), REPAIR, {**HERE, **other})
    there = {**HERE, **other}
    here = f"database {there['database']} of cluster {there['system_identifier']}"
    assert caught.value.why == f"planned: database app of cluster 7; here: {here}"


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (
            replace(REPAIR, before={"public.mood": ("ill", "x")}, changes=(Change("ALTER a", "UNDO a"),)),
            "public.mood: planned for ['ill'], has ['ill', 'x']\nno longer needed: ALTER b",
        ),
        (replace(REPAIR, before={**REPAIR.before, "t": ("a",)}), "t: planned for [], has ['a']"),
        (replace(REPAIR, before={}), "public.mood: planned for ['ill'], has []"),
        (replace(REPAIR, closing=(Change("ALTER c"),)), "needed now: ALTER c"),
        (replace(REPAIR, changes=(Change("ALTER a", "UNDO otherwise"), Change("ALTER b"))), "the way back differs"),
    ],
)
def test_another_repair_is_refused_and_the_difference_said(tmp_path: Path, now: Repair, why: str) -> None:
    with pytest.raises(Drifted, match="has changed since the plan was made") as caught:
        require_same(read(written(tmp_path)), now, HERE)
    assert caught.value.why == why


def test_choices_in_words() -> None:
    for strategy in ("rename", "expand", "contract", "retype"):
        assert choices_of(strategy, rewrite=True, ignore=["a"]) == Choices(strategy, rewrite=True, ignore=("a",))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no strategy 'rewrite'") as caught:
        choices_of("rewrite", rewrite=False, ignore=())
    assert caught.value.why == "known: rename, expand, contract, retype"
