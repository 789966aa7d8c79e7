"""Why a step failed, on one screen: expected and got, the services, the locks, the log, the likely cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from recover.checks.service import masked
from recover.diagnosis.data import locks
from recover.diagnosis.running import described
from recover.diagnosis.scene import ROUNDED
from recover.diagnosis.shapes import Shape
from recover.diagnosis.verdict import Verdict
from recover.journal.records import Record
from recover.report.diagnosis import safe
from recover.secrets import beginning

SHOWN = 4  # entries of a list
WIDE = 300  # characters of an entry


@dataclass(frozen=True)
class Account:
    """What the journal says of the last try of a step. `began` is UTC."""

    step: str
    name: str = ""
    began: datetime | None = None
    failed: Mapping[str, Any] | None = None
    left_off: str = ""
    acts: tuple[str, ...] = ()
    question: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Explanation:
    """The account of a step with what can be seen now. `services` are those that it is about."""

    account: Account
    verdict: Verdict
    services: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]


def account(records: Iterable[Record], step: str) -> Account:
    """What became of that step, the last time."""
    found = Account(step)
    for record in records:
        data = record.data
        if data.get("step") != step:
            continue
        match record.event:
            case "StepStarted":
                found = Account(step, data["name"], record.at)
            case "ActionStarted":
                found = replace(found, acts=(*found.acts, str(data["describe"]).partition("\n")[0]))
            case "CheckAnswered" if not data["evidence"]["passed"]:
                found = replace(found, question=data["evidence"]["question"], answer=data["evidence"]["answer"])
            case "StepFailed":
                found = replace(found, failed=data)
            case "StepIsolated":
                found = replace(found, left_off=data["because"])
    return found


def text(it: Explanation) -> list[str]:
    """The screen."""
    account, scene = it.account, it.verdict.scene
    lines = [f"why step {account.step} {_how(account)}"]
    lines += _entry("did", account.acts[-SHOWN:])
    lines += _entry("expected", [account.question])
    lines += _entry("got", _got(account))
    lines += _entry("services", _services(it).values())
    told = locks(scene, ())
    lines += _entry("locks", told.words.split("; ") if told.answer == "yes" else [])
    lines += _entry("log", [_line(shape) for shape in _said(it)])
    lines += _entry("likely", _likely(it.verdict))
    lines += _entry("not seen", [f"{what}: {why}" for what, why in scene.unseen.items()][:SHOWN])
    return [*lines, *(f"  {label + ':':<11} {command}" for label, command in it.commands)]


def data(it: Explanation) -> Mapping[str, object]:
    """The same for machines."""
    account, scene, root = it.account, it.verdict.scene, it.verdict.root
    told = locks(scene, ())
    return {
        "v": 1,
        "step": account.step,
        "how": _how(account),
        "did": list(account.acts),
        "expected": account.question,
        "got": _got(account),
        "services": _services(it),
        "locks": told.words if told.answer == "yes" else "",
        "log": [{"service": s.service, "level": s.level, "count": s.count, "shape": masked(s.text)} for s in _said(it)],
        "likely": {"cause": root.cause.id, "certain": root.certain, "evidence": root.told.words} if root else None,
        "next": dict(it.commands),
    }


def _how(account: Account) -> str:
    if account.failed:
        return "failed"
    return "was left off" if account.left_off else "has not ended" if account.began else "was not begun"


def _got(account: Account) -> list[str]:
    """The check's answer, or else the error with its place and reason (an SQLSTATE stands in it)."""
    error = [account.failed[part] for part in ("what", "where", "why")] if account.failed else [account.left_off]
    return [masked(text) for text in ([account.answer] if account.answer else error) if text]


def _services(it: Explanation) -> dict[str, str]:
    """How those are that it is about."""
    scene = it.verdict.scene
    return {name: described(scene.states[name], scene) for name in it.services if name in scene.states}


def _said(it: Explanation) -> Sequence[Shape]:
    """What went wrong in the log of the services that it is about since the step began, the most frequent first."""
    began, about = it.account.began, set(it.services)
    shapes = [s for s in it.verdict.scene.shapes if s.bad and (s.service in about or not about)]
    recent = [s for s in shapes if not (began and s.last and s.last < began - ROUNDED)]
    return sorted(recent, key=lambda shape: (shape.level == "warning", -shape.count))[:SHOWN]


def _line(shape: Shape) -> str:
    return f"{shape.count} x {shape.service}: {masked(shape.samples[0].splitlines()[-1].strip())}"


def _likely(verdict: Verdict) -> list[str]:
    root = verdict.root
    if root is None:
        return ["no cause that is known: recover diagnose looks at everything"]
    sure = "" if root.certain else " (not certain)"
    return [f"{root.cause.id}: {root.cause.meaning}{sure}", *root.told.words.split("; ")[:SHOWN]]


def _entry(label: str, lines: Iterable[str]) -> list[str]:
    cut = [beginning(safe(line), WIDE) for line in lines if line]
    return [f"  {f'{label}:' if n == 0 else '':<11} {line}" for n, line in enumerate(cut)]
