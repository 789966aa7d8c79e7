"""A diagnosis of enum drift for readers: text, JSON, JUnit, annotations of a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from xml.etree import ElementTree

from recover.enums.columns import ColumnDrift
from recover.enums.dependants import DYNAMIC, Break
from recover.enums.drift import Drift
from recover.enums.look import Diagnosis
from recover.enums.surroundings import Surroundings
from recover.visible import visible

WORDS = {
    "clean": "as expected",
    "order": "sorts its labels otherwise than expected (ORDER BY and < see it, an ORM does not)",
    "extra": "has labels that nobody expects and nothing uses",
    "missing": "lacks labels",
    "mismatch": "spells its labels otherwise",
    "swapped": "has labels that are to change places",
    "both": "holds rows of two labels that mean the same",
    "ambiguous": "cannot be told: it is ambiguous",
    "blocked": "cannot be repaired as it is",
}
"""What each state means, after the name of the type."""


def data(found: Diagnosis, around: Surroundings) -> dict[str, object]:
    """The whole diagnosis for machines."""
    return {
        "v": 1,
        "types": [_type(found, drift) for drift in found.drifts],
        "columns": [_column(drift) for drift in found.columns],
        "blocked": [{"why": r.reason, "where": r.object, "next": r.next} for r in found.refusals],
        "around": [{"kind": each.kind, "name": each.name, "detail": each.detail} for each in around.others],
    }


def text(found: Diagnosis, around: Surroundings, further: Sequence[str] = ()) -> list[str]:
    """The whole diagnosis for humans: a line per type, what a repair would do, and what is in its way.

    `further` is what else has to be minded.
    """
    lines = [line for drift in found.drifts for line in (_heading(drift), *_details(found, drift))]
    lines += [line for refusal in found.blocked for line in _blocked(refusal.object, refusal.reason, refusal.next)]
    lines += [line for drift in found.columns for line in _column_lines(drift)]
    if not found.clean:
        lines += [f"mind: {word}" for word in (*around.words(), *further, *([DYNAMIC] if found.todo else []))]
    return [*lines, "", summary(found)]


def summary(found: Diagnosis) -> str:
    """One sentence."""
    if found.refusals:
        return f"{len(found.drifts)} types: {len(found.refusals)} reasons why a repair would have to guess"
    drifted, both = len(found.todo) + len(found.columns_todo), len(found.drifts) + len(found.columns)
    what = "types and text columns" if found.columns else "types"
    return f"{drifted} of {both} {what} are not what the code expects" if drifted else f"{both} {what} are as expected"


def junit(found: Diagnosis) -> str:
    """A JUnit report: one test case per expected type, failed when it drifted."""
    suite = ElementTree.Element("testsuite", name="enums")
    suite.set("failures", str(len(_complaints(found))))
    complaints = dict(_complaints(found))
    names = [*(d.type.sql for d in found.drifts), *(str(d.column) for d in found.columns)]
    names += [r.object for r in found.blocked]
    suite.set("tests", str(len(names)))
    for name in names:
        case = ElementTree.SubElement(suite, "testcase", classname="recover.enums", name=name)
        if name in complaints:
            ElementTree.SubElement(case, "failure", message=complaints[name])
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def github(found: Diagnosis) -> list[str]:
    """Workflow commands that a pipeline shows beside a change: `::error title=…::…`."""
    return [f"::error title=enum drift in {_escaped(name)}::{_escaped(why)}" for name, why in _complaints(found)]


def _escaped(text: str) -> str:
    """GitHub documentation, "Workflow commands": %, CR and LF in a message, and : and , too in a property."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A").replace(":", "%3A").replace(",", "%2C")
    return visible(text)


def _complaints(found: Diagnosis) -> list[tuple[str, str]]:
    drifted = [(d.type.sql, f"{WORDS[d.state]}: {'; '.join(_changes(d))}") for d in found.todo]
    drifted += [(str(d.column), "; ".join(_column_changes(d))) for d in found.columns_todo]
    return [*drifted, *((r.object, r.reason) for r in found.blocked)]


def _type(found: Diagnosis, drift: Drift) -> Mapping[str, object]:
    return {
        "schema": drift.type.schema,
        "name": drift.type.name,
        "state": drift.state,
        "labels": list(drift.type.labels),
        "expected": list(drift.expected),
        "renames": {r.old: r.new for r in drift.renames},
        "add": [add.label for add in drift.adds],
        "extra": [extra.label for extra in drift.extras],
        "merges": [{"label": m.loser, "into": m.into, "rows": _rows(found, drift, m.loser)} for m in drift.merges],
        "columns": [
            {"table": f"{h.schema}.{h.table}", "column": h.column, "kind": h.shape}
            for h in found.holders.get(drift.type.oid, ())
        ],
        "follows": list(found.follows.get(drift.type.oid, ())),
        "breaks": [_break(each) for each in found.breaks if each.type == drift.type.sql],
    }


def _break(each: Break) -> Mapping[str, object]:
    mend = {"before": each.mend.before, "after": each.mend.after} if each.mend else None
    parts = {name: getattr(each, name) for name in ("object", "kind", "how", "certainty", "why", "next")}
    return {**parts, "mend": mend}


def _column(drift: ColumnDrift) -> Mapping[str, object]:
    return {
        "table": f"{drift.column.schema}.{drift.column.table}",
        "column": drift.column.column,
        "state": "clean" if drift.settled else "blocked" if drift.refusals else "mismatch",
        "values": list(drift.held),
        "expected": list(drift.expected),
        "changes": dict(drift.changes),
        "retype": drift.retype,
    }


def _column_lines(drift: ColumnDrift) -> Iterable[str]:
    yield f"{drift.column} {'as expected' if drift.settled else 'holds other values than expected'}"
    yield from (f"    {change}" for change in _column_changes(drift))
    for refusal in drift.refusals:
        yield from _blocked(refusal.object, refusal.reason, refusal.next)


def _column_changes(drift: ColumnDrift) -> Iterable[str]:
    yield from (f"{old!r} becomes {new!r}" for old, new in drift.changes.items())
    if drift.retype:
        yield f"it is {drift.column.called}, where the code expects {drift.retype}"
    if drift.default:
        yield f"its default becomes {drift.default!r}"
    yield from (refusal.reason for refusal in drift.refusals)


def _rows(found: Diagnosis, drift: Drift, label: str) -> int:
    return found.uses[drift.type.oid].count(label) if drift.type.oid in found.uses else 0


def _heading(drift: Drift) -> str:
    return f"{drift.type.sql} {WORDS[drift.state]}"


def _details(found: Diagnosis, drift: Drift) -> Iterable[str]:
    yield from (f"    {change}" for change in _changes(drift))
    if drift.state not in ("clean", "order", "extra"):
        columns = ", ".join(str(h) for h in found.holders.get(drift.type.oid, ()))
        yield f"    held by: {columns or 'no column'}"
    yield from (
        f"    breaks {b.how}ly ({b.certainty}): {b.object}: {b.why}" for b in found.breaks if b.type == drift.type.sql
    )
    for refusal in drift.refusals:
        yield from _blocked(refusal.object, refusal.reason, refusal.next)


def _changes(drift: Drift) -> Iterable[str]:
    yield from (f"{r.old!r} becomes {r.new!r}" for r in drift.renames)
    for merge in drift.merges:
        survivor = next((r.old for r in drift.renames if r.new == merge.into), merge.into)
        yield f"rows that hold {merge.loser!r} join those that hold {survivor!r}"
    yield from (f"{add.label!r} is missing" for add in drift.adds)
    yield from (f"{e.label!r} is extra{'' if e.used_in else ', and unused'}" for e in drift.extras)
    yield from (refusal.reason for refusal in drift.refusals)


def _blocked(where: str, why: str, next: str) -> Sequence[str]:
    return [f"    cannot: {where}: {why}", *([f"    next: {next}"] if next else [])]
