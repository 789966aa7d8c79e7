"""Which of two labels that mean the same survives, decided by who uses them. Pure.

The survivor is the label that dependants are bound to (defaults apart, which can be told anew), else the
one with the most rows: so only the minority's rows are written. A label without any use is only a word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import count

from recover.enums.drift import RETIRED, Drift, EnumType, Extra, Merge, Refusal, Rename, Twins
from recover.enums.holders import Uses
from recover.postgres.names import LONGEST_NAME


def undecided(drift: Drift) -> tuple[str, ...]:
    """The labels whose uses a decision needs: twins and those that nobody expects."""
    twins = [label for twin in drift.twins for label in twin.labels]
    return tuple(dict.fromkeys([*twins, *(extra.label for extra in drift.extras)]))


def settle(drift: Drift, uses: Uses) -> Drift:
    """The drift with its twins decided and its used extra labels refused."""
    for twin in drift.twins:
        drift = _merged(drift, twin, uses)
    gone = {r.old for r in drift.renames} | {m.loser for m in drift.merges}
    extras = tuple(replace(e, used_in=uses.places(e.label)) for e in drift.extras if e.label not in gone)
    refused = [_used(drift.type, extra) for extra in extras if extra.used_in and extra.instead_of is None]
    return replace(drift, extras=extras, refusals=tuple(dict.fromkeys([*drift.refusals, *refused])))


def _merged(drift: Drift, twin: Twins, uses: Uses) -> Drift:
    used = [label for label in twin.labels if uses.places(label) or _bound(drift.type, label, uses)]
    if not used or used == [twin.into]:
        there = [twin.into] if twin.into in twin.labels else []
        alive = sorted(twin.labels, key=lambda label: label.startswith(RETIRED))
        return drift if there else _renamed(drift, twin, alive[0], (), uses)
    refusals = [*_refusals(drift.type, twin, used, uses)]
    if refusals:
        return replace(drift, refusals=(*drift.refusals, *refusals))
    bound = [label for label in used if _bound(drift.type, label, uses)]
    ranked = sorted(used, key=lambda label: (label in bound, uses.count(label), label == twin.into), reverse=True)
    return _renamed(drift, twin, ranked[0], ranked[1:], uses)


def _bound(type: EnumType, label: str, uses: Uses) -> tuple[str, ...]:
    """The objects that only a rename of this very label keeps as they are."""
    fixed = [h for h in uses.defaults.get(label, ()) if not h.movable_default(type, label)]
    return (*uses.bound.get(label, ()), *(f"the default of {holder}" for holder in fixed))


def _refusals(type: EnumType, twin: Twins, used: Sequence[str], uses: Uses) -> Iterable[Refusal]:
    labels = " and ".join(repr(label) for label in used)
    where = f"{type.sql} {labels}"
    bound = {label: objects for label in used if (objects := _bound(type, label, uses))}
    if len(bound) > 1:
        told = "; ".join(f"{label!r}: {', '.join(objects)}" for label, objects in bound.items())
        reason = f"they mean the same, and objects are bound to each, so that no merge keeps all of them: {told}"
        yield Refusal(where, reason, f"recreate the objects of one of them with {twin.into!r}, then run again")
    if len(used) > 1 and uses.buried:
        places = ", ".join(str(holder) for holder in uses.buried)
        reason = f"they mean the same, and rows inside a composite or a range cannot be merged: {places}"
        yield Refusal(where, reason, "write those values by hand, then run again")


def _renamed(drift: Drift, twin: Twins, survivor: str, losers: Sequence[str], uses: Uses) -> Drift:
    """The survivor takes the expected spelling; a label that is in its way, or loses rows, is retired."""
    going = [*losers, *([twin.into] if survivor != twin.into and twin.into in twin.labels else [])]
    retired: dict[str, str] = {}
    for label in dict.fromkeys(going):
        retired[label] = free_name(label, {*drift.type.labels, *(r.new for r in drift.renames), *retired.values()})
    renames = [Rename(label, name) for label, name in retired.items() if label != name]
    renames += [Rename(survivor, twin.into)] if survivor != twin.into else []
    merges = tuple(
        Merge(label, retired[label], twin.into) for label in losers if uses.count(label) or uses.defaults.get(label)
    )
    return replace(drift, renames=(*drift.renames, *renames), merges=(*drift.merges, *merges))


def free_name(label: str, taken: Collection[str]) -> str:
    """A name for a label that is no longer used: within 63 bytes, cut between characters, and free."""
    if label.startswith(RETIRED):
        return label
    for number in count(1):
        suffix = "" if number == 1 else f"~{number}"
        name = _cut(RETIRED + label, LONGEST_NAME - len(suffix)) + suffix
        if name not in taken:
            return name
    raise AssertionError  # count() has no end


def _cut(text: str, longest: int) -> str:
    return text.encode()[:longest].decode(errors="ignore")


def _used(type: EnumType, extra: Extra) -> Refusal:
    where = ", ".join(extra.used_in)
    reason = f"nobody expects this label, and it is in use: {where}"
    return Refusal(
        f"{type.sql} {extra.label!r}", reason, f"say what it became: map: {{{type.name}: {{{extra.label}: …}}}}"
    )
