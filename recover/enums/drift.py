"""What differs between the enum types of a database and the labels the deployed code expects. Pure.

What a label has become is said by the explicit map, or else by the (name, value) pairs of the Python
enum, or else by the one label that spells the same but for its case. Everything that would be a guess is
a refusal.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from recover.enums.expected import Pairs
from recover.postgres.names import LONGEST_NAME, TypeName, read_type_name, too_long
from recover.world import Row

RETIRED = "~retired:"
"""What a merge puts before the label it retires: PostgreSQL cannot drop one."""

State = Literal["clean", "order", "extra", "missing", "mismatch", "swapped", "both", "ambiguous", "blocked"]


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
class Twins:
    """Labels that exist and mean the same: `into` is the expected one, which may not be among them yet."""

    into: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Merge:
    """Rows that hold `loser` are to hold the survivor. `retired` is what the loser's label is called from then on."""

    loser: str
    retired: str
    into: str


@dataclass(frozen=True)
class Refusal:
    """Why a type is left alone: the object, the reason, and what to type."""

    object: str
    reason: str
    next: str = ""


@dataclass(frozen=True)
class Drift:
    """One type: what a repair would do, what is only worth a word, and what stands in its way.

    `twins` are undecided until `settling.settle` has seen who uses them; `merges` are what it decided.
    `swapped` tells that renames change what rows mean.
    """

    type: EnumType
    expected: tuple[str, ...]
    renames: tuple[Rename, ...] = ()
    adds: tuple[Add, ...] = ()
    extras: tuple[Extra, ...] = ()
    twins: tuple[Twins, ...] = ()
    merges: tuple[Merge, ...] = ()
    swapped: bool = False
    refusals: tuple[Refusal, ...] = ()

    @property
    def settled(self) -> bool:
        """Nothing to rename, nothing to merge, nothing to add, nothing refused."""
        return not (self.renames or self.merges or self.adds or self.refusals)

    @property
    def reordered(self) -> bool:
        """The expected labels that exist sort otherwise than expected: ORDER BY and < see it, an ORM does not."""
        there = [label for label in self.type.labels if label in self.expected]
        return there != [label for label in self.expected if label in there]

    @property
    def spellings(self) -> Mapping[str, str]:
        """Old spelling to new, for whatever holds a label as text."""
        renamed = {r.old: r.new for r in self.renames if not r.new.startswith(RETIRED)}
        return renamed | {merge.loser: merge.into for merge in self.merges if merge.loser != merge.into}

    @property
    def state(self) -> State:
        """The word for it; of several the one that needs the most care."""
        words: tuple[tuple[object, State], ...] = (
            (any("ambiguous" in refusal.reason for refusal in self.refusals), "ambiguous"),
            (self.refusals, "blocked"),
            (self.merges, "both"),
            (self.swapped, "swapped"),
            (self.renames, "mismatch"),
            (self.adds, "missing"),
            (self.extras, "extra"),
            (self.reordered, "order"),
        )
        return next((word for is_so, word in words if is_so), "clean")


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
        return Refusal(text, f"ambiguous: {len(fitting)} schemas have a type of that name", f"say which one: {names}")
    alike = {t.name.casefold(): t.sql for t in types}
    near = difflib.get_close_matches(name.name.casefold(), alike, n=1)
    hint = f"did you mean {alike[near[0]]}?" if near else "list them: psql -c '\\dT'"
    return Refusal(text, "there is no enum type of that name in this database", hint)


def compare(
    type: EnumType,
    expected: Sequence[str],
    map: Mapping[str, str],
    pairs: Sequence[Pairs] = (),
    done: Sequence[Rename] = (),
) -> Drift:
    """What has to happen to the type so that it has the expected labels.

    `map` is old label to new; `pairs` are those of the Python enums behind the type; `done` are renames that
    an earlier repair made and nobody took back: a swap among them is not made a second time.
    """
    given = {old: new for old, new in map.items() if Rename(old, new) not in done or old not in expected}
    refusals = [*_contradictions(type, expected, given)]
    meant, unclear = _meanings(type, expected, given, pairs)
    refusals += unclear
    renames, twins = _told_apart(type, expected, meant)
    refusals += [
        _both_meanings(type, label, twin.into)
        for twin in twins
        for label in twin.labels
        if label in expected and label != twin.into
    ]
    there = {r.new for r in renames} | (set(type.labels) - {r.old for r in renames}) | {t.into for t in twins}
    missing = [w for w in expected if w not in there and not any(_same(w, s) for s in _spare(type, expected, meant))]
    new = {r.old: r.new for r in renames}
    after = [new.get(label, label) for label in type.labels]
    extras = tuple(Extra(s, meant.get(s)) for s in type.labels if s not in expected and s not in new)
    swapped = any(r.old in expected for r in renames)
    adds = _adds(missing, expected, after)
    return Drift(
        type, tuple(expected), renames, adds, extras, twins, swapped=swapped, refusals=tuple(dict.fromkeys(refusals))
    )


def _contradictions(type: EnumType, expected: Sequence[str], map: Mapping[str, str]) -> Iterable[Refusal]:
    for label in expected:
        if too_long(label):
            yield Refusal(
                f"{type.sql} {label!r}", f"a label has at most {LONGEST_NAME} bytes, this one {len(label.encode())}"
            )
        if label.startswith(RETIRED):
            yield Refusal(f"{type.sql} {label!r}", f"labels that begin with {RETIRED!r} are those that a merge retired")
        if expected.count(label) > 1:
            yield Refusal(f"{type.sql} {label!r}", "the label is expected twice")
    for old, new in map.items():
        if new not in expected:
            yield Refusal(f"{type.sql} {old!r}", f"it is mapped to {new!r}, which is not among the expected labels")
        elif old in expected and old in type.labels and new in type.labels and new not in map:
            yield _both_meanings(type, old, new)
    for new, olds in Counter(new for old, new in map.items() if old in expected and old in type.labels).items():
        if olds > 1:
            reason = f"{olds} expected labels are mapped to it: rows of both meanings could not be told apart"
            yield Refusal(f"{type.sql} {new!r}", reason, "leave one of them in map")


def _both_meanings(type: EnumType, old: str, new: str) -> Refusal:
    reason = f"the label is expected, and is mapped to {new!r} too: rows of both meanings could not be told apart"
    return Refusal(f"{type.sql} {old!r}", reason, "take it out of map, or out of expected")


def _meanings(
    type: EnumType, expected: Sequence[str], map: Mapping[str, str], pairs: Sequence[Pairs]
) -> tuple[dict[str, str], list[Refusal]]:
    """What each label means that is not (only) what it says, and those of which it cannot be told."""
    meant: dict[str, str] = {}
    unclear: dict[str, Refusal] = {}
    spare = [label for label in type.labels if label not in expected]
    for label in type.labels:
        said = map.get(label) or (map.get(_bare(label)) if label in spare else None)
        if said in expected:
            meant[label] = str(said)
        elif label in spare:
            known = _by_pairs(_bare(label), expected, pairs)
            if len(known) == 1:
                meant[label] = known[0]
            elif known:
                unclear[label] = _ambiguous(type, [label], known)
    unread = [label for label in spare if label not in meant and label not in unclear]
    by_case, more = _by_case(type, expected, unread, meant)
    return {**meant, **by_case}, [*unclear.values(), *more]


def _by_pairs(label: str, expected: Sequence[str], pairs: Sequence[Pairs]) -> list[str]:
    halves = [(name, value) for enum in pairs for name, value in enum.items()]
    found = [name for name, value in halves if value == label and name in expected]
    found += [value for name, value in halves if name == label and value in expected]
    return list(dict.fromkeys(found))


def _by_case(
    type: EnumType, expected: Sequence[str], unread: Sequence[str], meant: Mapping[str, str]
) -> tuple[dict[str, str], list[Refusal]]:
    taken = set(type.labels) | set(meant.values())
    missing = [label for label in expected if label not in taken]
    found: dict[str, str] = {}
    unclear = []
    for label in unread:
        # A retired label means what it meant; it is no rival of one that is alive.
        rivals = [other for other in unread if _same(other, label) and not other.startswith(RETIRED)] or [label]
        wanted = [w for w in missing if _same(w, label)]
        there = [w for w in expected if w not in missing and _same(w, label)]
        if len(rivals) == 1 and len(wanted) + len(there) == 1:
            found[label] = (wanted + there)[0]
        elif wanted:
            unclear.append(_ambiguous(type, rivals, wanted + there))
    return found, unclear


def _same(one: str, other: str) -> bool:
    return _bare(one).casefold() == _bare(other).casefold()


def _bare(label: str) -> str:
    return label.removeprefix(RETIRED)


def _told_apart(
    type: EnumType, expected: Sequence[str], meant: Mapping[str, str]
) -> tuple[tuple[Rename, ...], tuple[Twins, ...]]:
    """Renames where one label means the expected one; twins where several do."""
    renames, twins = [], []
    for into in dict.fromkeys(meant.values()):
        labels = [label for label in type.labels if meant.get(label, label if label in expected else None) == into]
        if len(labels) > 1:
            twins.append(Twins(into, tuple(labels)))
        else:
            renames.append(Rename(labels[0], into))
    order = list(meant)
    return tuple(sorted(renames, key=lambda r: order.index(r.old))), tuple(twins)


def _spare(type: EnumType, expected: Sequence[str], meant: Mapping[str, str]) -> list[str]:
    return [label for label in type.labels if label not in expected and label not in meant]


def _ambiguous(type: EnumType, found: Sequence[str], rivals: Sequence[str]) -> Refusal:
    there, wanted = (" and ".join(repr(label) for label in labels) for labels in (found, rivals))
    return Refusal(
        f"{type.sql} {there}",
        f"it is ambiguous which label becomes which: {there} in the database, {wanted} expected",
        f"say it: map: {{{type.name}: {{{found[0]}: {rivals[0]}}}}}",
    )


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
