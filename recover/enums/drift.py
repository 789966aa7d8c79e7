"""What differs between the enum types of a database and the labels the deployed code expects. Pure.

A label is renamed by the explicit map, or else where exactly one label spells the same but for its
case. Everything that would be a guess is a refusal.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from recover.postgres.names import LONGEST_NAME, TypeName, read_type_name, too_long
from recover.world import Row


@dataclass(frozen=True)
class EnumType:
    """An enum type as the catalog has it; `labels` in their sort order, `owned` by the role that asks."""

    schema: str
    name: str
    labels: tuple[str, ...]
    oid: int = 0
    owned: bool = True
    owner: str = ""

    @property
    def sql(self) -> str:
        """Its name as SQL takes it, in any search_path."""
        return str(TypeName(self.schema, self.name))


@dataclass(frozen=True)
class Rename:
    """One label that is to be spelled otherwise; its rows, defaults and indexes follow by oid."""

    old: str
    new: str


@dataclass(frozen=True)
class Add:
    """A label that is missing, and the one it is put before or after (none in an empty type)."""

    label: str
    place: Literal["BEFORE", "AFTER", ""]
    neighbour: str


@dataclass(frozen=True)
class Extra:
    """A label that nobody expects. `instead_of` is the expected one of the same meaning that exists too."""

    label: str
    instead_of: str | None = None
    used_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """Why a type is left alone: the object, the reason, and what to type."""

    object: str
    reason: str
    next: str = ""


@dataclass(frozen=True)
class Drift:
    """One type: what a repair would do, what is only worth a word, and what stands in its way."""

    type: EnumType
    expected: tuple[str, ...]
    renames: tuple[Rename, ...] = ()
    adds: tuple[Add, ...] = ()
    extras: tuple[Extra, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    @property
    def settled(self) -> bool:
        """Nothing to rename, nothing to add, nothing refused."""
        return not (self.renames or self.adds or self.refusals)

    @property
    def reordered(self) -> bool:
        """The expected labels that exist sort otherwise than expected: ORDER BY and < see it, an ORM does not."""
        there = [label for label in self.type.labels if label in self.expected]
        return there != [label for label in self.expected if label in there]


def read_types(rows: Iterable[Row]) -> tuple[EnumType, ...]:
    """The types in the rows of the catalog query `enum_types`."""
    return tuple(_read_type(row) for row in rows)


def _read_type(row: Mapping[str, Any]) -> EnumType:
    return EnumType(row["schema"], row["name"], tuple(row["labels"]), row["oid"], row["owned"], row["owner"])


def find(types: Sequence[EnumType], text: str) -> EnumType | Refusal:
    """The one type meant by a name as SQL reads it; a name that fits two schemas is refused."""
    name = read_type_name(text)
    if name is None:
        return Refusal(
            text, "this is not the name of a type", 'write it as SQL does: userrole, app.userrole, "UserRole"'
        )
    fitting = [t for t in types if t.name == name.name and name.schema in (None, t.schema)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = " or ".join(t.sql for t in fitting)
        return Refusal(text, f"{len(fitting)} schemas have a type of that name", f"say which one: {names}")
    alike = {t.name.casefold(): t.sql for t in types}
    near = difflib.get_close_matches(name.name.casefold(), alike, n=1)
    hint = f"did you mean {alike[near[0]]}?" if near else "list them: psql -c '\\dT'"
    return Refusal(text, "there is no enum type of that name in this database", hint)


def compare(type: EnumType, expected: Sequence[str], map: Mapping[str, str]) -> Drift:
    """What has to happen to the type so that it has the expected labels; `map` is old label to new."""
    refusals = [*_contradictions(type, expected, map)]
    mapped = {old: new for old, new in map.items() if old in type.labels and old not in expected}
    renames = [Rename(old, new) for old, new in mapped.items() if new not in type.labels]
    missing = [w for w in expected if w not in type.labels and w not in {r.new for r in renames}]
    spare = [label for label in type.labels if label not in expected and label not in mapped]
    for label in missing:
        found = [s for s in spare if s.casefold() == label.casefold()]
        rivals = [m for m in missing if m.casefold() == label.casefold()]
        if len(found) == len(rivals) == 1:
            renames.append(Rename(found[0], label))
        elif found:
            refusals.append(_ambiguous(type, found, rivals))
    unresolved = [m for m in missing if not any(s.casefold() == m.casefold() for s in spare)]
    after = [*(next((r.new for r in renames if r.old == label), label) for label in type.labels)]
    renamed = {r.old for r in renames}
    extras = [Extra(s, _twin(s, mapped, expected)) for s in type.labels if s not in expected and s not in renamed]
    return Drift(
        type, tuple(expected), tuple(renames), _adds(unresolved, expected, after), tuple(extras), _once(refusals)
    )


def _contradictions(type: EnumType, expected: Sequence[str], map: Mapping[str, str]) -> Iterable[Refusal]:
    for label in expected:
        if too_long(label):
            yield Refusal(
                f"{type.sql} {label!r}", f"a label has at most {LONGEST_NAME} bytes, this one {len(label.encode())}"
            )
        if expected.count(label) > 1:
            yield Refusal(f"{type.sql} {label!r}", "the label is expected twice")
    for old, new in map.items():
        if old in expected:
            reason = (
                f"the label is expected, and is mapped to {new!r} too: rows of both meanings could not be told apart"
            )
            yield Refusal(f"{type.sql} {old!r}", reason, "take it out of map, or out of expected")
        elif new not in expected:
            yield Refusal(f"{type.sql} {old!r}", f"it is mapped to {new!r}, which is not among the expected labels")
    for new, times in Counter(new for old, new in map.items() if old in type.labels).items():
        if times > 1:
            reason = f"{times} labels are mapped to it: that merges rows, which a rename cannot"
            yield Refusal(f"{type.sql} {new!r}", reason, "leave one of them in map")


def _ambiguous(type: EnumType, found: Sequence[str], rivals: Sequence[str]) -> Refusal:
    there, wanted = (" and ".join(repr(label) for label in labels) for labels in (found, rivals))
    return Refusal(
        f"{type.sql} {there}",
        f"it is ambiguous which label becomes which: {there} in the database, {wanted} expected",
        f"say it: map: {{{type.name}: {{{found[0]}: {rivals[0]}}}}}",
    )


def _twin(label: str, mapped: Mapping[str, str], expected: Sequence[str]) -> str | None:
    alike = [e for e in expected if e.casefold() == label.casefold()]
    return mapped.get(label) or (alike[0] if len(alike) == 1 else None)


def _adds(missing: Sequence[str], expected: Sequence[str], existing: Sequence[str]) -> tuple[Add, ...]:
    there = set(existing)
    adds = []
    for label in missing:
        at = expected.index(label)
        before = next((e for e in reversed(expected[:at]) if e in there), None)
        after = next((e for e in expected[at:] if e in there), None)
        adds.append(
            Add(label, "AFTER", before)
            if before is not None
            else Add(label, "BEFORE", after)
            if after is not None
            else Add(label, "", "")
        )
        there.add(label)
    return tuple(adds)


def _once(refusals: Iterable[Refusal]) -> tuple[Refusal, ...]:
    return tuple(dict.fromkeys(refusals))


def with_uses(drift: Drift, uses: Mapping[str, tuple[str, ...]]) -> Drift:
    """The drift, knowing where its extra labels are used: a used one is refused, for it needs a decision."""
    extras = tuple(replace(extra, used_in=uses.get(extra.label, ())) for extra in drift.extras)
    refused = [_used(drift.type, extra) for extra in extras if extra.used_in]
    return replace(drift, extras=extras, refusals=_once([*drift.refusals, *refused]))


def _used(type: EnumType, extra: Extra) -> Refusal:
    where = ", ".join(extra.used_in)
    if extra.instead_of is not None:
        reason = f"{extra.label!r} and {extra.instead_of!r} both exist, and {extra.label!r} is in use: {where}"
        return Refusal(
            f"{type.sql} {extra.label!r}", reason, "merge the rows by hand (a rename cannot), then run again"
        )
    reason = f"nobody expects this label, and it is in use: {where}"
    return Refusal(
        f"{type.sql} {extra.label!r}", reason, f"say what it became: map: {{{type.name}: {{{extra.label}: …}}}}"
    )
