"""What a type needs is decided without guessing."""

from __future__ import annotations

import pytest

from recover.enums.drift import Add, EnumType, Extra, Refusal, Rename, Twins, compare, find


def drift_of(labels: str, expected: str, **renames: str):  # type: ignore[no-untyped-def]  # reads better in a table
    return compare(EnumType("public", "role", tuple(labels.split())), expected.split(), renames)


@pytest.mark.parametrize(
    ("labels", "expected", "map", "renames", "adds"),
    [
        ("ADMIN USER", "ADMIN USER", {}, "", []),
        ("USER ADMIN", "ADMIN USER", {}, "", []),
        ("admin user", "ADMIN USER", {}, "admin>ADMIN user>USER", []),
        ("admin USER", "ADMIN USER", {}, "admin>ADMIN", []),
        ("pending_approval", "PENDING", {"pending_approval": "PENDING"}, "pending_approval>PENDING", []),
        ("PENDING", "PENDING", {"pending_approval": "PENDING"}, "", []),
        ("admin ADMIN_", "X ADMIN_", {"admin": "X"}, "admin>X", []),
        ("admin", "ADMIN USER", {}, "admin>ADMIN", [Add("USER", "AFTER", "ADMIN")]),
        ("user", "ADMIN USER", {}, "user>USER", [Add("ADMIN", "BEFORE", "USER")]),
        ("", "A B", {}, "", [Add("A", "", ""), Add("B", "AFTER", "A")]),
        ("a d", "a b c d", {}, "", [Add("b", "AFTER", "a"), Add("c", "AFTER", "b")]),
        ("old", "NEW OLD", {"old": "NEW"}, "old>NEW", [Add("OLD", "AFTER", "NEW")]),
    ],
)
def test_renames_and_additions(labels: str, expected: str, map: dict[str, str], renames: str, adds: list[Add]) -> None:
    drift = drift_of(labels, expected, **map)
    assert drift.renames == tuple(Rename(*pair.split(">")) for pair in renames.split())
    assert drift.adds == tuple(adds)
    assert not drift.refusals


@pytest.mark.parametrize(
    ("labels", "expected", "map", "reason"),
    [
        ("admin Admin", "ADMIN", {}, "ambiguous"),
        ("admin", "ADMIN Admin", {}, "ambiguous"),
        ("A B", "A B", {"A": "B"}, "both meanings"),
        ("A B C", "A B C", {"A": "B", "C": "B", "B": "A"}, "both meanings"),
        ("a b B", "a B new", {"a": "B", "b": "B", "B": "new"}, "both meanings"),
        ("x", "~retired:x", {}, "a merge retired"),
        ("x", "A", {"x": "B"}, "not among the expected"),
        ("a", "a a", {}, "twice"),
        ("a", "a " + "ä" * 32, {}, "64"),
    ],
)
def test_what_would_be_a_guess_is_refused(labels: str, expected: str, map: dict[str, str], reason: str) -> None:
    refusals = drift_of(labels, expected, **map).refusals
    assert refusals
    assert reason in refusals[0].reason


def test_labels_that_mean_the_same_are_twins_and_unused_ones_no_drift() -> None:
    drift = drift_of("admin ADMIN old", "ADMIN")
    assert drift.extras == (Extra("admin", "ADMIN"), Extra("old"))
    assert drift.twins == (Twins("ADMIN", ("admin", "ADMIN")),)
    assert drift.settled
    assert drift_of("x y", "A", x="A", y="A").twins == (Twins("A", ("x", "y")),)
    assert drift_of("~retired:admin ADMIN", "ADMIN").twins == (Twins("ADMIN", ("~retired:admin", "ADMIN")),)
    assert drift_of("admin ~retired:admin", "ADMIN").twins == (Twins("ADMIN", ("admin", "~retired:admin")),)


@pytest.mark.parametrize(("labels", "map"), [("admin Admin ADMIN", {}), ("x admin Admin", {"x": "ADMIN"})])
def test_several_spellings_of_a_label_that_is_there_or_comes_are_left_over(labels: str, map: dict[str, str]) -> None:
    drift = drift_of(labels, "ADMIN", **map)
    assert drift.extras == (Extra("admin"), Extra("Admin"))
    assert not drift.refusals


PENDING = {"PENDING": "pending_approval", "ACTIVE": "active"}


@pytest.mark.parametrize(
    ("labels", "expected", "pairs", "renames"),
    [
        ("pending_approval active", "PENDING ACTIVE", [PENDING], "pending_approval>PENDING active>ACTIVE"),
        ("PENDING ACTIVE", "pending_approval active", [PENDING], "PENDING>pending_approval ACTIVE>active"),
        ("admin user", "ADMIN USER", [{"ADMIN": "user", "USER": "admin"}], "admin>USER user>ADMIN"),
        ("a", "X", [{"X": "a"}, {"X": "a"}], "a>X"),
    ],
)
def test_the_pairs_of_the_code_are_the_map(
    labels: str, expected: str, pairs: list[dict[str, str]], renames: str
) -> None:
    drift = compare(EnumType("public", "role", tuple(labels.split())), expected.split(), {}, pairs)
    assert drift.renames == tuple(Rename(*pair.split(">")) for pair in renames.split())
    assert not drift.adds
    assert not drift.refusals


def test_pairs_that_contradict_each_other_are_ambiguous_until_the_map_says_it() -> None:
    type = EnumType("public", "role", ("a",))
    rivals = [{"X": "a"}, {"Y": "a"}]
    assert compare(type, ["X", "Y"], {}, rivals).state == "ambiguous"
    assert compare(type, ["X", "Y"], {"a": "Y"}, rivals).renames == (Rename("a", "Y"),)


def test_a_swap_is_made_by_the_map_only_and_not_twice() -> None:
    type = EnumType("public", "role", ("A", "B"))
    swap = {"A": "B", "B": "A"}
    drift = compare(type, ["A", "B"], swap)
    assert (drift.renames, drift.state) == ((Rename("A", "B"), Rename("B", "A")), "swapped")
    assert compare(type, ["A", "B"], swap, done=drift.renames).settled
    shifted = compare(EnumType("public", "role", ("a", "B")), ["B", "C"], {"a": "B", "B": "C"})
    assert shifted.renames == (Rename("a", "B"), Rename("B", "C"))


@pytest.mark.parametrize(
    ("labels", "expected", "map", "state"),
    [
        ("A B", "A B", {}, "clean"),
        ("B A", "A B", {}, "order"),
        ("A B x", "A B", {}, "extra"),
        ("A", "A B", {}, "missing"),
        ("a B", "A B", {}, "mismatch"),
        ("a aa", "A AA", {"aa": "nothing"}, "blocked"),
        ("a A_", "A a_", {}, "mismatch"),
        ("Aa aA", "AA", {}, "ambiguous"),
    ],
)
def test_the_state_has_a_word(labels: str, expected: str, map: dict[str, str], state: str) -> None:
    assert drift_of(labels, expected, **map).state == state


def test_order_is_reported_only() -> None:
    assert drift_of("b a", "a b").reordered
    assert not drift_of("a x b", "a b c").reordered
    assert drift_of("b a", "a b").settled


TYPES = (EnumType("app", "role", ()), EnumType("old", "role", ()), EnumType("app", "Mood", ()))


@pytest.mark.parametrize(
    ("text", "found"),
    [("app.role", TYPES[0]), ("OLD.Role", TYPES[1]), ('"Mood"', TYPES[2]), ('app."Mood"', TYPES[2])],
)
def test_a_type_is_found_as_sql_finds_it(text: str, found: EnumType) -> None:
    assert find(TYPES, text) == found


@pytest.mark.parametrize(
    ("text", "reason", "next"),
    [
        ("role", "2 schemas", '"app"."role" or "old"."role"'),
        ("Mood", "no enum type", 'did you mean "app"."Mood"?'),
        ("nothing", "no enum type", "\\dT"),
        ("a b", "not the name", ""),
    ],
)
def test_a_type_that_cannot_be_told_is_refused_with_a_hint(text: str, reason: str, next: str) -> None:
    refusal = find(TYPES, text)
    assert isinstance(refusal, Refusal)
    assert reason in refusal.reason
    assert next in refusal.next
