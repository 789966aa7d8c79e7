"""Scenes as a diagnosis sees them, made of plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from recover.diagnosis.causes import Cause, causes
from recover.diagnosis.questions import QUESTIONS
from recover.diagnosis.scene import Scene, Source
from recover.diagnosis.shapes import Shape
from recover.diagnosis.told import Told
from recover.evidence import Evidence
from recover.stack import ServiceState

NOW = datetime(2025, 8, 10, 12, tzinfo=UTC)
ENUM = "'{}' is not among the defined enum values. Enum name: role. Possible values: ADMIN, USER"


def state(name: str, status: str = "running", **more: Any) -> ServiceState:
    """A service that runs, and is ready unless said otherwise."""
    more = {"ready": status == "running", "started_at": NOW - timedelta(days=2), **more}
    return ServiceState(name, status, **more)  # type: ignore[arg-type]  # test data


def scene(
    *states: ServiceState,
    logs: Mapping[str, Sequence[str]] | None = None,
    answers: Mapping[str, Evidence] | None = None,
    **source: Any,
) -> Scene:
    """What was seen at noon of NOW."""
    made = Scene(Source(**source), {s.name: s for s in states}, answers=dict(answers or {}), now=NOW)
    for service, lines in (logs or {}).items():
        made.shapes.read(service, lines)
    return made


def line(words: str, *, ago: timedelta = timedelta(minutes=5), level: str = "ERROR") -> str:
    return f"{(NOW - ago).isoformat()} {level} app: {words}"


def cause(id: str) -> Cause:
    [found] = [cause for cause in causes() if cause.id == id]
    return found


def spoken(id: str, seen: Scene) -> tuple[Shape, ...]:
    """The shapes that speak of the cause."""
    return tuple(shape for shape in seen.shapes if cause(id).speaks_in(shape))


def asked(id: str, seen: Scene) -> Told:
    """The answer to the cause's question."""
    return QUESTIONS[cause(id).ask](seen, spoken(id, seen))


def passed(answer: str = "yes") -> Evidence:
    return Evidence("is it well?", answer, passed=True)


def failed(answer: str = "it answered 500", **more: Any) -> Evidence:
    return Evidence("is it well?", answer, passed=False, **more)
