"""The plan of a repair as a file: what was found, exactly what would be done, and what takes it back.

It is made again from the database just before the repair; only an equal one is carried out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from recover import __version__, inputs
from recover.enums.choices import Choices
from recover.enums.expected import Expected
from recover.enums.repair import Repair
from recover.errors import Drifted, Unreadable, UsageError
from recover.plain import load

VERSION = 1


@dataclass(frozen=True)
class PlanFile:
    """What a plan file says. `database` are the cluster's system_identifier and the database's name."""

    digest: str
    database: Mapping[str, str]
    expected: Expected
    choices: Choices
    before: Mapping[str, tuple[str, ...]]
    statements: tuple[str, ...]


def identified(identity: Mapping[str, str]) -> dict[str, str]:
    """The part of a database's identity that a plan is bound to."""
    return {name: identity[name] for name in ("system_identifier", "database")}


def text(
    repair: Repair, expected: Expected, choices: Choices, identity: Mapping[str, str], minded: Sequence[str]
) -> str:
    """The file, as indented JSON."""
    value = {
        "v": VERSION,
        "tool": f"recover {__version__}",
        "sha256": repair.digest,
        "database": identified(identity),
        "expected": asdict(expected),
        "choices": asdict(choices),
        "labels": {"before": repair.before, "after": repair.after},
        "statements": list(repair.statements),
        "undo": list(repair.undo),
        "dependants": [{"object": o, "before": before, "after": after} for o, before, after in repair.dependants],
        "mind": list(minded),
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def read(path: Path) -> PlanFile:
    """The plan in the file. Raises UsageError for a file that is none."""
    again = f"recover enums plan -o {path}"
    try:
        value = inputs.json_object(path, inputs.PLAN)
        if value["v"] != VERSION:
            raise UsageError(f"this recover cannot read a plan of version {value['v']!r}", where=str(path))
        told = {
            "digest": value["sha256"],
            "database": identified(value["database"]),
            "expected": value["expected"],
            "choices": value["choices"],
            "before": value["labels"]["before"],
            "statements": value["statements"],
        }
        return load(PlanFile, told)
    except OSError as error:
        raise Unreadable.of(path, error, next=again) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError("this is not a plan of a repair", where=str(path), why=str(error), next=again) from None


def require_same(plan: PlanFile, repair: Repair, identity: Mapping[str, str]) -> None:
    """Raise Drifted, saying what differs, unless the repair that is needed now is the planned one."""
    if plan.database != identified(identity):
        raise Drifted(
            "this is another database than the plan is for",
            why=f"planned: {_told(plan.database)}; here: {_told(identified(identity))}",
            next="recover enums plan -o …, on this database",
        )
    if plan.digest != repair.digest:
        raise Drifted(
            "the database has changed since the plan was made",
            why="\n".join(_differences(plan, repair)) or "the way back differs",
            next="recover enums plan -o …, and look at it again",
        )


def _told(database: Mapping[str, str]) -> str:
    return f"database {database['database']} of cluster {database['system_identifier']}"


def _differences(plan: PlanFile, repair: Repair) -> list[str]:
    now = {name: tuple(labels) for name, labels in repair.before.items()}
    labels = [
        f"{name}: planned for {list(plan.before.get(name, ()))}, has {list(now.get(name, ()))}"
        for name in sorted({*plan.before, *now})
        if plan.before.get(name) != now.get(name)
    ]
    gone = [f"no longer needed: {sql}" for sql in plan.statements if sql not in repair.statements]
    new = [f"needed now: {sql}" for sql in repair.statements if sql not in plan.statements]
    return [*labels, *gone, *new]
