"""What a type needs is decided without guessing."""

from __future__ import annotations

import pytest

from recover.enums.drift import Add, EnumType, Extra, Refusal, Rename, compare, find, with_uses


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
        ("A B", "A B", {"A": "B", "B": "A"}, "both meanings"),
        ("x", "A", {"x": "B"}, "not among the expected"),
        ("x y", "A", {"x": "A", "y": "A"}, "merges rows"),
        ("a", "a a", {}, "twice"),
        ("a", "a " + "ä" * 32, {}, "64"),
    ],
)
def test_what_would_be_a_guess_is_refused(labels: str, expected: str, map: dict[str, str], reason: str) -> None:
    refusals = drift_of(labels, expected, **map).refusals
    assert refusals
    assert reason in refusals[0].reason


def test_an_extra_label_is_a_word_while_unused_and_a_refusal_once_used() -> None:
    drift = drift_of("admin ADMIN old", "ADMIN")
    assert drift.extras == (Extra("admin", "ADMIN"), Extra("old"))
    assert drift.settled
    used = with_uses(drift, {"admin": ("public.users.role",), "old": ("public.log.role",), "ADMIN": ("x",)})
    assert not used.settled
    assert ["both exist" in refusal.reason for refusal in used.refusals] == [True, False]
    assert "map: {role: {old: …}}" in used.refusals[1].next


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
