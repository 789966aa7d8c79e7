"""Where two sources of the expected labels differ: models and source, a stale image and its source. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from recover.enums.expected import Expected, Labels, Member


def differences(one: Expected, other: Expected) -> tuple[str, ...]:
    """A sentence for each type and column about which the two say otherwise; () when they agree.

    Orders count: a new type is made with its labels in theirs. Names of modules do not: an image may keep the code
    in another folder. Where a source tells types only, as a playbook does, its columns are not compared.
    """
    a, b = one.source or "the first", other.source or "the second"
    found = [*_types(one, other, a, b)]
    if one.members and other.members:
        found += _columns(one, other, a, b)
    return tuple(found)


def _types(one: Expected, other: Expected, a: str, b: str) -> Iterator[str]:
    for name in _names(one.types, other.types):
        mine, theirs = one.types.get(name), other.types.get(name)
        if mine is None or theirs is None:
            known, unknown = (b, a) if mine is None else (a, b)
            yield f"{known} has the type {name}, {unknown} has none"
        elif mine != theirs:
            yield f"{name}: {_labels(mine, theirs, a, b)}{_guessed(one, name, a)}{_guessed(other, name, b)}"


def _guessed(told: Expected, type: str, source: str) -> str:
    notes = [member.note for member in told.members.values() if member.type == type and not member.certain]
    return f" (a guess of {source}: {notes[0]})" if notes else ""


def _columns(one: Expected, other: Expected, a: str, b: str) -> Iterator[str]:
    for name in _names(one.members, other.members):
        mine, theirs = one.members.get(name), other.members.get(name)
        if mine is None or theirs is None:
            known, unknown = (b, a) if mine is None else (a, b)
            yield f"{known} has the column {name}, {unknown} has none"
        elif mine.type != theirs.type:
            yield f"{name}: {a} has {_kind(mine)}, {b} has {_kind(theirs)}"
        elif mine.type is None and mine.labels != theirs.labels:
            yield f"{name}: {_labels(mine.labels, theirs.labels, a, b)}"
        elif dict(mine.pairs) != dict(theirs.pairs):
            yield f"{name}: the members are {_pairs(mine)} in {a}, {_pairs(theirs)} in {b}"


def _names(one: Iterable[str], other: Iterable[str]) -> list[str]:
    return list(dict.fromkeys((*one, *other)))


def _kind(member: Member) -> str:
    return "text" if member.type is None else f"the type {member.type}"


def _labels(mine: Labels, theirs: Labels, a: str, b: str) -> str:
    if set(mine) == set(theirs):
        return f"the order is {', '.join(mine)} in {a}, {', '.join(theirs)} in {b}"
    parts = [(a, [x for x in mine if x not in theirs]), (b, [x for x in theirs if x not in mine])]
    return "; ".join(f"only {source} has {', '.join(labels)}" for source, labels in parts if labels)


def _pairs(member: Member) -> str:
    return ", ".join(f"{name}={value}" for name, value in member.pairs.items()) or "not known"
