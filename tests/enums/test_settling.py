"""Which of two labels that mean the same survives: decided by their uses, or refused."""

from __future__ import annotations

from recover.enums.drift import RETIRED, Drift, EnumType, Extra, Merge, Refusal, Rename, compare
from recover.enums.holders import Holder, Uses
from recover.enums.settling import free_name, settle, undecided

PLAIN = Holder("public", "users", "role", "plain")
BURIED = Holder("public", "users", "pair", "buried")


def drift(labels: str, expected: str = "ADMIN") -> Drift:
    return compare(EnumType("public", "role", tuple(labels.split())), expected.split(), {})


def settled(labels: str, expected: str = "ADMIN", *, bound: str = "", default: str = "", **rows: int) -> Drift:
    """`rows` hold that label each; an object is bound to each label of `bound`, a default says that of `default`."""
    holder = Holder("public", "users", "role", "plain", default=f"'{default}'::role") if default else PLAIN
    uses = Uses(
        rows={label: {holder: number} for label, number in rows.items()},
        bound={label: (f"index of {label}",) for label in bound.split()},
        defaults={default: (holder,)} if default else {},
    )
    return settle(drift(labels, expected), uses)


def test_what_is_asked_about_are_twins_and_what_nobody_expects() -> None:
    assert undecided(drift("admin ADMIN old")) == ("admin", "ADMIN", "old")
    assert undecided(drift("ADMIN")) == ()


def test_the_label_with_the_most_rows_survives() -> None:
    most = settled("admin ADMIN", admin=5, ADMIN=3)
    assert most.renames == (Rename("ADMIN", f"{RETIRED}ADMIN"), Rename("admin", "ADMIN"))
    assert most.merges == (Merge("ADMIN", f"{RETIRED}ADMIN", "ADMIN"),)
    fewest = settled("admin ADMIN", admin=3, ADMIN=5)
    assert fewest.renames == (Rename("admin", f"{RETIRED}admin"),)
    assert fewest.merges == (Merge("admin", f"{RETIRED}admin", "ADMIN"),)
    assert settled("admin ADMIN", admin=4, ADMIN=4).merges == (Merge("admin", f"{RETIRED}admin", "ADMIN"),)


def test_one_that_an_object_is_bound_to_survives_with_fewer_rows() -> None:
    assert settled("admin ADMIN", bound="admin", admin=1, ADMIN=9).merges[0].loser == "ADMIN"


def test_one_that_nothing_uses_is_only_a_word() -> None:
    assert settled("admin ADMIN", ADMIN=1).settled
    alone = settled("admin ADMIN", admin=1)
    assert (alone.merges, alone.renames) == ((), (Rename("ADMIN", f"{RETIRED}ADMIN"), Rename("admin", "ADMIN")))


def test_a_default_that_is_the_label_alone_moves_with_its_rows() -> None:
    moved = settled("admin ADMIN", default="admin", ADMIN=2)
    assert moved.merges == (Merge("admin", f"{RETIRED}admin", "ADMIN"),)
    assert not moved.refusals


def test_objects_bound_to_each_are_refused() -> None:
    [refusal] = settled("admin ADMIN", bound="admin ADMIN", admin=1, ADMIN=1).refusals
    assert refusal.object == """"public"."role" 'admin' and 'ADMIN'"""
    assert "'admin': index of admin; 'ADMIN': index of ADMIN" in refusal.reason
    assert "'ADMIN'" in refusal.next


def test_rows_inside_a_composite_are_refused_only_where_both_may_be_used() -> None:
    both = settle(drift("admin ADMIN"), Uses(rows={"admin": {PLAIN: 1}}, buried=(BURIED,)))
    assert ["public.users.pair" in refusal.reason for refusal in both.refusals] == [True]


def test_what_nobody_expects_is_left_alone_until_it_is_used() -> None:
    assert settled("ADMIN old").extras == (Extra("old"),)
    assert settled("ADMIN old").settled
    used = settled("ADMIN old", old=2)
    assert used.extras == (Extra("old", used_in=("public.users.role",)),)
    reason = "nobody expects this label, and it is in use: public.users.role"
    assert used.refusals == (Refusal('"public"."role" \'old\'', reason, "say what it became: map: {role: {old: …}}"),)


def test_a_retired_label_has_a_free_name_of_at_most_63_bytes() -> None:
    assert free_name("a", ()) == f"{RETIRED}a"
    assert free_name(f"{RETIRED}a", {f"{RETIRED}a"}) == f"{RETIRED}a"
    assert free_name("a", {f"{RETIRED}a"}) == f"{RETIRED}a~2"
    assert free_name("a", {f"{RETIRED}a", f"{RETIRED}a~2"}) == f"{RETIRED}a~3"
    long = free_name("é" * 31, ())
    assert len(long.encode()) <= 63
    assert f"{RETIRED}{'é' * 31}".startswith(long)
    again = free_name("x" * 63, {f"{RETIRED}{'x' * 63}".encode()[:63].decode()})
    assert (len(again), again[-2:]) == (63, "~2")
