"""What follows a rename of labels, and what breaks because it holds the old spelling as text.

Sources: PostgreSQL documentation, "System Catalogs" and pg_get_viewdef and its like, which spell a constant of
an enum with its cast ('admin'::userrole: it follows) and a text with the cast of the column (it does not).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from recover.enums import mending
from recover.enums.carriers import carriers
from recover.enums.drift import EnumType
from recover.enums.mending import Mend, Spelling
from recover.enums.positions import Hit, in_body, in_definition
from recover.enums.rewriting import literals
from recover.postgres import catalog
from recover.world import Row, SeeDatabase

_SQL = Path(__file__).with_suffix(".sql")

Certainty = Literal["sure", "likely", "possible"]
How = Literal["loud", "silent"]

DYNAMIC = "SQL that a function puts together at run time cannot be found"
"""What no scan can see."""

LOUD = frozenset({"check", "domain check", "default", "exclusion"})
"""Definitions that fail at the next write; every other one only stops matching."""


@dataclass(frozen=True)
class Change:
    """A type and what a repair makes of its labels: old spelling to new."""

    type: EnumType
    renames: Mapping[str, str]


@dataclass(frozen=True)
class Break:
    """An object that holds an old label as text. `how` it breaks: loudly (22P02, or a check) or silently (no rows).

    `mend` is its exact rewriting, None when there is none; `next` is then what to do by hand.
    """

    type: str
    object: str
    kind: str
    how: How
    certainty: Certainty
    why: str
    mend: Mend | None = None
    next: str = ""
    language: str = ""


def follows(database: SeeDatabase, oids: Sequence[int]) -> Mapping[int, tuple[str, ...]]:
    """Per type what is bound to it by oid, in words. Raises as `rows` does."""
    found: dict[int, list[str]] = {}
    if not oids:
        return {}
    told = carriers(database, oids).args(buried=True)
    rows = database.rows("what depends on the types", _named("follows", enums=told["enums"], types=told["types"]))
    for row in rows:
        found.setdefault(int(str(row["oid"])), []).append(str(row["object"]))
    return {oid: tuple(objects) for oid, objects in found.items()}


def breaks(database: SeeDatabase, changes: Sequence[Change]) -> tuple[Break, ...]:
    """Everything that would break. Raises as `rows` does. Dynamic SQL cannot be found."""
    changing = {change.type.oid: change for change in changes if change.renames}
    if not changing:
        return ()
    labels = sorted({old for change in changing.values() for old in change.renames})
    told = carriers(database, list(changing)).args(buried=False)
    args = {**told, "labels": labels}
    defined = database.rows("definitions that hold labels", _named("definitions", **args))
    bodies = database.rows("functions that hold labels", _named("bodies", labels=labels))
    wrapped = database.rows("what keeps what a function made", _named("wrapped", **args))
    fields = database.rows("columns of these names", _named("fields", **told)) if bodies else []
    found = [broken for rows in _by_object(defined) for broken in _defined(rows, changing)]
    found += [broken for row in bodies for broken in _body(row, list(changing.values()), fields)]
    found += [_wrapped(row, changing[row["oid"]]) for row in wrapped]  # type: ignore[index]
    return tuple(dict.fromkeys(found))


def wrappers(database: SeeDatabase, oids: Sequence[int]) -> list[Row]:
    """What keeps what a function made of labels of these types. Raises as `rows` does."""
    told = carriers(database, oids).args(buried=False)
    return database.rows("what keeps what a function made", _named("wrapped", **told, labels=[])) if oids else []


def _named(name: str, **args: object) -> Any:
    return catalog.named(name, _SQL, **args)


def _by_object(rows: Iterable[Row]) -> Iterable[list[Row]]:
    """The rows of one object together: it may hold labels of several types, and is rewritten once."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        found.setdefault((row["kind"], row["schema"], row["name"], row["relation"]), []).append(row)
    return found.values()


def _defined(rows: Sequence[Mapping[str, Any]], changing: Mapping[int, Change]) -> Iterable[Break]:
    """A definition that the server deparsed; a row for each type that it uses."""
    row = rows[0]
    texts = [row["definition"], *([row["more"]] if row["kind"] == "policy" else [])]
    spellings = [_spelling(each, changing[each["oid"]]) for each in rows]
    others = [Spelling(c.type, c.renames) for oid, c in changing.items() if oid not in {r["oid"] for r in rows}]
    hits = {
        s.type.sql: [h for text in texts for h in in_definition(text, s.type, s.renames, s.names)] for s in spellings
    }
    if not any(hits.values()) and row["kind"] != "materialized view":
        return
    exact = all(hit.sure and hit.exact for found in hits.values() for hit in found)
    mend = mending.of_definition(row, [*spellings, *others]) if exact else None
    for spelling in spellings:
        yield from _told(row, spelling, hits[spelling.type.sql], mend)


def _spelling(row: Mapping[str, Any], change: Change) -> Spelling:
    return Spelling(change.type, change.renames, frozenset(name for name in row["names"] if name not in row["others"]))


def _told(row: Mapping[str, Any], spelling: Spelling, hits: Sequence[Hit], mend: Mend | None) -> Iterable[Break]:
    object, kind = _name(row), row["kind"]
    if hits:
        how: How = "loud" if kind in LOUD else "silent"
        rest = _mend_or_next(mend, row, object)
        yield Break(spelling.type.sql, object, kind, how, _certainty(hits), _why(hits), *rest)
    elif kind == "materialized view" and mending.keeps_text(row["definition"], row["names"]):
        again = mending.refresh(row) if row["owned"] else None
        next = "" if again else f"connect as {row['owner']}, who owns it"
        yield Break(spelling.type.sql, object, kind, "silent", "likely", "it keeps the labels as text", again, next)


def _body(row: Mapping[str, Any], changes: Sequence[Change], fields: Sequence[Row]) -> Iterable[Break]:
    hits = _each_once({c.type.sql: list(in_body(row, c.type, c.renames, fields)) for c in changes})
    new = {hit.start: c.renames[hit.label] for c in changes for hit in hits[c.type.sql]}
    plain = row["language"] in ("sql", "plpgsql")
    exact = plain and all(hit.sure and hit.exact for found in hits.values() for hit in found)
    mend = mending.of_body(row, [Spelling(c.type, c.renames) for c in changes], new) if exact else None
    object = f"{row['kind']} {row['name']}"
    for change in changes:
        if found := hits[change.type.sql]:
            sure = [hit for hit in found if hit.sure]
            how: How = "silent" if sure and all(hit.as_text for hit in sure) else "loud"
            rest = _mend_or_next(mend, row, object)
            kind, type = row["kind"], change.type.sql
            yield Break(type, object, kind, how, _certainty(found), _why(found), *rest, row["language"])


def _each_once(hits: Mapping[str, Sequence[Hit]]) -> Mapping[str, list[Hit]]:
    """A place that is surely one type's is no other's, though both have the label."""
    sure = {hit.start for found in hits.values() for hit in found if hit.sure}
    return {type: [hit for hit in found if hit.sure or hit.start not in sure] for type, found in hits.items()}


def _wrapped(row: Mapping[str, Any], change: Change) -> Break:
    kind, name = row["kind"], row["name"]
    object = f"{kind} {name}"
    if kind == "aggregate":
        next = f"CREATE OR REPLACE AGGREGATE {name} (… INITCOND = {change.renames[row['definition']]!r})"
        return Break(change.type.sql, object, kind, "loud", "sure", f"it starts from {row['definition']!r}", None, next)
    why = f"it keeps what a function made of the labels: {row['definition']}"
    literal = any(literal.value in change.renames for literal in literals(row["definition"]))
    mend = mending.reindex(row) if kind == "index" and not literal and row["owned"] else None
    next = {
        "index": f"after the repair: DROP and CREATE it with the new labels, or REINDEX INDEX {name}",
        "generated column": f"after the repair: write its rows once, so that it is made anew: UPDATE {row['relation']}",
        "partition": f"move the rows of {row['relation']} to partitions of the new labels",
    }[kind]
    return Break(change.type.sql, object, kind, "silent", "sure", why, mend, "" if mend else next)


def _name(row: Mapping[str, Any]) -> str:
    if row["kind"] in ("view", "materialized view"):
        return f"{row['kind']} {row['relation']}"
    return f"{row['kind']} {row['name']} on {row['relation']}"


def _certainty(hits: Sequence[Hit]) -> Certainty:
    return "sure" if any(hit.sure for hit in hits) else "possible"


def _why(hits: Sequence[Hit]) -> str:
    places = "; ".join(dict.fromkeys(hit.excerpt for hit in hits))
    return f"it holds {', '.join(sorted({repr(hit.label) for hit in hits}))} as text: {places}"


def _mend_or_next(mend: Mend | None, row: Mapping[str, Any], object: str) -> tuple[Mend | None, str]:
    if mend is not None and row["owned"]:
        return mend, ""
    if mend is not None:
        return None, f"connect as {row['owner']}, who owns it"
    return None, f"after the repair, write {object} anew with the new labels"
