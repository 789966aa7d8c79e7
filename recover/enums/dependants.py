"""What follows a rename of labels, and what breaks because it holds the old spelling as text.

Sources: PostgreSQL documentation, "System Catalogs" and pg_get_viewdef and its like, which spell a constant of
an enum with its cast ('admin'::userrole: it follows) and a text with the cast of the column (it does not).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from recover.enums import mending
from recover.enums.bodies import in_body
from recover.enums.carriers import Carriers
from recover.enums.drift import EnumType
from recover.enums.familiar import familiar
from recover.enums.mending import Mend, Spelling
from recover.enums.positions import NOTHING, Columns, Hit, in_definition, keeps_text
from recover.enums.rewriting import elements, in_array
from recover.postgres import catalog
from recover.postgres.names import quote_literal
from recover.world import Row, SeeDatabase

_SQL = Path(__file__).with_suffix(".sql")

Certainty = Literal["sure", "likely", "possible"]
How = Literal["loud", "silent"]

DYNAMIC = "SQL that a function puts together at run time cannot be found"
"""What no scan can see."""

LOUD = frozenset({"check", "domain check", "default", "domain default"})
"""Definitions that fail at the next write; every other one only stops matching."""


@dataclass(frozen=True)
class Change:
    """A type and what a repair makes of its labels: old spelling to new."""

    type: EnumType
    renames: Mapping[str, str]


@dataclass(frozen=True)
class Break:
    """An object that holds an old label as text. `how` it breaks: loudly (22P02, or a check) or silently (no rows).

    `mend` is its exact rewriting, None when there is none; `next` is then what to do by hand. `routine` is a
    function as regprocedure takes it in any search_path.
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
    routine: str = ""


def follows(database: SeeDatabase, carrying: Carriers) -> Mapping[int, tuple[str, ...]]:
    """Per type what is bound to it by oid, in words. Raises as `rows` does."""
    found: dict[int, list[str]] = {}
    if not carrying.found:
        return {}
    whole = carrying.args(buried=True)
    rows = database.rows("what depends on the types", _named("follows", enums=whole["enums"], types=whole["types"]))
    told = familiar(database)
    for row in rows:
        found.setdefault(int(str(row["oid"])), []).append(told(str(row["object"])))
    return {oid: tuple(objects) for oid, objects in found.items()}


def breaks(database: SeeDatabase, changes: Sequence[Change], carrying: Carriers) -> tuple[Break, ...]:
    """Everything that would break, in the order in which mends have to run, be it to do or to undo.

    `carrying` are the carriers of the changing types. Raises as `rows` does. Dynamic SQL cannot be found.
    """
    changing = {change.type.oid: change for change in changes if change.renames}
    if not changing:
        return ()
    labels = _written(tuple(sorted({old for change in changing.values() for old in change.renames})))
    told, whole = carrying.args(buried=False), carrying.args(buried=True)
    args = {**told, "labels": labels}
    names = database.rows("the types' names", _named("spelled", oids=list(changing)))
    plain = {
        int(str(row["oid"])): Spelling(changing[row["oid"]].type, changing[row["oid"]].renames, str(row["spelled"]))  # type: ignore[index]
        for row in names
    }
    made = database.rows("texts that views make of labels", _named("made", **told))
    views = {f"made_{name}": [row[name] for row in made] for name in ("enums", "relations", "numbers", "names")}
    defined = database.rows("definitions that hold labels", _named("definitions", **args, **views))
    bodies = database.rows("functions that hold labels", _named("bodies", **args))
    wrapped = database.rows("what keeps what a function made", _named("wrapped", **whole, labels=labels))
    fields = database.rows("columns of these names", _named("fields", **told)) if bodies else []
    near = _by_place(fields)
    found = [broken for row in bodies for broken in _body(row, plain, near)]
    found += [broken for rows in _by_object(defined) for broken in _defined(rows, plain)]
    found += [broken for row in wrapped for broken in _wrapped(row, changing[row["oid"]])]  # type: ignore[index]
    said = familiar(database) if found else str
    found = [replace(b, object=said(b.object), why=said(b.why), next=said(b.next)) for b in found]
    return tuple(sorted(dict.fromkeys(found), key=_turn))


def _turn(broken: Break) -> int:
    """What is made of others comes after them."""
    return {"index": 1, "materialized view": 2}.get(broken.kind, 0)


def wrappers(database: SeeDatabase, carrying: Carriers) -> list[Row]:
    """What keeps what a function made of labels of these types. Raises as `rows` does."""
    told = carrying.args(buried=True)
    rows = "what keeps what a function made"
    return database.rows(rows, _named("wrapped", **told, labels=[])) if carrying.found else []


def _named(name: str, **args: object) -> Any:
    return catalog.named(name, _SQL, **args)


@lru_cache(maxsize=4096)
def _written(labels: tuple[str, ...]) -> list[str]:
    """The labels in every way that SQL may spell them in a literal."""
    quoted = {spelling for label in labels for spelling in (label, label.replace("'", "''"))}
    return sorted({spelling for text in quoted for spelling in (text, text.replace("\\", "\\\\"))})


def _by_object(rows: Iterable[Row]) -> Iterable[list[Row]]:
    """The rows of one object together: it may hold labels of several types, and is rewritten once."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        found.setdefault((row["kind"], row["schema"], row["name"], row["relation"]), []).append(row)
    return found.values()


def _by_place(fields: Iterable[Row]) -> Mapping[object, Sequence[Row]]:
    """The columns by the name of their table, and by its oid."""
    found: dict[object, list[Row]] = {}
    for field in fields:
        found.setdefault(field["table"], []).append(field)
        found.setdefault(field["relation"], []).append(field)
    return found


def _defined(rows: Sequence[Mapping[str, Any]], plain: Mapping[int, Spelling]) -> Iterable[Break]:
    """A definition that the server deparsed; a row for each type that it uses."""
    row = rows[0]
    texts = [row["definition"], *([row["more"]] if row["kind"] == "policy" else [])]
    spellings = [replace(plain[each["oid"]], columns=_columns(each)) for each in rows]
    parts = [
        _each_once({s.type.sql: list(in_definition(text, s.spelled, s.renames, s.columns)) for s in spellings})
        for text in texts
    ]
    new = [
        {hit.start: hit.respelled(s.renames) for s in spellings for hit in part[s.type.sql] if hit.sure}
        for part in parts
    ]
    if not any(found for part in parts for found in part.values()) and row["kind"] != "materialized view":
        return
    exact = _is_exact(hit for part in parts for found in part.values() for hit in found)
    mend = mending.of_definition(row, plain.values(), new) if exact else None
    hits = {s.type.sql: [hit for part in parts for hit in part[s.type.sql]] for s in spellings}
    for spelling in spellings:
        yield from _told(row, spelling, hits[spelling.type.sql], mend)


def _columns(row: Mapping[str, Any]) -> Columns:
    names, others, texts, made = ({*row[kind]} for kind in ("names", "others", "texts", "made"))
    return Columns(names - others, made | (names & others), texts - names - made)


def _told(row: Mapping[str, Any], spelling: Spelling, hits: Sequence[Hit], mend: Mend | None) -> Iterable[Break]:
    object, kind = _name(row), row["kind"]
    if hits:
        how: How = "loud" if kind in LOUD else "silent"
        rest = _mend_or_next(mend, row, object)
        yield Break(spelling.type.sql, object, kind, how, _certainty(hits), _why(hits), *rest)
    elif kind == "materialized view" and (row["made"] or keeps_text(row["definition"], set(row["names"]))):
        again = mending.refresh(row) if row["owned"] else None
        next = "" if again else f"connect as {row['owner']}, who owns it"
        yield Break(spelling.type.sql, object, kind, "silent", "likely", "it keeps the labels as text", again, next)


def _body(
    row: Mapping[str, Any], plain: Mapping[int, Spelling], near: Mapping[object, Sequence[Row]]
) -> Iterable[Break]:
    changes = [s for s in plain.values() if any(label in row["body"] for label in _written(tuple(s.renames)))]
    hits = _each_once({s.type.sql: list(in_body(row, s.type, s.renames, near)) for s in changes})
    new = {hit.start: s.renames[hit.label] for s in changes for hit in hits[s.type.sql]}
    exact = row["language"] in ("sql", "plpgsql") and _is_exact(hit for found in hits.values() for hit in found)
    mend = mending.of_body(row, plain.values(), new) if exact else None
    object = f"{row['kind']} {row['name']}"
    for change in changes:
        if found := hits[change.type.sql]:
            sure = [hit for hit in found if hit.sure]
            how: How = "silent" if sure and all(hit.as_text for hit in sure) else "loud"
            rest = _mend_or_next(mend, row, object)
            kind, type = row["kind"], change.type.sql
            yield Break(type, object, kind, how, _certainty(found), _why(found), *rest, row["language"], row["name"])


def _each_once(hits: Mapping[str, Sequence[Hit]]) -> Mapping[str, list[Hit]]:
    """A place that is surely one type's is no other's, though both have the label."""
    sure = {hit.start for found in hits.values() for hit in found if hit.sure}
    return {type: [hit for hit in found if hit.sure or hit.start not in sure] for type, found in hits.items()}


def _wrapped(row: Mapping[str, Any], change: Change) -> Iterable[Break]:
    if row["kind"] == "aggregate":
        yield from _aggregate(row, change)
        return
    kind, name = row["kind"], row["name"]
    why = f"it keeps what a function made of the labels: {row['definition']}"
    told = in_definition(row["definition"], "", change.renames, NOTHING)
    mend = mending.reindex(row) if kind == "index" and not any(told) and row["owned"] else None
    next = {
        "index": f"after the repair: DROP and CREATE it with the new labels, or REINDEX INDEX {name}",
        "generated column": f"after the repair: write its rows once, so that it is made anew: UPDATE {row['relation']}",
        "partition": f"move the rows of {row['relation']} to partitions of the new labels",
    }[kind]
    yield Break(change.type.sql, f"{kind} {name}", kind, "silent", "sure", why, mend, "" if mend else next)


def _aggregate(row: Mapping[str, Any], change: Change) -> Iterable[Break]:
    """An aggregate whose state is of the type, or of an array of it."""
    name, start = row["name"], row["definition"]
    if not {start, *(elements(start) if start.startswith("{") else ())} & change.renames.keys():
        return
    new = quote_literal(change.renames.get(start) or in_array(start, change.renames)).lstrip()
    next = f"CREATE OR REPLACE AGGREGATE {name} (… INITCOND = {new})"
    yield Break(
        change.type.sql, f"aggregate {name}", "aggregate", "loud", "sure", f"it starts from {start!r}", None, next
    )


def _name(row: Mapping[str, Any]) -> str:
    if row["kind"] in ("view", "materialized view"):
        return f"{row['kind']} {row['relation']}"
    return f"{row['kind']} {row['name']} on {row['relation']}"


def _is_exact(hits: Iterable[Hit]) -> bool:
    """Whether every place that may be the enum surely is, and all there is to do is to exchange it."""
    wanted = [hit for hit in hits if not hit.foreign]
    return bool(wanted) and all(hit.sure and hit.exact for hit in wanted)


def _certainty(hits: Sequence[Hit]) -> Certainty:
    return "sure" if any(hit.sure for hit in hits) else "likely" if any(hit.likely for hit in hits) else "possible"


def _why(hits: Sequence[Hit]) -> str:
    places = "; ".join(dict.fromkeys(hit.excerpt for hit in hits))
    return f"it holds {', '.join(sorted({repr(hit.label) for hit in hits}))} as text: {places}"


def _mend_or_next(mend: Mend | None, row: Mapping[str, Any], object: str) -> tuple[Mend | None, str]:
    if mend is not None and row["owned"]:
        return mend, ""
    if mend is not None:
        return None, f"connect as {row['owner']}, who owns it"
    return None, f"after the repair, write {object} anew with the new labels"
